// LSTM forward, by every algorithm that can be had, against the formula in double, one visit after the other:
// layers x directions x projection x bias x given states, ragged lengths with empties and ones, sizes around
// every block of the kernels, dropout between layers. float stays within 1e-5 of the scale, double within
// 1e-12, bf16 and f16 within what an implementation in double is off that rounds wherever it stores.

#include <gtest/gtest.h>

#include "tests/ops/lstm/algorithms.hpp"

namespace ragtime::test {
namespace {

class Lstm : public OnBackend {
 protected:
  template <class T>
  void expect_as_formula(const LstmProblem& problem) {
    if (!computes_in<T>()) return;
    const reference::LstmResult expected = reference::lstm(problem);
    const LstmOutputs<T> actual = run_lstm<T>(backend, problem);
    const std::int64_t width = problem.width(), hidden = problem.hidden, directions = problem.directions;
    EXPECT_TRUE(close(actual.y, expected.y, tolerance<T>, directions * width));
    EXPECT_TRUE(close(actual.h_n, expected.h_n, tolerance<T>, width));
    EXPECT_TRUE(close(actual.c_n, expected.c_n, tolerance<T>, hidden));
    EXPECT_TRUE(close(actual.final_state, expected.final_state, tolerance<T>, directions * width));
    EXPECT_TRUE(close(actual.c_seq, expected.c_seq, tolerance<T>, directions * hidden));
  }
  template <class T>
  void expect_as_naive(const LstmProblem& problem) {
    if (!computes_in<T>()) return;
    SCOPED_TRACE(name_of(dtype_of<T>));
    const reference::LstmResult exact = reference::lstm(problem);
    const reference::LstmResult naive = reference::lstm(stored_in<T>(problem));
    const std::int64_t width = problem.width(), hidden = problem.hidden, directions = problem.directions;
    for (const LstmAlgorithm algorithm : lstm_algorithms<T>(backend, problem)) {
      SCOPED_TRACE(name_of(algorithm));
      const LstmOutputs<T> actual = run_lstm<T>(backend, problem, nullptr, by(algorithm));
      EXPECT_TRUE(as_good_as_naive(actual.y, naive.y, exact.y, directions * width));
      EXPECT_TRUE(as_good_as_naive(actual.h_n, naive.h_n, exact.h_n, width));
      EXPECT_TRUE(as_good_as_naive(actual.c_n, naive.c_n, exact.c_n, hidden));
      EXPECT_TRUE(
          as_good_as_naive(actual.final_state, naive.final_state, exact.final_state, directions * width));
      EXPECT_TRUE(as_good_as_naive(actual.c_seq, naive.c_seq, exact.c_seq, directions * hidden));
    }
  }
  void expect_as_formula(const LstmProblem& problem) {
    SCOPED_TRACE(testing::PrintToString(problem.lengths));
    expect_as_formula<double>(problem);
    expect_as_formula<float>(problem);
    expect_as_naive<bf16>(problem);
    expect_as_naive<f16>(problem);
  }
};
RAGTIME_TEST_ON_BACKENDS(Lstm);

TEST_P(Lstm, EveryShapeOnEveryKindOfLengths) {
  // Where every thread of a kernel is emulated, two of seven: each shape, and each kind of lengths, has some.
  const bool emulated = backend->device() != DeviceType::cpu;
  std::size_t turn = 0;
  for (const LstmShape& shape : lstm_shapes())
    for (const auto& lengths : ragged_lengths()) {
      if (emulated && turn++ % 7 > 1) continue;
      SCOPED_TRACE(name_of(shape));
      expect_as_formula(lstm_problem(shape, lengths));
    }
}

TEST_P(Lstm, SizesAroundTheBlocks) {
  for (const LstmShape& shape :
       {LstmShape{.input = 1, .hidden = 1}, LstmShape{.input = 1, .hidden = 2, .layers = 2, .projection = 1},
        LstmShape{.input = 255, .hidden = 15, .directions = 2}, LstmShape{.input = 257, .hidden = 17},
        LstmShape{.input = 513, .hidden = 33, .layers = 2, .bias = false},
        LstmShape{.input = 7, .hidden = 257, .projection = 31},
        LstmShape{.input = 2, .hidden = 70, .layers = 2, .directions = 2, .projection = 65}}) {
    SCOPED_TRACE(name_of(shape));
    expect_as_formula(lstm_problem(shape, {3, 1, 0, 5}));
  }
}

TEST_P(Lstm, MoreSequencesThanAThreadTakesAtOnce) {
  Numbers numbers(5);
  for (const int threads : {1, 3})
    for (const std::size_t sequences : {13, 24, 97, 203}) {
      set_cpu_threads(threads);
      std::vector<std::int32_t> lengths(sequences);
      for (auto& length : lengths) length = static_cast<std::int32_t>(numbers.integer(0, 6));
      expect_as_formula(lstm_problem({.layers = 2, .directions = 2}, lengths));
    }
}

TEST_P(Lstm, LongSequencesKeepTheirAccuracy) {
  if (backend->device() == DeviceType::cpu)
    expect_as_formula(lstm_problem({.input = 20, .hidden = 40, .directions = 2}, {700, 1, 333}));
  else
    expect_as_formula(lstm_problem({.input = 5, .hidden = 8, .directions = 2}, {150, 1, 33}));
}

TEST_P(Lstm, StatesMayBeGivenOneByOne) {
  for (const bool keep_h0 : {false, true}) {
    LstmProblem problem = lstm_problem({.layers = 2, .directions = 2, .projection = 3}, {2, 0, 3});
    (keep_h0 ? problem.c0 : problem.h0).clear();
    expect_as_formula(problem);
  }
}

TEST_P(Lstm, ASequenceWithoutVisitsEndsAsItBegan) {
  const LstmProblem problem = lstm_problem({.layers = 2, .directions = 2}, {0, 0, 0});
  const auto outputs = run_lstm<float>(backend, problem);
  EXPECT_EQ(cast<double>(outputs.h_n), problem.h0);
  EXPECT_EQ(cast<double>(outputs.c_n), problem.c0);
  LstmProblem without = problem;
  without.h0.clear();
  without.c0.clear();
  for (const float h : run_lstm<float>(backend, without).h_n) EXPECT_EQ(h, 0);
}

TEST_P(Lstm, DropoutBetweenLayersIsTheMaskOfItsDefinition) {
  for (const double probability : {0.3, 0.999}) {
    for (const LstmShape& shape :
         {LstmShape{.layers = 3}, LstmShape{.layers = 2, .directions = 2, .projection = 3}}) {
      LstmProblem problem = lstm_problem(shape, {3, 1, 0, 19, 5});
      problem.dropout = probability;
      problem.seed = 0x123456789ABCDEF;
      problem.step = 77;
      problem.site = 5;
      SCOPED_TRACE(name_of(shape));
      expect_as_formula(problem);
    }
  }
}

TEST_P(Lstm, DropoutChangesWithEveryPartOfItsKey) {
  LstmProblem problem = lstm_problem({.hidden = 32, .layers = 2}, {3, 2});
  problem.dropout = 0.5;
  const auto kept = run_lstm<float>(backend, problem).y;
  EXPECT_TRUE(same_bits(kept, run_lstm<float>(backend, problem).y));
  const auto changed = [&](auto change) {
    LstmProblem other = problem;
    change(other);
    return !same_bits(kept, run_lstm<float>(backend, other).y);
  };
  EXPECT_TRUE(changed([](LstmProblem& other) { ++other.seed; }));
  EXPECT_TRUE(changed([](LstmProblem& other) { other.seed += std::uint64_t{1} << 32; }));
  EXPECT_TRUE(changed([](LstmProblem& other) { ++other.step; }));
  EXPECT_TRUE(changed([](LstmProblem& other) { ++other.site; }));
  EXPECT_TRUE(changed([](LstmProblem& other) { ++other.ids[1]; }));
}

TEST_P(Lstm, WithoutStepAndIdsDropoutTakesZeroAndTheSequencesPlace) {
  LstmProblem problem = lstm_problem({.layers = 2}, {3, 2});
  problem.dropout = 0.5;
  problem.ids.clear();
  LstmRun<float> run(backend, problem);
  run.forward.dropout.step = nullptr;
  run.plan.forward(run.forward);
  problem.ids = {0, 1};
  problem.step = 0;
  EXPECT_TRUE(close(run.outputs().y, reference::lstm(problem).y, tolerance<float>));
}

TEST_P(Lstm, HugeValuesSaturateAndNothingElse) {
  for (const double size : {1e2, 1e4, 1e30}) {
    LstmProblem problem = lstm_problem({.layers = 2, .directions = 2}, {3, 5});
    for (double& value : problem.x) value *= size;
    problem.x = cast<double>(cast<float>(problem.x));
    expect_as_formula<double>(problem);
    expect_as_formula<float>(problem);
    expect_as_naive<bf16>(problem);
    if (size <= 1e4) expect_as_naive<f16>(problem);
  }
}

TEST_P(Lstm, InferenceHasTheBitsOfTraining) {
  for (const LstmShape& shape : lstm_shapes()) {
    SCOPED_TRACE(name_of(shape));
    LstmProblem problem = lstm_problem(shape, {0, 4, 1, 7, 7});
    const auto trained = run_lstm<float>(backend, problem);
    problem.dropout = 0.5;  // off without training
    LstmOptions options;
    options.training = false;
    expect_same_bits(run_lstm<float>(backend, problem, nullptr, options), trained);
  }
}

TEST_P(Lstm, WhatIsNotAskedForIsNotNeeded) {
  const LstmProblem problem = lstm_problem({.layers = 2, .directions = 2}, {2, 3});
  const auto whole = run_lstm<float>(backend, problem);
  LstmRun<float> run(backend, problem);
  run.forward.h_n = run.forward.c_n = run.forward.final_state = run.forward.c_seq = nullptr;
  run.plan.forward(run.forward);
  EXPECT_TRUE(same_bits(run.outputs().y, whole.y));
}

TEST_P(Lstm, AnEmptyBatchGivesNothing) {
  for (const bool training : {false, true}) {
    const LstmProblem problem = lstm_problem({.layers = 2, .directions = 2}, {});
    LstmOptions options;
    options.training = training;
    const auto outputs = run_lstm<float>(backend, problem, nullptr, options);
    EXPECT_TRUE(outputs.y.empty());
    options.slack = {.sequences = 3, .rows = 9, .steps = 4};
    run_lstm<float>(backend, problem, nullptr, options);
  }
}

}  // namespace
}  // namespace ragtime::test
