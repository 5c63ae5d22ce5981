#pragma once

// What operation tests share: the backends they run on, arrays in device memory, seeded numbers, comparisons
// that fail on NaN, finite differences. References are no part of this: each operation has its own, written
// from its formula.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ragtime/backend.hpp"
#include "ragtime/error.hpp"
#include "ragtime/ragged_batch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/sixteen_bit.hpp"

namespace ragtime::test {

// The base of every operation test: runs once per backend that is built in, and is skipped, never passed, on
// one whose device is missing. Needs RAGTIME_TEST_ON_BACKENDS(Fixture) once.
class OnBackend : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    try {
      backend = make_backend(GetParam());
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported && error.code() != ErrorCode::device_error) throw;
      GTEST_SKIP() << "no " << GetParam() << " here: " << error.what();
    }
  }
  void TearDown() override { set_cpu_threads(0); }

  // Whether the backend computes in T: the CPU in float and double, others in float, bf16 and f16.
  template <class T>
  bool computes_in() const {
    const bool sixteen_bits = std::is_same_v<T, bf16> || std::is_same_v<T, f16>;
    return std::is_same_v<T, float> || (backend->device() == DeviceType::cpu) != sixteen_bits;
  }

  std::shared_ptr<Backend> backend;
};

inline std::string name_of_backend(const testing::TestParamInfo<std::string>& backend) {
  return backend.param;
}

// At the beginning of a test that is all in double.
#define RAGTIME_NEEDS_DOUBLE() RAGTIME_NEEDS(double)
#define RAGTIME_NEEDS(T) \
  if (!computes_in<T>()) GTEST_SKIP() << "the " << GetParam() << " backend does not compute in " << #T

#define RAGTIME_TEST_ON_BACKENDS(Fixture)                                                   \
  INSTANTIATE_TEST_SUITE_P(Backends, Fixture, testing::ValuesIn(ragtime::backends_built()), \
                           ragtime::test::name_of_backend)

template <class T>
constexpr DType dtype_of = std::is_same_v<T, double> ? DType::f64
                           : std::is_same_v<T, bf16> ? DType::bf16
                           : std::is_same_v<T, f16>  ? DType::f16
                                                     : DType::f32;

// What a result may differ from its double reference, as a share of the largest value. For 16 bits: one
// rounding to nearest of the result, and as much again for those on the way.
template <class T>
constexpr double tolerance = std::is_same_v<T, double> ? 1e-12
                             : std::is_same_v<T, bf16> ? 0x1p-7
                             : std::is_same_v<T, f16>  ? 0x1p-10
                                                       : 1e-5;

template <class T>
inline const T nan = T(std::numeric_limits<double>::quiet_NaN());
template <>
inline constexpr float nan<float> = std::numeric_limits<float>::quiet_NaN();
template <>
inline constexpr double nan<double> = std::numeric_limits<double>::quiet_NaN();

// Elements in device memory, freed with the object. Made from host values or, by `poisoned`, from bytes that
// read as NaN, and as numbers far out of range, so that reading what nobody wrote shows.
template <class T>
class DeviceArray {
 public:
  DeviceArray() = default;
  DeviceArray(std::shared_ptr<Backend> backend, const std::vector<T>& values)
      : backend_(backend), memory_(backend, values.size() * sizeof(T)), size_(values.size()) {
    backend_->copy(memory_.data(), values.data(), memory_.bytes(), CopyKind::to_device);
    backend_->synchronize();
  }
  static DeviceArray poisoned(std::shared_ptr<Backend> backend, std::int64_t count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    if (!values.empty()) std::memset(static_cast<void*>(values.data()), 0xFF, values.size() * sizeof(T));
    return DeviceArray(std::move(backend), values);
  }

  T* data() const { return memory_.template as<T>(); }
  std::vector<T> host() const {
    std::vector<T> values(size_);
    backend_->copy(values.data(), memory_.data(), memory_.bytes(), CopyKind::to_host);
    backend_->synchronize();
    return values;
  }

 private:
  std::shared_ptr<Backend> backend_;
  Buffer memory_;
  std::size_t size_ = 0;
};

inline DeviceArray<std::byte> poisoned_workspace(std::shared_ptr<Backend> backend, std::size_t bytes) {
  return DeviceArray<std::byte>::poisoned(std::move(backend), static_cast<std::int64_t>(bytes));
}

// Numbers from a seed, the same on every machine.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : engine_(seed) {}

  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(engine_() >> 11) * 0x1p-53;
  }
  std::int64_t integer(std::int64_t low, std::int64_t high) {  // both included
    return low + static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(high - low + 1));
  }
  // Rounded to T, so that a float operation and its double reference start from the same values.
  template <class T>
  std::vector<T> vector(std::int64_t count, double low = -1, double high = 1) {
    std::vector<T> values(static_cast<std::size_t>(count));
    for (T& value : values) value = static_cast<T>(uniform(low, high));
    return values;
  }

 private:
  std::mt19937_64 engine_;
};

