#pragma once

// Random numbers for synthetic data: integers only, so that the same seed takes the same branches everywhere.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "host/base/philox.hpp"

namespace ragtime {

// What a patient's numbers are drawn for. Each purpose has streams of its own, so that a new one changes
// nothing of what the others draw.
enum class SynthPurpose : std::uint32_t { history = 0, uuid = 1, times = 2, person = 3 };

// An endless stream of its own for each (seed, patient, purpose, index).
class SynthRandom {
 public:
  SynthRandom(std::uint64_t seed, std::uint32_t patient, SynthPurpose purpose = SynthPurpose::history,
              std::uint32_t index = 0)
      : seed_(seed), patient_(patient), index_(index), purpose_(static_cast<std::uint32_t>(purpose)) {}

  std::uint32_t next() {
    if (used_ == numbers_.size()) {
      numbers_ = philox({block_++, patient_, index_, purpose_}, seed_);
      used_ = 0;
    }
    return numbers_[used_++];
  }

  // 0 .. count - 1
  std::uint32_t below(std::uint32_t count) {
    return static_cast<std::uint32_t>((std::uint64_t{next()} * count) >> 32);
  }

  bool chance(std::uint32_t in_ten_thousand) { return below(10'000) < in_ten_thousand; }

 private:
  std::uint64_t seed_;
  std::uint32_t patient_;
  std::uint32_t index_;
  std::uint32_t purpose_;
  std::uint32_t block_ = 0;
  std::array<std::uint32_t, 4> numbers_{};
  std::size_t used_ = 4;
};

// Rank r with weight 1 / (r + 1).
class Zipf {
 public:
  explicit Zipf(std::uint32_t count) {
    std::uint32_t sum = 0;
    for (std::uint32_t rank = 0; rank < count; ++rank) cumulative_.push_back(sum += 1'000'000 / (rank + 1));
  }

  std::uint32_t draw(SynthRandom& random) const {
    const std::uint32_t weight = random.below(cumulative_.back());
    return static_cast<std::uint32_t>(std::upper_bound(cumulative_.begin(), cumulative_.end(), weight) -
                                      cumulative_.begin());
  }

 private:
  std::vector<std::uint32_t> cumulative_;
};

// One point of a distribution's inverse: so many per mille lie at or below the value.
struct Knot {
  std::uint32_t per_mille;
  std::uint32_t value;
};

// Between the knots straight lines; they begin at 0 and end at 1000 per mille.
inline std::uint32_t draw(std::span<const Knot> knots, SynthRandom& random) {
  const std::uint32_t at = random.below(1'000'000);
  std::size_t i = 1;
  while (at >= knots[i].per_mille * 1000) ++i;
  const std::uint64_t begin = knots[i - 1].per_mille * 1000;
  const std::uint64_t width = knots[i].per_mille * 1000 - begin;
  const std::uint64_t rise = knots[i].value - knots[i - 1].value;
  return knots[i - 1].value + static_cast<std::uint32_t>(rise * (at - begin) / width);
}

}  // namespace ragtime
