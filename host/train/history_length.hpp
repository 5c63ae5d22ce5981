#pragma once

// What the length of a history alone tells of the label: what a model must do better than.

#include <optional>
#include <span>

#include "host/train/tasks.hpp"

namespace ragtime {

// Of binary labels: the AUROC on `scored` of the share of positives among the `training` examples with as
// many visits, in up to 50 groups of lengths of like size. Empty where it is not defined.
std::optional<double> history_length_auroc(const ExampleSet& set, std::span<const std::int32_t> training,
                                           std::span<const std::int32_t> scored);

}  // namespace ragtime
