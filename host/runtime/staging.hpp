#pragma once

// The way of host arrays to a device: side by side, each aligned to 64 bytes, into one piece of memory that
// the device copies from while the host goes on, and over in one copy.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ragtime/backend.hpp"

namespace ragtime {

class Staging {
 public:
  explicit Staging(std::shared_ptr<Backend> backend) : backend_(std::move(backend)) {}

  // Where the array will begin, in bytes from the start of the device memory. The array itself must stay
  // until `copy`.
  template <class T>
  std::size_t add(std::span<const T> values) {
    bytes_ = (bytes_ + alignment - 1) / alignment * alignment;
    return extend(values);
  }
  template <class T>
  std::size_t add(const std::vector<T>& values) {
    return add(std::span<const T>(values));
  }
  // The same with room for `room` elements, of which those behind the values stay as they are, whatever.
  template <class T>
  std::size_t add(const std::vector<T>& values, std::int64_t room) {
    const std::size_t begin = add(values);
    bytes_ = begin + std::max(values.size(), static_cast<std::size_t>(room)) * sizeof(T);
    return begin;
  }
  // The same right behind the array before.
  template <class T>
  std::size_t extend(std::span<const T> values) {
    const std::size_t begin = bytes_;
    pieces_.push_back({values.data(), begin, values.size_bytes()});
    bytes_ += values.size_bytes();
    return begin;
  }

  // Copies what was added, on the stream; both pieces of memory grow where they are too small. The memory on
  // the host may still be read by an earlier copy on the same stream: that is waited for, and nothing else.
  void copy(HostBuffer& host, Buffer& device, Stream stream) const;

 private:
  static constexpr std::size_t alignment = 64;

  struct Piece {
    const void* data;
    std::size_t begin, bytes;
  };

  std::shared_ptr<Backend> backend_;
  std::vector<Piece> pieces_;
  std::size_t bytes_ = 0;
};

}  // namespace ragtime
