#pragma once

// How much room batches take, known before the first of them is made.

#include <span>
#include <vector>

#include "host/tool/train/tasks.hpp"

namespace ragtime {

// The most of each count that one of these batches has. batches: indices into the examples.
Capacity capacity_of(const EncodedCohort& encoded, const ExampleSet& set,
                     std::span<const std::vector<std::int32_t>> batches);

// Room for whatever batches plan_epoch makes of these examples in any epoch, and so the same for a run that
// goes through and one that is resumed. options.seed and options.epoch are not asked.
Capacity epoch_capacity(const EncodedCohort& encoded, const ExampleSet& set,
                        std::span<const std::int32_t> indices, const EpochOptions& options);

}  // namespace ragtime
