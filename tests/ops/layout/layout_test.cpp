// Conversions between ragged, packed and padded rows: each is held against the definition of its layout, the
// way back undoes the way there bit by bit, the backward is the adjoint, padding is never read and always
// written, and nothing beyond the batch is touched.

#include "ragtime/layout.hpp"

#include <gtest/gtest.h>

#include "ragtime/status.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

constexpr Layout all_layouts[] = {Layout::ragged, Layout::packed, Layout::padded};

// Where element e of visit t of sequence b stands, from the definition of each layout.
struct Places {
  const RaggedLayout& layout;
  std::int64_t padded_steps, width;

  std::int64_t elements(Layout in) const {
    return (in == Layout::padded ? layout.sequences() * padded_steps : layout.rows()) * width;
  }
  std::int64_t at(Layout in, std::int32_t b, std::int32_t t, std::int64_t e) const {
    std::int64_t row = b * padded_steps + t;
    if (in == Layout::ragged) row = layout.visit_offsets[b] + t;
    if (in == Layout::packed) {
      // Rows before: all visits of earlier steps, and of this step those of sequences longer than b, or as
      // long and with a smaller index.
      row = 0;
      for (std::int32_t other = 0; other < layout.sequences(); ++other) {
        const bool before = layout.length(other) > layout.length(b) ||
                            (layout.length(other) == layout.length(b) && other < b);
        row += std::min(layout.length(other), t) + (before ? 1 : 0);
      }
    }
    return row * width + e;
  }
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::int32_t b = 0; b < layout.sequences(); ++b)
      for (std::int32_t t = 0; t < layout.length(b); ++t)
        for (std::int64_t e = 0; e < width; ++e) visit(b, t, e);
  }
};

// What a real element holds: different everywhere.
double value_of(std::int32_t b, std::int32_t t, std::int64_t e) {
  return 1 + b * 1000 + t * 10 + static_cast<double>(e) / 8;
}

template <class T>
std::vector<T> filled(const Places& places, Layout in, T padding) {
  std::vector<T> values(static_cast<std::size_t>(places.elements(in)), padding);
  places.for_each([&](std::int32_t b, std::int32_t t, std::int64_t e) {
    values[places.at(in, b, t, e)] = static_cast<T>(value_of(b, t, e));
  });
  return values;
}

class LayoutTest : public OnBackend {
 protected:
  template <class T>
  LayoutDesc describe(const Places& places, Layout from, Layout to) const {
    LayoutDesc desc;
    desc.dtype = dtype_of<T>;
    desc.width = places.width;
    desc.from = from;
    desc.to = to;
    desc.padded_steps = places.padded_steps;
    desc.padding_value = -7;
    // A plan is for the largest batch to come.
    desc.capacity = {places.layout.sequences() + 3, places.layout.rows() + 50, 0, places.padded_steps};
    return desc;
  }

  template <class T>
  void check_conversions() {
    for (const auto& lengths : ragged_lengths())
      for (const std::int64_t width : {1, 3, 33})
        for (const std::int64_t extra : {0, 4}) {
          const RaggedLayout layout = layout_of(lengths);
          const Places places{layout, std::max<std::int64_t>(layout.steps(), 1) + extra, width};
          DeviceBatch batch(backend);
          batch.load(layout);
          for (const Layout from : all_layouts)
            for (const Layout to : all_layouts)
              if (from != to) check_conversion<T>(places, batch.view(), from, to);
        }
  }

  template <class T>
  void check_conversion(const Places& places, const RaggedView& view, Layout from, Layout to) {
    SCOPED_TRACE(testing::Message() << name_of(from) << " -> " << name_of(to) << ", width " << places.width
                                    << ", " << places.layout.sequences() << " sequences, padded to "
                                    << places.padded_steps);
    constexpr std::int64_t tail = 40;
    const auto tailed = [&](std::vector<T> values) {
      values.insert(values.end(), tail, nan<T>);
      return values;
    };
    const LayoutPlan plan(backend, describe<T>(places, from, to));
    // Forward: the padding that comes in holds NaN, the padding that goes out the value asked for.
    const DeviceArray<T> source(backend, tailed(filled<T>(places, from, nan<T>)));
    const auto target = DeviceArray<T>::poisoned(backend, places.elements(to) + tail);
    const auto untouched = target.host();
    plan.forward(view, source.data(), target.data());
    auto expected = filled<T>(places, to, T(-7));
    expected.insert(expected.end(), untouched.end() - tail, untouched.end());
    EXPECT_TRUE(same_bits(target.host(), expected)) << "forward";
    // Backward: gradients that arrive at padding are dropped, those that leave it are zero.
    const DeviceArray<T> d_to(backend, tailed(filled<T>(places, to, nan<T>)));
    const auto d_from = DeviceArray<T>::poisoned(backend, places.elements(from) + tail);
    const auto untouched_gradient = d_from.host();
    plan.backward(view, d_to.data(), d_from.data());
    auto gradient = filled<T>(places, from, T(0));
    gradient.insert(gradient.end(), untouched_gradient.end() - tail, untouched_gradient.end());
    EXPECT_TRUE(same_bits(d_from.host(), gradient)) << "backward";
    // There and back again.
    const auto back = DeviceArray<T>::poisoned(backend, places.elements(from));
    LayoutPlan(backend, describe<T>(places, to, from)).forward(view, target.data(), back.data());
    EXPECT_TRUE(same_bits(back.host(), filled<T>(places, from, T(-7)))) << "back again";
  }
};
RAGTIME_TEST_ON_BACKENDS(LayoutTest);

