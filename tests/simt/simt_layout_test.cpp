// The layout kernels, run on the CPU, against the CPU backend: the same bits for every pair of layouts,
// forward and backward, for elements of 2 and 4 bytes and rows of every alignment. Padding and what stands
// behind the arrays holds NaN, or the number that no element has; the first is never read, the second comes
// back untouched.

#include "cuda/layout/layout.cuh"
#include "ragtime/layout.hpp"
#include "tests/simt/support.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

constexpr std::int64_t tail = 24;  // elements behind each array
constexpr float padding_value = 7;

// What an element is on the kernel's side. The CPU backend computes in float, which holds all of them.
template <class T>
T element(float value) {
  return static_cast<T>(value);
}
template <class T>
constexpr T poison = static_cast<T>(0xFFFF);
template <>
constexpr float poison<float> = nan<float>;

struct Case {
  RaggedLayout layout;
  std::int64_t width, padded_steps;
  Layout from, to;
  std::int64_t elements(Layout in) const {
    return (in == Layout::padded ? layout.sequences() * padded_steps : layout.rows()) * width;
  }
};

class SimtLayoutTest : public testing::Test {
 protected:
  // The CPU backend's result for a source of 1, 2, 3, ... with NaN in its padding.
  std::vector<float> on_cpu(const Case& c, const RaggedView& view, const std::vector<float>& source,
                            bool backward) const {
    LayoutDesc desc;
    desc.width = c.width;
    desc.from = backward ? c.to : c.from;
    desc.to = backward ? c.from : c.to;
    desc.padded_steps = c.padded_steps;
    desc.padding_value = static_cast<double>(padding_value);
    desc.capacity = {c.layout.sequences(), c.layout.rows(), 0, c.layout.steps()};
    std::vector<float> target(static_cast<std::size_t>(c.elements(c.to) + tail), nan<float>);
    const LayoutPlan plan(cpu_, desc);
    if (backward)
      plan.backward(view, source.data(), target.data());
    else
      plan.forward(view, source.data(), target.data());
    return target;
  }

  std::vector<float> numbered(const Case& c, const RaggedView& view) const {
    std::vector<float> ragged(static_cast<std::size_t>(c.layout.rows() * c.width));
    for (std::size_t i = 0; i < ragged.size(); ++i) ragged[i] = static_cast<float>(100 + i % 30000);
    std::vector<float> source = ragged;
    if (c.from != Layout::ragged) {
      Case there = c;
      there.to = c.from;
      there.from = Layout::ragged;
      source = on_cpu(there, view, ragged, false);
      source.resize(source.size() - static_cast<std::size_t>(tail));
    }
    if (c.from == Layout::padded)
      for (std::int32_t b = 0; b < c.layout.sequences(); ++b)
        std::fill(source.begin() + (b * c.padded_steps + c.layout.length(b)) * c.width,
                  source.begin() + (b + 1) * c.padded_steps * c.width, nan<float>);
    source.insert(source.end(), tail, nan<float>);
    return source;
  }

  // `shift` elements off a boundary of 16 bytes.
  template <class T>
  void check(const Case& c, const RaggedView& view, bool backward, std::size_t shift) const {
    SCOPED_TRACE(testing::Message() << name_of(c.from) << " -> " << name_of(c.to)
                                    << (backward ? " backward" : "") << ", width " << c.width << ", "
                                    << c.layout.sequences() << " sequences, T_pad " << c.padded_steps
                                    << ", elements of " << sizeof(T) << " bytes, shifted by " << shift);
    const auto values = numbered(c, view);
    const auto expected = on_cpu(c, view, values, backward);
    const auto convert = [&](float value) { return value == value ? element<T>(value) : poison<T>; };
    std::vector<T> source(shift, poison<T>), target(shift + expected.size(), poison<T>),
        wanted(shift, poison<T>);
    for (const float value : values) source.push_back(convert(value));
    for (const float value : expected) wanted.push_back(convert(value));

    cuda::LayoutArgs args{view,
                          c.from,
                          c.to,
                          source.data() + shift,
                          target.data() + shift,
                          c.width * std::int64_t{sizeof(T)},
                          c.padded_steps,
                          {c.layout.sequences() + 3, c.layout.rows() + 9, 0, c.layout.steps() + 2},
                          {}};
    std::vector<T> padding(16 / sizeof(T), element<T>(backward ? 0 : padding_value));
    std::memcpy(&args.padding, padding.data(), 16);
    const arch::LaunchResult result = cuda::convert_layout_of(args, {});
    ASSERT_TRUE(result.ok()) << result.text;
    EXPECT_TRUE(same_bits(target, wanted));
  }

