// The losses against their formulas in plain double loops: every kind with its options, every reduction and
// layout, ragged lengths with empty sequences, weights with zeros. Padding, masked rows and what lies behind
// the batch hold NaN throughout, so a result that read any of it shows.

#include <gtest/gtest.h>

#include "tests/ops/masked_loss/run.hpp"

namespace ragtime::test {
namespace {

class MaskedLoss : public OnBackend {
 protected:
  template <class T>
  void expect_as_formula(const LossProblem& given) {
    const LossProblem problem = rounded<T>(given);
    const LossResult expected = reference_loss(problem);
    const LossOutputs<T> actual = run_loss<T>(backend, problem);
    EXPECT_TRUE(close(actual.loss, expected.loss, tolerance<T>)) << "loss";
    EXPECT_TRUE(close(actual.d_logits, expected.d_logits, tolerance<T>, problem.variant.outputs))
        << "d_logits";
    EXPECT_TRUE(close(actual.weight_sum, std::vector{expected.weight_sum}, tolerance<T>)) << "weight_sum";
  }

  template <class T>
  void expect_as_formulas() {
    for_each_loss([&](const LossVariant& variant, LossLayout layout, Reduction reduction) {
      for (const auto& lengths : lengths_to_try())
        for (const bool weighted : {true, false}) {
          if (!weighted && sizeof(T) == 2) continue;
          SCOPED_TRACE(testing::PrintToString(lengths) + (weighted ? " weighted" : ""));
          expect_as_formula<T>(loss_problem(variant, layout, reduction, lengths, weighted));
        }
    });
  }

  bool is_cpu() const { return backend->device() == DeviceType::cpu; }
  // All of them on the CPU, one with everything elsewhere.
  std::vector<std::vector<std::int32_t>> lengths_to_try() const {
    if (is_cpu()) return ragged_lengths();
    return {{0, 3, 0, 19, 1, 2, 0}};
  }

