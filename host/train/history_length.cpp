#include "host/train/history_length.hpp"

#include <algorithm>
#include <vector>

#include "host/train/metrics.hpp"

namespace ragtime {
namespace {

constexpr std::size_t max_groups = 50;

struct Labelled {
  std::int32_t visits;
  bool positive;
};

std::vector<Labelled> labelled(const ExampleSet& set, std::span<const std::int32_t> indices) {
  std::vector<Labelled> result;
  for (const std::int32_t index : indices) {
    const Example& example = set.examples[index];
    if (set.options.task != Task::visit_binary) {
      result.push_back({example.visits, example.label > 0});
      continue;
    }
    for (std::int32_t t = 0; t < example.visits; ++t)
      if (set.row_weights[example.first_row + t] > 0)
        result.push_back({t + 1, set.row_values[example.first_row + t] > 0});
  }
  return result;
}

// Lengths up to and with `last_visits` have this share of positives.
struct Group {
  std::int32_t last_visits;
  double rate;
};

std::vector<Group> event_rates(std::vector<Labelled> examples) {
  std::sort(examples.begin(), examples.end(),
            [](const Labelled& a, const Labelled& b) { return a.visits < b.visits; });
  const std::size_t size = std::max<std::size_t>(examples.size() / max_groups, 1);
  std::vector<Group> groups;
  for (std::size_t begin = 0, end = 0; begin < examples.size(); begin = end) {
    end = std::min(begin + size, examples.size());
    while (end < examples.size() && examples[end].visits == examples[end - 1].visits) ++end;
    const auto positives = std::count_if(examples.begin() + static_cast<std::ptrdiff_t>(begin),
                                         examples.begin() + static_cast<std::ptrdiff_t>(end),
                                         [](const Labelled& example) { return example.positive; });
    groups.push_back(
        {examples[end - 1].visits, static_cast<double>(positives) / static_cast<double>(end - begin)});
  }
  return groups;
}

}  // namespace

std::optional<double> history_length_auroc(const ExampleSet& set, std::span<const std::int32_t> training,
                                           std::span<const std::int32_t> scored) {
  const std::vector<Group> groups = event_rates(labelled(set, training));
  if (groups.empty()) return std::nullopt;
  std::vector<double> scores;
  std::vector<std::uint8_t> labels;
  for (const Labelled& example : labelled(set, scored)) {
    const auto group = std::lower_bound(
        groups.begin(), groups.end(), example.visits,
        [](const Group& candidate, std::int32_t visits) { return candidate.last_visits < visits; });
    scores.push_back(group == groups.end() ? groups.back().rate : group->rate);
    labels.push_back(example.positive ? 1 : 0);
  }
  return auroc(scores, labels);
}

}  // namespace ragtime
