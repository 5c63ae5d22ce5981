#pragma once

// What a run computes in, by name.

#include <array>
#include <string_view>

#include "ragtime/types.hpp"

namespace ragtime {

enum class Precision : std::uint8_t {
  f32,   // strictly, on every device
  tf32,  // CUDA: f32, but the factors of products may be rounded to tf32
  bf16,  // CUDA: parameters, activations and gradients in bf16; training adds up its steps in f32
};

inline constexpr std::array all_precisions = {Precision::f32, Precision::tf32, Precision::bf16};

const char* name_of(Precision precision);
Precision precision_from_name(std::string_view name);  // throws Error(invalid_argument) that lists the names

inline DType dtype_of(Precision precision) {
  return precision == Precision::bf16 ? DType::bf16 : DType::f32;
}

// Throws Error(unsupported) on one that this device does not compute in.
void check_supported(Precision precision, DeviceType device);

}  // namespace ragtime
