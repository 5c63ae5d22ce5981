// Pooling against its definition in plain double loops: every mode, of codes and of rows, with and without
// weights, out and all gradients, at segment lengths from empty to very long. Rows no item uses and what lies
// behind the batch hold NaN throughout, so a result that read any of it shows.

#include <gtest/gtest.h>

#include "tests/segment_pool_run.hpp"

namespace ragtime::test {
namespace {

// The lengths of visits: one very long among short ones.
std::vector<std::int32_t> skewed_lengths() {
  std::vector<std::int32_t> lengths(60, 1);
  for (std::size_t s = 0; s < lengths.size(); ++s) lengths[s] = static_cast<std::int32_t>(s * 7 % 5);
  lengths[23] = 1500;
  return lengths;
}

class SegmentPool : public OnBackend {
 protected:
  template <class T>
  void expect_close(const PoolOutputs<T>& actual, const PoolOutputs<double>& expected,
                    const PoolVariant& variant) {
    EXPECT_TRUE(close(actual.out, expected.out, tolerance<T>, variant.width)) << "out";
    EXPECT_TRUE(close(actual.d_values, expected.d_values, tolerance<T>, variant.width)) << "d_values";
    if (!variant.attends()) return;
    // What a segment of one item adds to these is 0 but for rounding, so their scale is that of the gradients
    // that come in.
    const auto near = [&](const std::vector<T>& got, std::vector<double> want, const char* what) {
      std::vector<T> padded = got;
      padded.push_back(T(1));
      want.push_back(1);
      EXPECT_TRUE(close(padded, want, tolerance<T>, variant.width)) << what;
    };
    near(actual.d_w1, expected.d_w1, "d_w1");
    near(actual.d_b1, expected.d_b1, "d_b1");
    near(actual.d_w2, expected.d_w2, "d_w2");
    near(actual.d_b2, expected.d_b2, "d_b2");
  }

  template <class T>
  void expect_as_formula(const PoolProblem& problem) {
    const PoolOutputs<double> expected = reference_pool(problem);
    expect_close(run_pool<T>(backend, problem), expected, problem.variant);
    PoolOutputs<T> added = run_pool<T>(backend, problem, 2);
    for (auto* gradient : {&added.d_values, &added.d_w1, &added.d_b1, &added.d_w2, &added.d_b2})
      for (T& value : *gradient) value -= 2;
    expect_close(added, expected, problem.variant);
  }

  template <class T>
  void expect_as_formulas() {
    auto all_lengths = ragged_lengths();
    all_lengths.push_back({0, 1, 3, 2, 0, 0, 23, 1, 5, 0});
    for (const auto& lengths : all_lengths)
      for (const auto& [width, vocabulary] : {std::pair{1, 1}, {5, 9}, {16, 3}, {33, 40}}) {
        SCOPED_TRACE(testing::PrintToString(lengths));
        for_each_pool(width, vocabulary, [&](const PoolVariant& variant) {
          expect_as_formula<T>(pool_problem(variant, lengths));
        });
      }
  }

