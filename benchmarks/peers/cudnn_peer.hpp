#pragma once

// cuDNN's LSTM called directly, with its own arrays in place: what a program that knows cuDNN would time.

#include <memory>
#include <string>
#include <vector>

#include "ragtime/lstm.hpp"

namespace ragtime::benchmarks {

struct CudnnPeerDesc {
  std::string algorithm;  // "standard", "persist_static", "persist_dynamic" or "persist_static_small_h"
  bool padded = false;    // rows are [T, B, width]; else packed, longest first
  DType dtype = DType::f32;
  bool tf32 = false;
  std::int64_t input_size = 0, hidden_size = 0, num_layers = 1;
  bool training = false;
  std::vector<std::int32_t> lengths;  // longest first where packed
};

class CudnnPeer {
 public:
  // `weights`: device pointers, [num_layers]. Throws Error: unsupported where there is no cuDNN or it
  // refuses.
  CudnnPeer(std::shared_ptr<Backend> backend, const CudnnPeerDesc& desc,
            const std::vector<LstmWeights>& weights);
  ~CudnnPeer();

  std::size_t bytes() const;  // weights, their gradients, workspace and reserve
  void forward(const void* x, void* y, Stream stream) const;
  // Gradients of x, of the initial states and of the weights.
  void backward(const void* x, const void* y, const void* d_y, void* d_x, Stream stream) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ragtime::benchmarks
