#pragma once

// Targets of regression in standard deviations from their mean, so that a head of small weights reaches them,
// and the way back.

#include <cstdint>
#include <span>
#include <vector>

#include "host/tool/train/tasks.hpp"

namespace ragtime {

struct TargetScale {
  double mean = 0;
  double deviation = 1;  // above 0

  float standardised(double label) const;
};

// Mean and standard deviation of these examples' labels; with another task than regression, 0 and 1. A
// deviation of 0, or outside the range of a normal float, is 1.
TargetScale target_scale(const ExampleSet& examples, std::span<const std::int32_t> indices);

// Parameters of a model of standardised targets, laid out as `parameters` says, become those of one that
// predicts in the labels' unit. Throws Error(out_of_range) where no float holds them.
void fold_into_head(const TargetScale& scale, std::span<const ParameterInfo> parameters,
                    std::span<float> values);

}  // namespace ragtime
