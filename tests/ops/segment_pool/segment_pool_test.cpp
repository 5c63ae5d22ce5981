// Pooling against its definition in plain double loops: every mode, of codes and of rows, with and without
// weights, out and all gradients, at segment lengths from empty to very long. Rows no item uses and what lies
// behind the batch hold NaN throughout, so a result that read any of it shows. In 16 bits the reference
// starts from the rounded numbers.

#include <gtest/gtest.h>

#include "tests/ops/segment_pool/run.hpp"

namespace ragtime::test {
namespace {

// The lengths of visits: one very long among short ones.
std::vector<std::int32_t> skewed_lengths(std::int32_t longest) {
  std::vector<std::int32_t> lengths(60, 1);
  for (std::size_t s = 0; s < lengths.size(); ++s) lengths[s] = static_cast<std::int32_t>(s * 7 % 5);
  lengths[23] = longest;
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
  void expect_as_formula(const PoolProblem& exact) {
    if (!computes_in<T>()) return;
    const PoolProblem problem = rounded<T>(exact);
    PoolOutputs<double> expected = reference_pool(problem);
    expect_close(run_pool<T>(backend, problem), expected, problem.variant);
    // Added to what is there. 16 bits are rounded again at the sum's size, so it is the sum they are held to.
    PoolOutputs<T> added = run_pool<T>(backend, problem, 2);
    if constexpr (sizeof(T) == 2)
      for (auto* gradient :
           {&expected.d_values, &expected.d_w1, &expected.d_b1, &expected.d_w2, &expected.d_b2})
        for (double& value : *gradient) value += 2;
    else
      for (auto* gradient : {&added.d_values, &added.d_w1, &added.d_b1, &added.d_w2, &added.d_b2})
        for (T& value : *gradient) value -= 2;
    expect_close(added, expected, problem.variant);
  }
  void expect_as_formula_in_all_dtypes(const PoolProblem& problem) {
    expect_as_formula<float>(problem);
    expect_as_formula<double>(problem);
    expect_as_formula<bf16>(problem);
    expect_as_formula<f16>(problem);
  }

  bool emulated() const { return backend->device() != DeviceType::cpu; }

  template <class T>
  void expect_as_formulas() {
    auto all_lengths = ragged_lengths();
    all_lengths.push_back({0, 1, 3, 2, 0, 0, 23, 1, 5, 0});
    if (emulated()) all_lengths.erase(all_lengths.begin(), all_lengths.end() - 3);
    std::vector<std::pair<std::int64_t, std::int64_t>> sizes = {{1, 1}, {5, 9}, {16, 3}, {33, 40}};
    if (emulated()) sizes.erase(sizes.begin());
    for (const auto& lengths : all_lengths)
      for (const auto& [width, vocabulary] : sizes) {
        SCOPED_TRACE(testing::PrintToString(lengths));
        const auto check = [&](const PoolVariant& variant) {
          expect_as_formula<T>(pool_problem(variant, lengths));
        };
        if (sizeof(T) == 2)
          for_each_pool_on(*backend, width, vocabulary, check);
        else
          for_each_pool(width, vocabulary, check);
      }
  }

  template <class T>
  void expect_zero(const PoolProblem& problem) {
    if (!computes_in<T>()) return;
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
  RAGTIME_NEEDS_DOUBLE();
  expect_as_formulas<double>();
}
TEST_P(SegmentPool, FollowsItsDefinitionBf16) {
  RAGTIME_NEEDS(bf16);
  expect_as_formulas<bf16>();
}
TEST_P(SegmentPool, FollowsItsDefinitionF16) {
  RAGTIME_NEEDS(f16);
  expect_as_formulas<f16>();
}

// Rows that take more accesses than a warp has lanes, once and several times over, whole and with a rest; of
// segments short, long and in between.
TEST_P(SegmentPool, WideRows) {
  for (const std::int64_t width : {132, 262, 1041})
    for_each_pool_on(*backend, width, 7, [&](PoolVariant variant) {
      variant.attention_width = 3;
      const PoolProblem problem = pool_problem(variant, {2, 0, 70, 9}, true);
      expect_as_formula<float>(problem);
      if (width < 1000) expect_as_formula<bf16>(problem);
    });
}

// Rows at addresses that are multiples of nothing but their elements.
TEST_P(SegmentPool, RowsAtAnyAddress) {
  const auto shifted = [&]<class T>(const PoolProblem& exact) {
    if (!computes_in<T>()) return;
    const PoolProblem problem = rounded<T>(exact);
    PoolRun<T> run(backend, problem);
    const auto shift = [&](const DeviceArray<T>& array) {
      std::vector<T> values = array.host();
      values.insert(values.begin(), nan<T>);
      return DeviceArray<T>(backend, values);
    };
    const auto values = shift(run.values), d_out = shift(run.d_out), out = shift(run.out);
    const auto d_values = shift(run.d_values);
    run.forward.values = run.backward.values = values.data() + 1;
    run.forward.out = out.data() + 1;
    run.backward.d_out = d_out.data() + 1;
    run.backward.d_values = d_values.data() + 1;
    run.plan.forward(run.forward);
    run.plan.backward(run.backward);
    PoolOutputs<T> actual = run.outputs();
    const auto shifted_back = [](const DeviceArray<T>& array, std::size_t count) {
      const std::vector<T> all = array.host();
      return std::vector<T>(all.begin() + 1, all.begin() + 1 + static_cast<std::int64_t>(count));
    };
    actual.out = shifted_back(out, actual.out.size());
    actual.d_values = shifted_back(d_values, actual.d_values.size());
    expect_close(actual, reference_pool(problem), problem.variant);
  };
  for (const std::int64_t width : {8, 6})
    for_each_pool_on(*backend, width, 9, [&](const PoolVariant& variant) {
      const PoolProblem problem = pool_problem(variant, {3, 0, 70, 2, 1});
      shifted.operator()<float>(problem);
      shifted.operator()<bf16>(problem);
    });
}

// A plan for fewer items than there are codes scores items; one for more scores codes. Both cases stand among
// the sizes above; here each with enough of both.
TEST_P(SegmentPool, MoreCodesThanItemsAndFewer) {
  for (const bool weighted : {false, true})
    for (const std::int64_t vocabulary : {20, 2000})
      for (const bool atomic : {false, true}) {
        const PoolProblem problem = pool_problem({.mode = PoolMode::attention,
                                                  .vocab_size = vocabulary,
                                                  .weighted = weighted,
                                                  .width = 12,
                                                  .attention_width = 6,
                                                  .padding_idx = 0,
                                                  .atomic_gradients = atomic},
                                                 {7, 0, 130, 1, 2, 11}, true);
        SCOPED_TRACE(describe(problem.variant));
        expect_as_formula_in_all_dtypes(problem);
      }
}

// Sums in no fixed order where they may be; on the CPU the same as ever.
TEST_P(SegmentPool, AtomicGradients) {
  for_each_pool(6, 40, [&](PoolVariant variant) {
    if (variant.vocab_size == 0) return;
    variant.atomic_gradients = true;
    const PoolProblem problem = pool_problem(variant, {3, 0, 90, 1, 2, 5, 5, 31}, true);
    expect_as_formula_in_all_dtypes(problem);
    if (backend->device() != DeviceType::cpu) return;
    PoolProblem sorted = problem;
    sorted.variant.atomic_gradients = false;
    expect_same_bits(run_pool<float>(backend, problem), run_pool<float>(backend, sorted));
  });
}

TEST_P(SegmentPool, OneVeryLongVisitAmongShortOnes) {
  for_each_pool_on(*backend, 7, 50, [&](const PoolVariant& variant) {
    const PoolProblem problem = pool_problem(variant, skewed_lengths(emulated() ? 700 : 1500));
    expect_as_formula<float>(problem);
    expect_as_formula<double>(problem);
    expect_as_formula<bf16>(problem);
  });
}

// More occurrences of one code than one task takes, and of its neighbours none or one.
TEST_P(SegmentPool, ACodeInEveryVisit) {
  std::vector<std::int32_t> lengths(emulated() ? 650 : 1300);
  for (std::size_t s = 0; s < lengths.size(); ++s) lengths[s] = static_cast<std::int32_t>(1 + s % 3);
  for_each_pool_on(*backend, 6, 900, [&](PoolVariant variant) {
    if (variant.vocab_size == 0) return;
    for (const std::int64_t padding : {-1, 0}) {
      variant.padding_idx = padding;
      const PoolProblem problem = pool_problem(variant, lengths, true);
      ASSERT_GT(std::count(problem.codes.begin(), problem.codes.end(), 0), emulated() ? 550 : 1100);
      expect_as_formula<float>(problem);
      expect_as_formula<double>(problem);
      if (padding < 0) expect_as_formula<bf16>(problem);
    }
  });
}

TEST_P(SegmentPool, OfNothingIsZero) {
  for_each_pool(5, 9, [&](const PoolVariant& variant) {
    for (const std::vector<std::int32_t>& lengths : {std::vector<std::int32_t>{}, {0}, {0, 0, 0}}) {
      PoolProblem problem = pool_problem(variant, lengths);
      expect_zero<float>(problem);
      expect_zero<double>(problem);
      expect_zero<bf16>(problem);
    }
    if (!variant.weighted) return;
    PoolProblem problem = pool_problem(variant, {2, 0, 3, 1});
    std::fill(problem.weights.begin(), problem.weights.end(), 0);
    hide_unused_values(problem);
    expect_zero<float>(problem);
    expect_zero<double>(problem);
    expect_zero<bf16>(problem);
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
    const auto expect_same = [&]<class T>(double share) {
      const auto expected = run_pool<T>(backend, copied), actual = run_pool<T>(backend, weighted);
      EXPECT_TRUE(close(actual.out, expected.out, share));
      EXPECT_TRUE(close(actual.d_values, expected.d_values, 10 * share));
      if (!variant.attends()) return;
      EXPECT_TRUE(close(actual.d_w1, expected.d_w1, 10 * share));
      EXPECT_TRUE(close(actual.d_w2, expected.d_w2, 10 * share));
    };
    if (computes_in<double>())
      expect_same.operator()<double>(1e-14);
    else
      expect_same.operator()<float>(1e-6);
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
