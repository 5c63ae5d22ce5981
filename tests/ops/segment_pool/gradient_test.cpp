// The gradients of pooling are those of finite differences of its output; all results have the same bits on
// any number of threads; what a segment gets does not depend on its neighbours.

#include <gtest/gtest.h>

#include "tests/ops/segment_pool/run.hpp"

namespace ragtime::test {
namespace {

class SegmentPoolGradient : public OnBackend {};
RAGTIME_TEST_ON_BACKENDS(SegmentPoolGradient);

// L = <out, d_out>. Values that no item uses are NaN before and after a step, and have a gradient of 0.
TEST_P(SegmentPoolGradient, IsThatOfFiniteDifferences) {
  RAGTIME_NEEDS_DOUBLE();
  for_each_pool(4, 7, [&](const PoolVariant& variant) {
    PoolProblem problem = pool_problem(variant, {3, 0, 1, 6, 2, 4});
    const auto actual = run_pool<double>(backend, problem);
    PoolRun<double> run(backend, problem);
    const auto upload = [&](const DeviceArray<double>& to, const std::vector<double>& from) {
      backend->copy(to.data(), from.data(), from.size() * sizeof(double), CopyKind::to_device);
    };
    const auto loss = [&] {
      upload(run.values, problem.values);
      upload(run.w1, problem.w1);
      upload(run.b1, problem.b1);
      upload(run.w2, problem.w2);
      upload(run.b2, problem.b2);
      run.plan.forward(run.forward);
      const std::vector<double> out = run.outputs().out;
      return std::inner_product(out.begin(), out.end(), problem.d_out.begin(), 0.0);
    };
    // A step small enough for no maximum to change hands.
    const double step = variant.mode == PoolMode::max ? 1e-5 : 1e-3;
    std::vector<double> d_values = finite_differences(problem.values, loss, step);
    if (variant.padding_idx >= 0)  // this row does move the loss; it has no gradient by choice
      std::fill_n(d_values.begin() + variant.padding_idx * variant.width, variant.width, 0.0);
    EXPECT_TRUE(close(actual.d_values, d_values, 1e-9, variant.width)) << "d_values";
    EXPECT_TRUE(close(actual.d_w1, finite_differences(problem.w1, loss), 1e-9, variant.width)) << "d_w1";
    EXPECT_TRUE(close(actual.d_b1, finite_differences(problem.b1, loss), 1e-9)) << "d_b1";
    EXPECT_TRUE(close(actual.d_w2, finite_differences(problem.w2, loss), 1e-9)) << "d_w2";
    for (const double gradient : actual.d_b2) EXPECT_NEAR(gradient, 0, 1e-14);  // it shifts every score alike
    for (const double gradient : finite_differences(problem.b2, loss)) EXPECT_NEAR(gradient, 0, 1e-10);
  });
}

// Elsewhere than on the CPU, in any order that the device takes its threads in.
TEST_P(SegmentPoolGradient, HasItsBitsOnAnyThreads) {
  const bool on_cpu = backend->device() == DeviceType::cpu;
  std::vector<std::int32_t> lengths(on_cpu ? 700 : 200);
  Numbers numbers(5);
  for (std::int32_t& length : lengths) length = static_cast<std::int32_t>(numbers.integer(0, 6));
  lengths[100] = on_cpu ? 900 : 500;
  for_each_pool_on(*backend, 19, 60, [&](const PoolVariant& variant) {
    const PoolProblem problem = pool_problem(variant, lengths, true);
    set_cpu_threads(1);
    const auto expected = run_pool<float>(backend, problem);
    for (const int threads : {2, 3}) {
      set_cpu_threads(threads);
      expect_same_bits(run_pool<float>(backend, problem), expected);
    }
  });
}

// Segment by segment: its output, and with rows their gradients too. The gradients of a table and of the
// scorer are sums over the batch.
TEST_P(SegmentPoolGradient, OfASegmentDoesNotDependOnItsNeighbours) {
  for_each_pool_on(*backend, 19, 30, [&](const PoolVariant& variant) {
    const PoolProblem problem = pool_problem(variant, {3, 0, 17, 1, 2, 100, 5}, true);
    const auto together = run_pool<float>(backend, problem);
    std::int64_t begin = 0;
    for (std::int64_t s = 0; s < problem.segments(); begin += problem.lengths[s++]) {
      SCOPED_TRACE(testing::Message() << "segment " << s);
      const std::int64_t count = problem.lengths[s], width = variant.width;
      const auto part = [](const auto& values, std::int64_t first, std::int64_t size) {
        if (values.empty()) return values;
        return std::decay_t<decltype(values)>(values.begin() + first, values.begin() + first + size);
      };
      PoolProblem alone = problem;
      alone.lengths = {problem.lengths[s]};
      // One plan: the same room for both.
      alone.more_segments += problem.segments() - 1;
      alone.more_items += problem.items() - count;
      alone.codes = part(problem.codes, begin, count);
      alone.weights = part(problem.weights, begin, count);
      alone.d_out = part(problem.d_out, s * width, width);
      if (variant.vocab_size == 0) alone.values = part(problem.values, begin * width, count * width);
      const auto one = run_pool<float>(backend, alone);
      EXPECT_TRUE(same_bits(one.out, part(together.out, s * width, width)));
      if (variant.vocab_size > 0) continue;
      EXPECT_TRUE(same_bits(one.d_values, part(together.d_values, begin * width, count * width)));
    }
  });
}

}  // namespace
}  // namespace ragtime::test
