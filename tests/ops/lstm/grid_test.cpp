// The persistent LSTM whose blocks are a group that meets in memory. That every cut of it is right on crowds
// and on hidden sizes that fill no tile, tests/ops/lstm/persistent_test.cpp sees to; here is what groups have of
// their own: their flags begin anew in every layer, pass and run, both directions have to fit the device, and
// no bit tells whether a group or a cluster computed it.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/ops/lstm/run.hpp"

namespace ragtime::test {
namespace {

using Lengths = std::vector<std::int32_t>;

class LstmGrid : public OnBackend {
 protected:
  void SetUp() override {
    OnBackend::SetUp();
    if (backend != nullptr && backend->device() == DeviceType::cpu)
      GTEST_SKIP() << "the cpu backend has no blocks";
  }

  struct Cuts {
    std::vector<LstmCut> groups, clusters;
  };
  // Those of forward, or those that forward and backward have.
  template <class T>
  Cuts cuts(std::int64_t hidden, int directions, bool training) const {
    LstmDesc desc;
    desc.dtype = dtype_of<T>;
    desc.input_size = 3;
    desc.hidden_size = hidden;
    desc.bidirectional = directions == 2;
    desc.capacity = {4, 16, 0, 4};
    desc.training = training;
    desc.algorithm = LstmAlgorithm::persistent;
    const LstmChoice choice = LstmPlan(backend, desc).choice();
    Cuts cuts;
    for (const LstmPassChoice& option : choice.forward_options) {
      const LstmCut cut = {option.cluster, option.slots};
      if (std::find(choice.cuts.begin(), choice.cuts.end(), cut) != choice.cuts.end())
        (option.grid ? cuts.groups : cuts.clusters).push_back(cut);
    }
    return cuts;
  }

  static LstmOptions forced(const LstmCut& cut) {
    LstmOptions options;
    options.algorithm = LstmAlgorithm::persistent;
    options.cluster = cut.cluster;
    options.slots = cut.slots;
    return options;
  }

  template <class T>
  void expect_right(const LstmProblem& problem, const LstmCut& cut) const {
    SCOPED_TRACE(testing::Message() << name_of(dtype_of<T>) << ", H " << problem.hidden << ", D "
                                    << problem.directions << ", " << cut.cluster << " blocks, " << cut.slots
                                    << " slots");
    LstmProblem rounded = stored_in<T>(problem);
    LstmLoss loss = lstm_loss(problem);
    for (auto* values : {&loss.d_y, &loss.d_h_n, &loss.d_c_n, &loss.d_final_state})
      *values = cast<double>(cast<T>(*values));
    LstmProblem plain = rounded;
    plain.stored = nullptr;
    const auto actual = run_lstm<T>(backend, problem, &loss, forced(cut));
    const reference::LstmResult exact = reference::lstm(plain), naive = reference::lstm(rounded);
    EXPECT_TRUE(as_good_as_naive(actual.y, naive.y, exact.y));
    EXPECT_TRUE(as_good_as_naive(actual.h_n, naive.h_n, exact.h_n));
    EXPECT_TRUE(as_good_as_naive(actual.c_n, naive.c_n, exact.c_n));
    const auto gradients = run_lstm<double>(make_backend("cpu"), plain, &loss);
    EXPECT_TRUE(close(actual.d_x, gradients.d_x, 4 * tolerance<T>));
    EXPECT_TRUE(close(actual.d_h0, gradients.d_h0, 4 * tolerance<T>));
    EXPECT_TRUE(close(actual.d_c0, gradients.d_c0, 4 * tolerance<T>));
    for (std::size_t i = 0; i < gradients.gradients.size(); ++i)
      EXPECT_TRUE(close(actual.gradients[i], gradients.gradients[i], 4 * tolerance<T>)) << "weight " << i;
  }

