// What the bits of a persistent LSTM do not depend on: how the kernels are cut (forward on nothing of it,
// backward on the slots), the schedule of the device, a sequence's company, NaN and Inf in it, what memory
// held. Every launch ends, whatever numbers it meets.

#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "tests/ops/lstm/persistent.hpp"
#include "tests/ops/lstm/selection.hpp"

namespace ragtime::test {
namespace {

LstmProblem both_directions(const Lengths& lengths, std::int64_t hidden = 27) {
  return lstm_problem({.input = 3, .hidden = hidden, .directions = 2}, lengths);
}

class LstmPersistentBits : public OnPersistentLstm {};
RAGTIME_TEST_ON_BACKENDS(LstmPersistentBits);

template <class T>
void expect_same_forward_bits(const LstmOutputs<T>& a, const LstmOutputs<T>& b) {
  EXPECT_TRUE(same_bits(a.y, b.y));
  EXPECT_TRUE(same_bits(a.h_n, b.h_n));
  EXPECT_TRUE(same_bits(a.c_n, b.c_n));
  EXPECT_TRUE(same_bits(a.final_state, b.final_state));
  EXPECT_TRUE(same_bits(a.c_seq, b.c_seq));
}

TEST_P(LstmPersistentBits, ForwardIsTheSameInEveryCutAndBackwardInEveryNumberOfSlots) {
  for_each_type([&]<class T>() {
    for (const std::int64_t hidden : {27, 64}) {
      const LstmProblem problem = both_directions(crowd(hidden == 27 ? 45 : 30, 9), hidden);
      const LstmLoss loss = lstm_loss(problem);
      std::map<int, LstmOutputs<T>> of_cluster;
      for_each_cut<T>(hidden, [&](const LstmOptions& options) {
        const auto outputs = run_lstm<T>(backend, problem, &loss, options);
        const auto [same_cluster, is_first] = of_cluster.emplace(options.cluster, outputs);
        expect_same_forward_bits(outputs, of_cluster.begin()->second);
        if (!is_first) expect_same_bits(outputs, same_cluster->second);
      });
    }
  });
}

// Inference may have cuts that training has not.
TEST_P(LstmPersistentBits, InferenceIsTheSameInEveryCut) {
  for (const std::int64_t hidden : {32, 64}) {
    const LstmProblem problem = both_directions(crowd(45, 9), hidden);
    std::vector<LstmOutputs<bf16>> first;
    for (const LstmCut& cut : lstm_cuts<bf16>(backend, hidden, 0, false)) {
      SCOPED_TRACE(testing::Message() << "cluster " << cut.cluster << ", slots " << cut.slots);
      LstmOptions options = persistent(cut.cluster, cut.slots);
      options.training = false;
      first.push_back(run_lstm<bf16>(backend, problem, nullptr, options));
      expect_same_bits(first.back(), first.front());
    }
    EXPECT_GE(first.size(), 3u);
  }
}

// Enough sequences that slots are filled again, in an order that the schedule decides.
TEST_P(LstmPersistentBits, NoScheduleChangesAny) {
  const LstmProblem problem = both_directions(crowd(40, 12));
  const LstmLoss loss = lstm_loss(problem);
  for_both_sizes_of_types([&]<class T>() {
    for_each_cut<T>(problem.hidden, [&](const LstmOptions& options) {
      const auto expected = run_lstm<T>(backend, problem, &loss, options);
      for_schedules(GetParam(), 4,
                    [&] { expect_same_bits(run_lstm<T>(backend, problem, &loss, options), expected); });
    });
  });
}

TEST_P(LstmPersistentBits, ASequenceHasItsBitsAloneAndInAnyCompany) {
  const LstmProblem problem = both_directions(crowd(30, 9));
  const LstmLoss loss = lstm_loss(problem);
  for_both_sizes_of_types([&]<class T>() {
    for_each_cut<T>(problem.hidden, [&](LstmOptions options) {
      const auto together = run_lstm<T>(backend, problem, &loss, options);
      const auto check = [&](const Selection& chosen) {
        const LstmProblem selected = select(problem, chosen);
        const LstmLoss selected_loss = select(problem, loss, chosen);
        // Of the same capacity, so that the plan is the same.
        options.slack = {problem.sequences() - selected.sequences(), problem.rows() - selected.rows(), 0, 9};
        auto alone = run_lstm<T>(backend, selected, &selected_loss, options);
        alone.gradients.clear();
        expect_same_bits(alone, select(problem, together, chosen));
      };
      check({15});  // the long one
      check({4});
      Selection neighbours(13);
      std::iota(neighbours.begin(), neighbours.end(), std::size_t{9});
      check(neighbours);
      Selection mixed(problem.lengths.size());
      std::iota(mixed.begin(), mixed.end(), std::size_t{0});
      Numbers numbers(3);
      for (std::size_t i = mixed.size(); i > 1; --i)
        std::swap(mixed[i - 1], mixed[numbers.integer(0, static_cast<std::int64_t>(i) - 1)]);
      check(mixed);
    });
  });
}

TEST_P(LstmPersistentBits, NaNAndInfStayWithTheSequencesThatHaveThem) {
  const LstmProblem problem = both_directions(crowd(36, 9));
  const LstmLoss loss = lstm_loss(problem);
  Selection spared, struck;
  for (std::size_t b = 0; b < problem.lengths.size(); ++b) (b % 3 == 0 ? spared : struck).push_back(b);
  const double infinity = std::numeric_limits<double>::infinity();
  int turn = 0;
  for_both_sizes_of_types([&]<class T>() {
    for_each_cut<T>(problem.hidden, [&](const LstmOptions& options) {
      const auto clean = run_lstm<T>(backend, problem, &loss, options);
      const double value = turn++ % 2 == 0 ? nan<double> : infinity;
      SCOPED_TRACE(value);
      LstmProblem half = problem;
      LstmLoss half_loss = loss;
      strike(half, half_loss, struck, value);
      const auto hit = run_lstm<T>(backend, half, &half_loss, options);
      expect_same_bits(select(problem, hit, spared), select(problem, clean, spared));
      EXPECT_TRUE(std::isnan(static_cast<double>(select(problem, hit, struck).d_x[0])));
    });
  });
}

TEST_P(LstmPersistentBits, NaNEverywhereEndsToo) {
  LstmProblem problem = both_directions(crowd(20, 9));
  const LstmLoss loss = lstm_loss(problem);
  for (auto& slot : problem.weights)
    for (Values& values : slot) std::fill(values.begin(), values.end(), nan<double>);
  for_both_sizes_of_types([&]<class T>() {
    for_each_cut<T>(problem.hidden, [&](const LstmOptions& options) {
      const auto outputs = run_lstm<T>(backend, problem, &loss, options);
      EXPECT_TRUE(std::isnan(static_cast<double>(outputs.d_x[0])));
    });
  });
}

TEST_P(LstmPersistentBits, WhatMemoryHeldChangesNothing) {
  LstmProblem problem = lstm_problem({.hidden = 13, .layers = 2, .directions = 2}, {3, 0, 7, 1, 2});
  problem.dropout = 0.25;
  const LstmLoss loss = lstm_loss(problem);
  for_both_sizes_of_types([&]<class T>() {
    LstmOptions options = persistent();
    options.tf32 = is_tf32<T>;
    options.slack = {.sequences = 5, .rows = 33, .steps = 2};
    for (const bool known : {true, false})
      for (const bool save_gates : {true, false}) {
        SCOPED_TRACE(testing::Message() << name_of(dtype_of<T>) << (known ? ", the host knows" : "")
                                        << (save_gates ? "" : ", gates computed again"));
        options.rows_on_host = known;
        options.save_gates = save_gates;
        options.memory = 0;
        const auto expected = run_lstm<T>(backend, problem, &loss, options);
        for (const std::uint8_t memory : {0xFF, 0x7F}) {
          options.memory = memory;
          expect_same_bits(run_lstm<T>(backend, problem, &loss, options), expected);
        }
      }
  });
}

}  // namespace
}  // namespace ragtime::test
