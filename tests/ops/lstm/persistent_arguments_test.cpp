// What of a persistent LSTM's arguments may be left out: every output, state, bias and gradient, one by one,
// changes no bit of the others. Weight gradients are added where that is asked for. Batches without rows, and
// without sequences. The algorithm that nobody forced is the one that was. What it refuses, by name.

#include <gtest/gtest.h>

#include "tests/ops/lstm/persistent.hpp"

namespace ragtime::test {
namespace {

template <class T>
LstmOptions small_cut() {
  LstmOptions options = is_tf32<T> ? persistent(2, 16) : persistent(4, 8);
  options.tf32 = is_tf32<T>;
  return options;
}

class LstmPersistentArguments : public OnPersistentLstm {
 protected:
  const LstmProblem problem =
      lstm_problem({.input = 3, .hidden = 13, .layers = 2, .directions = 2}, {2, 0, 3, 6, 1, 1, 4, 1, 2, 2});
  const LstmLoss loss = lstm_loss(problem);

  // Both passes without what leave_out(run) takes away; keep(expected, untouched) makes of the outputs of a
  // whole run those that are expected.
  template <class T, class LeaveOut, class Keep>
  void expect_same_without(LstmOutputs<T> expected, LeaveOut leave_out, Keep keep) {
    LstmRun<T> run(backend, problem, loss, small_cut<T>());
    const LstmOutputs<T> untouched = run.outputs();
    leave_out(run);
    run.plan.forward(run.forward);
    run.plan.backward(run.backward);
    keep(expected, untouched);
    expect_same_bits(run.outputs(), expected);
  }
  template <class T>
  void expect_close(const LstmOutputs<T>& actual, const LstmOutputs<T>& expected) {
    const double share = is_tf32<T> ? 0x1p-8 : 4 * tolerance<T>;
    EXPECT_TRUE(close(actual.y, expected.y, share));
    EXPECT_TRUE(close(actual.h_n, expected.h_n, share));
    EXPECT_TRUE(close(actual.c_n, expected.c_n, share));
    EXPECT_TRUE(close(actual.d_x, expected.d_x, share));
    EXPECT_TRUE(close(actual.d_h0, expected.d_h0, share));
    EXPECT_TRUE(close(actual.d_c0, expected.d_c0, share));
    ASSERT_EQ(actual.gradients.size(), expected.gradients.size());
    for (std::size_t i = 0; i < expected.gradients.size(); ++i)
      EXPECT_TRUE(close(actual.gradients[i], expected.gradients[i], share)) << "weight " << i;
  }
};
RAGTIME_TEST_ON_BACKENDS(LstmPersistentArguments);

TEST_P(LstmPersistentArguments, EachOutputOfForwardMayBeAbsent) {
  for_both_sizes_of_types([&]<class T>() {
    using Run = LstmRun<T>;
    using Outputs = LstmOutputs<T>;
    const Outputs whole = run_lstm<T>(backend, problem, &loss, small_cut<T>());
    const auto expect = [&](void* LstmForward::*argument, std::vector<T> Outputs::*output) {
      expect_same_without<T>(
          whole, [&](Run& run) { run.forward.*argument = nullptr; },
          [&](Outputs& expected, const Outputs& untouched) { expected.*output = untouched.*output; });
    };
    expect(&LstmForward::h_n, &Outputs::h_n);
    expect(&LstmForward::c_n, &Outputs::c_n);
    expect(&LstmForward::final_state, &Outputs::final_state);
    expect(&LstmForward::c_seq, &Outputs::c_seq);
  });
}

TEST_P(LstmPersistentArguments, EachGradientMayBeAbsent) {
  for_both_sizes_of_types([&]<class T>() {
    using Run = LstmRun<T>;
    using Outputs = LstmOutputs<T>;
    const Outputs whole = run_lstm<T>(backend, problem, &loss, small_cut<T>());
    const auto expect = [&](void* LstmBackward::*argument, std::vector<T> Outputs::*output) {
      expect_same_without<T>(
          whole, [&](Run& run) { run.backward.*argument = nullptr; },
          [&](Outputs& expected, const Outputs& untouched) { expected.*output = untouched.*output; });
    };
    expect(&LstmBackward::d_x, &Outputs::d_x);
    expect(&LstmBackward::d_h0, &Outputs::d_h0);
    expect(&LstmBackward::d_c0, &Outputs::d_c0);
    expect_same_without<T>(
        whole, [](Run& run) { run.backward.gradients = nullptr; },
        [](Outputs& expected, const Outputs& untouched) { expected.gradients = untouched.gradients; });
    constexpr void* LstmGradients::*members[] = {&LstmGradients::weight_ih, &LstmGradients::weight_hh,
                                                 &LstmGradients::bias_ih, &LstmGradients::bias_hh};
    for (std::size_t slot = 0; slot < 4; ++slot)
      for (std::size_t i = 0; i < 4; ++i) {
        if (is_tf32<T> && slot != i) continue;
        expect_same_without<T>(
            whole, [&](Run& run) { run.gradient_table[slot].*members[i] = nullptr; },
            [&](Outputs& expected, const Outputs& untouched) {
              expected.gradients[slot * 5 + i] = untouched.gradients[slot * 5 + i];
            });
      }
  });
}

// What comes from each gradient of an output alone adds up to what comes from all, as backward is linear.
TEST_P(LstmPersistentArguments, FromEachOutputAlone) {
  for_both_sizes_of_types([&]<class T>() {
    for (const auto output : {&LstmLoss::d_y, &LstmLoss::d_h_n, &LstmLoss::d_c_n, &LstmLoss::d_final_state}) {
      LstmLoss one;
      one.*output = loss.*output;
      expect_close(run_lstm<T>(backend, problem, &one, small_cut<T>()),
                   run_lstm<T>(backend, problem, &one, by(LstmAlgorithm::stepwise)));
      // Absent is as zero.
      LstmLoss zeros = loss;
      for (auto* values : {&zeros.d_y, &zeros.d_h_n, &zeros.d_c_n, &zeros.d_final_state})
        std::fill(values->begin(), values->end(), 0.0);
      zeros.*output = loss.*output;
      expect_same_bits(run_lstm<T>(backend, problem, &one, small_cut<T>()),
                       run_lstm<T>(backend, problem, &zeros, small_cut<T>()));
    }
    const LstmLoss none;
    const auto outputs = run_lstm<T>(backend, problem, &none, small_cut<T>());
    for (const auto* values : {&outputs.d_x, &outputs.d_h0, &outputs.d_c0})
      for (const T value : *values) EXPECT_EQ(static_cast<double>(value), 0);
    for (const auto& gradient : outputs.gradients)
      for (const T value : gradient) EXPECT_EQ(static_cast<double>(value), 0);
  });
}

TEST_P(LstmPersistentArguments, AbsentStatesAndBiasesAreAsZeros) {
  for_both_sizes_of_types([&]<class T>() {
    for (const auto state : {&LstmProblem::h0, &LstmProblem::c0}) {
      LstmProblem absent = problem, zeros = problem;
      (absent.*state).clear();
      std::fill((zeros.*state).begin(), (zeros.*state).end(), 0.0);
      expect_same_bits(run_lstm<T>(backend, absent, &loss, small_cut<T>()),
                       run_lstm<T>(backend, zeros, &loss, small_cut<T>()));
    }
    LstmProblem absent = problem, zeros = problem;
    absent.bias = false;
    for (std::size_t slot = 0; slot < 4; ++slot)
      for (const std::size_t i : {2, 3}) {
        absent.weights[slot][i].clear();
        std::fill(zeros.weights[slot][i].begin(), zeros.weights[slot][i].end(), 0.0);
      }
    const auto without = run_lstm<T>(backend, absent, &loss, small_cut<T>());
    auto with = run_lstm<T>(backend, zeros, &loss, small_cut<T>());
    for (std::size_t slot = 0; slot < 4; ++slot)
      for (const std::size_t i : {2, 3}) with.gradients[slot * 5 + i].clear();
    expect_same_bits(without, with);
  });
}

TEST_P(LstmPersistentArguments, AddsToWhatIsThereWhenAsked) {
  for_each_type([&]<class T>() {
    LstmOptions options = small_cut<T>();
    options.presets = {1, -20, 300, 0.5, 7};
    const auto added = run_lstm<T>(backend, problem, &loss, options);
    const auto alone = run_lstm<T>(backend, problem, &loss, small_cut<T>());
    for (std::size_t i = 0; i < alone.gradients.size(); ++i) {
      Values expected = cast<double>(alone.gradients[i]);
      for (double& value : expected) value += options.presets[i % 5];
      EXPECT_TRUE(close(added.gradients[i], expected, tolerance<T>)) << "weight " << i;
    }
    EXPECT_TRUE(same_bits(added.d_x, alone.d_x));  // what is no weight's is overwritten
    EXPECT_TRUE(same_bits(added.d_h0, alone.d_h0));
    EXPECT_TRUE(same_bits(added.d_c0, alone.d_c0));
  });
}

TEST_P(LstmPersistentArguments, WithoutRowsStatesPassThroughAndWeightsGetZero) {
  for_each_type([&]<class T>() {
    for (const Lengths& lengths : {Lengths{}, Lengths{0, 0, 0}})
      for (const bool known : {true, false})
        for (const Capacity& slack : {Capacity{}, Capacity{.sequences = 3, .rows = 9, .steps = 4}}) {
          LstmProblem empty = lstm_problem({.hidden = 13, .layers = 2, .directions = 2}, lengths);
          empty = stored_in<T>(empty);
          LstmLoss none = lstm_loss(empty);
          for (auto* values : {&none.d_h_n, &none.d_c_n}) *values = cast<double>(cast<T>(*values));
          none.d_final_state.clear();
          LstmOptions options = small_cut<T>();
          options.rows_on_host = known;
          options.slack = slack;
          const auto outputs = run_lstm<T>(backend, empty, &none, options);
          EXPECT_EQ(cast<double>(outputs.h_n), empty.h0);
          EXPECT_EQ(cast<double>(outputs.c_n), empty.c0);
          EXPECT_EQ(cast<double>(outputs.d_h0), none.d_h_n);
          EXPECT_EQ(cast<double>(outputs.d_c0), none.d_c_n);
          for (const auto& gradient : outputs.gradients)
            for (const T value : gradient) EXPECT_EQ(static_cast<double>(value), 0);
          options.presets = {3};
          for (const auto& gradient : run_lstm<T>(backend, empty, &none, options).gradients)
            for (const T value : gradient) EXPECT_EQ(static_cast<double>(value), 3);
        }
  });
}

TEST_P(LstmPersistentArguments, InferenceHasTheBitsOfTraining) {
  for_both_sizes_of_types([&]<class T>() {
    for_each_cut<T>(problem.hidden, [&](LstmOptions options) {
      LstmProblem drops = problem;
      const auto trained = run_lstm<T>(backend, drops, nullptr, options);
      drops.dropout = 0.5;  // off without training
      options.training = false;
      expect_same_bits(run_lstm<T>(backend, drops, nullptr, options), trained);
    });
  });
}

TEST_P(LstmPersistentArguments, ASmallLongBatchIsPersistentByItself) {
  const LstmProblem one = lstm_problem({.hidden = 32, .directions = 2}, {30, 4, 1});
  const LstmLoss its_loss = lstm_loss(one);
  for_each_type([&]<class T>() {
    LstmOptions automatic;
    automatic.tf32 = is_tf32<T>;
    const LstmChoice choice = LstmRun<T>(backend, one, its_loss, automatic).plan.choice();
    EXPECT_EQ(choice.algorithm, LstmAlgorithm::persistent) << choice.reason;
    LstmOptions forced = persistent();
    forced.tf32 = is_tf32<T>;
    expect_same_bits(run_lstm<T>(backend, one, &its_loss, automatic),
                     run_lstm<T>(backend, one, &its_loss, forced));
  });
}

TEST_P(LstmPersistentArguments, WhatItRefusesIsNamed) {
  LstmDesc right = description(problem, DType::bf16, {.sequences = 10, .rows = 22, .steps = 6});
  right.algorithm = LstmAlgorithm::persistent;
  const auto refused = [&](std::initializer_list<std::string> parts, auto change) {
    LstmDesc desc = right;
    change(desc);
    expect_error(ErrorCode::unsupported, parts, [&] { LstmPlan(backend, desc); });
  };
  EXPECT_NO_THROW(LstmPlan(backend, right));
  refused({"algorithm is persistent", "proj_size is 4"}, [](LstmDesc& desc) { desc.proj_size = 4; });
  refused({"algorithm is persistent", "tf32 = false"}, [](LstmDesc& desc) { desc.dtype = DType::f32; });
  refused({"algorithm is persistent", "hidden_size 5000 in bf16", "no tile holds it"},
          [](LstmDesc& desc) { desc.hidden_size = 5000; });
  refused({"cluster is 3", "cluster x slots: 1 x 8"}, [](LstmDesc& desc) { desc.cluster = 3; });
  refused({"slots is 5", "cluster x slots: 1 x 8"}, [](LstmDesc& desc) { desc.slots = 5; });
  expect_error(ErrorCode::invalid_argument, {"cluster is -1"}, [&] {
    LstmDesc desc = right;
    desc.cluster = -1;
    LstmPlan(backend, desc);
  });
  refused({"cluster is 3", "proj_size is 4"}, [](LstmDesc& desc) {
    desc.algorithm = LstmAlgorithm::automatic;
    desc.cluster = 3;
    desc.proj_size = 4;
  });
  refused({"slots is 8", "algorithm is stepwise"}, [](LstmDesc& desc) {
    desc.algorithm = LstmAlgorithm::stepwise;
    desc.slots = 8;
  });
}

}  // namespace
}  // namespace ragtime::test
