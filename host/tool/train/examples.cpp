#include <algorithm>
#include <cmath>
#include <optional>

#include "host/base/check.hpp"
#include "host/tool/train/tasks.hpp"

namespace ragtime {
namespace {

Time time_of_days(double days) {
  return std::llround(days * static_cast<double>(time_per_day));
}

std::int32_t visits_of(const Cohort& cohort, std::int64_t patient) {
  return visits_by(cohort, patient, last_time_of_all);
}

// When a visit has the code, if it does.
std::optional<Time> time_of_code(const Cohort& cohort, std::int64_t visit, std::int32_t code) {
  const auto codes = cohort.visit_codes(visit);
  const auto found = std::lower_bound(codes.begin(), codes.end(), code);
  if (found == codes.end() || *found != code) return std::nullopt;
  return cohort.code_times[cohort.code_offsets[visit] + (found - codes.begin())];
}

// When each of a patient's visits that hold the code has it, ascending.
std::vector<Time> occurrences(const Cohort& cohort, std::int64_t patient, std::int32_t code) {
  std::vector<Time> times;
  for (std::int64_t visit = cohort.visit_offsets[patient]; visit < cohort.visit_offsets[patient + 1]; ++visit)
    if (const auto time = time_of_code(cohort, visit, code)) times.push_back(*time);
  std::sort(times.begin(), times.end());
  return times;
}

void check_label(const PatientLabel& label, Task task) {
  const auto refuse = [&](const char* expected) {
    fail(ErrorCode::invalid_argument, "label of patient ", label.patient_id, " is ", label.label,
         ": expected ", expected, " for ", name_of(task));
  };
  if (task == Task::binary_classification && label.label != 0 && label.label != 1) refuse("0 or 1");
  if (task == Task::regression && !std::isfinite(static_cast<float>(label.label))) refuse("a finite number");
  if (task == Task::multi_class) {
    constexpr double largest_class = 1 << 20;
    if (!(label.label >= 0 && label.label < largest_class) || label.label != std::floor(label.label))
      refuse("a class, an integer from 0 to 1048575,");
  }
}

// The last moment that may be input. Where a label or an event has a date without a time of day, the event is
// no input to a label of the same date.
Time limit_of(const Cohort& cohort, const PatientLabel& label, bool before) {
  Time until = label.until - (before ? 1 : 0);
  if (!label.time) return until;
  if (label.time->date_only) until -= std::max<Time>(cohort.east_offset, 0);
  // West of the data's dates, the label's day goes on when the date of that name is over.
  const Time end_of_date = (label.time->day() + 1) * time_per_day - cohort.west_offset - 1;
  return end_of_date < until ? end_of_date - 1 : until;
}

// What the labels are, checked against the task.
void add_values(const LabelTable& table, ExampleSet& set) {
  check(!table.is_categorical || set.options.task == Task::multi_class, ErrorCode::invalid_argument,
        set.options.labels_file, " has categorical_value: expected ",
        set.options.task == Task::regression ? "float_value or integer_value" : "boolean_value", " for ",
        name_of(set.options.task));
  set.class_names = table.classes;
  set.classes = std::max<std::int64_t>(1, static_cast<std::int64_t>(table.classes.size()));
  for (const PatientLabel& label : table.labels) check_label(label, set.options.task);
}

// An example for each label of a patient with a visit by its time.
void add_labelled(const Cohort& cohort, const LabelTable& table, ExampleSet& set) {
  check(table.has_times || !set.options.before, ErrorCode::invalid_argument, "--before with ",
        set.options.labels_file,
        ", which has no prediction times: expected the columns subject_id,prediction_time");
  struct Labelled {
    Example example;
    const PatientLabel* label;
  };
  std::vector<Labelled> labelled;
  std::vector<std::uint8_t> is_named(static_cast<std::size_t>(cohort.patients()));
  for (const PatientLabel& label : table.labels) {
    const std::int64_t patient = cohort.find_patient(label.patient_id);
    if (patient < 0) {
      ++set.unmatched_labels;
      continue;
    }
    is_named[patient] = 1;
    Example example{.patient = patient, .label = label.label};
    example.until = limit_of(cohort, label, set.options.before);
    example.visits = visits_by(cohort, patient, example.until);
    if (example.visits == 0) {
      ++set.labels_before_data;
      continue;
    }
    if (set.options.task == Task::multi_class)
      set.classes = std::max(set.classes, static_cast<std::int64_t>(label.label) + 1);
    labelled.push_back({example, &label});
  }
  std::stable_sort(labelled.begin(), labelled.end(), [](const Labelled& a, const Labelled& b) {
    return std::pair(a.example.patient, a.example.until) < std::pair(b.example.patient, b.example.until);
  });
  for (const Labelled& entry : labelled) {
    set.examples.push_back(entry.example);
    if (table.has_times) set.time_texts.push_back(entry.label->time_text);
  }
  set.unlabelled = std::count(is_named.begin(), is_named.end(), 0);
}

// Where the order within a day is not known, no visit of that day counts as before the code.
std::int32_t visits_before(const Cohort& cohort, std::int64_t patient, std::int32_t visit) {
  const std::int64_t first = cohort.visit_offsets[patient];
  if (cohort.visit_times[first + visit] < cohort.visit_ends[first + visit]) return visit;
  while (visit > 0 && cohort.visit_ends[first + visit - 1] == cohort.visit_ends[first + visit]) --visit;
  return visit;
}

// The visit in which a patient first has the code; the number of visits when none has.
std::int32_t first_occurrence(const Cohort& cohort, std::int64_t patient, std::int32_t code) {
  const std::int32_t visits = visits_of(cohort, patient);
  std::int32_t first = visits;
  Time earliest = last_time_of_all;
  for (std::int32_t t = 0; t < visits; ++t)
    if (const auto time = time_of_code(cohort, cohort.visit_offsets[patient] + t, code);
        time && *time < earliest) {
      earliest = *time;
      first = t;
    }
  return first;
}

// survival: only what stands before the code is input, so that no prediction knows what it is asked for.
void add_survival(const Cohort& cohort, ExampleSet& set) {
  for (std::int64_t patient = 0; patient < cohort.patients(); ++patient) {
    const std::int64_t begin = cohort.visit_offsets[patient];
    Example example{.patient = patient, .visits = visits_of(cohort, patient)};
    if (const std::int32_t first = first_occurrence(cohort, patient, set.label_code);
        first < example.visits) {
      example.observed = true;
      // Of visits that began before, what was known when that of the code began.
      example.until = cohort.visit_times[begin + first] - 1;
      example.visits = 0;
      for (std::int32_t t = 0; t < visits_before(cohort, patient, first); ++t)
        example.visits += is_known_by(cohort, begin + t, example.until);
    }
    if (example.visits == 0) {
      ++set.event_at_first_visit;
      continue;
    }
    // The hazard at visit t concerns visit t + 1.
    example.event_time = example.observed ? example.visits - 1 : example.visits - 2;
    if (example.event_time < 0) {
      ++set.uninformative;
      continue;
    }
    set.examples.push_back(example);
  }
}

void add_next_visit(const Cohort& cohort, ExampleSet& set) {
  for (std::int64_t patient = 0; patient < cohort.patients(); ++patient) {
    const Example example{.patient = patient, .visits = visits_of(cohort, patient)};
    if (example.visits > 1)
      set.examples.push_back(example);
    else
      ++set.uninformative;
  }
}

// Examples whose label is whether the code occurs in a window after the prediction time.
class WindowExamples {
 public:
  WindowExamples(const Cohort& cohort, std::uint64_t seed, ExampleSet& set)
      : cohort_(cohort),
        seed_(seed),
        set_(set),
        gap_(time_of_days(set.options.gap_days)),
        horizon_(time_of_days(set.options.horizon_days)) {}

