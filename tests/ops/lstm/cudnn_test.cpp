// The LSTM by cuDNN: forward against the formula in double, backward against the cpu backend in double, which
// is held against finite differences elsewhere. On the emulation the cpu backend stands in for cuDNN, so what
// is tested there is all that surrounds it: layouts, orders of states, places of weights, sequences without
// rows.

#include <gtest/gtest.h>

#include "tests/ops/lstm/run.hpp"

namespace ragtime::test {
namespace {

LstmOptions cudnn_options() {
  LstmOptions options;
  options.algorithm = LstmAlgorithm::cudnn;
  return options;
}
const LstmOptions by_cudnn = cudnn_options();

class LstmCudnn : public OnBackend {
 protected:
  void SetUp() override {
    OnBackend::SetUp();
    if (backend == nullptr) return;
    if (backend->device() == DeviceType::cpu) GTEST_SKIP() << "the cpu backend has an algorithm of its own";
    if (GetParam() != "cuda") return;
    try {
      LstmDesc desc;
      desc.input_size = desc.hidden_size = 1;
      desc.algorithm = LstmAlgorithm::cudnn;
      LstmPlan(backend, desc);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported) throw;
      GTEST_SKIP() << "no cuDNN here: " << error.what();
    }
  }

  // Whether this cuDNN's LSTM takes the dtype; older ones have no bf16.
  template <class T>
  bool has_dtype() const {
    if (!computes_in<T>()) return false;
    LstmDesc desc;
    desc.dtype = dtype_of<T>;
    desc.input_size = desc.hidden_size = 8;
    desc.capacity = {2, 4, 0, 2};
    desc.algorithm = LstmAlgorithm::cudnn;
    try {
      LstmPlan(backend, desc);
      return true;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported) throw;
      return false;
    }
  }

  // The problem with the numbers that T has.
  template <class T>
  static LstmProblem rounded(LstmProblem problem) {
    for (Values* values : {&problem.x, &problem.h0, &problem.c0}) *values = cast<double>(cast<T>(*values));
    for (auto& slot : problem.weights)
      for (Values& values : slot) values = cast<double>(cast<T>(values));
    return problem;
  }
  template <class T>
  static LstmLoss rounded(LstmLoss loss) {
    for (Values* values : {&loss.d_y, &loss.d_h_n, &loss.d_c_n, &loss.d_final_state})
      *values = cast<double>(cast<T>(*values));
    return loss;
  }

  // cuDNN rounds what goes from step to step and from layer to layer to 16 bits, c among it.
  template <class T>
  static double share(const LstmProblem& problem) {
    if constexpr (std::is_same_v<T, float>) return tolerance<float>;
    const auto steps = problem.lengths.empty() ? 0 : *std::ranges::max_element(problem.lengths);
    return tolerance<T> * static_cast<double>(steps + problem.layers);
  }

  template <class T>
  void expect_right(const LstmProblem& given, const LstmLoss& given_loss, const LstmOptions& options) {
    if (!has_dtype<T>()) return;
    const LstmProblem problem = rounded<T>(given);
    const LstmLoss loss = rounded<T>(given_loss);
    LstmOptions exactly = options;
    exactly.algorithm = LstmAlgorithm::automatic;
    const auto exact = run_lstm<double>(make_backend("cpu"), problem, &loss, exactly);
    const reference::LstmResult expected = reference::lstm(problem);
    const double bound = share<T>(problem);

    LstmRun<T> run(backend, problem, loss, options);
    run.forward.c_seq = nullptr;
    run.plan.forward(run.forward);
    run.plan.backward(run.backward);
    const LstmOutputs<T> actual = run.outputs();
    EXPECT_TRUE(close(actual.y, expected.y, bound, problem.directions * problem.width()));
    EXPECT_TRUE(close(actual.h_n, expected.h_n, bound, problem.width()));
    EXPECT_TRUE(close(actual.c_n, expected.c_n, bound, problem.hidden));
    EXPECT_TRUE(close(actual.final_state, expected.final_state, bound, problem.directions * problem.width()));
    EXPECT_TRUE(close(actual.d_x, exact.d_x, bound, problem.input));
    EXPECT_TRUE(close(actual.d_h0, exact.d_h0, bound, problem.width()));
    EXPECT_TRUE(close(actual.d_c0, exact.d_c0, bound, problem.hidden));
    for (std::size_t i = 0; i < exact.gradients.size(); ++i)
      EXPECT_TRUE(close(actual.gradients[i], exact.gradients[i], bound)) << "weight " << i;
  }
  void expect_right(const LstmProblem& problem, const LstmLoss& loss, const LstmOptions& options = by_cudnn) {
    SCOPED_TRACE(testing::PrintToString(problem.lengths));
    expect_right<float>(problem, loss, options);
    expect_right<bf16>(problem, loss, options);
    expect_right<f16>(problem, loss, options);
  }
};
RAGTIME_TEST_ON_BACKENDS(LstmCudnn);

TEST_P(LstmCudnn, EveryShape) {
  for (const LstmShape& shape : lstm_shapes()) {
    SCOPED_TRACE(name_of(shape));
    const LstmProblem problem = lstm_problem(shape, {2, 0, 3, 1, 3});
    expect_right(problem, lstm_loss(problem));
  }
}

TEST_P(LstmCudnn, EveryKindOfLengths) {
  for (const auto& lengths : ragged_lengths()) {
    const LstmProblem problem = lstm_problem({.layers = 2, .directions = 2}, lengths);
    expect_right(problem, lstm_loss(problem));
  }
}

