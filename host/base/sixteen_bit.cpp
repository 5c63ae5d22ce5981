#include "host/base/sixteen_bit.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "host/base/check.hpp"

namespace ragtime {
namespace {

constexpr std::uint32_t float_infinity = 0x7F800000;

template <class Convert>
void store_all(std::span<const float> values, void* to, Convert convert) {
  auto* bytes = static_cast<std::byte*>(to);
  for (const float value : values) {
    const std::uint16_t bits = convert(value);
    std::memcpy(bytes, &bits, sizeof bits);
    bytes += sizeof bits;
  }
}

template <class Convert>
void load_all(const void* from, std::span<float> values, Convert convert) {
  const auto* bytes = static_cast<const std::byte*>(from);
  for (float& value : values) {
    std::uint16_t bits;
    std::memcpy(&bits, bytes, sizeof bits);
    value = convert(bits);
    bytes += sizeof bits;
  }
}

}  // namespace

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  // A mantissa that rounds up to the next power of two carries into the exponent, and the last one there
  // into infinity.
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

std::uint16_t to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  const std::uint32_t magnitude = bits & 0x7FFFFFFF;
  constexpr std::uint32_t beyond_largest = 0x477FF000;   // 65520, half a unit above the largest, 65504
  constexpr std::uint32_t smallest_normal = 0x38800000;  // 2^-14
  if (magnitude > float_infinity) return sign | 0x7E00;
  if (magnitude >= beyond_largest) return sign | 0x7C00;
  if (magnitude < smallest_normal) {
    // Next to 0.5 a float has the units of a subnormal half, 2^-24, and the sum is rounded to them.
    const float sum = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(sum) - 0x3F000000));
  }
  const std::uint32_t rounded = magnitude + 0xFFF + (magnitude >> 13 & 1);
  return static_cast<std::uint16_t>(sign | (rounded - (std::uint32_t{127 - 15} << 23)) >> 13);
}

float from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

float from_f16(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
  const std::uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t widened = exponent == 31 ? float_infinity : (exponent + 127 - 15) << 23;
  return std::bit_cast<float>(sign | widened | fraction << 13);
}

void from_floats(std::span<const float> values, DType dtype, void* to) {
  switch (dtype) {
    case DType::f32:
      if (!values.empty()) std::memcpy(to, values.data(), values.size_bytes());
      return;
    case DType::bf16:
      return store_all(values, to, to_bf16);
    case DType::f16:
      return store_all(values, to, to_f16);
    case DType::f64:
      break;
  }
  fail(ErrorCode::invalid_argument, "dtype is ", name_of(dtype), ": expected f32, bf16 or f16");
}

void to_floats(const void* from, DType dtype, std::span<float> values) {
  switch (dtype) {
    case DType::f32:
      if (!values.empty()) std::memcpy(values.data(), from, values.size_bytes());
      return;
    case DType::bf16:
      return load_all(from, values, from_bf16);
    case DType::f16:
      return load_all(from, values, from_f16);
    case DType::f64:
      break;
  }
  fail(ErrorCode::invalid_argument, "dtype is ", name_of(dtype), ": expected f32, bf16 or f16");
}

}  // namespace ragtime
