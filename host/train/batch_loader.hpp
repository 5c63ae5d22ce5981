#pragma once

// Examples of a cohort as batches in device memory, with their targets.

#include <memory>
#include <span>
#include <vector>

#include "host/train/tasks.hpp"
#include "ragtime/backend.hpp"
#include "ragtime/visit_lstm.hpp"

namespace ragtime {

class BatchLoader {
 public:
  BatchLoader(std::shared_ptr<Backend> backend, const EncodedCohort& encoded, const ExampleSet& examples);

  // indices into the examples. What was loaded before is gone.
  void load(std::span<const std::int32_t> indices);
  void load_with_targets(std::span<const std::int32_t> indices);

  const RaggedBatch& host_batch() const { return host_batch_; }
  const HostTargets& host_targets() const { return host_targets_; }
  const DeviceBatch& batch() const { return batch_; }
  const ModelTargets& targets() const { return targets_; }

 private:
  std::shared_ptr<Backend> backend_;
  const EncodedCohort& encoded_;
  const ExampleSet& examples_;
  RaggedBatch host_batch_;
  HostTargets host_targets_;
  DeviceBatch batch_;
  Buffer target_memory_;
  std::vector<std::byte> staging_;
  ModelTargets targets_;
};

}  // namespace ragtime
