#pragma once

// The state each patient ends with, gathered from LSTM outputs: forward direction at the last row, reverse
// direction at the first, side by side, patients in their original order. LstmForward::final_state gives it
// without this pass; this operation is for outputs that come from elsewhere.

#include <memory>

#include "ragtime/backend.hpp"

namespace ragtime {

// What a FinalStatePlan gathers from.
struct FinalStateDesc {
  DType dtype = DType::f32;    // of all arrays
  std::int64_t width = 0;      // P, of one direction, at least 1
  bool bidirectional = false;  // D = 2
  Capacity capacity;           // sequences, rows
};

struct FinalStateOperation;

// Gathers final states, and scatters their gradients. It needs no workspace.
class FinalStatePlan {
 public:
  // Throws Error(invalid_argument) on a description that cannot be right, Error(unsupported) on a dtype the
  // backend does not compute in.
  FinalStatePlan(std::shared_ptr<Backend> backend, const FinalStateDesc& desc);
  ~FinalStatePlan();
  FinalStatePlan(FinalStatePlan&&) noexcept;
  FinalStatePlan& operator=(FinalStatePlan&&) noexcept;

  // y [N, D*P] -> out [B, D*P]; sequences without rows get 0. Throws Error(invalid_argument) on a null
  // pointer, on the CPU also Error(out_of_range) on a batch beyond the capacity; on CUDA such a batch is
  // reported to batch.status, and what is beyond is left alone.
  void forward(const RaggedView& batch, const void* y, void* out, Stream stream = {}) const;
  // d_out [B, D*P] -> d_y [N, D*P], zero where nothing was gathered, or with accumulate added to what is
  // there. Errors as forward.
  void backward(const RaggedView& batch, const void* d_out, void* d_y, bool accumulate,
                Stream stream = {}) const;

 private:
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<FinalStateOperation> operation_;
};

}  // namespace ragtime
