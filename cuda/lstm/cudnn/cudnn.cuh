#pragma once

// What stands between an LSTM's arguments and cuDNN's, beside the rows, which convert_layout moves.
//
// States. Ours are [L*D, B, W], sequences in their original order. cuDNN's are [L*D, A, W]: the sequences
// that have rows, longest first, which are the first A of `order`. With s a layer and direction, b =
// order[i], w an element:
//   to cuDNN    sorted[s, i, w] = states[s, b, w] (+ final[b, s - S, w] in the last layer, whose slots begin
//               at S), for i < A; what is null counts as 0
//   from cuDNN  states[s, b, w] = final[b, s - S, w] = sorted[s, i, w] for i < A; for the others, without
//               rows, what they began with: kept[s, b, w] (+ kept_final[b, s - S, w])
// `kept` is h_0 or c_0 on the way forward (a sequence without rows ends as it began) and the gradient of the
// state at the end on the way back, `final` the final_state of the last layer or its gradient.
//
// Elements are taken one by one by threads side by side; states are small beside rows. Threads share nothing
// and wait for nobody.

#include "cuda/arch/arch.cuh"
#include "ragtime/types.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct LstmCudnnTuning {
  static constexpr unsigned threads = 256;
};

// Elements of this thread: its number in the grid, and on by the size of the grid.
struct ElementRange {
  std::int64_t first, stride;
  RAGTIME_DEVICE ElementRange()
      : first(std::int64_t{arch::block_index().x} * LstmCudnnTuning::threads + arch::thread_rank()),
        stride(std::int64_t{arch::grid_extent().x} * LstmCudnnTuning::threads) {}
};

struct StateShape {
  const std::int32_t* order;  // [B]
  std::int64_t slots;         // L*D
  std::int64_t directions;    // D
  std::int64_t sequences;     // B
  std::int64_t with_rows;     // A
  std::int64_t width;         // W
};

// states[s, b, w] + final[b, s - S, w]
template <class T>
RAGTIME_DEVICE float state_of(const StateShape& shape, const T* states, const T* final, std::int64_t s,
                              std::int64_t b, std::int64_t w) {
  float value = 0;
  if (states != nullptr) value = arch::to_float(states[(s * shape.sequences + b) * shape.width + w]);
  const std::int64_t direction = s - (shape.slots - shape.directions);
  if (final != nullptr && direction >= 0)
    value += arch::to_float(final[(b * shape.directions + direction) * shape.width + w]);
  return value;
}

template <class T>
RAGTIME_KERNEL(LstmCudnnTuning::threads, 1)
sort_states(StateShape shape, const T* states, const T* final, T* sorted) {
  const ElementRange range;
  const std::int64_t count = shape.slots * shape.with_rows * shape.width;
  for (std::int64_t e = range.first; e < count; e += range.stride) {
    const std::int64_t w = e % shape.width, i = e / shape.width % shape.with_rows,
                       s = e / shape.width / shape.with_rows;
    sorted[e] = arch::from_float<T>(state_of(shape, states, final, s, shape.order[i], w));
  }
}

template <class T>
struct UnsortedStates {
  const T* sorted;      // [L*D, A, W]
  const T* kept;        // [L*D, B, W] or null for zeros
  const T* kept_final;  // [B, D*W] or null for zeros
  T* states;            // [L*D, B, W] or null
  T* final;             // [B, D*W] or null
};

template <class T>
RAGTIME_KERNEL(LstmCudnnTuning::threads, 1)
unsort_states(StateShape shape, UnsortedStates<T> args) {
  const ElementRange range;
  const std::int64_t count = shape.slots * shape.sequences * shape.width;
  for (std::int64_t e = range.first; e < count; e += range.stride) {
    const std::int64_t w = e % shape.width, i = e / shape.width % shape.sequences,
                       s = e / shape.width / shape.sequences, b = shape.order[i];
    const T value = i < shape.with_rows
                        ? args.sorted[(s * shape.with_rows + i) * shape.width + w]
                        : arch::from_float<T>(state_of(shape, args.kept, args.kept_final, s, b, w));
    if (args.states != nullptr) args.states[(s * shape.sequences + b) * shape.width + w] = value;
    const std::int64_t direction = s - (shape.slots - shape.directions);
    if (args.final != nullptr && direction >= 0)
      args.final[(b * shape.directions + direction) * shape.width + w] = value;
  }
}

// lengths[i] of the first `count` sequences of the order.
RAGTIME_KERNEL(LstmCudnnTuning::threads, 1)
sorted_lengths(RaggedView batch, std::int64_t count, std::int32_t* lengths) {
  const ElementRange range;
  for (std::int64_t i = range.first; i < count; i += range.stride) {
    const std::int64_t b = batch.order[i];
    lengths[i] = batch.visit_offsets[b + 1] - batch.visit_offsets[b];
  }
}

template <class T>
RAGTIME_KERNEL(LstmCudnnTuning::threads, 1)
add_elements(const T* from, T* to, std::int64_t count) {
  const ElementRange range;
  for (std::int64_t e = range.first; e < count; e += range.stride)
    to[e] = arch::from_float<T>(arch::to_float(to[e]) + arch::to_float(from[e]));
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
