// LSTM backward: the gradient of every input (x, h0, c0, both weights, both biases, the projection) against
// finite differences of the formula in double, from dL/d of every output, with and without dropout. Those are
// taken of the CPU backend in double; every backend's narrower types are held against it.

#include <gtest/gtest.h>

#include "tests/ops/lstm/algorithms.hpp"

namespace ragtime::test {
namespace {

constexpr double share = 1e-8;  // finite differences are good to this

// What a gradient in T may be off, as a share of the largest. 16 bits round h, the gates and their gradient
// at every step and every layer, so both factors of every product are off, and together by about three times
// what a result rounded once is.
template <class T>
constexpr double gradient_tolerance = tolerance<T>;
template <>
constexpr double gradient_tolerance<bf16> = 4 * tolerance<bf16>;
template <>
constexpr double gradient_tolerance<f16> = 4 * tolerance<f16>;

double dot(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Linear in what forward gives, so that its gradients there are the loss's own.
double value_of(const LstmProblem& problem, const LstmLoss& loss) {
  const reference::LstmResult result = reference::lstm(problem);
  return dot(loss.d_y, result.y) + dot(loss.d_h_n, result.h_n) + dot(loss.d_c_n, result.c_n) +
         dot(loss.d_final_state, result.final_state);
}

// Every input that has a gradient, beside that gradient.
template <class T, class Check>
void for_each_input(LstmProblem& problem, const LstmOutputs<T>& outputs, Check&& check) {
  check("x", problem.x, outputs.d_x);
  check("h0", problem.h0, outputs.d_h0);
  check("c0", problem.c0, outputs.d_c0);
  constexpr const char* names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"};
  for (std::size_t i = 0; i < outputs.gradients.size(); ++i)
    check(names[i % 5] + std::string(" ") + std::to_string(i / 5), problem.weights[i / 5][i % 5],
          outputs.gradients[i]);
}

class LstmGradient : public OnBackend {
 protected:
  // Element by element.
  void expect_as_differences(LstmProblem problem, const LstmLoss& loss) {
    const bool states = !problem.h0.empty();
    const auto outputs = run_lstm<double>(exact_backend, problem, &loss);
    expect_narrow_as_double(problem, loss, outputs);
    if (!computes_in<double>()) return;
    if (!states) {  // d_h0 and d_c0 are there all the same: those at zero
      problem.h0.resize(outputs.d_h0.size());
      problem.c0.resize(outputs.d_c0.size());
    }
    for_each_input(problem, outputs, [&](const std::string& name, Values& input, const Values& gradient) {
      const auto expected = finite_differences(input, [&] { return value_of(problem, loss); });
      EXPECT_TRUE(close(gradient, expected, share)) << name;
    });
  }

  // Along one random direction an input: for problems too large to do element by element.
  void expect_as_directional_differences(LstmProblem problem, const LstmLoss& loss) {
    const auto outputs = run_lstm<double>(exact_backend, problem, &loss);
    expect_narrow_as_double(problem, loss, outputs);
    if (!computes_in<double>()) return;
    Numbers numbers(9);
    for_each_input(problem, outputs, [&](const std::string& name, Values& input, const Values& gradient) {
      const Values direction = random_values(numbers, static_cast<std::int64_t>(input.size())), kept = input;
      Values offset = {0};
      const auto slope = finite_differences(
          offset,
          [&] {
            for (std::size_t i = 0; i < input.size(); ++i) input[i] = kept[i] + offset[0] * direction[i];
            return value_of(problem, loss);
          },
          1e-4);
      input = kept;
      const double scale = std::sqrt(dot(gradient, gradient) * dot(direction, direction));
      EXPECT_NEAR(dot(gradient, direction), slope[0], 1e-8 * scale + 1e-12) << name;
    });
  }

  void expect_narrow_as_double(const LstmProblem& problem, const LstmLoss& loss,
                               const LstmOutputs<double>& exact) {
    expect_as_double<float>(problem, loss, exact);
    expect_as_rounded<bf16>(problem, loss);
    expect_as_rounded<f16>(problem, loss);
  }
  // From the same values on both sides: what rounding the inputs alone does to a gradient is not the
  // question.
  template <class T>
  void expect_as_rounded(const LstmProblem& problem, const LstmLoss& loss) {
    if (!computes_in<T>()) return;
    const LstmProblem rounded = stored_in<T>(problem);
    LstmLoss rounded_loss = loss;
    for (auto* values :
         {&rounded_loss.d_y, &rounded_loss.d_h_n, &rounded_loss.d_c_n, &rounded_loss.d_final_state})
      *values = cast<double>(cast<T>(*values));
    expect_as_double<T>(rounded, rounded_loss, run_lstm<double>(exact_backend, rounded, &rounded_loss));
  }
  template <class T>
  void expect_as_double(const LstmProblem& problem, const LstmLoss& loss, const LstmOutputs<double>& exact) {
    if (!computes_in<T>()) return;
    for (const LstmAlgorithm algorithm : lstm_algorithms<T>(backend, problem))
      for (const bool save_gates : {true, false}) {
        SCOPED_TRACE(testing::Message() << name_of(dtype_of<T>) << ", " << name_of(algorithm)
                                        << (save_gates ? "" : ", gates computed again"));
        LstmOptions options = by(algorithm);
        options.save_gates = save_gates;
        const auto rounded = run_lstm<T>(backend, problem, &loss, options);
        EXPECT_TRUE(close(rounded.d_x, exact.d_x, gradient_tolerance<T>));
        EXPECT_TRUE(close(rounded.d_h0, exact.d_h0, gradient_tolerance<T>));
        EXPECT_TRUE(close(rounded.d_c0, exact.d_c0, gradient_tolerance<T>));
        for (std::size_t i = 0; i < exact.gradients.size(); ++i)
          EXPECT_TRUE(close(rounded.gradients[i], exact.gradients[i], gradient_tolerance<T>))
              << "weight " << i;
      }
  }

  template <class T>
  void expect_addition() {
    if (!computes_in<T>()) return;
    const LstmProblem problem = lstm_problem({.layers = 2, .directions = 2, .projection = 2}, {2, 0, 3});
    const LstmLoss loss = lstm_loss(problem);
    LstmOptions options;
    options.presets = {1, -20, 300, 0.5, 7};
    const auto added = run_lstm<T>(backend, problem, &loss, options);
    const auto alone = run_lstm<T>(backend, problem, &loss);
    for (std::size_t i = 0; i < alone.gradients.size(); ++i) {
      Values expected = cast<double>(alone.gradients[i]);
      for (double& value : expected) value += options.presets[i % 5];
      EXPECT_TRUE(close(added.gradients[i], expected, tolerance<T>)) << "weight " << i;
    }
    EXPECT_TRUE(same_bits(added.d_x, alone.d_x));  // what is no weight's is overwritten
    EXPECT_TRUE(same_bits(added.d_h0, alone.d_h0));
    EXPECT_TRUE(same_bits(added.d_c0, alone.d_c0));
  }

  const std::shared_ptr<Backend> exact_backend = make_backend("cpu");
};
RAGTIME_TEST_ON_BACKENDS(LstmGradient);

TEST_P(LstmGradient, EveryShape) {
  for (const LstmShape& shape : lstm_shapes()) {
    SCOPED_TRACE(name_of(shape));
    const LstmProblem problem = lstm_problem(shape, {2, 0, 3, 1});
    expect_as_differences(problem, lstm_loss(problem));
  }
}

TEST_P(LstmGradient, EveryKindOfLengths) {
  for (const auto& lengths : ragged_lengths()) {
    SCOPED_TRACE(testing::PrintToString(lengths));
    const LstmProblem problem = lstm_problem({.layers = 2, .directions = 2, .projection = 2}, lengths);
    expect_as_directional_differences(problem, lstm_loss(problem));
  }
}

TEST_P(LstmGradient, SizesAroundTheBlocks) {
  for (const LstmShape& shape :
       {LstmShape{.input = 1, .hidden = 1}, LstmShape{.input = 257, .hidden = 17, .directions = 2},
        LstmShape{.input = 2, .hidden = 70, .layers = 2, .projection = 33},
        LstmShape{.input = 5, .hidden = 129, .bias = false}}) {
    SCOPED_TRACE(name_of(shape));
    const LstmProblem problem = lstm_problem(shape, {4, 1, 0, 6});
    expect_as_directional_differences(problem, lstm_loss(problem));
  }
}

TEST_P(LstmGradient, ManySequencesOnSeveralThreads) {
  set_cpu_threads(3);
  Numbers numbers(5);
  std::vector<std::int32_t> lengths(203);
  for (auto& length : lengths) length = static_cast<std::int32_t>(numbers.integer(0, 5));
  const LstmProblem problem = lstm_problem({.layers = 2, .directions = 2}, lengths);
  expect_as_directional_differences(problem, lstm_loss(problem));
}

TEST_P(LstmGradient, ThroughDropout) {
  for (const LstmShape& shape :
       {LstmShape{.layers = 3}, LstmShape{.layers = 2, .directions = 2, .projection = 3}}) {
    SCOPED_TRACE(name_of(shape));
    LstmProblem problem = lstm_problem(shape, {2, 4, 1, 0});
    problem.dropout = 0.4;
    problem.seed = 99;
    problem.step = 3;
    problem.site = 2;
    expect_as_differences(problem, lstm_loss(problem));
  }
}

TEST_P(LstmGradient, FromEachOutputAlone) {
  const LstmProblem problem = lstm_problem({.layers = 2, .directions = 2, .projection = 2}, {2, 0, 3});
  const LstmLoss whole = lstm_loss(problem);
  for (const auto output : {&LstmLoss::d_y, &LstmLoss::d_h_n, &LstmLoss::d_c_n, &LstmLoss::d_final_state}) {
    LstmLoss loss;
    loss.*output = whole.*output;
    expect_as_directional_differences(problem, loss);
  }
  // From none at all every gradient is exactly zero.
  const LstmLoss none;
  const auto outputs = run_lstm<float>(backend, problem, &none);
  LstmProblem inputs = problem;
  for_each_input(inputs, outputs, [](const std::string& name, const Values&, const std::vector<float>& all) {
    for (const float gradient : all) EXPECT_EQ(gradient, 0) << name;
  });
}

TEST_P(LstmGradient, AddsToWhatIsThereWhenAsked) {
  expect_addition<float>();
  expect_addition<double>();
  expect_addition<bf16>();
  expect_addition<f16>();
}

// Leaving one gradient out changes no other, and what is left out stays as it was.
TEST_P(LstmGradient, WhatIsNotAskedForIsNotComputed) {
  const LstmProblem problem = lstm_problem({.layers = 2, .directions = 2, .projection = 2}, {2, 0, 3});
  const LstmLoss loss = lstm_loss(problem);
  const LstmRun<float> untouched(backend, problem, loss);
  const auto run_without = [&](auto leave_out, LstmOutputs<float> expected, auto keep) {
    LstmRun<float> run(backend, problem, loss);
    leave_out(run);
    run.plan.forward(run.forward);
    run.plan.backward(run.backward);
    keep(expected, untouched.outputs());
    expect_same_bits(run.outputs(), expected);
  };
  using Run = LstmRun<float>;
  using Outputs = LstmOutputs<float>;
  const Outputs whole = run_lstm<float>(backend, problem, &loss);
  run_without([](Run& run) { run.backward.d_x = nullptr; }, whole,
              [](Outputs& expected, const Outputs& kept) { expected.d_x = kept.d_x; });
  run_without([](Run& run) { run.backward.d_h0 = run.backward.d_c0 = nullptr; }, whole,
              [](Outputs& expected, const Outputs& kept) {
                expected.d_h0 = kept.d_h0;
                expected.d_c0 = kept.d_c0;
              });
  run_without([](Run& run) { run.backward.gradients = nullptr; }, whole,
              [](Outputs& expected, const Outputs& kept) { expected.gradients = kept.gradients; });
  constexpr void* LstmGradients::*members[] = {&LstmGradients::weight_ih, &LstmGradients::weight_hh,
                                               &LstmGradients::bias_ih, &LstmGradients::bias_hh,
                                               &LstmGradients::weight_hr};
  for (std::size_t i = 0; i < whole.gradients.size(); ++i)
    run_without([&](Run& run) { run.gradient_table[i / 5].*members[i % 5] = nullptr; }, whole,
                [&](Outputs& expected, const Outputs& kept) { expected.gradients[i] = kept.gradients[i]; });
}

TEST_P(LstmGradient, TheReserveNeedNotHoldTheGates) {
  const LstmProblem problem = lstm_problem({.hidden = 16}, {40, 60});
  LstmOptions options;
  const LstmRun<float> whole(backend, problem, {}, options);
  options.save_gates = false;
  const LstmRun<float> lean(backend, problem, {}, options);
  if (backend->device() == DeviceType::cpu)
    EXPECT_EQ(lean.plan.reserve_bytes(), whole.plan.reserve_bytes());
  else
    EXPECT_EQ(lean.plan.reserve_bytes() * 5, whole.plan.reserve_bytes());  // c of c and i, f, g, o
}

TEST_P(LstmGradient, WithoutRowsWeightsGetZeroAndStatesWhatCameIn) {
  for (const std::vector<std::int32_t>& lengths : {std::vector<std::int32_t>{}, {0, 0}}) {
    const LstmProblem problem = lstm_problem({.layers = 2, .directions = 2, .projection = 2}, lengths);
    LstmLoss loss = lstm_loss(problem);
    loss.d_final_state.clear();
    const auto outputs = run_lstm<float>(backend, problem, &loss);
    EXPECT_EQ(cast<double>(outputs.d_h0), loss.d_h_n);
    EXPECT_EQ(cast<double>(outputs.d_c0), loss.d_c_n);
    for (const auto& gradient : outputs.gradients)
      for (const float value : gradient) EXPECT_EQ(value, 0);
    LstmOptions options;
    options.presets = {3};
    for (const auto& gradient : run_lstm<float>(backend, problem, &loss, options).gradients)
      for (const float value : gradient) EXPECT_EQ(value, 3);
  }
}

}  // namespace
}  // namespace ragtime::test
