#pragma once

// y = x W^T + b over rows, as nn.Linear. Batch invariant: a row's result does not depend on the other rows.

#include <memory>

#include "ragtime/backend.hpp"

namespace ragtime {

// What a LinearPlan multiplies.
struct LinearDesc {
  DType dtype = DType::f32;      // of all arrays
  std::int64_t rows = 0;         // capacity R, below 2^31
  std::int64_t input_size = 0;   // elements of a row of x, 1 to 2^31 - 1
  std::int64_t output_size = 0;  // elements of a row of y, 1 to 2^31 - 1
  bool bias = true;              // b is added
  // Every run gives host_rows. On CUDA the workspace then has no room for the rows.
  bool rows_on_host = false;
  bool tf32 = false;  // CUDA, f32: factors may be rounded to tf32
};

// What a forward run reads and writes; device pointers.
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

// What a backward run reads and writes; device pointers.
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

// A linear layer, forward and backward.
class LinearPlan {
 public:
  // Throws Error(invalid_argument) on a description that cannot be right, Error(unsupported) on a dtype the
  // backend does not compute in.
  LinearPlan(std::shared_ptr<Backend> backend, const LinearDesc& desc);
  ~LinearPlan();
  LinearPlan(LinearPlan&&) noexcept;
  LinearPlan& operator=(LinearPlan&&) noexcept;

  std::size_t workspace_bytes() const;  // enough for forward and for backward
  // Throws Error(invalid_argument) when a pointer that is needed is null, and without host_rows where the
  // description promises them; Error(out_of_range) on rows beyond the capacity that the host sees, which on
  // the CPU are all.
  void forward(const LinearForward& args, Stream stream = {}) const;
  // d_x, d_weight and d_bias, those that are not null. Errors as forward.
  void backward(const LinearBackward& args, Stream stream = {}) const;

 private:
  LinearDesc desc_;
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<LinearOperation> operation_;
};

}  // namespace ragtime
