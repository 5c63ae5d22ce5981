#pragma once

#include <cmath>

#include "cuda/arch/simt/threads.cuh"

namespace ragtime::arch {
inline namespace on_simt {

inline std::uint32_t bits(float value) {
  std::uint32_t result;
  std::memcpy(&result, &value, sizeof(result));
  return result;
}
inline float float_from_bits(std::uint32_t value) {
  float result;
  std::memcpy(&result, &value, sizeof(result));
  return result;
}

template <class T>
std::uint32_t pack2(float low, float high) {
  const T pair[2] = {from_float<T>(low), from_float<T>(high)};
  std::uint32_t result;
  std::memcpy(&result, pair, sizeof(result));
  return result;
}
// Half of the last place is added to the magnitude, the rest cut off; infinities and NaN stay.
inline std::uint32_t to_tf32(float value) {
  return std::isfinite(value) ? (bits(value) + 0x1000u) & 0xFFFFE000u : bits(value);
}

inline float exp(float x) {
  return std::exp(x);
}
inline float reciprocal(float x) {
  return 1 / x;
}
inline float tanh(float x) {
  return std::tanh(x);
}
inline float rsqrt(float x) {
  return 1 / std::sqrt(x);
}
inline float fma(float a, float b, float c) {
  return std::fma(a, b, c);
}

}  // namespace on_simt
}  // namespace ragtime::arch
