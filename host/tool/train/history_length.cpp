#include "host/tool/train/history_length.hpp"

#include <algorithm>
#include <vector>

#include "host/tool/train/metrics.hpp"

namespace ragtime {
namespace {

// Binary labels with the length of the history of each.
struct Labelled {
  std::vector<double> lengths;
  std::vector<std::uint8_t> positive;

  void add(double length, bool is_positive) {
    lengths.push_back(length);
    positive.push_back(is_positive ? 1 : 0);
  }
};

Labelled labelled(const Cohort& cohort, const ExampleSet& set, HistoryLength length,
                  std::span<const std::int32_t> indices) {
  Labelled result;
  for (const std::int32_t index : indices) {
    const Example& example = set.examples[index];
    const std::int64_t first = cohort.visit_offsets[example.patient];
    const auto length_at = [&](std::int32_t visits, Time time) {
      if (length == HistoryLength::visits) return static_cast<double>(visits);
      return static_cast<double>(time - cohort.visit_times[first]);
    };
    if (set.options.task != Task::visit_binary) {
      const Time last = cohort.visit_ends[first + example.visits - 1];
      result.add(length_at(example.visits, example.until == last_time_of_all ? last : example.until),
                 example.label > 0);
      continue;
    }
    for (std::int32_t t = 0; t < example.visits; ++t)
      if (set.row_weights[example.first_row + t] > 0)
        result.add(length_at(t + 1, cohort.visit_ends[first + t]), set.row_values[example.first_row + t] > 0);
  }
  return result;
}

// Lengths up to and with `last` have this share of positives.
struct Group {
  double last;
  double positives;
  double count;

  double rate() const { return positives / count; }
};

// The rates that fit best among those that do not fall with the length (rising), or do not rise.
std::vector<Group> isotonic_rates(const Labelled& examples, bool rising) {
  std::vector<std::size_t> order(examples.lengths.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return examples.lengths[a] < examples.lengths[b]; });
  std::vector<Group> groups;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    Group group{examples.lengths[order[begin]], 0, 0};
    for (; end < order.size() && examples.lengths[order[end]] == group.last; ++end) {
      group.positives += examples.positive[order[end]];
      ++group.count;
    }
    // Neighbours in the wrong order become one group.
    while (!groups.empty() &&
           (rising ? groups.back().rate() >= group.rate() : groups.back().rate() <= group.rate())) {
      group.positives += groups.back().positives;
      group.count += groups.back().count;
      groups.pop_back();
    }
    groups.push_back(group);
  }
  return groups;
}

std::vector<double> rates_of(const std::vector<Group>& groups, const std::vector<double>& lengths) {
  std::vector<double> rates;
  for (const double length : lengths) {
    const auto group =
        std::lower_bound(groups.begin(), groups.end(), length,
                         [](const Group& candidate, double value) { return candidate.last < value; });
    rates.push_back((group == groups.end() ? groups.back() : *group).rate());
  }
  return rates;
}

}  // namespace

std::optional<double> history_length_auroc(const Cohort& cohort, const ExampleSet& set, HistoryLength length,
                                           std::span<const std::int32_t> training,
                                           std::span<const std::int32_t> scored) {
  const Labelled known = labelled(cohort, set, length, training);
  if (known.lengths.empty()) return std::nullopt;
  const double direction = auroc(known.lengths, known.positive).value_or(0.5);
  const std::vector<Group> groups = isotonic_rates(known, direction >= 0.5);
  const Labelled asked = labelled(cohort, set, length, scored);
  return auroc(rates_of(groups, asked.lengths), asked.positive);
}

}  // namespace ragtime
