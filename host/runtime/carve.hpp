#pragma once

// One code path that both sizes and cuts a workspace: run it over null to learn the size, over memory to get
// the pieces.

#include <cstddef>
#include <cstdint>
#include <limits>

#include "host/base/check.hpp"

namespace ragtime {

class Carver {
 public:
  explicit Carver(const void* base) : base_(static_cast<std::byte*>(const_cast<void*>(base))) {}

  // A piece of `count` elements, aligned to 64 bytes; null while sizing.
  template <class T>
  T* take(std::int64_t count) {
    std::size_t bytes = 0;
    if (count < 0 || __builtin_mul_overflow(static_cast<std::size_t>(count), sizeof(T), &bytes) ||
        bytes > limit - used_)
      fail(ErrorCode::out_of_memory, "a workspace of ", count, " elements of ", sizeof(T),
           " bytes on top of ", used_, " bytes is larger than any memory");
    T* piece = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + used_);
    used_ += (bytes + 63) / 64 * 64;
    return piece;
  }

  std::size_t bytes() const { return used_; }

 private:
  static constexpr std::size_t limit = std::numeric_limits<std::size_t>::max() / 4;
  std::byte* base_;
  std::size_t used_ = 0;
};

}  // namespace ragtime
