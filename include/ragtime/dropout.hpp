#pragma once

// Inverted dropout with counter-based masks (Philox4x32-10, Salmon et al. 2011): kept values are divided by
// (1 - p). The mask of an element depends on seed, step, site, sequence id, visit and unit alone, so it is
// recomputed in backward, never stored, and is the same in every batch and layout.

#include <memory>

#include "ragtime/backend.hpp"

namespace ragtime {

// What a DropoutPlan drops from.
struct DropoutDesc {
  DType dtype = DType::f32;   // of x and y
  std::int64_t width = 0;     // elements of a row, at least 1
  double probability = 0;     // in [0, 1)
  bool per_sequence = false;  // x is [B, width] (t = 0) instead of ragged rows [N, width]
  Capacity capacity;          // sequences, rows
};

struct DropoutOperation;

// Dropout of rows. It needs no workspace.
class DropoutPlan {
 public:
  // Throws Error(invalid_argument) on a description that cannot be right, Error(unsupported) on a dtype the
  // backend does not compute in.
  DropoutPlan(std::shared_ptr<Backend> backend, const DropoutDesc& desc);
  ~DropoutPlan();
  DropoutPlan(DropoutPlan&&) noexcept;
  DropoutPlan& operator=(DropoutPlan&&) noexcept;

  // x, y: device, [N, width], or [B, width] with per_sequence; they may be the same memory. A kept value is
  // divided by (1 - p), a dropped one is 0 whatever it held. Backward is the same call on gradients. Throws
  // Error(invalid_argument) on a null pointer or a key.site beyond 65535. On CUDA a batch beyond the capacity
  // is reported to batch.status, and what is beyond is left alone.
  void run(const RaggedView& batch, const DropoutKey& key, const void* x, void* y, Stream stream = {}) const;

 private:
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<DropoutOperation> operation_;
};

}  // namespace ragtime
