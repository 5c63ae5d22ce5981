// The final state of each patient is the last row's forward half and the first row's reverse half, 0 without
// rows; backward puts the gradient where it came from and nothing elsewhere.

#include "ragtime/final_state.hpp"

#include <gtest/gtest.h>

#include "ragtime/status.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

class FinalState : public OnBackend {
 protected:
  // Place by place; every value differs, so that equality tells where each came from.
  template <class T>
  void check(const std::vector<std::int32_t>& lengths, std::int64_t width, std::int64_t directions) {
    if (!computes_in<T>()) return;
    SCOPED_TRACE(testing::Message() << testing::PrintToString(lengths) << ", width " << width
                                    << ", directions " << directions);
    DeviceBatch batch(backend);
    batch.load(layout_of(lengths));
    const FinalStatePlan plan(backend, {dtype_of<T>, width, directions == 2, batch.size()});
    const std::int64_t rows = batch.size().rows, row_width = directions * width;
    const std::int64_t states = static_cast<std::int64_t>(lengths.size()) * row_width, tail = 5;
    std::vector<T> y(static_cast<std::size_t>(rows * row_width + tail), nan<T>);
    for (std::int64_t i = 0; i < rows * row_width; ++i) y[i] = static_cast<T>(i % 100 + 1);
    std::vector<T> d_out(static_cast<std::size_t>(states + tail), nan<T>);
    for (std::int64_t i = 0; i < states; ++i) d_out[i] = static_cast<T>(128 + i % 100);

    std::vector<T> expected(static_cast<std::size_t>(states)),
        expected_d_y(static_cast<std::size_t>(rows * row_width));
    std::int64_t first = 0;
    for (std::size_t b = 0; b < lengths.size(); first += lengths[b], ++b)
      for (std::int64_t d = 0; d < directions && lengths[b] > 0; ++d)
        for (std::int64_t j = 0; j < width; ++j) {
          const std::int64_t row = d == 0 ? first + lengths[b] - 1 : first;
          const std::int64_t from = (row * directions + d) * width + j;
          const std::int64_t to = (static_cast<std::int64_t>(b) * directions + d) * width + j;
          expected[to] = y[from];
          expected_d_y[from] = d_out[to];
        }

    const DeviceArray<T> device_y(backend, y), device_d_out(backend, d_out);
    const auto out = DeviceArray<T>::poisoned(backend, states + tail);
    plan.forward(batch.view(), device_y.data(), out.data());
    expect_with_untouched_tail(out, expected, tail);
    const auto d_y = DeviceArray<T>::poisoned(backend, rows * row_width + tail);
    plan.backward(batch.view(), device_d_out.data(), d_y.data(), false);
    expect_with_untouched_tail(d_y, expected_d_y, tail);

    const DeviceArray<T> sums(backend, y);
    plan.backward(batch.view(), device_d_out.data(), sums.data(), true);
    for (std::int64_t i = 0; i < rows * row_width; ++i)
      expected_d_y[i] = static_cast<T>(static_cast<double>(expected_d_y[i]) + static_cast<double>(y[i]));
    auto added = sums.host();
    added.resize(expected_d_y.size());
    EXPECT_EQ(added, expected_d_y);
  }

  template <class T>
  void expect_with_untouched_tail(const DeviceArray<T>& actual, std::vector<T> expected, std::int64_t tail) {
    const auto untouched = DeviceArray<T>::poisoned(backend, tail).host();
    expected.insert(expected.end(), untouched.begin(), untouched.end());
    EXPECT_TRUE(same_bits(actual.host(), expected));
  }
};
RAGTIME_TEST_ON_BACKENDS(FinalState);

TEST_P(FinalState, IsGatheredAndScattered) {
  auto all_lengths = ragged_lengths();
  all_lengths.push_back({});
  all_lengths.push_back({0, 0});
  all_lengths.push_back(std::vector<std::int32_t>(200, 2));
  for (const int threads : {1, 3}) {
    set_cpu_threads(threads);
    for (const auto& lengths : all_lengths)
      for (const std::int64_t width : {1, 5, 16})
        for (const std::int64_t directions : {1, 2}) {
          check<float>(lengths, width, directions);
          check<double>(lengths, width, directions);
          check<bf16>(lengths, width, directions);
          check<f16>(lengths, width, directions);
        }
  }
}

