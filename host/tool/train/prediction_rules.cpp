#include "host/tool/train/prediction_rules.hpp"

#include <algorithm>
#include <string>

namespace ragtime {
namespace {

template <class T>
T median(std::vector<T> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The last day whose window is over by the end of the data, as date:YYYY-MM-DD; empty where no text tells it.
std::string latest_date(const Cohort& cohort, const TaskOptions& options) {
  const double window = (options.gap_days + options.horizon_days) * static_cast<double>(time_per_day);
  const Time end = cohort.last_time + cohort.west_offset - static_cast<Time>(window);
  // A date counts as the end of its day, which must not be after `end`.
  std::string text = "date:" + to_text(end - time_per_day + 1).substr(0, 10);
  Timestamp date;
  return parse_timestamp(text.substr(5), date) ? text : "";
}

}  // namespace

std::vector<RuleSummary> summarize_rules(const Cohort& cohort, const TaskOptions& options,
                                         const TaskFiles& files, std::uint64_t seed) {
  std::vector<RuleSummary> summaries;
  for (const std::string& text :
       {std::string("visit:1"), std::string("visit:3"), std::string("visit:10"), std::string("days:30"),
        std::string("days:365"), latest_date(cohort, options), std::string("visits"),
        std::string("sample:0.1")}) {
    if (text.empty()) continue;
    RuleSummary summary;
    TaskOptions rule = options;
    rule.task = Task::binary_classification;
    rule.predict_at = summary.predict_at = predict_at_from_text(text);
    const ExampleSet set = window_examples(cohort, rule, files, seed);
    summary.flow = set.flow;
    std::vector<std::int64_t> visits;
    std::vector<double> days;
    for (const Example& example : set.examples) {
      visits.push_back(example.visits);
      const Time begin = cohort.visit_times[cohort.visit_offsets[example.patient]];
      days.push_back(static_cast<double>(example.until - begin) / static_cast<double>(time_per_day));
    }
    summary.median_visits = median(std::move(visits));
    summary.median_days = median(std::move(days));
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

}  // namespace ragtime
