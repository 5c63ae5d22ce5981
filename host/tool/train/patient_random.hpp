#pragma once

// Numbers that follow from a patient's id and a seed alone: what is drawn for one patient stays as it is when
// others come or go.

#include <cstdint>
#include <string_view>

#include "host/base/philox.hpp"

namespace ragtime {

enum class PatientDraw : std::uint32_t { split, sample };  // what a number is for

// In [0, 1). index: which of the patient's numbers.
inline double patient_random(std::string_view patient_id, std::uint64_t seed, PatientDraw draw,
                             std::uint32_t index = 0) {
  std::uint64_t id = 0xCBF29CE484222325;  // FNV-1a
  for (const char byte : patient_id) id = (id ^ static_cast<unsigned char>(byte)) * 0x100000001B3;
  const auto numbers = philox({static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(id >> 32), index,
                               static_cast<std::uint32_t>(draw)},
                              seed);
  return static_cast<double>(numbers[0]) * 0x1p-32;
}

}  // namespace ragtime
