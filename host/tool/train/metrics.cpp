#include "host/tool/train/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "host/base/check.hpp"

namespace ragtime {
namespace {

bool has_nan(std::span<const double> values) {
  return std::any_of(values.begin(), values.end(), [](double value) { return std::isnan(value); });
}

// Calls visit(positives, negatives) for each group of equal scores, highest first.
template <class Visit>
void for_each_threshold(std::span<const double> scores, std::span<const std::uint8_t> labels, Visit visit) {
  check(scores.size() == labels.size(), ErrorCode::shape_mismatch, "labels has ", labels.size(),
        " elements: expected ", scores.size(), ", one for each score");
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  for (std::size_t i = 0; i < order.size();) {
    const double score = scores[order[i]];
    double positives = 0, negatives = 0;
    for (; i < order.size() && scores[order[i]] == score; ++i) ++(labels[order[i]] ? positives : negatives);
    visit(positives, negatives);
  }
}

}  // namespace

std::optional<double> auroc(std::span<const double> scores, std::span<const std::uint8_t> labels) {
  if (has_nan(scores)) return std::nullopt;
  double positives = 0, negatives = 0, agreeing = 0;
  for_each_threshold(scores, labels, [&](double group_positives, double group_negatives) {
    agreeing += group_negatives * (positives + group_positives / 2);
    positives += group_positives;
    negatives += group_negatives;
  });
  if (positives == 0 || negatives == 0) return std::nullopt;
  return agreeing / (positives * negatives);
}

std::optional<double> average_precision(std::span<const double> scores,
                                        std::span<const std::uint8_t> labels) {
  if (has_nan(scores)) return std::nullopt;
  double positives = 0, negatives = 0, area = 0;
  for_each_threshold(scores, labels, [&](double group_positives, double group_negatives) {
    positives += group_positives;
    negatives += group_negatives;
    area += group_positives * positives / (positives + negatives);
  });
  if (positives == 0) return std::nullopt;
  return area / positives;
}

std::optional<double> recall_at(std::int64_t k, std::span<const float> scores,
                                std::span<const std::int32_t> relevant) {
  const auto is_nan = [](float score) { return std::isnan(score); };
  if (relevant.empty() || std::any_of(scores.begin(), scores.end(), is_nan)) return std::nullopt;
  std::vector<std::int32_t> ids(scores.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto top = std::min<std::int64_t>(k, static_cast<std::int64_t>(ids.size()));
  const auto end = ids.begin() + top;
  std::partial_sort(ids.begin(), end, ids.end(), [&](std::int32_t a, std::int32_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  });
  const auto found = std::count_if(relevant.begin(), relevant.end(),
                                   [&](std::int32_t id) { return std::find(ids.begin(), end, id) != end; });
  return static_cast<double>(found) / static_cast<double>(relevant.size());
}

std::optional<double> concordance(const SurvivalPredictions& predictions) {
  // Not structured bindings: a lambda may capture those only from clang 16 on.
  const auto& offsets = predictions.offsets;
  const auto& risk = predictions.risk;
  const auto& event_time = predictions.event_time;
  const auto& observed = predictions.observed;
  if (has_nan(risk)) return std::nullopt;
  std::vector<std::size_t> patients(event_time.size());
  std::iota(patients.begin(), patients.end(), std::size_t{0});
  std::sort(patients.begin(), patients.end(),
            [&](std::size_t a, std::size_t b) { return event_time[a] > event_time[b]; });
  // From the last time to the first, patients[0, begin) are those with a later time. Each time sorts the
  // risks of those still there, rows in all: O(rows log patients).
  double agreeing = 0, pairs = 0;
  std::vector<double> others;
  for (std::size_t begin = 0, end = 0; begin < patients.size(); begin = end) {
    const std::int32_t time = event_time[patients[begin]];
    while (end < patients.size() && event_time[patients[end]] == time) ++end;
    const auto risk_at_time = [&](std::size_t patient) { return risk[offsets[patient] + time]; };
    const auto happens_now = [&](std::size_t i) { return observed[patients[i]] != 0; };
    bool any = false;
    for (std::size_t i = begin; i < end; ++i) any = any || happens_now(i);
    if (!any) continue;
    others.clear();
    for (std::size_t i = 0; i < end; ++i)
      if (i < begin || !happens_now(i)) others.push_back(risk_at_time(patients[i]));
    std::sort(others.begin(), others.end());
    for (std::size_t i = begin; i < end; ++i) {
      if (!happens_now(i)) continue;
      const auto [first, last] = std::equal_range(others.begin(), others.end(), risk_at_time(patients[i]));
      agreeing += static_cast<double>(first - others.begin()) + static_cast<double>(last - first) / 2;
      pairs += static_cast<double>(others.size());
    }
  }
  if (pairs == 0) return std::nullopt;
  return agreeing / pairs;
}

}  // namespace ragtime
