#pragma once

// CUB's device-wide sort and scan. Two implementations: gpu/, and simt/. `workspace`: device
// memory of as many bytes as the function of that name says for the same sizes.

#include <cstddef>
#include <cstdint>

#include "cuda/arch/types.cuh"
#include "ragtime/types.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// Stable, ascending by the lowest `key_bits` of the keys, which are not negative. All arrays [count], none
// overlapping another.
std::size_t sort_pairs_workspace(std::int64_t count, int key_bits);
void sort_pairs(const std::int32_t* keys, std::int32_t* sorted_keys, const std::int32_t* values,
                std::int32_t* sorted_values, std::int64_t count, int key_bits, void* workspace,
                Stream stream);

// sums[i] = min(limit, values[0] + ... + values[i]), for values of 0 ... limit. Both [count], not the same.
std::size_t limited_sum_workspace(std::int64_t count);
void limited_sum(const std::int32_t* values, std::int32_t* sums, std::int64_t count, std::int32_t limit,
                 void* workspace, Stream stream);

// Bits of the numbers 0 ... largest.
constexpr int bits_for(std::int64_t largest) {
  int bits = 1;
  while (largest >> bits != 0) ++bits;
  return bits;
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
