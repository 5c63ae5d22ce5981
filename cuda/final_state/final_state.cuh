#pragma once

// The state each sequence ends with, and its adjoint.
//
//   out[b, d] = y[row(b, d), d],  row(b, 0) the last of b's rows, row(b, 1) the first; 0 without rows
//   d_y[n, d] = d_out[b, d] where n = row(b, d), else 0 (or what is there)
//
// A warp takes a sequence, its lanes the elements side by side, so reads and writes are whole lines. Forward
// touches B rows and nothing else. Backward without accumulating clears the rows of its sequence on the way,
// so that y's gradient is written once; long sequences are cleared by one warp each, which only a sequence of
// thousands of rows among few would notice. Warps share nothing and wait for nobody.

#include "cuda/arch/arch.cuh"
#include "cuda/support/status_word.cuh"
#include "ragtime/types.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct FinalStateTuning {
  static constexpr unsigned threads = 128;
  static constexpr unsigned warps = threads / arch::warp_size;
};

// What a batch has beyond the capacity, sequences or rows, is left alone.
RAGTIME_DEVICE std::int64_t sequences_in(const RaggedView& batch, const Capacity& capacity) {
  const std::int64_t given = batch.counts[0];
  return given < capacity.sequences ? given : capacity.sequences;
}

template <class T>
RAGTIME_KERNEL(FinalStateTuning::threads, 1)
final_state_forward(RaggedView batch, Capacity capacity, std::int64_t width, std::int64_t directions,
                    const T* y, T* out) {
  const std::int64_t row_width = directions * width, sequences = sequences_in(batch, capacity);
  report_beyond(batch, capacity.sequences, capacity.rows);
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * FinalStateTuning::warps;
  for (std::int64_t b = std::int64_t{arch::block_index().x} * FinalStateTuning::warps + arch::warp();
       b < sequences; b += stride) {
    const std::int64_t first = batch.visit_offsets[b], last = std::int64_t{batch.visit_offsets[b + 1]} - 1;
    if (last >= capacity.rows) continue;
    for (std::int64_t e = arch::lane(); e < row_width; e += arch::warp_size) {
      const std::int64_t row = e < width ? last : first;
      out[b * row_width + e] = last < first ? arch::from_float<T>(0) : y[row * row_width + e];
    }
  }
}

template <class T>
RAGTIME_KERNEL(FinalStateTuning::threads, 1)
final_state_backward(RaggedView batch, Capacity capacity, std::int64_t width, std::int64_t directions,
                     const T* d_out, T* d_y, bool accumulate) {
  const std::int64_t row_width = directions * width, sequences = sequences_in(batch, capacity);
  report_beyond(batch, capacity.sequences, capacity.rows);
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * FinalStateTuning::warps;
  for (std::int64_t b = std::int64_t{arch::block_index().x} * FinalStateTuning::warps + arch::warp();
       b < sequences; b += stride) {
    const std::int64_t first = batch.visit_offsets[b], end = batch.visit_offsets[b + 1];
    // A lane has the same elements of every row, so what it clears and what it puts there are in order.
    for (std::int64_t e = arch::lane(); e < row_width; e += arch::warp_size) {
      if (end == first || end > capacity.rows) continue;
      const std::int64_t row = e < width ? end - 1 : first;
      if (!accumulate)
        for (std::int64_t n = first; n < end; ++n) d_y[n * row_width + e] = arch::from_float<T>(0);
      T& d = d_y[row * row_width + e];
      const float before = accumulate ? arch::to_float(d) : 0.0f;
      d = arch::from_float<T>(before + arch::to_float(d_out[b * row_width + e]));
    }
  }
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