TEST_P(LayoutTest, EveryConversionPutsEveryElementInItsPlaceFloat) {
  check_conversions<float>();
}
TEST_P(LayoutTest, EveryConversionPutsEveryElementInItsPlaceDouble) {
  RAGTIME_NEEDS_DOUBLE();
  check_conversions<double>();
}

TEST_P(LayoutTest, EveryConversionPutsEveryElementInItsPlaceBf16) {
  RAGTIME_NEEDS(bf16);
  check_conversions<bf16>();
}

// <L(x), g> = <x, L'(g)> for the real elements, and the backward of a conversion is linear, so one random
// pair shows that the two are adjoint.
TEST_P(LayoutTest, BackwardIsTheAdjoint) {
  RAGTIME_NEEDS_DOUBLE();
  const RaggedLayout layout = layout_of({3, 0, 7, 1, 1});
  const Places places{layout, 9, 5};
  DeviceBatch batch(backend);
  batch.load(layout);
  Numbers numbers(1);
  for (const Layout from : all_layouts)
    for (const Layout to : all_layouts) {
      if (from == to) continue;
      auto desc = describe<double>(places, from, to);
      desc.padding_value = 0;
      const LayoutPlan plan(backend, desc);
      const auto x = numbers.vector<double>(places.elements(from));
      const auto g = numbers.vector<double>(places.elements(to));
      const auto y = DeviceArray<double>::poisoned(backend, places.elements(to));
      const auto d_x = DeviceArray<double>::poisoned(backend, places.elements(from));
      plan.forward(batch.view(), DeviceArray<double>(backend, x).data(), y.data());
      plan.backward(batch.view(), DeviceArray<double>(backend, g).data(), d_x.data());
      const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
        double sum = 0;
        for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
        return sum;
      };
      EXPECT_NEAR(dot(y.host(), g), dot(x, d_x.host()), 1e-13) << name_of(from) << " -> " << name_of(to);
    }
}

TEST_P(LayoutTest, AnEmptyBatchWritesNothing) {
  const RaggedLayout layout;
  const Places places{layout, 4, 3};
  DeviceBatch batch(backend);
  batch.load(layout);
  for (const Layout from : all_layouts)
    for (const Layout to : all_layouts) {
      if (from == to) continue;
      const auto source = DeviceArray<float>::poisoned(backend, 12);
      const DeviceArray<float> target(backend, std::vector<float>(12, 5.0f));
      LayoutPlan(backend, describe<float>(places, from, to))
          .forward(batch.view(), source.data(), target.data());
      EXPECT_EQ(target.host(), std::vector<float>(12, 5.0f));
    }
}

// A plan is asked for no more than its capacity; if it is, it stays within the padded rows all the same.
TEST_P(LayoutTest, VisitsBeyondThePaddedStepsAreLeftOut) {
  const RaggedLayout layout = layout_of({2, 5});
  DeviceBatch batch(backend);
  batch.load(layout);
  LayoutDesc desc;
  desc.width = 1;
  desc.padded_steps = 3;
  desc.from = Layout::ragged;
  desc.to = Layout::padded;
  desc.capacity = {2, 7, 0, 3};
  const LayoutPlan plan(backend, desc);
  const DeviceArray<float> rows(backend, {1, 2, 3, 4, 5, 6, 7});
  const auto padded = DeviceArray<float>::poisoned(backend, 6);
  plan.forward(batch.view(), rows.data(), padded.data());
  EXPECT_EQ(padded.host(), (std::vector<float>{1, 2, 0, 3, 4, 5}));
  const auto d_rows = DeviceArray<float>::poisoned(backend, 7);
  plan.backward(batch.view(), padded.data(), d_rows.data());
  EXPECT_EQ(d_rows.host(), (std::vector<float>{1, 2, 3, 4, 5, 0, 0}));
}

