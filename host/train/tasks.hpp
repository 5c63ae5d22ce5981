#pragma once

// From a cohort and a task to examples: whose visits are input, and what is to be learned from them.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "host/data/cohort.hpp"
#include "ragtime/ragged_batch.hpp"
#include "ragtime/visit_lstm.hpp"

namespace ragtime {

inline constexpr double default_horizon_days = 365;

struct TaskOptions {
  Task task = Task::binary_classification;
  std::string label_code;   // binary_classification (or labels), visit_binary, survival
  std::string labels_file;  // binary_classification (or label_code), multi_class, regression
  double horizon_days = default_horizon_days;  // visit_binary

  bool operator==(const TaskOptions&) const = default;
};

// Throws Error(invalid_argument) when the task lacks what it learns from, or is given what it has no use for.
void validate(const TaskOptions& options);

// One patient: the first `visits` visits are input.
struct Example {
  std::int64_t patient = 0;  // index into the cohort
  std::int32_t visits = 0;
  double label = 0;              // patient-level tasks
  std::int32_t event_time = -1;  // survival: the visit before the event, or before the last visit
  bool observed = false;         // survival
};

struct ExampleSet {
  TaskOptions options;
  std::int32_t label_code = -1;  // index into the cohort's code names, -1: none
  std::int64_t classes = 1;      // multi_class: largest label + 1
  std::vector<Example> examples;
  // What was left out, for a person to hear of.
  std::int64_t event_at_first_visit = 0;  // the label code is in the first visit
  std::int64_t uninformative = 0;         // no visit has a target
  std::int64_t unlabelled = 0;            // patients the labels file does not name
  std::int64_t unmatched_labels = 0;      // labels of patients that are not in the data
};

// What there is to learn from. Throws when the label code never occurs, a label does not suit the task, or no
// example is left.
ExampleSet training_examples(const Cohort& cohort, const TaskOptions& options,
                             std::span<const PatientLabel> labels);

// What to predict: every patient with all visits, but for binary_classification with a label code, which is
// cut as in training. The code need not occur here.
ExampleSet prediction_examples(const Cohort& cohort, const TaskOptions& options);

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
HostTargets make_targets(const Cohort& cohort, const ExampleSet& set, std::span<const std::int32_t> indices);

}  // namespace ragtime