// Lengths that find the mistakes: one sequence, one visit, equal lengths, empties first, last and between,
// and one long among short ones.
inline std::vector<std::vector<std::int32_t>> ragged_lengths() {
  return {{1}, {5}, {2, 2, 2}, {3, 1, 4, 1, 5}, {0, 3, 0, 0, 1, 2, 0}, {1, 1, 1, 19, 1, 2}};
}

inline RaggedLayout layout_of(const std::vector<std::int32_t>& lengths) {
  return RaggedLayout::from_lengths(lengths, {.allow_zero_length = true});
}

template <class To, class From>
std::vector<To> cast(const std::vector<From>& values) {
  return std::vector<To>(values.begin(), values.end());
}

// Every element within `share` of the largest expected magnitude. `width` turns an index into row and column.
template <class A, class B>
testing::AssertionResult close(const std::vector<A>& actual, const std::vector<B>& expected, double share,
                               std::int64_t width = 1) {
  if (actual.size() != expected.size())
    return testing::AssertionFailure() << actual.size() << " elements, expected " << expected.size();
  double scale = 0;
  for (const B& value : expected) scale = std::max(scale, std::abs(static_cast<double>(value)));
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double got = static_cast<double>(actual[i]), want = static_cast<double>(expected[i]);
    if (got == want || std::abs(got - want) <= share * scale) continue;  // not so for NaN
    const std::int64_t index = static_cast<std::int64_t>(i);
    return testing::AssertionFailure()
           << "element (" << index / width << ", " << index % width << ") is " << got << ", expected " << want
           << ": off by " << std::abs(got - want) / scale << " of the largest, allowed " << share;
  }
  return testing::AssertionSuccess();
}

// Holds a result in narrow storage T against `naive`, what double arithmetic gives that rounds to T wherever
// it stores: the largest and the root-mean-square error, both against `exact`, are at most twice as large,
// and a unit in the last place of the largest value.
template <class T>
testing::AssertionResult as_good_as_naive(const std::vector<T>& actual, const std::vector<double>& naive,
                                          const std::vector<double>& exact, std::int64_t width = 1) {
  if (actual.size() != exact.size() || naive.size() != exact.size())
    return testing::AssertionFailure() << actual.size() << " elements, expected " << exact.size();
  double scale = 0, largest = 0, naive_largest = 0, squares = 0, naive_squares = 0;
  for (const double value : exact) scale = std::max(scale, std::abs(value));
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double error = static_cast<double>(actual[i]) - exact[i], own = naive[i] - exact[i];
    largest = std::max(largest, std::abs(error));
    naive_largest = std::max(naive_largest, std::abs(own));
    squares += error * error;
    naive_squares += own * own;
  }
  const double count = static_cast<double>(std::max<std::size_t>(exact.size(), 1));
  const double rms = std::sqrt(squares / count), naive_rms = std::sqrt(naive_squares / count);
  const double unit = scale == 0 ? 0 : std::ldexp(1.0, std::ilogb(scale) - T::mantissa_bits);
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double error = std::abs(static_cast<double>(actual[i]) - exact[i]);
    const auto index = static_cast<std::int64_t>(i);
    if (!(error <= 2 * naive_largest + unit))  // so for NaN
      return testing::AssertionFailure()
             << "element (" << index / width << ", " << index % width << ") is "
             << static_cast<double>(actual[i]) << ", exactly " << exact[i] << ": off by " << error
             << ", the naive implementation by at most " << naive_largest << " and a unit is " << unit;
  }
  if (!(rms <= 2 * naive_rms + unit))
    return testing::AssertionFailure()
           << "off by " << rms << " (rms), the naive implementation by " << naive_rms;
  return testing::AssertionSuccess();
}

template <class T>
testing::AssertionResult same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size())
    return testing::AssertionFailure() << a.size() << " and " << b.size() << " elements";
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0)
      return testing::AssertionFailure() << "element " << i << " is " << +a[i] << " and " << +b[i];
  return testing::AssertionSuccess();
}

// dL/dx by central differences of fourth order; `loss` reads x. Good to about 1e-10 for a smooth loss of
// order 1.
inline std::vector<double> finite_differences(std::vector<double>& x, const std::function<double()>& loss,
                                              double step = 1e-3) {
  std::vector<double> gradient;
  for (double& value : x) {
    const double kept = value;
    const auto at = [&](double offset) {
      value = kept + offset;
      return loss();
    };
    gradient.push_back((8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step));
    value = kept;
  }
  return gradient;
}

}  // namespace ragtime::test
