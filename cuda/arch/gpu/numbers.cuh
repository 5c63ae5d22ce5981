#pragma once

// Conversions and the functions that have a fast form. How exact each is holds on every implementation; what
// is not here (sqrtf, logf, log1pf, fabsf, ...) comes from <cmath> and is as exact as CUDA's tables say.

#include "cuda/arch/gpu/memory.cuh"

namespace ragtime::arch {
inline namespace on_gpu {

RAGTIME_DEVICE std::uint32_t bits(float value) {
  return __float_as_uint(value);
}
RAGTIME_DEVICE float float_from_bits(std::uint32_t value) {
  return __uint_as_float(value);
}

// Two 16-bit values in a register, as mma takes them: the first in the low half.
template <class T>
RAGTIME_DEVICE std::uint32_t pack2(float low, float high) {
  if constexpr (std::is_same_v<T, bf16>)
    return same_bits<std::uint32_t>(__floats2bfloat162_rn(low, high));
  else
    return same_bits<std::uint32_t>(__floats2half2_rn(low, high));
}
// To nearest, ties away from zero.
RAGTIME_DEVICE std::uint32_t to_tf32(float value) {
  std::uint32_t rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(value));
  return rounded;
}

// Relative error at most 2 + 1.2 |x| units in the last place; 0 where the result is below 2^-126.
RAGTIME_DEVICE float exp(float x) {
  constexpr float log2_of_e = 1.44269504f;
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x * log2_of_e));
  return result;
}
// Relative error at most 1 unit in the last place; 0 for x beyond 2^126. The compiler's own division takes
// three times as long, most of it for numbers that do not occur here.
RAGTIME_DEVICE float reciprocal(float x) {
  float result;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
// Absolute error at most 2^-21. The machine's own tanh.approx is off by 2^-11, too much for an f32 LSTM.
RAGTIME_DEVICE float tanh(float x) {
  const float e = exp(-2 * fabsf(x));
  return copysignf((1 - e) * reciprocal(1 + e), x);
}
// Relative error at most 2 units in the last place.
RAGTIME_DEVICE float rsqrt(float x) {
  return rsqrtf(x);
}
// Rounded once.
RAGTIME_DEVICE float fma(float a, float b, float c) {
  return __fmaf_rn(a, b, c);
}

}  // namespace on_gpu
}  // namespace ragtime::arch
