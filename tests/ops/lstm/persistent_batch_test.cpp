// Who knows the batch of a persistent LSTM: the host, which runs its products over exactly those rows, or the
// device alone. The bits are the same; one set of arguments serves any batch within the capacity; what is
// beyond it is reported and not written. Memory behind what a batch uses holds NaN.

#include <gtest/gtest.h>

#include "ragtime/status.hpp"
#include "tests/ops/lstm/persistent.hpp"
#include "tests/ops/lstm/replay.hpp"

namespace ragtime::test {
namespace {

class LstmPersistentBatch : public OnPersistentLstm {
 protected:
  static LstmProblem problem_of(const Lengths& lengths, std::uint64_t seed = 1) {
    LstmProblem problem = lstm_problem({.input = 3, .hidden = 13, .layers = 2, .directions = 2}, lengths);
    problem.dropout = 0.25;
    problem.seed = 5;
    Numbers numbers(seed);  // weights are those of any other
    for (auto* values : {&problem.x, &problem.h0, &problem.c0})
      *values = random_values(numbers, static_cast<std::int64_t>(values->size()));
    return problem;
  }
  template <class T>
  static LstmOptions options_of(bool save_gates = true) {
    LstmOptions options = persistent();
    options.tf32 = is_tf32<T>;
    options.save_gates = save_gates;
    return options;
  }
};
RAGTIME_TEST_ON_BACKENDS(LstmPersistentBatch);

TEST_P(LstmPersistentBatch, WhetherTheHostKnowsItChangesNoBit) {
  for_each_type([&]<class T>() {
    for (const Lengths& lengths : {Lengths{3, 1, 0, 7, 2}, Lengths{5}})
      for (const bool save_gates : {true, false}) {
        SCOPED_TRACE(testing::Message()
                     << name_of(dtype_of<T>) << (save_gates ? "" : ", gates computed again"));
        const LstmProblem problem = problem_of(lengths);
        const LstmLoss loss = lstm_loss(problem);
        LstmOptions options = options_of<T>(save_gates);
        options.slack = {.sequences = 4, .rows = 37, .steps = 3};
        const auto known = run_lstm<T>(backend, problem, &loss, options);
        options.only_on_host = true;
        expect_same_bits(run_lstm<T>(backend, problem, &loss, options), known);
        options.only_on_host = options.rows_on_host = false;
        expect_same_bits(run_lstm<T>(backend, problem, &loss, options), known);
        options.training = false;
        const auto inference = run_lstm<T>(backend, problem, nullptr, options);
        options.rows_on_host = true;
        expect_same_bits(run_lstm<T>(backend, problem, nullptr, options), inference);
      }
  });
}

TEST_P(LstmPersistentBatch, OnePlanAndItsMemoryServeAnyBatchWithinTheCapacity) {
  for_each_type([&]<class T>() {
    for (const bool save_gates : {true, false}) {
      const auto batches = replayed_lengths();
      const LstmProblem largest = problem_of(batches[0]);
      LstmReplay<T> replay(backend, largest, options_of<T>(save_gates));
      EXPECT_TRUE(replay.run().plan.choice().graph_takes_any_batch);
      for (std::size_t i = 0; i < batches.size(); ++i) {
        SCOPED_TRACE(testing::Message() << name_of(dtype_of<T>) << ", batch " << i);
        const LstmProblem problem = problem_of(batches[i], i);
        const LstmLoss loss = lstm_loss(problem, 10 + i);
        const auto expected = run_lstm<T>(backend, problem, &loss,
                                          LstmReplay<T>::within(largest, problem, options_of<T>(save_gates)));
        replay.load(problem, loss);
        replay.run().plan.forward(replay.run().forward);
        replay.run().plan.backward(replay.run().backward);
        replay.expect(expected);
      }
    }
  });
}

// A larger batch than the arrays have room for, of which the device alone learns: a status word, gradients of
// weights that are 0, and nothing written behind any array.
TEST_P(LstmPersistentBatch, BeyondTheCapacityIsReportedAndNotWritten) {
  const LstmProblem fits = problem_of({3, 1, 2, 2});
  const LstmLoss loss = lstm_loss(fits);
  for_each_type([&]<class T>() {
    const auto expected = run_lstm<T>(backend, fits, &loss, options_of<T>());
    for (const Lengths& lengths :
         {Lengths{1, 2, 1, 2, 2}, Lengths{3, 1, 2, 3}, Lengths{1000, 20}, Lengths(300, 5)}) {
      SCOPED_TRACE(testing::Message() << name_of(dtype_of<T>) << ", " << lengths.size() << " sequences");
      LstmRun<T> run(backend, fits, loss, options_of<T>());
      DeviceBatch larger(backend);
      larger.load(layout_of(lengths));
      Status status(backend);
      RaggedView beyond = larger.view();
      beyond.host_counts = beyond.host_batch_sizes = nullptr;
      beyond.status = status.word();
      const RaggedView within = run.forward.batch;
      const auto before = run.outputs();
      const bool many_sequences = lengths.size() > 4;
      const std::string has =
          "the batch has " +
          (many_sequences ? std::to_string(larger.size().sequences) + " sequences; the plan's capacity is 4"
                          : std::to_string(larger.size().rows) + " rows; the plan's capacity is 8");

      run.forward.batch = run.backward.batch = beyond;
      run.plan.forward(run.forward);
      expect_error(ErrorCode::out_of_range, {has}, [&] { status.check(); });
      const auto after = run.outputs();
      EXPECT_TRUE(same_bits(after.y, before.y));
      EXPECT_TRUE(same_bits(after.h_n, before.h_n));
      EXPECT_TRUE(same_bits(after.c_n, before.c_n));
      EXPECT_TRUE(same_bits(after.final_state, before.final_state));
      EXPECT_TRUE(same_bits(after.c_seq, before.c_seq));
      run.plan.backward(run.backward);
      expect_error(ErrorCode::out_of_range, {has}, [&] { status.check(); });
      const auto back = run.outputs();  // also looks behind every array
      EXPECT_TRUE(same_bits(back.d_h0, before.d_h0));
      EXPECT_TRUE(same_bits(back.d_c0, before.d_c0));
      for (const auto& gradient : back.gradients)  // as of a batch without rows
        for (const T value : gradient) EXPECT_EQ(static_cast<double>(value), 0);

      run.forward.batch = run.backward.batch = within;  // and the next one is computed as ever
      run.plan.forward(run.forward);
      run.plan.backward(run.backward);
      expect_same_bits(run.outputs(), expected);
    }
  });
}

TEST_P(LstmPersistentBatch, WhatTheHostKnowsToBeBeyondTheCapacityIsRefused) {
  const LstmProblem problem = problem_of({3, 1, 2, 2});
  for (const auto& [slack, text] : {std::pair<Capacity, std::string>{{.sequences = -1}, "4 sequences"},
                                    {{.rows = -1}, "8 rows"},
                                    {{.steps = -1}, "3 steps"}}) {
    LstmOptions options = options_of<bf16>();
    options.slack = slack;
    LstmRun<bf16> run(backend, problem, lstm_loss(problem), options);
    const auto before = run.outputs();
    expect_error(ErrorCode::out_of_range, {text}, [&] { run.plan.forward(run.forward); });
    expect_error(ErrorCode::out_of_range, {text}, [&] { run.plan.backward(run.backward); });
    expect_same_bits(run.outputs(), before);
  }
}

TEST_P(LstmPersistentBatch, APlanThatReliesOnTheHostSaysSo) {
  const LstmProblem problem = problem_of({3, 1, 2, 2});
  LstmOptions options = options_of<bf16>();
  LstmRun<bf16> either(backend, problem, lstm_loss(problem), options);
  options.only_on_host = true;
  LstmRun<bf16> run(backend, problem, lstm_loss(problem), options);
  EXPECT_LT(run.plan.workspace_bytes(), either.plan.workspace_bytes());
  const auto before = run.outputs();
  run.forward.batch.host_counts = run.backward.batch.host_counts = nullptr;
  for (const auto& pass : {std::function<void()>([&] { run.plan.forward(run.forward); }),
                           std::function<void()>([&] { run.plan.backward(run.backward); })})
    expect_error(ErrorCode::invalid_argument, {"batch.host_counts is null", "rows_on_host = true"}, pass);
  expect_same_bits(run.outputs(), before);
}

// Only the counts: unlike stepwise, no launch depends on how many sequences each step has.
TEST_P(LstmPersistentBatch, NeedsNoBatchSizesOfTheHost) {
  const LstmProblem problem = problem_of({3, 1, 2, 2});
  const LstmLoss loss = lstm_loss(problem);
  LstmRun<bf16> run(backend, problem, loss, options_of<bf16>());
  run.forward.batch.host_batch_sizes = run.backward.batch.host_batch_sizes = nullptr;
  run.plan.forward(run.forward);
  run.plan.backward(run.backward);
  expect_same_bits(run.outputs(), run_lstm<bf16>(backend, problem, &loss, options_of<bf16>()));
}

}  // namespace
}  // namespace ragtime::test