  // Loss, gradient and denominator of a problem without a valid element, where the backend computes in T.
  template <class T>
  void expect_zero(const LossProblem& problem) {
    if (!computes_in<T>()) return;
    const LossOutputs<T> actual = run_loss<T>(backend, problem);
    EXPECT_EQ(actual.loss, std::vector<LossNumber<T>>(static_cast<std::size_t>(problem.losses())));
    EXPECT_EQ(actual.d_logits,
              std::vector<T>(static_cast<std::size_t>(problem.rows() * problem.variant.outputs)));
    EXPECT_EQ(actual.weight_sum, std::vector<LossNumber<T>>{0});
  }
};
RAGTIME_TEST_ON_BACKENDS(MaskedLoss);

TEST_P(MaskedLoss, FollowsItsFormulaFloat) {
  expect_as_formulas<float>();
}
TEST_P(MaskedLoss, FollowsItsFormulaDouble) {
  RAGTIME_NEEDS_DOUBLE();
  expect_as_formulas<double>();
}
TEST_P(MaskedLoss, FollowsItsFormulaBf16) {
  RAGTIME_NEEDS(bf16);
  expect_as_formulas<bf16>();
}
TEST_P(MaskedLoss, FollowsItsFormulaF16) {
  RAGTIME_NEEDS(f16);
  expect_as_formulas<f16>();
}

// As wide as an access, a warp or a block takes at a time, and next to it.
TEST_P(MaskedLoss, OfAnyWidth) {
  std::vector<std::int64_t> widths = {2, 8, 31, 32, 64, 132, 515, 2047, 2048, 2052, 4100, 4101};
  if (!is_cpu()) widths = {32, 132, 2047, 2052};
  for (LossVariant variant : loss_variants()) {
    if (variant.survival()) continue;
    for (const std::int64_t outputs : widths) {
      SCOPED_TRACE(testing::Message() << variant.name << ", " << outputs << " outputs");
      variant.outputs = outputs;
      const LossLayout layout = outputs % 3 == 0 ? LossLayout::padded : LossLayout::rows;
      const auto with = [&](Reduction reduction) {
        return loss_problem(variant, layout, reduction, {2, 0, 1}, false);
      };
      expect_as_formula<float>(with(Reduction::none));
      expect_as_formula<float>(with(Reduction::mean_per_sequence));
      if (computes_in<bf16>()) expect_as_formula<bf16>(with(Reduction::mean));
    }
  }
}

// More units than a chunk of any sum.
TEST_P(MaskedLoss, OfManyRows) {
  std::vector<std::int32_t> lengths(40);
  Numbers numbers(7);
  for (std::int32_t& length : lengths) length = static_cast<std::int32_t>(numbers.integer(0, 5));
  lengths[20] = 1100;
  for (const LossVariant& variant : loss_variants())
    for (const Reduction reduction : all_reductions) {
      SCOPED_TRACE(testing::Message() << variant.name << ", " << name_of(reduction));
      expect_as_formula<float>(loss_problem(variant, LossLayout::rows, reduction, lengths, true));
    }
}

// The values of a row may begin anywhere an element may.
TEST_P(MaskedLoss, OfArraysThatAreAlignedToTheirElementsAlone) {
  for (LossVariant variant : loss_variants()) {
    if (variant.survival()) continue;
    variant.outputs = 8;
    for (const Reduction reduction : {Reduction::none, Reduction::mean}) {
      SCOPED_TRACE(testing::Message() << variant.name << ", " << name_of(reduction));
      const LossProblem problem = loss_problem(variant, LossLayout::rows, reduction, {3, 1}, true);
      const auto expected = run_loss<float>(backend, problem);
      LossRun<float> run(backend, problem);
      auto shifted = cast<float>(problem.logits);
      shifted.insert(shifted.begin(), nan<float>);
      const DeviceArray<float> logits(backend, shifted);
      const auto d_logits = DeviceArray<float>::poisoned(backend, run.logit_count + 1);
      run.args.logits = logits.data() + 1;
      run.args.d_logits = d_logits.data() + 1;
      run.plan.run(run.args);
      EXPECT_TRUE(same_bits(run.outputs().loss, expected.loss));
      auto gradient = d_logits.host();
      EXPECT_TRUE(std::isnan(gradient[0]));
      gradient.erase(gradient.begin());
      EXPECT_TRUE(same_bits(gradient, expected.d_logits));
    }
  }
}

TEST_P(MaskedLoss, WithoutAValidElementIsZero) {
  for_each_loss([&](const LossVariant& variant, LossLayout layout, Reduction reduction) {
    for (const auto& lengths : lengths_to_try()) {
      LossProblem problem = loss_problem(variant, layout, reduction, lengths, true);
      std::fill(problem.logits.begin(), problem.logits.end(), nan<double>);
      for (std::int64_t unit = 0; unit < problem.units(); ++unit) problem.row_weight[unit] = 0;
      expect_zero<float>(problem);
      expect_zero<double>(problem);
      // The same without weights, where the targets can say it.
      problem.row_weight.clear();
      std::fill(problem.labels.begin(), problem.labels.end(), problem.ignore_index);
      std::fill(problem.event_time.begin(), problem.event_time.end(), -1);
      if (!problem.labels.empty() || !problem.event_time.empty()) expect_zero<float>(problem);
    }
    expect_zero<float>(loss_problem(variant, layout, reduction, {}, false));
    if (layout != LossLayout::sequences && !variant.survival())
      expect_zero<double>(loss_problem(variant, layout, reduction, {0, 0, 0}, true));
  });
}

// A class of weight 0 adds nothing to the denominator of the mean, but its rows share the smoothing.
TEST_P(MaskedLoss, AMeanOverClassesOfWeightZero) {
  for (const double smoothing : {0.0, 0.25})
    for (const Reduction reduction : all_reductions) {
      SCOPED_TRACE(testing::Message() << name_of(reduction) << ", smoothing " << smoothing);
      const LossVariant variant{.name = "all of class 1",
                                .kind = LossKind::cross_entropy,
                                .outputs = 3,
                                .class_weighted = true,
                                .smoothing = smoothing};
      LossProblem problem = loss_problem(variant, LossLayout::rows, reduction, {2, 3}, false);
      problem.class_weight = {1, 0, 2};
      std::fill(problem.labels.begin(), problem.labels.end(), 1);
      expect_as_formula<float>(problem);
      const bool mean = reduction == Reduction::mean || reduction == Reduction::mean_per_sequence;
      if (mean || smoothing == 0)
        expect_zero<double>(problem);
      else
        EXPECT_GT(reference_loss(problem).loss[0], 0);
    }
}

TEST_P(MaskedLoss, SurvivalOfTwoPatientsByHand) {
  LossProblem problem = loss_problem({.kind = LossKind::survival, .hazards_are_logits = false},
                                     LossLayout::rows, Reduction::mean, {3, 2}, false);
  problem.logits = {0.1, 0.2, 0.3, 0.15, 0.25};
  problem.event_time = {2, 1};
  problem.observed = {1, 1};
  EXPECT_NEAR(run_loss<float>(backend, problem).loss[0], 1.5406451, 5e-7);
  if (!computes_in<double>()) return;
  EXPECT_NEAR(run_loss<double>(backend, problem).loss[0], 1.5406451, 5e-8);
  // -log(0.9 0.8 0.3) and -log(0.85 0.25), apart.
  problem.reduction = Reduction::none;
  EXPECT_TRUE(close(run_loss<double>(backend, problem).loss,
                    std::vector{-std::log(0.9 * 0.8 * 0.3), -std::log(0.85 * 0.25)}, 1e-14));
  // Censored at the same visits: nothing happened in 0.9 0.8 0.7 and 0.85 0.75.
  problem.observed = {0, 0};
  EXPECT_TRUE(close(run_loss<double>(backend, problem).loss,
                    std::vector{-std::log(0.9 * 0.8 * 0.7), -std::log(0.85 * 0.75)}, 1e-14));
}

// The gradient and the denominator are by choice, and ask nothing of the loss.
TEST_P(MaskedLoss, TheLossAlone) {
  for_each_loss([&](const LossVariant& variant, LossLayout layout, Reduction reduction) {
    const LossProblem problem = loss_problem(variant, layout, reduction, {3, 0, 1, 4}, true);
    LossRun<float> run(backend, problem);
    run.args.d_logits = nullptr;
    run.args.weight_sum = nullptr;
    run.args.status = nullptr;
    run.plan.run(run.args);
    EXPECT_TRUE(same_bits(run.outputs().loss, run_loss<float>(backend, problem).loss));
  });
}

// Where a formula has a finite value, so has the loss, however far out the logits are.
class MaskedLossFarOut : public OnBackend {
 protected:
  // One sequence of values.size() / outputs rows, each loss and gradient by hand.
  template <class T>
  void expect(LossProblem problem, const std::vector<double>& losses, const std::vector<double>& gradient) {
    problem.reduction = Reduction::none;
    const LossOutputs<T> apart = run_loss<T>(backend, problem);
    EXPECT_TRUE(close(apart.loss, losses, tolerance<T>));
    EXPECT_TRUE(close(apart.d_logits, gradient, tolerance<T>, problem.variant.outputs));
    problem.reduction = Reduction::sum;
    const LossOutputs<T> together = run_loss<T>(backend, problem);
    double sum = 0;
    for (const double loss : losses) sum += loss;
    EXPECT_TRUE(close(together.loss, std::vector{sum}, tolerance<T>));
    EXPECT_TRUE(same_bits(together.d_logits, apart.d_logits));
  }
  template <class T>
  void expect_all();