TEST_P(LayoutTest, RefusesBadDescriptionsAndArguments) {
  LayoutDesc good;
  good.width = 4;
  good.padded_steps = 5;
  good.capacity = {2, 8, 0, 5};
  const auto refused = [&](std::initializer_list<std::string> parts, auto&& spoil) {
    LayoutDesc bad = good;
    spoil(bad);
    expect_error(ErrorCode::invalid_argument, parts, [&] { LayoutPlan plan(backend, bad); });
  };
  refused({"width is 0", "at least 1"}, [](auto& d) { d.width = 0; });
  refused({"from and to are both padded", "two different"}, [](auto& d) { d.to = Layout::padded; });
  refused({"padded_steps is 4", "at least the longest sequence, 5"}, [](auto& d) { d.padded_steps = 4; });
  refused({"capacity.rows is -8"}, [](auto& d) { d.capacity.rows = -8; });
  refused({"capacity.sequences is 2147483648"}, [](auto& d) { d.capacity.sequences = 1LL << 31; });
  expect_error(ErrorCode::unsupported, {"dtype is "}, [&] {
    LayoutDesc bad = good;
    bad.dtype = DType::f16;
    if (backend->device() == DeviceType::cuda) bad.dtype = DType::f64;
    LayoutPlan plan(backend, bad);
  });
  expect_error(ErrorCode::invalid_argument, {"backend is null"}, [&] { LayoutPlan plan(nullptr, good); });

  const LayoutPlan plan(backend, good);
  DeviceBatch batch(backend);
  batch.load(layout_of({5, 3}));
  const auto memory = DeviceArray<float>::poisoned(backend, 40);
  const auto call = [&](const std::string& text, const RaggedView& view, const float* from, float* to) {
    expect_error(ErrorCode::invalid_argument, {text}, [&] { plan.forward(view, from, to); });
  };
  call("from is null", batch.view(), nullptr, memory.data());
  call("to is null", batch.view(), memory.data(), nullptr);
  call("batch.counts is null", {}, memory.data(), memory.data());
  call("from and to are the same memory", batch.view(), memory.data(), memory.data());
  expect_error(ErrorCode::invalid_argument, {"d_to and d_from are the same memory"},
               [&] { plan.backward(batch.view(), memory.data(), memory.data()); });
  expect_error(ErrorCode::invalid_argument, {"d_to is null"},
               [&] { plan.backward(batch.view(), nullptr, memory.data()); });
  expect_error(ErrorCode::invalid_argument, {"d_from is null"},
               [&] { plan.backward(batch.view(), memory.data(), nullptr); });
}

TEST_P(LayoutTest, WhatIsBeyondTheCapacityOfTheCpuIsRefused) {
  if (backend->device() != DeviceType::cpu) GTEST_SKIP() << "only the device sees the counts of the batch";
  DeviceBatch batch(backend);
  batch.load(layout_of({2, 3}));
  const DeviceArray<float> rows(backend, {1, 2, 3, 4, 5});
  const auto packed = DeviceArray<float>::poisoned(backend, 5);
  for (const Capacity& capacity : {Capacity{.sequences = 2, .rows = 4, .codes = 0, .steps = 3},
                                   Capacity{.sequences = 1, .rows = 5, .codes = 0, .steps = 3}}) {
    const LayoutPlan plan(backend,
                          {.width = 1, .from = Layout::ragged, .to = Layout::packed, .capacity = capacity});
    expect_error(ErrorCode::out_of_range, {capacity.rows == 4 ? "5 rows" : "2 sequences"},
                 [&] { plan.forward(batch.view(), rows.data(), packed.data()); });
  }
  for (const float value : packed.host()) EXPECT_TRUE(std::isnan(value)) << "a refused run wrote";
}

// Where only the device sees the counts: rows and sequences that do not fit are left alone.
TEST_P(LayoutTest, WhatIsBeyondTheCapacityOfADeviceIsLeftAlone) {
  if (backend->device() == DeviceType::cpu) GTEST_SKIP() << "the cpu backend reads the counts of the batch";
  DeviceBatch batch(backend);
  batch.load(layout_of({2, 3}));  // packed: b1 t0, b0 t0, b1 t1, b0 t1, b1 t2
  const DeviceArray<float> rows(backend, {1, 2, 3, 4, 5}), padded(backend, {1, 2, 9, 3, 4, 5});
  const auto convert = [&](Layout from, const DeviceArray<float>& source, Layout to, Capacity capacity,
                           std::size_t elements) {
    const LayoutPlan plan(
        backend,
        {.width = 1, .from = from, .to = to, .padded_steps = 3, .padding_value = 0, .capacity = capacity});
    const DeviceArray<float> target(backend, std::vector<float>(elements, -1));
    Status status(backend);
    RaggedView view = batch.view();
    view.status = status.word();
    plan.forward(view, source.data(), target.data());
    expect_error(ErrorCode::out_of_range,
                 {capacity.rows == 4 ? "has 5 rows; the plan's capacity is 4"
                                     : "has 2 sequences; the plan's capacity is 1"},
                 [&] { status.check(); });
    return target.host();
  };
  const Capacity four_rows{.sequences = 2, .rows = 4, .codes = 0, .steps = 3};
  const Capacity one_sequence{.sequences = 1, .rows = 5, .codes = 0, .steps = 3};
  EXPECT_EQ(convert(Layout::padded, padded, Layout::ragged, four_rows, 5),
            (std::vector<float>{1, 2, 3, 4, -1}));
  EXPECT_EQ(convert(Layout::ragged, rows, Layout::packed, four_rows, 5),
            (std::vector<float>{3, 1, 4, 2, -1}));
  EXPECT_EQ(convert(Layout::ragged, rows, Layout::padded, one_sequence, 6),
            (std::vector<float>{1, 2, 0, -1, -1, -1}));
}

}  // namespace
}  // namespace ragtime::test
