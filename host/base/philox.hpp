#pragma once

// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011): random
// numbers as a function of a counter, so that any element's number can be had without drawing the ones before
// it.

#include <array>
#include <cstdint>

namespace ragtime {

constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t seed) {
  std::uint32_t key0 = static_cast<std::uint32_t>(seed);
  std::uint32_t key1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(product1),
        static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key1, static_cast<std::uint32_t>(product0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// The four numbers that decide on elements 4 * quad .. 4 * quad + 3 of a sequence; element = t x width +
// unit.
constexpr std::array<std::uint32_t, 4> dropout_numbers(std::uint64_t seed, std::uint64_t step,
                                                       std::uint32_t site, std::uint32_t sequence_id,
                                                       std::uint64_t quad) {
  return philox({static_cast<std::uint32_t>(quad), static_cast<std::uint32_t>(quad >> 32) ^ (site << 16),
                 sequence_id, static_cast<std::uint32_t>(step)},
                seed);
}

// An element is kept when its number is at least this: a share p of the 2^32 numbers lies below.
constexpr std::uint32_t dropout_threshold(double probability) {
  return static_cast<std::uint32_t>(probability * 4294967296.0);
}

// Uniform in [0, 1), 24 bits.
constexpr float to_uniform(std::uint32_t number) {
  return static_cast<float>(number >> 8) * 0x1p-24f;
}

}  // namespace ragtime
