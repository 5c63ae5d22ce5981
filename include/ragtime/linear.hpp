#pragma once

// y = x W^T + b over rows, as nn.Linear. Batch invariant: a row's result does not depend on the other rows.

#include <memory>

#include "ragtime/backend.hpp"

namespace ragtime {

struct LinearDesc {
  DType dtype = DType::f32;
  std::int64_t rows = 0;  // capacity R
  std::int64_t input_size = 0;
  std::int64_t output_size = 0;
  bool bias = true;
  // Every run gives host_rows. On CUDA the workspace then has no room for the rows.
  bool rows_on_host = false;
  bool tf32 = false;  // CUDA, f32: factors may be rounded to tf32
};

struct LinearForward {
  const std::int32_t* rows = nullptr;  // [1] device: R in use
  // R in use, where the host knows it; it is then taken at its word. -1: it does not. On CUDA the rows then
  // pass through the workspace, at the plan's capacity.
  std::int64_t host_rows = -1;
  const void* x = nullptr;       // [R, input_size]
  const void* weight = nullptr;  // [output_size, input_size]
  const void* bias = nullptr;    // [output_size], with bias
  void* y = nullptr;             // [R, output_size]
  void* workspace = nullptr;     // [workspace_bytes()]
  // Device status word or null. Rows beyond the capacity that only the device sees are reported, and left
  // alone.
  std::uint64_t* status = nullptr;
};

struct LinearBackward {
  const std::int32_t* rows = nullptr;  // [1] device: R in use
  // R in use, where the host knows it; it is then taken at its word. -1: it does not. On CUDA the rows then
  // pass through the workspace, at the plan's capacity.
  std::int64_t host_rows = -1;
  const void* x = nullptr;       // [R, input_size]
  const void* weight = nullptr;  // [output_size, input_size]
  const void* d_y = nullptr;     // [R, output_size]
  void* d_x = nullptr;           // [R, input_size] or null
  void* d_weight = nullptr;      // [output_size, input_size] or null
  void* d_bias = nullptr;        // [output_size] or null
  bool accumulate = false;       // add to d_weight and d_bias instead of overwriting them
  void* workspace = nullptr;     // [workspace_bytes()]
  // Device status word or null. Rows beyond the capacity that only the device sees are reported, and left
  // alone.
  std::uint64_t* status = nullptr;
};

struct LinearOperation;

class LinearPlan {
 public:
  LinearPlan(std::shared_ptr<Backend> backend, const LinearDesc& desc);
  ~LinearPlan();
  LinearPlan(LinearPlan&&) noexcept;
  LinearPlan& operator=(LinearPlan&&) noexcept;

  std::size_t workspace_bytes() const;  // enough for forward and for backward
  // Both throw Error(invalid_argument) when a pointer that is needed is null, and without host_rows where the
  // description promises them.
  void forward(const LinearForward& args, Stream stream = {}) const;
  void backward(const LinearBackward& args, Stream stream = {}) const;

 private:
  LinearDesc desc_;
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<LinearOperation> operation_;
};

}  // namespace ragtime
