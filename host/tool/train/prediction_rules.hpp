#pragma once

// What each rule for the prediction time would make of a cohort: to choose one by.

#include <vector>

#include "host/tool/train/tasks.hpp"

namespace ragtime {

struct RuleSummary {
  PredictAt predict_at;
  ExampleFlow flow;                // used and positives may be 0
  std::int64_t median_visits = 0;  // of the history that is input
  double median_days = 0;          // from its first visit to the prediction time
};

// For the window and the end of observation of the options, whose predict_at does not count: rules of each
// kind, with numbers that suit the data.
std::vector<RuleSummary> summarize_rules(const Cohort& cohort, const TaskOptions& options,
                                         const TaskFiles& files, std::uint64_t seed);

}  // namespace ragtime