  void add(std::int64_t patient) {
    ++set_.flow.patients;
    const std::vector<Time> code_times = occurrences(cohort_, patient, set_.label_code);
    Example rows{.patient = patient};  // visit_binary
    rows.first_row = static_cast<std::int64_t>(set_.row_values.size());
    bool has_history = false, is_used = false;
    for (const PredictionPoint& point : prediction_points(cohort_, patient, set_.options.predict_at, seed_)) {
      if (point.visits == 0) continue;
      has_history = true;
      if (!is_usable(patient, point, code_times)) continue;
      is_used = true;
      const bool positive = occurs_in_window(point, code_times);
      set_.flow.positives += positive;
      if (set_.options.task == Task::visit_binary) {
        add_row(rows, point.visit, positive);
      } else {
        Example example{.patient = patient, .visits = point.visits, .until = point.time};
        example.label = positive ? 1 : 0;
        set_.examples.push_back(example);
      }
    }
    set_.flow.without_history += !has_history;
    set_.flow.used_patients += is_used;
    if (rows.visits > 0) set_.examples.push_back(rows);
  }

 private:
  bool is_usable(std::int64_t patient, const PredictionPoint& point, const std::vector<Time>& code_times) {
    ++set_.flow.times;
    if (!code_times.empty() && code_times.front() <= point.time) {
      ++set_.flow.code_before;
      return false;
    }
    if (point.time + gap_ + horizon_ > set_.observation.ends[patient]) {
      ++set_.flow.unobserved;
      return false;
    }
    ++set_.flow.used;
    return true;
  }

