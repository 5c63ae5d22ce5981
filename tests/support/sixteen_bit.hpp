#pragma once

// bf16 and f16 as the host sees them: 16 bits that are made from a number, rounded to nearest even, and give
// the number back. Written from the formats, sharing nothing with the library.

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace ragtime::test {

// Sign, exponent, mantissa; an exponent of all ones is infinity or NaN.
template <int ExponentBits>
struct SixteenBit {
  static constexpr int mantissa_bits = 15 - ExponentBits;
  static constexpr int bias = (1 << (ExponentBits - 1)) - 1;
  static constexpr double largest = (2 - 1.0 / (1 << mantissa_bits)) * (ExponentBits == 8 ? 0x1p127 : 0x1p15);

  std::uint16_t bits = 0;

  SixteenBit() = default;
  explicit SixteenBit(double value) {
    const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
    constexpr auto infinity = static_cast<std::uint16_t>(((1 << ExponentBits) - 1) << mantissa_bits);
    if (std::isnan(value)) {
      bits = static_cast<std::uint16_t>(infinity | 1 << (mantissa_bits - 1));
      return;
    }
    const double magnitude = std::abs(value);
    const int exponent = magnitude == 0 ? 1 - bias : std::max(std::ilogb(magnitude), 1 - bias);
    // Units of the last place; the default rounding is to nearest, ties to even.
    const double units = std::nearbyint(std::ldexp(magnitude, mantissa_bits - exponent));
    const double rounded = std::ldexp(units, exponent - mantissa_bits);
    if (rounded > largest) {
      bits = sign | infinity;
      return;
    }
    // A mantissa that rounded up to the next power of two carries into the exponent by itself.
    const auto whole = static_cast<std::int32_t>(units);
    bits = static_cast<std::uint16_t>(sign | (whole + ((exponent + bias - 1) << mantissa_bits)));
  }
  explicit operator double() const {
    const int exponent = bits >> mantissa_bits & ((1 << ExponentBits) - 1);
    const int mantissa = bits & ((1 << mantissa_bits) - 1);
    double magnitude = 0;
    if (exponent == (1 << ExponentBits) - 1)
      magnitude =
          mantissa == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
    else if (exponent == 0)
      magnitude = std::ldexp(mantissa, 1 - bias - mantissa_bits);
    else
      magnitude = std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
  }
  explicit operator float() const { return static_cast<float>(static_cast<double>(*this)); }
  double operator+() const { return static_cast<double>(*this); }
  friend bool operator==(SixteenBit a, SixteenBit b) {
    return static_cast<double>(a) == static_cast<double>(b);
  }
};

using bf16 = SixteenBit<8>;
using f16 = SixteenBit<5>;

}  // namespace ragtime::test
