#pragma once

// From a cohort and a task to examples: whose visits are input, up to when, and what is to be learned from
// them. Neither when a prediction is made nor whether an example is used depends on its label, or on anything
// after the prediction time.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "host/tool/data/cohort.hpp"
#include "host/tool/data/patient_files.hpp"
#include "host/tool/train/observation.hpp"
#include "host/tool/train/prediction_time.hpp"
#include "ragtime/ragged_batch.hpp"
#include "ragtime/visit_lstm.hpp"

namespace ragtime {

inline constexpr double default_horizon_days = 365;

struct TaskOptions {
  Task task = Task::binary_classification;
  std::string label_code = {};   // X: binary_classification (or labels), visit_binary, survival
  std::string labels_file = {};  // binary_classification (or label_code), multi_class, regression
  // With a label code, but for survival: at time t, whether X occurs in (t + gap, t + gap + horizon].
  PredictAt predict_at = {};
  double horizon_days = default_horizon_days;
  double gap_days = 0;
  ObservedUntil observed_until = {};
  bool before = false;  // with a label file that has times: what is known at that very time is no input

  bool operator==(const TaskOptions&) const = default;
};

// Whether a label is that a code occurs after a prediction time.
bool has_window(const TaskOptions& options);

// Throws Error(invalid_argument) when the task lacks what it learns from, or is given what it has no use for.
void validate(const TaskOptions& options);

// One sequence: the first `visits` visits of a patient that are known by `until`, and of their codes those
// that are.
struct Example {
  std::int64_t patient = 0;  // index into the cohort
  std::int32_t visits = 0;
  Time until = last_time_of_all;
  double label = 0;              // patient-level tasks
  std::int32_t event_time = -1;  // survival: the visit before the event, or before the last visit
  bool observed = false;         // survival
  std::int64_t first_row = 0;    // visit_binary: of its rows in ExampleSet::row_values
};

// Calls use(visit), an index into the cohort, for each visit of an example in order.
template <class Use>
void for_each_visit(const Cohort& cohort, const Example& example, Use use) {
  std::int64_t visit = cohort.visit_offsets[example.patient];
  for (std::int32_t left = example.visits; left > 0; ++visit) {
    if (!is_known_by(cohort, visit, example.until)) continue;
    use(visit);
    --left;
  }
}

// What became of the patients and of their prediction times, for a person to read.
struct ExampleFlow {
  std::int64_t patients = 0;         // read
  std::int64_t without_history = 0;  // patients without a visit by a prediction time
  std::int64_t times = 0;            // prediction times with history
  std::int64_t code_before = 0;      // of those: X occurs at or before it
  std::int64_t unobserved = 0;       // of those left: t + gap + horizon is after the end of observation
  std::int64_t used = 0;             // of those left
  std::int64_t positives = 0;        // of the used
  std::int64_t used_patients = 0;
};

struct ExampleSet {
  TaskOptions options;
  std::int32_t label_code = -1;          // index into the cohort's code names, -1: none
  std::int64_t classes = 1;              // multi_class: largest label + 1
  std::vector<std::string> class_names;  // multi_class, of categorical labels
  std::vector<Example> examples;         // by patient, then by time
  std::vector<std::string> time_texts;   // [examples] prediction times as a label file has them, or empty
  std::vector<float> row_values;         // visit_binary: of each row of each example, 1 where X occurs
  std::vector<float> row_weights;        // and 1 where a prediction is made
  ExampleFlow flow;                      // where the label is a code
  // What was left out, for a person to hear of.
  std::int64_t event_at_first_visit = 0;  // survival: the label code is in the first visit
  std::int64_t uninformative = 0;         // patients of whom no visit has a target
  std::int64_t unlabelled = 0;            // patients the labels file does not name
  std::int64_t unmatched_labels = 0;      // labels of patients that are not in the data
  std::int64_t labels_before_data = 0;    // labels of a time before the patient's first visit
  ObservationEnds observation;            // where the label is a code
};

// What was read from the files that the options name.
struct TaskFiles {
  LabelTable labels = {};                        // of labels_file
  std::vector<PatientTime> observed_until = {};  // of observed_until
};

// Throws as read_labels and read_patient_times.
TaskFiles read_task_files(const TaskOptions& options);

// What there is to learn from. Throws when the label code never occurs, a label does not suit the task, or no
// example is left. seed: of the prediction times that are drawn.
ExampleSet training_examples(const Cohort& cohort, const TaskOptions& options, const TaskFiles& files = {},
                             std::uint64_t seed = 0);

// The part of training_examples for a label that is a code in a window, without a throw where none is left.
ExampleSet window_examples(const Cohort& cohort, const TaskOptions& options, const TaskFiles& files,
                           std::uint64_t seed);

// What to predict: every patient with all visits, or with those up to one time, where there are any.
ExampleSet prediction_examples(const Cohort& cohort, const TaskOptions& options,
                               Time until = last_time_of_all);
// What to predict at the times of a label file, whose values do not count.
ExampleSet prediction_examples(const Cohort& cohort, const TaskOptions& options, const LabelTable& labels);

// How many prediction times an example holds, of which how many with a positive label: one, but for
// visit_binary.
struct TargetCount {
  std::int64_t targets = 0;
  std::int64_t positives = 0;
};
TargetCount count_targets(const ExampleSet& set, std::span<const std::int32_t> indices);

// Targets of a batch in host memory, laid out as ModelTargets asks.
struct HostTargets {
  std::vector<float> values;
  std::vector<std::int32_t> labels;
  std::vector<std::int32_t> event_time;
  std::vector<std::uint8_t> observed;
  std::vector<float> row_weight;
};

std::vector<std::int32_t> example_lengths(const ExampleSet& set);
RaggedBatch make_batch(const EncodedCohort& encoded, const ExampleSet& set,
                       std::span<const std::int32_t> indices);
HostTargets make_targets(const ExampleSet& set, std::span<const std::int32_t> indices);

}  // namespace ragtime
