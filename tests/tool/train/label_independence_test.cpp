// The exact test of prediction times: when a prediction is made, whether it is used, and every byte of the
// model's input stay as they are when anything after the prediction time changes. Codes X are taken away from
// positives and given to negatives, visits come and go, stays go on. For every rule, on a Synthea folder with
// encounters and on a MEDS file, with times of day and without.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "host/tool/train/trainer.hpp"
#include "tests/support/operation_test.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ragtime {
namespace {

struct Event {
  std::string patient, encounter, time, code;
};

struct Records {
  std::vector<Event> events;
  std::map<std::pair<std::string, std::string>, std::string> begins;  // (patient, encounter) -> START
};

// west: hours of the offset whose days dates are.
Time known_by(const std::string& text, std::int64_t west) {
  Timestamp time;
  EXPECT_TRUE(parse_timestamp(text, time)) << text;
  return time.known_by() - (time.date_only ? west * 3600 * time_per_second : 0);
}

// When an event can be known: not before its encounter began.
Time known_by(const Records& records, const Event& event, std::int64_t west) {
  const auto begin = records.begins.find({event.patient, event.encounter});
  const Time own = known_by(event.time, west);
  return begin == records.begins.end() ? own : std::max(own, known_by(begin->second, west));
}

std::string date_of(Time time) {
  return to_text(time).substr(0, 10);
}

constexpr Time year_2010 = 14610 * time_per_day;

// The text of a moment in an offset of so many hours.
std::string in_offset(Time time, std::int64_t hours) {
  if (hours == 0) return to_text(time);
  std::string text = to_text(time + hours * 3600 * time_per_second);
  text.back() = hours < 0 ? '-' : '+';  // instead of Z
  return text + "0" + std::to_string(std::abs(hours)) + ":00";
}

// 60 patients of 1 to 14 visits: of one moment, of a date alone, or stays of two days; a third of them get X.
// first_offset, last_offset: hours; a patient's times are in one of them, and every fourth in another.
Records draw_records(std::int64_t first_offset, std::int64_t last_offset) {
  test::Numbers numbers(17);
  Records records;
  for (int p = 0; p < 60; ++p) {
    const std::string patient = "p" + std::to_string(100 + p);
    const auto text_of = [&, own = numbers.integer(first_offset, last_offset)](Time time) {
      return in_offset(time, numbers.integer(0, 3) == 0 ? numbers.integer(first_offset, last_offset) : own);
    };
    Time begin = year_2010 + numbers.integer(0, 300) * time_per_day;
    const std::int64_t visits = numbers.integer(1, 14);
    const std::int64_t with_code = p % 3 == 0 ? numbers.integer(0, visits - 1) : -1;
    for (std::int64_t v = 0; v < visits; ++v) {
      begin += numbers.integer(v % 4 == 3 ? 0 : 1, 90) * time_per_day;  // now and then two on one day
      const Time clock = begin + numbers.integer(first_offset == 0 ? 6 : 0, first_offset == 0 ? 20 : 23) *
                                     3600 * time_per_second;
      const std::string encounter = patient + "e" + std::to_string(v);
      if (p % 5 != 4) records.begins[{patient, encounter}] = text_of(clock);
      const auto add = [&](const std::string& time, const std::string& code) {
        records.events.push_back({patient, encounter, time, code});
      };
      add(v % 3 == 0 ? date_of(clock) : text_of(clock), "C" + std::to_string(numbers.integer(0, 20)));
      if (v % 2 == 0)
        add(text_of(clock + 600 * time_per_second), "C" + std::to_string(numbers.integer(0, 20)));
      if (v % 5 == 1) add(text_of(clock + time_per_day), "D" + std::to_string(numbers.integer(0, 5)));
      if (v % 6 == 2) add(date_of(clock - 9 * time_per_day), "E" + std::to_string(numbers.integer(0, 3)));
      if (v == with_code) add(date_of(clock), "X");
    }
  }
  return records;
}

// The last moment that must not be felt, by patient; nothing where all may be.
using Cuts = std::map<std::string, Time>;

// Everything after the cuts becomes something else.
Records changed_after(const Records& records, const Cuts& cuts, std::int64_t first_offset,
                      std::int64_t last_offset) {
  test::Numbers numbers(23);
  Records changed;
  changed.begins = records.begins;
  std::map<std::string, bool> has_code_after;
  std::map<std::string, std::string> last_encounter;  // at or before the cut
  for (const Event& event : records.events) {
    const auto cut = cuts.find(event.patient);
    const bool after = cut != cuts.end() && known_by(records, event, first_offset) > cut->second;
    if (!after) last_encounter[event.patient] = event.encounter;
    if (after && event.code == "X") has_code_after[event.patient] = true;
    if (after && (event.code == "X" || numbers.integer(0, 1) == 0)) continue;
    changed.events.push_back(event);
  }
  for (const auto& [patient, cut] : cuts) {
    const auto later = [&](std::int64_t days) { return cut + days * time_per_day + time_per_second; };
    const auto text_of = [&](Time time) {
      return in_offset(time, numbers.integer(first_offset, last_offset));
    };
    if (!has_code_after[patient]) {
      const std::string stay = last_encounter[patient];  // goes on, and X is in it
      changed.events.push_back({patient, stay, text_of(later(numbers.integer(0, 200))), "X"});
      changed.events.push_back({patient, "", text_of(cut + 1), "X"});  // at once
      changed.events.push_back({patient, patient + "x", date_of(later(2)), "X"});
    }
    for (int v = 0; v < 3; ++v) {
      const std::string encounter = patient + "new" + std::to_string(v);
      const Time begin = later(numbers.integer(0, 100));
      if (!records.begins.empty()) changed.begins[{patient, encounter}] = text_of(begin);
      changed.events.push_back({patient, encounter, text_of(begin), "NEW" + std::to_string(v)});
      changed.events.push_back({patient, encounter, date_of(begin + time_per_day), "C1"});
    }
  }
  return changed;
}

enum class Format { synthea, meds };

Cohort read(const Records& records, Format format, VisitBy visit_by) {
  const TemporaryFolder folder;
  ReadOptions options;
  options.visit_by = visit_by;
  if (format == Format::meds) {
    std::string text = "subject_id,time,code\n";
    for (const Event& event : records.events)
      text += event.patient + "," + event.time + "," + event.code + "\n";
    return read_cohort(folder.write("events.csv", text), options);
  }
  std::string events = "START,PATIENT,ENCOUNTER,CODE\n", encounters = "Id,START,PATIENT\n";
  for (const Event& event : records.events)
    events += event.time + "," + event.patient + "," + event.encounter + "," + event.code + "\n";
  for (const auto& [key, begin] : records.begins)
    encounters += key.second + "," + begin + "," + key.first + "\n";
  folder.write("conditions.csv", events);
  folder.write("encounters.csv", encounters);
  return read_cohort(folder.path(), options);
}

struct Seen {
  std::vector<std::int32_t> codes, code_offsets;

