#include "host/train/tasks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/core/check.hpp"

namespace ragtime {
namespace {

bool has_code(const Cohort& cohort, std::int64_t visit, std::int32_t code) {
  const auto codes = cohort.visit_codes(visit);
  return std::binary_search(codes.begin(), codes.end(), code);
}

std::int32_t visits_of(const Cohort& cohort, std::int64_t patient) {
  const std::int64_t visits = cohort.visit_offsets[patient + 1] - cohort.visit_offsets[patient];
  check(visits <= std::numeric_limits<std::int32_t>::max(), ErrorCode::out_of_range, "patient ",
        cohort.patient_ids[patient], " has ", visits, " visits: expected fewer than 2^31");
  return static_cast<std::int32_t>(visits);
}

// Visit of the patient's first occurrence of the code; the number of visits when there is none.
std::int32_t first_occurrence(const Cohort& cohort, std::int64_t patient, std::int32_t code) {
  const std::int32_t visits = visits_of(cohort, patient);
  for (std::int32_t t = 0; t < visits; ++t)
    if (has_code(cohort, cohort.visit_offsets[patient] + t, code)) return t;
  return visits;
}

// Target and weight of each of a patient's visits: does the code occur in (time, time + horizon]? A no whose
// window reaches beyond the last visit is not known to be one.
void append_window_targets(const Cohort& cohort, const ExampleSet& set, const Example& example,
                           HostTargets& targets) {
  const std::int64_t first = cohort.visit_offsets[example.patient];
  const double horizon = set.options.horizon_days * static_cast<double>(time_per_day);
  std::vector<std::int64_t> occurrences;  // times, ascending
  for (std::int32_t t = 0; t < example.visits; ++t)
    if (has_code(cohort, first + t, set.label_code)) occurrences.push_back(cohort.visit_times[first + t]);
  const auto last = static_cast<double>(cohort.visit_times[first + example.visits - 1]);
  for (std::int32_t t = 0; t < example.visits; ++t) {
    const std::int64_t time = cohort.visit_times[first + t];
    const double end = static_cast<double>(time) + horizon;
    const auto next = std::upper_bound(occurrences.begin(), occurrences.end(), time);
    const bool positive = next != occurrences.end() && static_cast<double>(*next) <= end;
    targets.values.push_back(positive ? 1.0f : 0.0f);
    targets.row_weight.push_back(positive || end <= last ? 1.0f : 0.0f);
  }
}

bool has_weight(const Cohort& cohort, const ExampleSet& set, const Example& example) {
  if (set.options.task == Task::next_visit) return example.visits > 1;
  HostTargets targets;
  append_window_targets(cohort, set, example, targets);
  return std::any_of(targets.row_weight.begin(), targets.row_weight.end(),
                     [](float weight) { return weight > 0; });
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

void add_labelled(const Cohort& cohort, std::span<const PatientLabel> labels, ExampleSet& set) {
  for (const PatientLabel& label : labels) {
    check_label(label, set.options.task);
    const std::int64_t patient = cohort.find_patient(label.patient_id);
    if (patient < 0) {
      ++set.unmatched_labels;
      continue;
    }
    Example example{.patient = patient, .visits = visits_of(cohort, patient), .label = label.label};
    if (set.options.task == Task::multi_class)
      set.classes = std::max(set.classes, static_cast<std::int64_t>(label.label) + 1);
    set.examples.push_back(example);
  }
  set.unlabelled = cohort.patients() - static_cast<std::int64_t>(set.examples.size());
  std::sort(set.examples.begin(), set.examples.end(),
            [](const Example& a, const Example& b) { return a.patient < b.patient; });
}

// Only what stands before the code is input, so that no prediction knows what it is asked for.
void add_cut_at_code(const Cohort& cohort, ExampleSet& set) {
  for (std::int64_t patient = 0; patient < cohort.patients(); ++patient) {
    const std::int32_t first = first_occurrence(cohort, patient, set.label_code);
    if (first == 0) {
      ++set.event_at_first_visit;
      continue;
    }
    Example example{.patient = patient, .visits = first};
    example.observed = first < visits_of(cohort, patient);
    example.label = example.observed ? 1 : 0;
    // The hazard at visit t concerns visit t + 1.
    example.event_time = example.observed ? first - 1 : first - 2;
    if (set.options.task == Task::survival && example.event_time < 0) {
      ++set.uninformative;
      continue;
    }
    set.examples.push_back(example);
  }
}

void add_visit_level(const Cohort& cohort, ExampleSet& set) {
  for (std::int64_t patient = 0; patient < cohort.patients(); ++patient) {
    const Example example{.patient = patient, .visits = visits_of(cohort, patient)};
    if (has_weight(cohort, set, example)) {
      set.examples.push_back(example);
    } else {
      ++set.uninformative;
    }
  }
}

}  // namespace

void validate(const TaskOptions& options) {
  const bool code = !options.label_code.empty();
  const bool file = !options.labels_file.empty();
  const char* task = name_of(options.task);
  const auto require = [](bool condition, const auto&... parts) {
    check(condition, ErrorCode::invalid_argument, parts...);
  };
  require(!(code && file), "--label-code and --labels are both given: expected one of them");
  require(std::isfinite(options.horizon_days) && options.horizon_days > 0 && options.horizon_days <= 1e6,
          "--horizon-days is ", options.horizon_days, ": expected a number above 0, at most 1000000");
  switch (options.task) {
    case Task::binary_classification:
      require(code || file, "--task ", task, " needs --label-code or --labels");
      break;
    case Task::multi_class:
    case Task::regression:
      require(file && !code, "--task ", task, " needs --labels, a file of patient_id,label");
      break;
    case Task::visit_binary:
    case Task::survival:
      require(code && !file, "--task ", task, " needs --label-code, the code to foresee");
      break;
    case Task::next_visit:
      require(!code && !file, "--task ", task,
              " learns from the visits alone: expected neither --label-code ", "nor --labels");
      break;
  }
}

ExampleSet training_examples(const Cohort& cohort, const TaskOptions& options,
                             std::span<const PatientLabel> labels) {
  validate(options);
  ExampleSet set;
  set.options = options;
  if (!options.label_code.empty()) {
    set.label_code = cohort.find_code(options.label_code);
    check(set.label_code >= 0, ErrorCode::invalid_argument, "--label-code is ", options.label_code,
          ": no visit of the data holds this code");
  }
  if (!options.labels_file.empty()) {
    add_labelled(cohort, labels, set);
    check(!set.examples.empty(), ErrorCode::invalid_argument, options.labels_file, ": none of its ",
          labels.size(), " patients is in the data");
  } else if (options.task == Task::binary_classification || options.task == Task::survival) {
    add_cut_at_code(cohort, set);
  } else {
    add_visit_level(cohort, set);
  }
  check(!set.examples.empty(), ErrorCode::invalid_argument, "--task ", name_of(options.task),
        ": no patient of the data has a target to learn from");
  return set;
}

ExampleSet prediction_examples(const Cohort& cohort, const TaskOptions& options) {
  ExampleSet set;
  set.options = options;
  if (!options.label_code.empty()) set.label_code = cohort.find_code(options.label_code);
  if (options.task == Task::binary_classification && set.label_code >= 0) {
    add_cut_at_code(cohort, set);
    return set;
  }
  for (std::int64_t patient = 0; patient < cohort.patients(); ++patient)
    set.examples.push_back({.patient = patient, .visits = visits_of(cohort, patient)});
  return set;
}

std::vector<std::int32_t> example_lengths(const ExampleSet& set) {
  std::vector<std::int32_t> lengths;
  lengths.reserve(set.examples.size());
  for (const Example& example : set.examples) lengths.push_back(example.visits);
  return lengths;
}

RaggedBatch make_batch(const EncodedCohort& encoded, const ExampleSet& set,
                       std::span<const std::int32_t> indices) {
  const Cohort& cohort = *encoded.cohort;
  RaggedBatch batch;
  std::vector<std::int32_t> lengths;
  for (const std::int32_t index : indices) {
    const Example& example = set.examples[index];
    lengths.push_back(example.visits);
    batch.sequence_ids.push_back(static_cast<std::uint32_t>(example.patient));
    for (std::int32_t t = 0; t < example.visits; ++t) {
      const auto codes = encoded.visit_codes(cohort.visit_offsets[example.patient] + t);
      batch.codes.insert(batch.codes.end(), codes.begin(), codes.end());
      check(batch.codes.size() <= std::numeric_limits<std::int32_t>::max(), ErrorCode::out_of_range,
            "a batch holds more than 2^31 - 1 codes: use a smaller --batch-size or --batch-rows");
      batch.code_offsets.push_back(static_cast<std::int32_t>(batch.codes.size()));
    }
  }
  batch.layout = RaggedLayout::from_lengths(lengths);
  return batch;
}

HostTargets make_targets(const Cohort& cohort, const ExampleSet& set, std::span<const std::int32_t> indices) {
  HostTargets targets;
  for (const std::int32_t index : indices) {
    const Example& example = set.examples[index];
    switch (set.options.task) {
      case Task::binary_classification:
      case Task::regression:
        targets.values.push_back(static_cast<float>(example.label));
        break;
      case Task::multi_class:
        targets.labels.push_back(static_cast<std::int32_t>(example.label));
        break;
      case Task::next_visit:
        targets.row_weight.insert(targets.row_weight.end(), static_cast<std::size_t>(example.visits), 1.0f);
        targets.row_weight.back() = 0;
        break;
      case Task::visit_binary:
        append_window_targets(cohort, set, example, targets);
        break;
      case Task::survival:
        targets.event_time.push_back(example.event_time);
        targets.observed.push_back(example.observed ? 1 : 0);
        break;
    }
  }
  return targets;
}

}  // namespace ragtime
