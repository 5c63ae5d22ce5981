#pragma once

// Neighbouring elements of a storage type, loaded and stored in accesses as wide as there are, and floats in
// between.

#include <cstring>

#include "cuda/arch/arch.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <class T>
inline constexpr int widest_elements = 16 / static_cast<int>(sizeof(T));  // that one access can have

// N elements: one from anywhere, or a power of two of them from an address that is aligned to their bytes, or
// to 16 of these.
template <int N, class T>
RAGTIME_DEVICE void load_floats(const T* from, float (&to)[N]) {
  if constexpr (N == 1) {
    to[0] = arch::to_float(*from);
  } else {
    constexpr int each = N < widest_elements<T> ? N : widest_elements<T>;
    RAGTIME_UNROLL
    for (int i = 0; i < N; i += each) {
      constexpr int bytes = each * static_cast<int>(sizeof(T));
      const arch::Chunk<bytes> chunk = arch::load<bytes>(from + i);
      T elements[each];
      std::memcpy(static_cast<void*>(elements), &chunk, bytes);
      RAGTIME_UNROLL
      for (int k = 0; k < each; ++k) to[i + k] = arch::to_float(elements[k]);
    }
  }
}
template <int N, class T>
RAGTIME_DEVICE void store_floats(T* to, const float (&from)[N]) {
  if constexpr (N == 1) {
    *to = arch::from_float<T>(from[0]);
  } else {
    constexpr int each = N < widest_elements<T> ? N : widest_elements<T>;
    RAGTIME_UNROLL
    for (int i = 0; i < N; i += each) {
      constexpr int bytes = each * static_cast<int>(sizeof(T));
      T elements[each];
      RAGTIME_UNROLL
      for (int k = 0; k < each; ++k) elements[k] = arch::from_float<T>(from[i + k]);
      arch::Chunk<bytes> chunk;
      std::memcpy(&chunk, static_cast<const void*>(elements), bytes);
      arch::store(to + i, chunk);
    }
  }
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
