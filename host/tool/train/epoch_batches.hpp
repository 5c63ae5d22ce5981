#pragma once

// How the examples of a part are grouped into batches.

#include <cstdint>
#include <span>
#include <vector>

#include "host/tool/train/train_options.hpp"

namespace ragtime {

// Of a training epoch, counted from 0.
EpochOptions epoch_options(const TrainOptions& options, std::int64_t epoch);

// plan_epoch over some of the examples; the batches hold indices into all of them.
std::vector<std::vector<std::int32_t>> plan_batches(const ExampleSet& set, std::vector<std::int32_t> indices,
                                                    const EpochOptions& options);

// Those that an evaluation takes, longest first, in the same order every time.
std::vector<std::vector<std::int32_t>> validation_batches(const ExampleSet& set,
                                                          std::span<const std::int32_t> indices,
                                                          const TrainOptions& options);

}  // namespace ragtime