  template <class T>
  void expect_zero(const PoolProblem& problem) {
    const PoolOutputs<T> actual = run_pool<T>(backend, problem);
    for (const auto* values :
         {&actual.out, &actual.d_values, &actual.d_w1, &actual.d_b1, &actual.d_w2, &actual.d_b2})
      EXPECT_EQ(*values, std::vector<T>(values->size()));
  }
};
RAGTIME_TEST_ON_BACKENDS(SegmentPool);

TEST_P(SegmentPool, FollowsItsDefinitionFloat) {
  expect_as_formulas<float>();
}
TEST_P(SegmentPool, FollowsItsDefinitionDouble) {
  expect_as_formulas<double>();
}

TEST_P(SegmentPool, OneVeryLongVisitAmongShortOnes) {
  for_each_pool(7, 50, [&](const PoolVariant& variant) {
    const PoolProblem problem = pool_problem(variant, skewed_lengths());
    expect_as_formula<float>(problem);
    expect_as_formula<double>(problem);
  });
}

// More occurrences of one code than one task takes, and of its neighbours none or one.
TEST_P(SegmentPool, ACodeInEveryVisit) {
  std::vector<std::int32_t> lengths(1300);
  for (std::size_t s = 0; s < lengths.size(); ++s) lengths[s] = static_cast<std::int32_t>(1 + s % 3);
  for_each_pool(6, 900, [&](PoolVariant variant) {
    if (variant.vocab_size == 0) return;
    for (const std::int64_t padding : {-1, 0}) {
      variant.padding_idx = padding;
      const PoolProblem problem = pool_problem(variant, lengths, true);
      ASSERT_GT(std::count(problem.codes.begin(), problem.codes.end(), 0), 1100);
      expect_as_formula<float>(problem);
      expect_as_formula<double>(problem);
    }
  });
}

TEST_P(SegmentPool, OfNothingIsZero) {
  for_each_pool(5, 9, [&](const PoolVariant& variant) {
    for (const std::vector<std::int32_t>& lengths : {std::vector<std::int32_t>{}, {0}, {0, 0, 0}}) {
      PoolProblem problem = pool_problem(variant, lengths);
      expect_zero<float>(problem);
      expect_zero<double>(problem);
    }
    if (!variant.weighted) return;
    PoolProblem problem = pool_problem(variant, {2, 0, 3, 1});
    std::fill(problem.weights.begin(), problem.weights.end(), 0);
    hide_unused_values(problem);
    expect_zero<float>(problem);
    expect_zero<double>(problem);
  });
}

// The row of padding_idx counts like any other on the way out, and has no gradient on the way back, whatever
// it held when gradients are added up.
TEST_P(SegmentPool, ThePaddingRowHasNoGradient) {
  for_each_pool(4, 6, [&](PoolVariant variant) {
    if (variant.vocab_size == 0) return;
    variant.padding_idx = -1;
    const PoolProblem plain = pool_problem(variant, {3, 0, 8, 2, 5});
    PoolProblem padded = plain;
    padded.variant.padding_idx = 4;
    const auto expected = run_pool<float>(backend, plain), actual = run_pool<float>(backend, padded);
    EXPECT_TRUE(same_bits(actual.out, expected.out));
    EXPECT_TRUE(same_bits(actual.d_w1, expected.d_w1));
    for (std::int64_t i = 0; i < 6 * 4; ++i)
      EXPECT_EQ(actual.d_values[i], i / 4 == 4 ? 0 : expected.d_values[i]);
    const auto added = run_pool<float>(backend, padded, 7);
    for (std::int64_t e = 0; e < 4; ++e) EXPECT_EQ(added.d_values[4 * 4 + e], 7);
  });
}

// An item of weight 2 counts like two of it; of weight 0, like none, whatever it holds.
TEST_P(SegmentPool, AWeightCountsCopies) {
  for_each_pool(5, 9, [&](const PoolVariant& variant) {
    if (!variant.weighted || variant.vocab_size == 0) return;
    PoolProblem weighted = pool_problem(variant, {4, 2, 3});
    weighted.weights = {2, 0, 1, 3, 0, 1, 1, 1, 2};
    weighted.codes = {1, 8, 5, 3, 8, 5, 5, 4, 4};
    for (std::size_t i = 0; i < weighted.values.size(); ++i)
      weighted.values[i] = i / 5 == 8 ? nan<double> : std::sin(static_cast<double>(i));
    PoolProblem copied = weighted;
    copied.variant.weighted = false;
    copied.weights.clear();
    copied.lengths = {6, 1, 4};
    copied.codes = {1, 1, 5, 3, 3, 3, 5, 5, 4, 4, 4};
    const auto expected = run_pool<double>(backend, copied), actual = run_pool<double>(backend, weighted);
    EXPECT_TRUE(close(actual.out, expected.out, 1e-14));
    EXPECT_TRUE(close(actual.d_values, expected.d_values, 1e-13));
    if (!variant.attends()) return;
    EXPECT_TRUE(close(actual.d_w1, expected.d_w1, 1e-13));
    EXPECT_TRUE(close(actual.d_w2, expected.d_w2, 1e-13));
  });
}

// By hand: the first of equal values has the gradient, infinities are values, and NaN is not lost.
TEST_P(SegmentPool, TheMaximumAmongEquals) {
  PoolProblem problem = pool_problem({.mode = PoolMode::max, .width = 3}, {3, 2, 2});
  const double inf = std::numeric_limits<double>::infinity(), n = nan<double>;
  problem.values = {1, -5, 0, 2, -5, -1, 2, -6, -1, -inf, -2, n, -inf, -1, 4, 1, 3, 5, n, n, -inf};
  problem.d_out = {10, 20, 30, 40, 50, 60, 70, 80, 90};
  const auto actual = run_pool<float>(backend, problem);
  const auto inff = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(same_bits(std::vector<float>(actual.out.begin(), actual.out.begin() + 5),
                        std::vector<float>{2, -5, 0, -inff, -1}));
  for (const std::size_t i : {5, 6, 7}) EXPECT_TRUE(std::isnan(actual.out[i]));
  EXPECT_EQ(actual.out[8], 5);
  EXPECT_EQ(actual.d_values,
            (std::vector<float>{0, 20, 30, 10, 0, 0, 0, 0, 0, 40, 0, 60, 0, 50, 0, 0, 0, 90, 70, 80, 0}));
}

// Scores far apart and far out: the softmax neither overflows nor loses the highest.
TEST_P(SegmentPool, AttentionWithScoresFarOut) {
  PoolProblem problem = pool_problem({.mode = PoolMode::attention, .width = 2, .attention_width = 1}, {3, 1});
  problem.values = {1, 5, -1, 6, 1, 7, -1, 8};
  problem.w1 = {50, 0};
  problem.b1 = {0};
  for (const double height : {1e4, -1e4}) {
    problem.w2 = {height};
    for (const double shift : {0.0, 3e4, -3e4}) {
      problem.b2 = {shift};
      const auto actual = run_pool<float>(backend, problem);
      EXPECT_TRUE(close(actual.out,
                        height > 0 ? std::vector<double>{1, 6, -1, 8} : std::vector<double>{-1, 6, -1, 8},
                        1e-6));
      for (const auto* gradient : {&actual.d_values, &actual.d_w1, &actual.d_b1, &actual.d_w2, &actual.d_b2})
        for (const float value : *gradient) EXPECT_TRUE(std::isfinite(value));
    }
  }
}

// Without a reserve, the same out.
TEST_P(SegmentPool, ForInferenceAlone) {
  for_each_pool(17, 30, [&](const PoolVariant& variant) {
    const PoolProblem problem = pool_problem(variant, {0, 3, 1, 40, 2});
    PoolRun<float> run(backend, problem);
    run.forward.reserve = nullptr;
    run.forward.status = nullptr;
    run.plan.forward(run.forward);
    EXPECT_TRUE(same_bits(run.outputs().out, run_pool<float>(backend, problem).out));
  });
}

}  // namespace
}  // namespace ragtime::test
