#pragma once

// Numbers of 16 bits on the host: bf16 and IEEE 754 half precision, rounded to nearest, ties to even.

#include <cstdint>
#include <span>

#include "ragtime/types.hpp"

namespace ragtime {

// Beyond the largest number infinity; NaN stays NaN.
std::uint16_t to_bf16(float value);
std::uint16_t to_f16(float value);
float from_bf16(std::uint16_t bits);
float from_f16(std::uint16_t bits);

// Whole arrays of f32, bf16 or f16. Throws Error(invalid_argument) on another dtype.
void from_floats(std::span<const float> values, DType dtype, void* to);
void to_floats(const void* from, DType dtype, std::span<float> values);

}  // namespace ragtime
