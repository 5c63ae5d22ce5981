// What the bits of an LSTM do not depend on: a sequence's neighbours and its place among them, the number of
// threads, what memory held before, the run before, other threads in the same plan.

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "tests/ops/lstm/algorithms.hpp"
#include "tests/ops/lstm/selection.hpp"

namespace ragtime::test {
namespace {

// Enough sequences for several tiles, and values that fill more than one block of the kernels.
LstmProblem large_problem(
    const LstmShape& shape = {.input = 37, .hidden = 66, .layers = 2, .directions = 2, .projection = 35},
    std::size_t sequences = 61, std::int32_t longest = 40) {
  Numbers numbers(11);
  std::vector<std::int32_t> lengths(sequences);
  for (auto& length : lengths) length = static_cast<std::int32_t>(numbers.integer(0, 7));
  lengths[17] = longest;
  LstmProblem problem = lstm_problem(shape, lengths);
  problem.dropout = 0.25;
  problem.seed = 5;
  return problem;
}

class LstmInvariance : public OnBackend {
 protected:
  bool on_cpu() const { return backend->device() == DeviceType::cpu; }
  // Large on the CPU; where every thread of a kernel is emulated, several rows to a block and several blocks.
  LstmProblem problem_of_size() const {
    const LstmShape small = {.input = 9, .hidden = 12, .layers = 2, .directions = 2, .projection = 7};
    return on_cpu() ? large_problem() : large_problem(small, 23, 12);
  }
};
RAGTIME_TEST_ON_BACKENDS(LstmInvariance);

Selection everybody(const LstmProblem& problem) {
  Selection all(problem.lengths.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

template <class T>
void expect_own_bits(const std::shared_ptr<Backend>& backend, const LstmProblem& problem) {
  SCOPED_TRACE(name_of(dtype_of<T>));
  const LstmLoss loss = lstm_loss(problem);
  const auto together = run_lstm<T>(backend, problem, &loss);
  const auto check = [&](const Selection& chosen) {
    const LstmProblem selected = select(problem, chosen);
    const LstmLoss selected_loss = select(problem, loss, chosen);
    LstmOptions options;  // of the same capacity, so that the plan is the same
    options.slack = {problem.sequences() - selected.sequences(), problem.rows() - selected.rows(), 0, 40};
    auto alone = run_lstm<T>(backend, selected, &selected_loss, options);
    alone.gradients.clear();
    expect_same_bits(alone, select(problem, together, chosen));
  };
  for (std::size_t b = 0; b < problem.lengths.size(); b += 5) check({b});
  check({17, 3});
  Selection neighbours(13);
  std::iota(neighbours.begin(), neighbours.end(), problem.lengths.size() / 2 - 3);
  check(neighbours);
  Selection reversed = everybody(problem);
  std::reverse(reversed.begin(), reversed.end());
  check(reversed);
  Selection mixed = everybody(problem);
  Numbers numbers(3);
  for (std::size_t i = mixed.size(); i > 1; --i)
    std::swap(mixed[i - 1], mixed[numbers.integer(0, static_cast<std::int64_t>(i) - 1)]);
  check(mixed);
}

TEST_P(LstmInvariance, ASequenceHasItsBitsAloneAndInAnyCompany) {
  for (const int threads : {1, 2}) {
    if (threads > 1 && !on_cpu()) break;
    set_cpu_threads(threads);
    expect_own_bits<float>(backend, problem_of_size());
    if (computes_in<double>()) expect_own_bits<double>(backend, problem_of_size());
    if (computes_in<bf16>()) expect_own_bits<bf16>(backend, problem_of_size());
    expect_own_bits<float>(backend, large_problem({.input = 3, .hidden = 5}, on_cpu() ? 61 : 23));
  }
}

TEST_P(LstmInvariance, NaNInNeighboursStaysThere) {
  const LstmProblem problem = problem_of_size();
  const LstmLoss loss = lstm_loss(problem);
  const auto clean = run_lstm<float>(backend, problem, &loss);
  Selection spared, struck;
  for (std::size_t b = 0; b < problem.lengths.size(); ++b) (b % 3 == 0 ? spared : struck).push_back(b);
  // NaN through and through for the struck, the old values for the spared.
  LstmProblem half = problem;
  LstmLoss half_loss = loss;
  strike(half, half_loss, struck, nan<double>);
  const auto poisoned = run_lstm<float>(backend, half, &half_loss);
  expect_same_bits(select(problem, poisoned, spared), select(problem, clean, spared));
  EXPECT_TRUE(std::isnan(select(problem, poisoned, struck).y[0]));
}

TEST_P(LstmInvariance, TheNumberOfThreadsChangesNothing) {
  if (!on_cpu()) GTEST_SKIP() << "the threads are the CPU backend's";
  for (const LstmProblem& problem :
       {large_problem(), large_problem({.input = 300, .hidden = 90}), lstm_problem({.layers = 3}, {4})}) {
    const LstmLoss loss = lstm_loss(problem);
    set_cpu_threads(1);
    const auto one = run_lstm<float>(backend, problem, &loss);
    for (const int threads : {2, 3, 7}) {
      SCOPED_TRACE(threads);
      set_cpu_threads(threads);
      expect_same_bits(run_lstm<float>(backend, problem, &loss), one);
    }
  }
}

TEST_P(LstmInvariance, WhatMemoryHeldChangesNothing) {
  for (const LstmShape& shape : lstm_shapes()) {
    SCOPED_TRACE(name_of(shape));
    LstmProblem problem = lstm_problem(shape, {4, 0, 1, 7});
    problem.dropout = 0.5;
    const LstmLoss loss = lstm_loss(problem);
    LstmOptions options;
    options.slack = {.sequences = 5, .rows = 33, .steps = 2};
    options.memory = 0;
    const auto expected = run_lstm<float>(backend, problem, &loss, options);
    for (const std::uint8_t memory : {0xFF, 0x7F}) {
      options.memory = memory;
      expect_same_bits(run_lstm<float>(backend, problem, &loss, options), expected);
    }
    for (const bool training : {true, false}) {
      LstmOptions forward_only = options;
      forward_only.training = training;
      problem.dropout = 0;
      forward_only.memory = 0;
      const auto clean = run_lstm<float>(backend, problem, nullptr, forward_only);
      forward_only.memory = 0xFF;
      expect_same_bits(run_lstm<float>(backend, problem, nullptr, forward_only), clean);
    }
  }
}

// Sizes that allow wide accesses, at addresses that do not. On a GPU these may have another algorithm for
// their products; else the bits are the same.
TEST_P(LstmInvariance, ArraysNeedNoMoreThanTheirElementsAlignment) {
  const auto expect = [&]<class T>() {
    if (!computes_in<T>()) return;
    for (const std::int64_t projection : {0, 4}) {
      const LstmProblem problem =
          lstm_problem({.input = 4, .hidden = 8, .directions = 2, .projection = projection}, {3, 0, 5});
      const LstmLoss loss = lstm_loss(problem);
      for (const LstmAlgorithm algorithm : lstm_algorithms<T>(backend, problem)) {
        const LstmOptions options = by(algorithm);
        const auto expected = run_lstm<T>(backend, problem, &loss, options);
        LstmRun<T> run(backend, problem, loss, options);
        const auto shifted = [&](const Values& values) {
          std::vector<T> all = cast<T>(values);
          all.insert(all.begin(), T(0));
          return DeviceArray<T>(backend, all);
        };
        const auto x = shifted(problem.x), c0 = shifted(problem.c0), d_y = shifted(loss.d_y);
        const auto y = shifted(Values(expected.y.size())), c_seq = shifted(Values(expected.c_seq.size()));
        run.forward.x = run.backward.x = x.data() + 1;
        run.forward.c0 = run.backward.c0 = c0.data() + 1;
        run.forward.y = y.data() + 1;
        run.forward.c_seq = c_seq.data() + 1;
        run.backward.y = y.data() + 1;
        run.backward.d_y = d_y.data() + 1;
        run.plan.forward(run.forward);
        run.plan.backward(run.backward);
        auto actual = run.outputs();
        const auto behind_first = [](std::vector<T> all) {
          return std::vector<T>(all.begin() + 1, all.end());
        };
        actual.y = behind_first(y.host());
        actual.c_seq = behind_first(c_seq.host());
        if (GetParam() != "cuda") {
          expect_same_bits(actual, expected);
          continue;
        }
        EXPECT_TRUE(close(actual.y, expected.y, tolerance<T>));
        EXPECT_TRUE(close(actual.d_x, expected.d_x, 4 * tolerance<T>));
      }
    }
  };
  expect.template operator()<float>();
  expect.template operator()<bf16>();
}

TEST_P(LstmInvariance, RunsDoNotSeeTheRunsBefore) {
  const LstmProblem problem = problem_of_size();
  const LstmLoss loss = lstm_loss(problem);
  const auto expected = run_lstm<float>(backend, problem, &loss);
  LstmRun<float> run(backend, problem, loss);
  const LstmRun<float> other(backend, select(problem, Selection{17, 2, 1}), {});
  LstmForward between = other.forward;  // another batch, through the same plan and memory
  between.workspace = run.forward.workspace;
  between.reserve = run.forward.reserve;
  for (int repeat = 0; repeat < 3; ++repeat) {
    run.plan.forward(between);
    run.plan.forward(run.forward);
    run.plan.backward(run.backward);
    run.plan.backward(run.backward);  // reads the reserve and leaves it as it was
    expect_same_bits(run.outputs(), expected);
  }
}

TEST_P(LstmInvariance, OnePlanServesSeveralThreads) {
  set_cpu_threads(2);
  const LstmProblem whole =
      large_problem({.input = 9, .hidden = 12, .layers = 2, .directions = 2}, 61, on_cpu() ? 40 : 9);
  const LstmRun<float> shared(backend, whole);
  constexpr std::size_t callers = 4;
  std::vector<LstmProblem> problems;
  std::vector<LstmLoss> losses;
  std::vector<LstmOutputs<float>> expected, actual(callers);
  for (std::size_t caller = 0; caller < callers; ++caller) {
    problems.push_back(select(whole, {caller, 17, caller + 20, caller + 30}));
    losses.push_back(lstm_loss(problems.back(), 50 + caller));
    LstmOptions options;
    options.slack = {whole.sequences() - 4, whole.rows() - problems.back().rows(), 0, 0};
    expected.push_back(run_lstm<float>(backend, problems.back(), &losses.back(), options));
  }
  std::vector<std::thread> threads;
  for (std::size_t caller = 0; caller < callers; ++caller)
    threads.emplace_back([&, caller] {
      LstmOptions options;
      options.slack = {whole.sequences() - 4, whole.rows() - problems[caller].rows(), 0, 0};
      LstmRun<float> run(backend, problems[caller], losses[caller], options);
      for (int repeat = 0; repeat < (on_cpu() ? 20 : 2); ++repeat) {
        shared.plan.forward(run.forward);
        shared.plan.backward(run.backward);
      }
      actual[caller] = run.outputs();
    });
  for (auto& thread : threads) thread.join();
  for (std::size_t caller = 0; caller < callers; ++caller) expect_same_bits(actual[caller], expected[caller]);
}

}  // namespace
}  // namespace ragtime::test
