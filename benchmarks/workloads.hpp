#pragma once

// Named workloads: how long the sequences of a batch are, and numbers to fill them with. Drawn from a seed,
// the same everywhere.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>
#include <vector>

#include "host/core/philox.hpp"

namespace ragtime::benchmarks {

// `synthea`: 64 patients, median 17 visits, 90 % have at most about 47, at most 140 (a clipped log-normal).
inline std::vector<std::int32_t> synthea_lengths() {
  std::vector<std::int32_t> lengths;
  for (std::uint32_t b = 0; b < 64; ++b) {
    const auto numbers = philox({b, 0, 0, 0}, 1);
    const double u = (numbers[0] + 0.5) * 0x1p-32, v = (numbers[1] + 0.5) * 0x1p-32;
    const double normal = std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
    lengths.push_back(static_cast<std::int32_t>(std::clamp(17 * std::exp(0.8 * normal), 1.0, 140.0)));
  }
  return lengths;
}

// In [-0.5, 0.5) times scale.
inline std::vector<float> random_values(std::int64_t count, std::uint32_t stream, float scale = 1) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i)
    values[static_cast<std::size_t>(i)] =
        (to_uniform(philox({static_cast<std::uint32_t>(i), stream, 0, 0}, 7)[0]) - 0.5f) * scale;
  return values;
}

}  // namespace ragtime::benchmarks
