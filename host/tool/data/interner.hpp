#pragma once

// Strings kept once each, known by small numbers.

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/check.hpp"

namespace ragtime {

// An open-addressing hash table over one arena: no allocation for each string.
class Interner {
 public:
  // The number of the text: that of its first time, counted from 0.
  std::int32_t intern(std::string_view text) {
    if (2 * hashes_.size() >= slots_.size()) grow();
    const std::uint64_t hash = std::hash<std::string_view>{}(text);
    std::size_t slot = hash & (slots_.size() - 1);
    for (; slots_[slot] >= 0; slot = (slot + 1) & (slots_.size() - 1)) {
      const std::int32_t id = slots_[slot];
      if (hashes_[id] == hash && (*this)[id] == text) return id;
    }
    check(size() < std::numeric_limits<std::int32_t>::max(), ErrorCode::out_of_range,
          "more than 2^31 - 1 different strings");
    const std::int32_t id = size();
    slots_[slot] = id;
    hashes_.push_back(hash);
    arena_.append(text);
    ends_.push_back(arena_.size());
    return id;
  }

  std::int32_t size() const { return static_cast<std::int32_t>(hashes_.size()); }
  std::string_view operator[](std::int32_t id) const {
    return std::string_view(arena_).substr(ends_[id], ends_[id + 1] - ends_[id]);
  }

 private:
  void grow() {
    slots_.assign(slots_.empty() ? 64 : 2 * slots_.size(), -1);
    for (std::int32_t id = 0; id < size(); ++id) {
      std::size_t slot = hashes_[id] & (slots_.size() - 1);
      while (slots_[slot] >= 0) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = id;
    }
  }

  std::string arena_;
  std::vector<std::size_t> ends_{0};   // [size + 1] offsets into the arena
  std::vector<std::uint64_t> hashes_;  // [size]
  std::vector<std::int32_t> slots_;    // a power of two, -1 where free
};

}  // namespace ragtime