  static Lengths crowd(std::size_t count) {
    Numbers numbers(7);
    Lengths lengths(count);
    for (auto& length : lengths) length = static_cast<std::int32_t>(numbers.integer(0, 4));
    lengths[count / 2] = 19;
    return lengths;
  }
};
RAGTIME_TEST_ON_BACKENDS(LstmGrid);

TEST_P(LstmGrid, BothDirectionsAndLayersOnACrowd) {
  for (const std::int64_t hidden : {32, 61}) {
    const LstmProblem problem =
        lstm_problem({.input = 3, .hidden = hidden, .layers = 2, .directions = 2}, crowd(45));
    const auto groups = cuts<bf16>(hidden, 2, true).groups;
    EXPECT_FALSE(groups.empty());
    for (const LstmCut& cut : groups) {
      expect_right<bf16>(problem, cut);
      expect_right<f16>(problem, cut);
    }
  }
}

// Fewer sequences than one group has slots; one; steps in which nobody ends, in which all end, and in which
// there is nothing to do.
TEST_P(LstmGrid, FewSequences) {
  for (const Lengths& lengths :
       {Lengths{1}, Lengths{13}, Lengths{0}, Lengths{4, 4, 4, 4, 4, 4, 4, 4, 4}, Lengths{0, 2, 0, 1}})
    for (const LstmCut& cut : cuts<bf16>(64, 1, true).groups)
      expect_right<bf16>(lstm_problem({.input = 2, .hidden = 64}, lengths), cut);
}

// The k steps of a product are added up in the same order wherever the blocks stand. Gradients are summed by
// blocks, so only groups of as many blocks as a cluster has could have its bits.
TEST_P(LstmGrid, ForwardHasTheBitsOfClusters) {
  for (const std::int64_t hidden : {32, 50, 64}) {
    const LstmProblem problem = lstm_problem({.input = 3, .hidden = hidden, .directions = 2}, crowd(40));
    const Cuts all = cuts<bf16>(hidden, 2, false);
    ASSERT_FALSE(all.groups.empty());
    ASSERT_FALSE(all.clusters.empty());
    const auto expected = run_lstm<bf16>(backend, problem, nullptr, forced(all.clusters.front()));
    for (const LstmCut& cut : all.groups)
      expect_same_bits(run_lstm<bf16>(backend, problem, nullptr, forced(cut)), expected);
  }
}

// Not even if memory holds what looks like flags of steps to come.
TEST_P(LstmGrid, WhatMemoryHeldBeforeDoesNotMatter) {
  const LstmProblem problem = lstm_problem({.input = 3, .hidden = 64, .directions = 2}, crowd(20));
  const LstmLoss loss = lstm_loss(problem);
  for (const LstmCut& cut : cuts<bf16>(64, 2, true).groups) {
    LstmOptions options = forced(cut);
    const auto expected = run_lstm<bf16>(backend, problem, &loss, options);
    for (const std::uint8_t byte : {0x00, 0x01, 0x7F}) {
      options.memory = byte;
      expect_same_bits(run_lstm<bf16>(backend, problem, &loss, options), expected);
    }
  }
}

// A group is launched only where every block of it, and of the other direction's, is resident.
TEST_P(LstmGrid, AllGroupsOfALaunchAreResident) {
  for (const int directions : {1, 2})
    for (const std::int64_t hidden : {32, 64})
      for (const LstmCut& cut : cuts<f16>(hidden, directions, true).groups) {
        LstmDesc desc;
        desc.dtype = DType::f16;
        desc.input_size = 1;
        desc.hidden_size = hidden;
        desc.bidirectional = directions == 2;
        desc.capacity = {100000, 1000000, 0, 1000};
        desc.algorithm = LstmAlgorithm::persistent;
        desc.cluster = cut.cluster;
        desc.slots = cut.slots;
        const LstmChoice choice = LstmPlan(backend, desc).choice();
        for (const LstmPassChoice& pass : {choice.forward, choice.backward}) {
          EXPECT_TRUE(pass.grid);
          EXPECT_EQ(pass.clusters % directions, 0);
          if (GetParam() == "cuda_on_simt") {
            EXPECT_LE(pass.clusters * pass.cluster, 8) << "blocks, of which the emulation has room for 8";
          }
        }
      }
}

}  // namespace
}  // namespace ragtime::test
