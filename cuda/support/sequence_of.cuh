#pragma once

#include "cuda/arch/arch.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// The sequence in [low, high] that element e of ragged rows [N, width] belongs to: the last that begins at or
// before it, so that empty ones are passed over. The element is in one of them. By halves, without a
// division.
RAGTIME_DEVICE std::int64_t sequence_of(const std::int32_t* visit_offsets, std::int64_t low,
                                        std::int64_t high, std::int64_t width, std::int64_t e) {
  while (low < high) {
    const std::int64_t middle = (low + high + 1) / 2;
    if (visit_offsets[middle] * width <= e)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