  LossProblem problem(const LossVariant& variant, std::int32_t rows) {
    return loss_problem(variant, LossLayout::rows, Reduction::none, {rows}, false);
  }
};
RAGTIME_TEST_ON_BACKENDS(MaskedLossFarOut);

template <class T>
void MaskedLossFarOut::expect_all() {
  const double far = 1e4;
  LossProblem bce = problem({.outputs = 6}, 1);
  bce.logits = {far, -far, far, -far, far, -far};
  bce.targets = {1, 0, 0, 1, 0.5, 0.5};
  expect<T>(bce, {0, 0, far, far, far / 2, far / 2}, {0, 0, 1, -1, 0.5, -0.5});
  bce.variant.pos_weighted = true;
  bce.pos_weight = {3, 3, 3, 3, 3, 3};
  expect<T>(bce, {0, 0, far, 3 * far, far / 2, 1.5 * far}, {0, 0, 1, -3, 0.5, -1.5});

  LossProblem ids = problem({.outputs = 4, .hot = true}, 1);
  ids.logits = {far, -far, far, -far};
  ids.target_offsets = {0, 2};
  ids.target_ids = {3, 0};
  expect<T>(ids, {0, 0, far, far}, {0, 0, 1, -1});

  LossProblem classes = problem({.kind = LossKind::cross_entropy, .outputs = 3}, 3);
  classes.logits = {far, -far, 0, far, -far, 0, far, far, far};
  classes.labels = {0, 1, 2};
  const double third = 1.0 / 3;
  expect<T>(classes, {0, 2 * far, std::log(3.0)}, {0, 0, 0, 1, -1, 0, third, third, third - 1});

  LossProblem squares = problem({.kind = LossKind::mse, .outputs = 2}, 1);
  squares.logits = {far, -far};
  squares.targets = {-far, -far};
  expect<T>(squares, {4 * far * far, 0}, {4 * far, 0});

  LossProblem survival = problem({.kind = LossKind::survival}, 3);
  survival.logits = {-far, -far, far};
  survival.event_time = {2};
  survival.observed = {1};
  expect<T>(survival, {0}, {0, 0, -0.0});
  survival.logits = {far, -far, -far};
  expect<T>(survival, {2 * far}, {1, 0, -1});

  // Hazards next to 0 and 1, and 0 and 1 themselves where they are what happened.
  survival.variant.hazards_are_logits = false;
  const double tiny = 0x1p-100, almost = 1 - 0x1p-20;
  survival.logits = {tiny, almost, tiny};
  expect<T>(survival, {120 * std::log(2.0)}, {1, 0x1p20, -0x1p100});
  survival.logits = {0, 0, 1};
  expect<T>(survival, {0}, {1, 1, -1});
}

TEST_P(MaskedLossFarOut, StaysFiniteFloat) {
  expect_all<float>();
}
TEST_P(MaskedLossFarOut, StaysFiniteDouble) {
  RAGTIME_NEEDS_DOUBLE();
  expect_all<double>();
}

}  // namespace
}  // namespace ragtime::test
