#include "host/tool/train/target_scale.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/base/check.hpp"

namespace ragtime {
namespace {

constexpr double largest_float = std::numeric_limits<float>::max();

}  // namespace

float TargetScale::standardised(double label) const {
  return static_cast<float>(std::clamp((label - mean) / deviation, -largest_float, largest_float));
}

TargetScale target_scale(const ExampleSet& examples, std::span<const std::int32_t> indices) {
  TargetScale scale;
  if (examples.options.task != Task::regression || indices.empty()) return scale;
  const auto label = [&](std::int32_t index) { return examples.examples[index].label; };
  const auto count = static_cast<double>(indices.size());
  // From the first label, so that equal labels have exactly the deviation 0.
  const double first = label(indices.front());
  double sum = 0, squares = 0;
  for (const std::int32_t index : indices) sum += label(index) - first;
  scale.mean = first + sum / count;
  for (const std::int32_t index : indices) squares += std::pow(label(index) - scale.mean, 2);
  const double deviation = std::sqrt(squares / count);
  if (deviation >= std::numeric_limits<float>::min() && deviation <= largest_float)
    scale.deviation = deviation;
  return scale;
}

void fold_into_head(const TargetScale& scale, std::span<const ParameterInfo> parameters,
                    std::span<float> values) {
  if (scale.mean == 0 && scale.deviation == 1) return;
  const ParameterInfo &weight = parameters[parameters.size() - 2], &bias = parameters.back();
  const auto rounded = [](double value) {
    check(std::abs(value) <= largest_float, ErrorCode::out_of_range, "the head's parameters reach ", value,
          " in the unit of the labels: expected labels whose predictions a float holds");
    return static_cast<float>(value);
  };
  for (float& value : values.subspan(weight.offset, weight.elements))
    value = rounded(value * scale.deviation);
  for (float& value : values.subspan(bias.offset, bias.elements))
    value = rounded(value * scale.deviation + scale.mean);
}

}  // namespace ragtime
