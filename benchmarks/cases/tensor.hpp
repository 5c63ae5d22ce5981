#pragma once

// Numbers in device memory in the type of a case, for benchmarks to fill and to look at.

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "host/base/sixteen_bit.hpp"
#include "ragtime/backend.hpp"

namespace ragtime::benchmarks {

// The types of cases: those of storage, and f32 whose factors are rounded to tf32.
struct Precision {
  std::string name;
  DType dtype;
  bool tf32;
  double tolerance;  // of a result, as a share of the largest: loose, to tell right from wrong
};

inline const std::vector<Precision>& precisions() {
  static const std::vector<Precision> all = {{"f32", DType::f32, false, 1e-4},
                                             {"tf32", DType::f32, true, 2e-2},
                                             {"bf16", DType::bf16, false, 1e-1},
                                             {"f16", DType::f16, false, 2e-2}};
  return all;
}

// The type in which the cpu backend computes what is right: on the CPU double, so that its f32 is not held
// against itself. On a GPU f32 does, and sooner.
inline DType reference_type(const Backend& backend) {
  return backend.device() == DeviceType::cpu ? DType::f64 : DType::f32;
}

class Tensor {
 public:
  Tensor() = default;
  Tensor(const std::shared_ptr<Backend>& backend, const std::vector<float>& values, DType dtype)
      : Tensor(backend, static_cast<std::int64_t>(values.size()), dtype) {
    if (dtype == DType::f32) {
      backend->copy(memory_.data(), values.data(), memory_.bytes(), CopyKind::to_device);
      backend->synchronize();
      return;
    }
    if (dtype == DType::f64) {
      const std::vector<double> wide(values.begin(), values.end());
      backend->copy(memory_.data(), wide.data(), memory_.bytes(), CopyKind::to_device);
      backend->synchronize();
      return;
    }
    std::vector<std::uint16_t> bits(values.size());
    from_floats(values, dtype, bits.data());
    backend->copy(memory_.data(), bits.data(), memory_.bytes(), CopyKind::to_device);
    backend->synchronize();
  }
  // Of zeros.
  Tensor(std::shared_ptr<Backend> backend, std::int64_t count, DType dtype)
      : backend_(std::move(backend)),
        dtype_(dtype),
        count_(count),
        memory_(backend_, static_cast<std::size_t>(count) * size_of(dtype)) {
    clear();
  }

  void* data() const { return memory_.data(); }
  std::size_t bytes() const { return memory_.bytes(); }
  std::int64_t count() const { return count_; }
  void clear() const {
    backend_->zero(memory_.data(), memory_.bytes());
    backend_->synchronize();
  }
  std::vector<float> host() const {
    std::vector<float> values(static_cast<std::size_t>(count_));
    if (dtype_ == DType::f32) {
      backend_->copy(values.data(), memory_.data(), memory_.bytes(), CopyKind::to_host);
      backend_->synchronize();
      return values;
    }
    if (dtype_ == DType::f64) {
      std::vector<double> wide(values.size());
      backend_->copy(wide.data(), memory_.data(), memory_.bytes(), CopyKind::to_host);
      backend_->synchronize();
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(wide[i]);
      return values;
    }
    std::vector<std::uint16_t> bits(values.size());
    backend_->copy(bits.data(), memory_.data(), memory_.bytes(), CopyKind::to_host);
    backend_->synchronize();
    to_floats(bits.data(), dtype_, values);
    return values;
  }

 private:
  std::shared_ptr<Backend> backend_;
  DType dtype_ = DType::f32;
  std::int64_t count_ = 0;
  Buffer memory_;
};

template <class T>
Buffer upload(const std::shared_ptr<Backend>& backend, const std::vector<T>& values) {
  Buffer buffer(backend, values.size() * sizeof(T));
  backend->copy(buffer.data(), values.data(), buffer.bytes(), CopyKind::to_device);
  backend->synchronize();
  return buffer;
}

// The numbers as the type has them.
inline std::vector<float> rounded(std::vector<float> values, DType dtype) {
  if (dtype == DType::f32) return values;
  std::vector<std::uint16_t> bits(values.size());
  from_floats(values, dtype, bits.data());
  to_floats(bits.data(), dtype, values);
  return values;
}

// Throws where `actual` is not `expected` within a share of the largest; NaN is never right.
inline void expect_close(const std::vector<float>& actual, const std::vector<float>& expected, double share,
                         const std::string& what) {
  if (actual.size() != expected.size())
    throw std::runtime_error(what + " has " + std::to_string(actual.size()) + " elements, expected " +
                             std::to_string(expected.size()));
  double scale = 0;
  for (const float value : expected) scale = std::max(scale, std::abs(static_cast<double>(value)));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    if (!(difference <= share * scale))
      throw std::runtime_error("wrong: " + what + "[" + std::to_string(i) + "] is " +
                               std::to_string(actual[i]) + ", expected " + std::to_string(expected[i]));
  }
}

}  // namespace ragtime::benchmarks
