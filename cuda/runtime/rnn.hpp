#pragma once

// cuDNN's LSTM. Three implementations: gpu/rnn.cu; gpu/rnn_absent.cu, where its headers were not found; and
// simt/ (the cpu backend, given the same arrays).
//
// The library is opened when the first Rnn is made, so that ragtime neither links cuDNN nor needs it: where
// it is missing, that throws Error(unsupported) which says so. The same is thrown for what cuDNN refuses.
//
// Letters as in types.hpp. B here counts sequences with rows only; cuDNN has no empty ones.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cuda/arch/types.cuh"
#include "ragtime/types.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// cuDNN's names. Only `standard` takes packed rows.
enum class RnnAlgorithm : std::uint8_t { standard, persist_static, persist_dynamic, persist_static_small_h };

struct RnnDesc {
  DType dtype = DType::f32;  // f32, bf16 or f16, of everything; sums are f32
  std::int64_t input_size = 0, hidden_size = 0;
  std::int64_t proj_size = 0;  // 0: none
  std::int64_t num_layers = 1, directions = 1;
  bool bias = true;
  bool training = true;
  bool tf32 = false;
  std::int64_t sequences = 0, steps = 0;  // the most a run will ask for
  std::int64_t rows = 0;                  // of all sequences together, likewise, where rows are packed
  RnnAlgorithm algorithm = RnnAlgorithm::standard;
  // false: x and y are in the packed layout. true: they are [T, B, width], any order of lengths; padding is
  // not read, and y's is written 0.
  bool padded = false;
};

// Where some elements of a weight stand in cuDNN's weight space.
struct RnnPiece {
  std::int64_t slot = 0;   // layer * D + direction
  int weight = 0;          // weight_ih, weight_hh, bias_ih, bias_hh, weight_hr
  std::int64_t first = 0;  // element of the weight
  std::int64_t count = 0;  // elements
  std::size_t offset = 0;  // bytes from the beginning of the weight space
};

struct RnnLengths {
  const std::int32_t* host = nullptr;    // [B] at least 1, longest first where rows are packed
  const std::int32_t* device = nullptr;  // [B] the same
  std::int64_t sequences = 0;            // B, at least 1
  std::int64_t steps = 0;                // T, the longest
};

// Device pointers, aligned to 256 bytes where they are cuDNN's own memory.
struct RnnForward {
  RnnLengths lengths;
  const void* x = nullptr;        // [N, input_size]
  const void* h0 = nullptr;       // [L*D, B, P] or null for zeros
  const void* c0 = nullptr;       // [L*D, B, H] or null for zeros
  void* y = nullptr;              // [N, D*P]
  void* h_n = nullptr;            // [L*D, B, P] or null
  void* c_n = nullptr;            // [L*D, B, H] or null
  const void* weights = nullptr;  // [weight_bytes()]
  void* workspace = nullptr;      // [workspace_bytes()]
  void* reserve = nullptr;        // [reserve_bytes()]
};

struct RnnBackward {
  RnnLengths lengths;
  const void* x = nullptr;  // [N, input_size]
  const void* h0 = nullptr;
  const void* c0 = nullptr;
  const void* y = nullptr;      // [N, D*P] as forward wrote it
  const void* d_y = nullptr;    // [N, D*P]
  const void* d_h_n = nullptr;  // [L*D, B, P] or null for zeros
  const void* d_c_n = nullptr;  // [L*D, B, H] or null for zeros
  void* d_x = nullptr;          // [N, input_size]
  void* d_h0 = nullptr;         // [L*D, B, P] or null
  void* d_c0 = nullptr;         // [L*D, B, H] or null
  const void* weights = nullptr;
  void* d_weights = nullptr;  // [weight_bytes()] or null: overwritten
  void* workspace = nullptr;
  void* reserve = nullptr;  // as forward left it; lost, cuDNN writes into it
};

class Rnn {
 public:
  explicit Rnn(const RnnDesc& desc);
  ~Rnn();
  Rnn(Rnn&&) noexcept;
  Rnn& operator=(Rnn&&) noexcept;

  std::size_t weight_bytes() const;
  std::size_t workspace_bytes() const;
  std::size_t reserve_bytes() const;  // 0 without training
  // Every element of every weight once, in order, neighbours joined. What lies between them is to be 0.
  const std::vector<RnnPiece>& pieces() const;

  void forward(const RnnForward& args, Stream stream) const;
  void backward(const RnnBackward& args, Stream stream) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The size of a weight in elements; `weight` as in RnnPiece. 0 where the description has none.
inline std::int64_t rnn_weight_size(const RnnDesc& desc, std::int64_t slot, int weight) {
  const std::int64_t width = desc.proj_size > 0 ? desc.proj_size : desc.hidden_size;
  const std::int64_t gates = 4 * desc.hidden_size;
  switch (weight) {
    case 0:
      return gates * (slot < desc.directions ? desc.input_size : desc.directions * width);
    case 1:
      return gates * width;
    case 4:
      return desc.proj_size * desc.hidden_size;
    default:
      return desc.bias ? gates : 0;
  }
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