TEST_P(FinalState, WhatCannotBeRightIsRefused) {
  const auto refuses = [&](const FinalStateDesc& desc, const std::string& text) {
    expect_error(ErrorCode::invalid_argument, {text}, [&] { FinalStatePlan(backend, desc); });
  };
  refuses({.width = 0, .capacity = {}}, "width is 0");
  refuses({.width = 1, .capacity = {.sequences = -1}}, "capacity.sequences is -1");
  refuses({.width = 1, .capacity = {.rows = -2}}, "capacity.rows is -2");

  DeviceBatch batch(backend);
  batch.load(layout_of({2, 3}));
  const FinalStatePlan plan(backend, {.width = 2, .capacity = batch.size()});
  const DeviceArray<float> y(backend, std::vector<float>(10, 1)), out(backend, std::vector<float>(4, 7));
  const auto refuses_run = [&](const std::string& text, auto&& run) {
    expect_error(ErrorCode::invalid_argument, {text}, run);
    EXPECT_EQ(out.host(), std::vector<float>(4, 7));
    EXPECT_EQ(y.host(), std::vector<float>(10, 1));
  };
  refuses_run("batch.counts is null", [&] { plan.forward({}, y.data(), out.data()); });
  refuses_run("y is null", [&] { plan.forward(batch.view(), nullptr, out.data()); });
  refuses_run("out is null", [&] { plan.forward(batch.view(), y.data(), nullptr); });
  refuses_run("d_out is null", [&] { plan.backward(batch.view(), nullptr, y.data(), false); });
  refuses_run("d_y is null", [&] { plan.backward(batch.view(), out.data(), nullptr, false); });

  if (backend->device() != DeviceType::cpu) return;  // elsewhere the counts are in device memory, see below
  for (const Capacity& capacity :
       {Capacity{.sequences = 1, .rows = 5}, Capacity{.sequences = 2, .rows = 4}}) {
    const FinalStatePlan small(backend, {.width = 2, .capacity = capacity});
    const std::string text =
        capacity.rows == 4 ? "5 rows: expected at most 4" : "2 sequences: expected at most 1";
    expect_error(ErrorCode::out_of_range, {text}, [&] { small.forward(batch.view(), y.data(), out.data()); });
    expect_error(ErrorCode::out_of_range, {text},
                 [&] { small.backward(batch.view(), out.data(), y.data(), false); });
    EXPECT_EQ(out.host(), std::vector<float>(4, 7));
    EXPECT_EQ(y.host(), std::vector<float>(10, 1));
  }
}

// Where only the device sees the counts: what does not fit is left alone, the rest is as ever.
TEST_P(FinalState, WhatIsBeyondTheCapacityOfADeviceIsLeftAlone) {
  if (backend->device() == DeviceType::cpu) GTEST_SKIP() << "the cpu backend refuses such a batch";
  DeviceBatch batch(backend);
  batch.load(layout_of({2, 3}));
  const DeviceArray<float> y(backend, {1, 2, 3, 4, 5}), d_out(backend, {6, 7});
  for (const Capacity& capacity :
       {Capacity{.sequences = 1, .rows = 5}, Capacity{.sequences = 2, .rows = 4}}) {
    const FinalStatePlan plan(backend, {.width = 1, .capacity = capacity});
    const DeviceArray<float> out(backend, {-1, -1}), d_y(backend, {-1, -1, -1, -1, -1});
    Status status(backend);
    RaggedView view = batch.view();
    view.status = status.word();
    const auto reported = [&] {
      expect_error(ErrorCode::out_of_range,
                   {capacity.rows == 4 ? "has 5 rows; the plan's capacity is 4"
                                       : "has 2 sequences; the plan's capacity is 1"},
                   [&] { status.check(); });
    };
    plan.forward(view, y.data(), out.data());
    reported();
    EXPECT_EQ(out.host(), (std::vector<float>{2, -1}));
    plan.backward(view, d_out.data(), d_y.data(), false);
    reported();
    EXPECT_EQ(d_y.host(), (std::vector<float>{0, 6, -1, -1, -1}));
  }
}

}  // namespace
}  // namespace ragtime::test