  bool occurs_in_window(const PredictionPoint& point, const std::vector<Time>& code_times) const {
    const Time begin = point.time + gap_;
    const auto next = std::upper_bound(code_times.begin(), code_times.end(), begin);
    return next != code_times.end() && *next <= begin + horizon_;
  }

  // The rows up to the last prediction; those between are input alone.
  void add_row(Example& rows, std::int32_t visit, bool positive) {
    set_.row_values.resize(static_cast<std::size_t>(rows.first_row + visit + 1));
    set_.row_weights.resize(set_.row_values.size());
    set_.row_values.back() = positive ? 1.0f : 0.0f;
    set_.row_weights.back() = 1.0f;
    rows.visits = visit + 1;
  }

  const Cohort& cohort_;
  const std::uint64_t seed_;
  ExampleSet& set_;
  const Time gap_, horizon_;
};

std::int32_t find_label_code(const Cohort& cohort, const std::string& code) {
  const std::int32_t found = cohort.find_code(code);
  check(found >= 0, ErrorCode::invalid_argument, "--label-code is ", code,
        ": no visit of the data holds this code");
  return found;
}

}  // namespace

ExampleSet window_examples(const Cohort& cohort, const TaskOptions& options, const TaskFiles& files,
                           std::uint64_t seed) {
  ExampleSet set;
  set.options = options;
  set.label_code = find_label_code(cohort, options.label_code);
  set.observation = observation_ends(cohort, options.observed_until, files.observed_until);
  WindowExamples window(cohort, seed, set);
  for (std::int64_t patient = 0; patient < cohort.patients(); ++patient) window.add(patient);
  return set;
}

ExampleSet training_examples(const Cohort& cohort, const TaskOptions& options, const TaskFiles& files,
                             std::uint64_t seed) {
  validate(options);
  if (has_window(options)) {
    ExampleSet set = window_examples(cohort, options, files, seed);
    check(!set.examples.empty(), ErrorCode::invalid_argument, "--predict-at ", options.predict_at.text,
          ": no example is left of ", set.flow.patients, " patients; ", set.flow.without_history,
          " have no visit by then; of ", set.flow.times, " prediction times ", set.flow.code_before, " have ",
          options.label_code, " at or before them and ", set.flow.unobserved,
          " are not observed to the end of the window; ", set.observation.without_end,
          " patients have no end of observation");
    return set;
  }
  ExampleSet set;
  set.options = options;
  if (!options.label_code.empty()) set.label_code = find_label_code(cohort, options.label_code);
  if (!options.labels_file.empty()) {
    add_values(files.labels, set);
    add_labelled(cohort, files.labels, set);
    const auto labels = static_cast<std::int64_t>(files.labels.labels.size());
    check(set.unmatched_labels < labels, ErrorCode::invalid_argument, options.labels_file, ": none of its ",
          labels, files.labels.has_times ? " labels is of a patient" : " patients is", " in the data");
    check(!set.examples.empty(), ErrorCode::invalid_argument, options.labels_file,
          ": every label is of a time before the patient's first event");
    return set;
  }
  if (options.task == Task::survival)
    add_survival(cohort, set);
  else
    add_next_visit(cohort, set);
  check(!set.examples.empty(), ErrorCode::invalid_argument, "--task ", name_of(options.task),
        ": no patient of the data has a target to learn from");
  return set;
}

ExampleSet prediction_examples(const Cohort& cohort, const TaskOptions& options, Time until) {
  ExampleSet set;
  set.options = options;
  for (std::int64_t patient = 0; patient < cohort.patients(); ++patient) {
    const std::int32_t visits = visits_by(cohort, patient, until);
    if (visits > 0) set.examples.push_back({.patient = patient, .visits = visits, .until = until});
  }
  return set;
}

ExampleSet prediction_examples(const Cohort& cohort, const TaskOptions& options, const LabelTable& labels) {
  ExampleSet set;
  set.options = options;
  add_labelled(cohort, labels, set);
  check(set.unmatched_labels < static_cast<std::int64_t>(labels.labels.size()), ErrorCode::invalid_argument,
        options.labels_file, ": none of its ", labels.labels.size(), " labels is of a patient in the data");
  return set;
}

TargetCount count_targets(const ExampleSet& set, std::span<const std::int32_t> indices) {
  TargetCount count;
  for (const std::int32_t index : indices) {
    const Example& example = set.examples[index];
    if (set.options.task == Task::visit_binary) {
      for (std::int64_t row = example.first_row; row < example.first_row + example.visits; ++row) {
        count.targets += set.row_weights[row] > 0;
        count.positives += set.row_weights[row] > 0 && set.row_values[row] > 0;
      }
    } else {
      ++count.targets;
      count.positives += set.options.task == Task::survival ? example.observed : example.label > 0;
    }
  }
  return count;
}

}  // namespace ragtime