  template <class T>
  void check_all() const {
    std::uint64_t seed = 0;
    for (const auto& lengths : ragged_lengths())
      for (const std::int64_t width : {1, 2, 3, 8, 33, 136}) {
        const RaggedLayout layout = layout_of(lengths);
        DeviceBatch batch(cpu_);
        batch.load(layout);
        for (const Layout from : {Layout::ragged, Layout::packed, Layout::padded})
          for (const Layout to : {Layout::ragged, Layout::packed, Layout::padded})
            if (from != to)
              for (const bool backward : {false, true}) {
                simt::set_seed(seed++ % seeds);
                check<T>(
                    {layout, width, std::max<std::int64_t>(layout.steps(), 1) + (backward ? 3 : 0), from, to},
                    batch.view(), backward, seed % 3);
              }
      }
    simt::set_seed(0);
  }

  std::shared_ptr<Backend> cpu_ = make_backend("cpu");
};

TEST_F(SimtLayoutTest, MovesFloatsAsTheCpuDoes) {
  check_all<float>();
}
TEST_F(SimtLayoutTest, MovesSixteenBitsAsTheCpuDoes) {
  check_all<std::uint16_t>();
}

TEST_F(SimtLayoutTest, SaysTheSameUnderEverySchedule) {
  const RaggedLayout layout = layout_of({3, 1, 40, 1, 5, 2, 17});
  DeviceBatch batch(cpu_);
  batch.load(layout);
  for_seeds([&] {
    check<float>({layout, 5, 41, Layout::packed, Layout::padded}, batch.view(), false, 0);
    check<float>({layout, 4, 40, Layout::padded, Layout::packed}, batch.view(), false, 0);
  });
}

// Against the plan's capacity: what has no place in the padded layout is left out, and comes back as zeros.
TEST_F(SimtLayoutTest, SequencesLongerThanThePaddedLayout) {
  const RaggedLayout layout = layout_of({6, 2, 9});
  DeviceBatch batch(cpu_);
  batch.load(layout);
  constexpr std::int64_t width = 3, steps = 4;
  std::vector<float> ragged(17 * width), padded(3 * steps * width, -1), back(17 * width, -1);
  for (std::size_t i = 0; i < ragged.size(); ++i) ragged[i] = static_cast<float>(i + 1);
  cuda::LayoutArgs args{batch.view(),  Layout::ragged, Layout::padded,
                        ragged.data(), padded.data(),  width * 4,
                        steps,         {3, 17, 0, 9},  {}};
  ASSERT_TRUE(cuda::convert_layout_of(args, {}).ok());
  args = {batch.view(),  Layout::padded, Layout::ragged,
          padded.data(), back.data(),    width * 4,
          steps,         {3, 17, 0, 9},  {}};
  ASSERT_TRUE(cuda::convert_layout_of(args, {}).ok());
  for (std::int32_t b = 0; b < 3; ++b)
    for (std::int64_t t = 0; t < layout.length(b); ++t)
      for (std::int64_t e = 0; e < width; ++e) {
        const auto at =
            static_cast<std::size_t>((layout.visit_offsets[static_cast<std::size_t>(b)] + t) * width + e);
        EXPECT_EQ(back[at], t < steps ? ragged[at] : 0) << b << ' ' << t << ' ' << e;
      }
}

}  // namespace
}  // namespace ragtime::test
