#include "host/tool/train/epoch_batches.hpp"

#include <algorithm>

namespace ragtime {

EpochOptions epoch_options(const TrainOptions& options, std::int64_t epoch) {
  EpochOptions plan;
  plan.batch_rows = options.batch_rows;
  plan.batch_size = options.batch_size;
  plan.seed = options.seed;
  plan.epoch = static_cast<std::uint64_t>(epoch);
  return plan;
}

std::vector<std::vector<std::int32_t>> plan_batches(const ExampleSet& set, std::vector<std::int32_t> indices,
                                                    const EpochOptions& options) {
  if (!options.shuffle)
    std::stable_sort(indices.begin(), indices.end(), [&](std::int32_t a, std::int32_t b) {
      return set.examples[a].visits > set.examples[b].visits;
    });
  std::vector<std::int32_t> lengths;
  for (const std::int32_t index : indices) lengths.push_back(set.examples[index].visits);
  auto batches = plan_epoch(lengths, options);
  for (std::vector<std::int32_t>& batch : batches)
    for (std::int32_t& index : batch) index = indices[index];
  return batches;
}

std::vector<std::vector<std::int32_t>> validation_batches(const ExampleSet& set,
                                                          std::span<const std::int32_t> indices,
                                                          const TrainOptions& options) {
  EpochOptions validation = epoch_options(options, 0);
  validation.shuffle = false;
  return plan_batches(set, {indices.begin(), indices.end()}, validation);
}

}  // namespace ragtime
