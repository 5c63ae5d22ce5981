#pragma once

// One step of a unidirectional LSTM stack for B patients, h and c carried by the caller: streaming inference,
// one new visit at a time. The same values as the whole sequence at once would give: on the CPU the same
// bits; on CUDA up to the order of the products' sums, which follows the capacity of the plan, and, in 16
// bits, up to c, which is rounded between the steps.

#include <memory>

#include "ragtime/lstm.hpp"

namespace ragtime {

// An LSTM as LstmDesc describes it, with one direction and without dropout.
struct LstmStepDesc {
  DType dtype = DType::f32;      // of all arrays
  std::int64_t input_size = 0;   // of layer 0, at least 1
  std::int64_t hidden_size = 0;  // H, at least 1
  std::int64_t num_layers = 1;   // L, at least 1
  bool bias = true;              // b_ih and b_hh are there
  std::int64_t proj_size = 0;    // P, less than H; 0: no projection, P = H below
  bool training = false;         // false: backward is not offered, no reserve is needed
  std::int64_t sequences = 0;    // B, exactly
};

// What one step reads and writes: device pointers to arrays of the dtype, row-major, unless it says host.
struct LstmStepForward {
  const void* x = nullptr;               // [B, input_size]
  const LstmWeights* weights = nullptr;  // host array [L]
  const void* h = nullptr;               // [L, B, P] or null for zeros
  const void* c = nullptr;               // [L, B, H] or null for zeros
  void* h_next = nullptr;                // [L, B, P]; may be the same memory as h when not training
  void* c_next = nullptr;                // [L, B, H]; likewise
  void* workspace = nullptr;             // [workspace_bytes()]
  void* reserve = nullptr;               // [reserve_bytes()] when training: kept for backward
};

// What one step back reads and writes: as LstmStepForward. A gradient that is null coming in counts as zeros,
// one that is null going out is not computed.
struct LstmStepBackward {
  const void* x = nullptr;                   // [B, input_size] this and the next three as in forward
  const LstmWeights* weights = nullptr;      // host array [L]
  const void* h = nullptr;                   // [L, B, P] or null
  const void* c = nullptr;                   // [L, B, H] or null
  const void* d_h_next = nullptr;            // [L, B, P] or null
  const void* d_c_next = nullptr;            // [L, B, H] or null
  void* d_x = nullptr;                       // [B, input_size] or null
  void* d_h = nullptr;                       // [L, B, P] or null
  void* d_c = nullptr;                       // [L, B, H] or null
  const LstmGradients* gradients = nullptr;  // host array [L] or null
  bool accumulate = false;                   // add to the weight gradients instead of overwriting them
  void* workspace = nullptr;                 // [workspace_bytes()]
  const void* reserve = nullptr;             // [reserve_bytes()] as forward left it
};

// One step, ready to run; as LstmPlan.
class LstmStepPlan {
 public:
  // Throws as LstmPlan does, and Error(invalid_argument) unless sequences is 1 to 2^31 - 1. Takes device
  // memory for the places of the B patients, and waits until they are written.
  LstmStepPlan(std::shared_ptr<Backend> backend, const LstmStepDesc& desc);
  ~LstmStepPlan();
  LstmStepPlan(LstmStepPlan&&) noexcept;
  LstmStepPlan& operator=(LstmStepPlan&&) noexcept;

  std::size_t workspace_bytes() const;  // enough for forward and for backward
  std::size_t reserve_bytes() const;    // 0 without training
  // Queues a step. Throws Error(invalid_argument) when a pointer that is needed is null, and when h_next or
  // c_next is the memory of h or c in training.
  void forward(const LstmStepForward& args, Stream stream = {}) const;
  // Queues the gradients of a forward step with the same arguments. Throws Error(invalid_argument) when a
  // pointer that is needed is null, Error(unsupported) without training.
  void backward(const LstmStepBackward& args, Stream stream = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ragtime
