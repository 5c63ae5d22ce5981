// The gradient of every loss is that of finite differences of the loss itself; loss and gradient have the
// same bits on any number of threads; what a sequence gets does not depend on its neighbours.

#include <gtest/gtest.h>

#include <numeric>

#include "tests/ops/masked_loss/run.hpp"

namespace ragtime::test {
namespace {

// Elements [begin, begin + count), if there are any at all.
template <class V>
V part(const V& values, std::int64_t begin, std::int64_t count) {
  if (values.empty()) return {};
  return V(values.begin() + begin, values.begin() + begin + count);
}

class MaskedLossGradient : public OnBackend {};
RAGTIME_TEST_ON_BACKENDS(MaskedLossGradient);

// With none, that of the sum of all losses. Logits that are not read are NaN before and after a step, and
// have a gradient of 0.
TEST_P(MaskedLossGradient, IsThatOfFiniteDifferences) {
  RAGTIME_NEEDS_DOUBLE();
  for_each_loss([&](const LossVariant& variant, LossLayout layout, Reduction reduction) {
    if (variant.outputs > 10) return;  // more of the same
    for (const bool weighted : {false, true}) {
      LossProblem problem = loss_problem(variant, layout, reduction, {2, 0, 1, 3}, weighted);
      LossRun<double> run(backend, problem);
      run.plan.run(run.args);
      const std::vector<double> gradient = run.outputs().d_logits;
      problem.logits.resize(gradient.size());
      const auto loss = [&] {
        backend->copy(run.logits.data(), problem.logits.data(), problem.logits.size() * sizeof(double),
                      CopyKind::to_device);
        run.plan.run(run.args);
        const std::vector<double> losses = run.outputs().loss;
        return std::accumulate(losses.begin(), losses.end(), 0.0);
      };
      EXPECT_TRUE(close(gradient, finite_differences(problem.logits, loss), 1e-8, variant.outputs));
    }
  });
}

TEST_P(MaskedLossGradient, HasItsBitsOnAnyThreads) {
  const bool is_cpu = backend->device() == DeviceType::cpu;
  std::vector<std::int32_t> lengths(is_cpu ? 200 : 20);
  Numbers numbers(11);
  for (std::int32_t& length : lengths) length = static_cast<std::int32_t>(numbers.integer(0, 5));
  lengths[17] = is_cpu ? 300 : 20;
  for_each_loss([&](const LossVariant& variant, LossLayout layout, Reduction reduction) {
    const LossProblem problem = loss_problem(variant, layout, reduction, lengths, true);
    set_cpu_threads(1);
    const auto expected = run_loss<float>(backend, problem);
    EXPECT_NE(expected.weight_sum[0], 0);
    for (const int threads : {2, 3}) {
      if (threads > 2 && !is_cpu) continue;  // those of a device are another order every time
      set_cpu_threads(threads);
      expect_same_bits(run_loss<float>(backend, problem), expected);
    }
  });
}

// The sequences of a batch one by one. The denominator of a mean is the batch's; nothing else is.
TEST_P(MaskedLossGradient, OfASequenceDoesNotDependOnItsNeighbours) {
  for_each_loss([&](const LossVariant& variant, LossLayout layout, Reduction reduction) {
    if (reduction != Reduction::none && reduction != Reduction::sum) return;
    const LossProblem problem = loss_problem(variant, layout, reduction, {3, 1, 4, 0, 20, 1}, true);
    const auto together = run_loss<float>(backend, problem);
    for (std::int64_t b = 0; b < problem.sequences(); ++b) {
      SCOPED_TRACE(testing::Message() << "sequence " << b);
      const std::int64_t outputs = variant.outputs, first = problem.first(b);
      const std::int64_t rows = layout == LossLayout::padded ? problem.padded_steps : problem.count(b);
      if (rows == 0) continue;
      const std::int64_t unit = variant.survival() ? b : first, units = variant.survival() ? 1 : rows;
      LossProblem alone = problem;
      alone.lengths = {problem.lengths[b]};
      alone.logits = part(problem.logits, first * outputs, rows * outputs);
      alone.targets = part(problem.targets, first * outputs, rows * outputs);
      alone.labels = part(problem.labels, first, rows);
      alone.target_offsets = part(problem.target_offsets, first, rows + 1);
      alone.row_weight = part(problem.row_weight, unit, units);
      alone.event_time = part(problem.event_time, unit, units);
      alone.observed = part(problem.observed, unit, units);
      const auto one = run_loss<float>(backend, alone);
      EXPECT_TRUE(same_bits(one.d_logits, part(together.d_logits, first * outputs, rows * outputs)));
      if (reduction == Reduction::sum) continue;
      const std::int64_t losses = variant.per_element() ? outputs : 1;
      EXPECT_TRUE(same_bits(one.loss, part(together.loss, unit * losses, units * losses)));
    }
  });
}

// Nor does what its neighbours hold: a logit that is not a number stays within its own sequence.
TEST_P(MaskedLossGradient, OfASequenceDoesNotSpreadNaN) {
  for_each_loss([&](const LossVariant& variant, LossLayout layout, Reduction reduction) {
    LossProblem problem = loss_problem(variant, layout, reduction, {2, 3, 4}, false);
    std::fill(problem.event_time.begin(), problem.event_time.begin() + (variant.survival() ? 3 : 0), 0);
    std::fill(problem.labels.begin(), problem.labels.end(), 0);
    Numbers numbers(3);
    for (std::int64_t b = 0; b < 3; ++b)
      for (std::int64_t i = 0; i < problem.count(b) * variant.outputs; ++i)
        problem.logits[problem.first(b) * variant.outputs + i] = numbers.uniform(0.1, 0.9);
    std::fill(problem.observed.begin(), problem.observed.end(), std::uint8_t{0});
    const auto before = run_loss<float>(backend, problem);
    const std::int64_t begin = problem.first(1) * variant.outputs, end = problem.first(2) * variant.outputs;
    problem.logits[begin] = nan<double>;
    const auto after = run_loss<float>(backend, problem);
    const std::int64_t unit = variant.survival() ? 1 : problem.first(1);
    const std::int64_t place = unit * (variant.per_element() ? variant.outputs : 1);
    EXPECT_TRUE(std::isnan(after.loss[reduction == Reduction::none ? place : 0]));
    EXPECT_TRUE(std::isnan(after.d_logits[begin]));
    EXPECT_TRUE(same_bits(part(after.d_logits, 0, begin), part(before.d_logits, 0, begin)));
    const std::int64_t behind = static_cast<std::int64_t>(after.d_logits.size()) - end;
    EXPECT_TRUE(same_bits(part(after.d_logits, end, behind), part(before.d_logits, end, behind)));
  });
}

}  // namespace
}  // namespace ragtime::test
