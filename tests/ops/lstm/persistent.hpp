#pragma once

// What the tests of the persistent LSTM share.

#include <vector>

#include "tests/ops/lstm/algorithms.hpp"
#include "tests/support/schedules.hpp"

namespace ragtime::test {

using Lengths = std::vector<std::int32_t>;

class OnPersistentLstm : public OnBackend {
 protected:
  void SetUp() override {
    OnBackend::SetUp();
    if (backend != nullptr && backend->device() == DeviceType::cpu)
      GTEST_SKIP() << "the cpu backend has an algorithm of its own";
  }

  // body(options) for every cut that T has for `hidden`. There is one for every size within the tiles that
  // every backend has: 128 units in 16 bits, 64 in tf32.
  template <class T, class Body>
  void for_each_cut(std::int64_t hidden, Body body) {
    const auto cuts = lstm_cuts<T>(backend, hidden);
    EXPECT_EQ(cuts.empty(), false) << name_of(dtype_of<T>) << ", H " << hidden;
    for (const LstmCut& cut : cuts) {
      SCOPED_TRACE(testing::Message() << name_of(dtype_of<T>) << ", H " << hidden << ", cluster "
                                      << cut.cluster << ", slots " << cut.slots);
      LstmOptions options = persistent(cut.cluster, cut.slots);
      options.tf32 = is_tf32<T>;
      body(options);
    }
  }

  // body.operator()<T>() for every T that the algorithm has.
  template <class Body>
  static void for_each_type(Body body) {
    body.template operator()<bf16>();
    body.template operator()<f16>();
    body.template operator()<float>();
  }
  // Without f16, whose kernels are those of bf16 but for the conversions.
  template <class Body>
  static void for_both_sizes_of_types(Body body) {
    body.template operator()<bf16>();
    body.template operator()<float>();
  }
};

// Random short ones, empties among them, and one long in the middle.
inline Lengths crowd(std::size_t count, std::int32_t longest = 23) {
  Numbers numbers(7);
  Lengths lengths(count);
  for (auto& length : lengths) length = static_cast<std::int32_t>(numbers.integer(0, 4));
  lengths[count / 2] = longest;
  return lengths;
}

}  // namespace ragtime::test
