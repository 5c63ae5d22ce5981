#pragma once

// One step of a unidirectional LSTM stack for B patients, h and c carried by the caller: streaming inference,
// one new visit at a time. The same bits as the whole sequence at once would give.

#include <memory>

#include "ragtime/lstm.hpp"

namespace ragtime {

struct LstmStepDesc {
  DType dtype = DType::f32;
  std::int64_t input_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t num_layers = 1;
  bool bias = true;
  std::int64_t proj_size = 0;
  bool training = false;
  std::int64_t sequences = 0;  // B, exactly
};

struct LstmStepForward {
  const void* x = nullptr;               // [B, input_size]
  const LstmWeights* weights = nullptr;  // host array [L]
  const void* h = nullptr;               // [L, B, P] or null for zeros
  const void* c = nullptr;               // [L, B, H] or null for zeros
  void* h_next = nullptr;                // [L, B, P]; may be the same memory as h when not training
  void* c_next = nullptr;                // [L, B, H]; likewise
  void* workspace = nullptr;
  void* reserve = nullptr;
};

struct LstmStepBackward {
  const void* x = nullptr;
  const LstmWeights* weights = nullptr;
  const void* h = nullptr;
  const void* c = nullptr;
  const void* d_h_next = nullptr;            // [L, B, P] or null
  const void* d_c_next = nullptr;            // [L, B, H] or null
  void* d_x = nullptr;                       // [B, input_size] or null
  void* d_h = nullptr;                       // [L, B, P] or null
  void* d_c = nullptr;                       // [L, B, H] or null
  const LstmGradients* gradients = nullptr;  // host array [L]
  bool accumulate = false;
  void* workspace = nullptr;
  const void* reserve = nullptr;
};

class LstmStepPlan {
 public:
  LstmStepPlan(std::shared_ptr<Backend> backend, const LstmStepDesc& desc);
  ~LstmStepPlan();
  LstmStepPlan(LstmStepPlan&&) noexcept;
  LstmStepPlan& operator=(LstmStepPlan&&) noexcept;

  std::size_t workspace_bytes() const;
  std::size_t reserve_bytes() const;
  void forward(const LstmStepForward& args, Stream stream = {}) const;
  void backward(const LstmStepBackward& args, Stream stream = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ragtime
