#pragma once

// Examples of a cohort as batches in device memory, with their targets.

#include <memory>
#include <span>
#include <vector>

#include "host/tool/train/target_scale.hpp"
#include "host/tool/train/tasks.hpp"
#include "host/tool/train/unknown_codes.hpp"
#include "ragtime/backend.hpp"
#include "ragtime/visit_lstm.hpp"

namespace ragtime {

class BatchLoader {
 public:
  // dtype is the model's, f32, bf16 or f16. scale is that of the targets of regression.
  BatchLoader(std::shared_ptr<Backend> backend, const EncodedCohort& encoded, const ExampleSet& examples,
              DType dtype = DType::f32, const TargetScale& scale = {});

  // indices into the examples. What was loaded before is gone. The copies are queued on the stream; see
  // DeviceBatch::load.
  void load(std::span<const std::int32_t> indices, Stream stream = {});
  // What dropout makes of the input, the targets do not see.
  void load_with_targets(std::span<const std::int32_t> indices, Stream stream = {},
                         const CodeDropout& dropout = {});

  const RaggedBatch& host_batch() const { return host_batch_; }
  const HostTargets& host_targets() const { return host_targets_; }
  const DeviceBatch& batch() const { return batch_; }
  const ModelTargets& targets() const { return targets_; }

 private:
  std::shared_ptr<Backend> backend_;
  const EncodedCohort& encoded_;
  const ExampleSet& examples_;
  DType dtype_;
  TargetScale scale_;
  RaggedBatch host_batch_;
  HostTargets host_targets_;
  DeviceBatch batch_;
  std::vector<std::byte> rounded_values_;  // host_targets_.values in dtype_
  HostBuffer target_staging_;
  Buffer target_memory_;
  ModelTargets targets_;
};

}  // namespace ragtime