  bool operator==(const Seen&) const = default;
};

// What the model is given for each (patient, prediction time) that is used.
using Inputs = std::map<std::pair<std::string, Time>, Seen>;

Inputs inputs_of(const Cohort& cohort, const ExampleSet& set, const EncodedCohort& encoded) {
  Inputs inputs;
  for (std::int32_t index = 0; index < static_cast<std::int32_t>(set.examples.size()); ++index) {
    const Example& example = set.examples[index];
    const std::string& patient = cohort.patient_ids[example.patient];
    const RaggedBatch batch = make_batch(encoded, set, {&index, 1});
    if (set.options.task != Task::visit_binary) {
      inputs[{patient, example.until}] = {batch.codes, batch.code_offsets};
      continue;
    }
    // A row's prediction sees the rows up to it.
    for (std::int32_t t = 0; t < example.visits; ++t) {
      if (set.row_weights[example.first_row + t] == 0) continue;
      const std::int32_t codes = batch.code_offsets[t + 1];
      inputs[{patient, cohort.visit_ends[cohort.visit_offsets[example.patient] + t]}] = {
          {batch.codes.begin(), batch.codes.begin() + codes},
          {batch.code_offsets.begin(), batch.code_offsets.begin() + t + 2}};
    }
  }
  return inputs;
}

// Those up to the patient's cut.
Inputs up_to(const Inputs& inputs, const Cuts& cuts) {
  Inputs kept;
  for (const auto& [key, seen] : inputs) {
    const auto cut = cuts.find(key.first);
    if (cut == cuts.end() || key.second <= cut->second) kept.emplace(key, seen);
  }
  return kept;
}

struct Rule {
  const char* text;
  Task task;
  Format format;
  VisitBy visit_by = VisitBy::day;
  std::int64_t first_offset = 0, last_offset = 0;  // hours
};

void PrintTo(const Rule& rule, std::ostream* out) {
  *out << rule.text << " of " << name_of(rule.task) << (rule.format == Format::meds ? ", MEDS" : ", Synthea")
       << (rule.visit_by == VisitBy::time ? ", visits by time" : "") << ", UTC" << rule.first_offset << " to "
       << rule.last_offset;
}

TrainOptions options_of(const Rule& rule) {
  TrainOptions options;
  options.task.task = rule.task;
  options.task.label_code = "X";
  options.task.predict_at = predict_at_from_text(rule.text);
  options.task.horizon_days = 120;
  options.task.gap_days = 3;
  options.task.observed_until = observed_until_from_text("date:2030-01-01");
  options.visit_by = rule.visit_by;
  options.split.validation = 0.4;
  options.seed = 5;
  return options;
}

// A patient's first prediction time is the cut; where there are several, one in the middle.
Cuts cuts_of(const Cohort& cohort, const TrainOptions& options) {
  Cuts cuts;
  for (std::int64_t patient = 0; patient < cohort.patients(); ++patient) {
    const auto points = prediction_points(cohort, patient, options.task.predict_at, options.seed);
    if (!points.empty()) cuts[cohort.patient_ids[patient]] = points[(points.size() - 1) / 2].time;
  }
  return cuts;
}

class LabelIndependence : public testing::TestWithParam<Rule> {};

TEST_P(LabelIndependence, NothingAfterThePredictionTimeIsFelt) {
  const Rule rule = GetParam();
  const TrainOptions options = options_of(rule);
  Records records = draw_records(rule.first_offset, rule.last_offset);
  if (rule.format == Format::meds) records.begins.clear();  // which knows of no encounters
  const auto data = prepare_training(read(records, rule.format, rule.visit_by), {}, options);
  const Inputs all = inputs_of(data->cohort, data->examples, data->encoded);
  const Cuts cuts = cuts_of(data->cohort, options);
  const Inputs before = up_to(all, cuts);
  ASSERT_GT(before.size(), 5u) << "this cohort tells nothing";

  const Records changed = changed_after(records, cuts, rule.first_offset, rule.last_offset);
  auto after_data = prepare_training(read(changed, rule.format, rule.visit_by), {}, options);
  EXPECT_NE(after_data->fingerprint, data->fingerprint) << "something was to change";
  std::int64_t changed_labels = 0;
  const auto label_of = [](const TrainingData& of) {
    return count_targets(of.examples, of.split.training).positives;
  };
  changed_labels += label_of(*data) != label_of(*after_data);
  EXPECT_EQ(changed_labels, 1) << "labels were to change";
  // With prediction times after the cuts, the codes of later inputs may take other ids; with one for each
  // patient nothing may.
  const bool many = rule.text == std::string("visits") || std::string(rule.text).starts_with("sample");
  if (many) after_data->encoded = encode(after_data->cohort, data->vocabulary);
  const Inputs after = up_to(inputs_of(after_data->cohort, after_data->examples, after_data->encoded), cuts);
  ASSERT_EQ(after.size(), before.size()) << "whether an example is used changed";
  for (const auto& [key, seen] : before) {
    ASSERT_TRUE(after.contains(key)) << key.first << " at " << to_text(key.second);
    EXPECT_TRUE(after.at(key) == seen) << key.first << " at " << to_text(key.second);
  }
}

std::vector<Rule> rules() {
  std::vector<Rule> all;
  for (const Format format : {Format::synthea, Format::meds}) {
    for (const char* text : {"visit:1", "visit:2", "visit:4", "days:0", "days:30", "days:200",
                             "date:2010-09-01", "date:2010-09-01T13:00:00Z", "visits", "sample:0.4"})
      all.push_back({text, Task::binary_classification, format});
    for (const char* text : {"visits", "sample:0.4", "visit:2"})
      all.push_back({text, Task::visit_binary, format});
  }
  for (const char* text : {"visit:2", "visits", "sample:0.4", "days:30"})
    all.push_back({text, Task::binary_classification, Format::meds, VisitBy::time});
  // Clocks that change with the season, and patients who travel.
  const std::size_t in_utc = all.size();
  for (const auto& [first, last] : {std::pair(-5, -4), std::pair(-8, 0), std::pair(0, 9), std::pair(9, 9)})
    for (std::size_t i = 0; i < in_utc; ++i) {
      all.push_back(all[i]);
      all.back().first_offset = first;
      all.back().last_offset = last;
    }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Each, LabelIndependence, testing::ValuesIn(rules()),
                         [](const auto& rule) { return "Rule" + std::to_string(rule.index); });

}  // namespace
}  // namespace ragtime