TEST_P(LstmCudnn, SizesThatAreNoMultiples) {
  for (const LstmShape& shape : {LstmShape{.input = 1, .hidden = 1}, LstmShape{.input = 33, .hidden = 17},
                                 LstmShape{.input = 5, .hidden = 70, .directions = 2, .projection = 33}}) {
    SCOPED_TRACE(name_of(shape));
    const LstmProblem problem = lstm_problem(shape, {4, 1, 0, 6});
    expect_right(problem, lstm_loss(problem));
  }
}

TEST_P(LstmCudnn, StatesAndLossesMayBeGivenOneByOne) {
  LstmProblem problem = lstm_problem({.layers = 2, .directions = 2, .projection = 3}, {2, 0, 3});
  const LstmLoss whole = lstm_loss(problem);
  for (const auto output : {&LstmLoss::d_y, &LstmLoss::d_h_n, &LstmLoss::d_c_n, &LstmLoss::d_final_state}) {
    LstmLoss loss;
    loss.*output = whole.*output;
    expect_right(problem, loss);
  }
  for (const bool keep_h0 : {false, true}) {
    LstmProblem one = problem;
    (keep_h0 ? one.c0 : one.h0).clear();
    expect_right(one, whole);
  }
}

TEST_P(LstmCudnn, CapacityBeyondTheBatchAndGradientsToAddTo) {
  LstmOptions options = by_cudnn;
  options.slack = {.sequences = 5, .rows = 11, .steps = 4};
  options.presets = {0.5, -1, 2};
  for (const std::vector<std::int32_t>& lengths : {std::vector<std::int32_t>{2, 0, 3}, {0, 0}}) {
    const LstmProblem problem = lstm_problem({.layers = 2, .directions = 2, .projection = 3}, lengths);
    expect_right(problem, lstm_loss(problem), options);
  }
}

TEST_P(LstmCudnn, WithoutRowsStatesPassThroughAndGradientsAreZero) {
  const LstmProblem problem = lstm_problem({.layers = 2, .directions = 2}, {0, 0, 0});
  expect_right(problem, lstm_loss(problem));
  expect_right(lstm_problem({.layers = 2}, {}), {});
}

TEST_P(LstmCudnn, BackwardMayBeRepeatedAndWritesOnlyWhatIsAskedFor) {
  const LstmProblem problem = lstm_problem({.layers = 2, .directions = 2}, {2, 0, 3});
  LstmRun<float> run(backend, problem, lstm_loss(problem), by_cudnn);
  run.forward.c_seq = nullptr;
  run.plan.forward(run.forward);
  run.plan.backward(run.backward);
  const auto once = run.outputs();
  run.plan.backward(run.backward);
  expect_same_bits(run.outputs(), once);

  LstmRun<float> less(backend, problem, lstm_loss(problem), by_cudnn);
  less.forward.c_seq = less.forward.h_n = less.forward.c_n = less.forward.final_state = nullptr;
  less.backward.d_x = less.backward.d_h0 = less.backward.d_c0 = nullptr;
  less.gradient_table[1].weight_hh = nullptr;
  less.plan.forward(less.forward);
  less.plan.backward(less.backward);
  EXPECT_TRUE(same_bits(less.outputs().y, once.y));
  for (std::size_t i = 0; i < once.gradients.size(); ++i)
    if (i != 6) {
      EXPECT_TRUE(same_bits(less.outputs().gradients[i], once.gradients[i])) << "weight " << i;
    }
  less.backward.gradients = nullptr;
  less.plan.backward(less.backward);
}

TEST_P(LstmCudnn, InferenceHasTheNumbersOfTraining) {
  LstmProblem problem = lstm_problem({.layers = 2, .directions = 2}, {0, 4, 1, 7, 7});
  problem.dropout = 0.5;  // off without training
  LstmOptions options = by_cudnn;
  options.training = false;
  LstmRun<float> run(backend, problem, {}, options);
  run.forward.c_seq = nullptr;
  run.plan.forward(run.forward);
  problem.dropout = 0;
  EXPECT_TRUE(close(run.outputs().y, reference::lstm(problem).y, tolerance<float>));
}

TEST_P(LstmCudnn, WhatItDoesNotOfferIsAnError) {
  const LstmProblem problem = lstm_problem({.layers = 2}, {2, 3});
  LstmRun<float> run(backend, problem, {}, by_cudnn);
  expect_error(ErrorCode::unsupported, {"c_seq"}, [&] { run.plan.forward(run.forward); });
  run.forward.c_seq = nullptr;
  run.forward.batch.host_counts = nullptr;
  expect_error(ErrorCode::invalid_argument, {"host_counts is null"}, [&] { run.plan.forward(run.forward); });
  run.forward.batch = run.batch.view();
  run.forward.batch.host_batch_sizes = nullptr;
  expect_error(ErrorCode::invalid_argument, {"host_batch_sizes is null"},
               [&] { run.plan.forward(run.forward); });
  const std::int32_t counts[4] = {3, 5, 0, 3};
  run.forward.batch = run.batch.view();
  run.forward.batch.host_counts = counts;
  expect_error(ErrorCode::out_of_range, {"3 sequences", "at most 2, the capacity"},
               [&] { run.plan.forward(run.forward); });

  LstmDesc desc = description(problem, DType::f32, {.sequences = 2, .rows = 5, .steps = 3});
  desc.algorithm = LstmAlgorithm::cudnn;
  desc.dropout = 0.25;
  expect_error(ErrorCode::unsupported, {"dropout is 0.25"}, [&] { LstmPlan(backend, desc); });
  desc.training = false;
  LstmPlan(backend, desc);
}

}  // namespace
}  // namespace ragtime::test
