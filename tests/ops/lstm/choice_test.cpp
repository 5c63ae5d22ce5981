// Which algorithm and cut the LSTM takes: a function of the description, of kernels and of costs, here on
// kernels that are made up; then what plans and device models answer.

#include "cuda/lstm/choice/choice.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "host/ops/lstm_choice_text.hpp"
#include "ragtime/lstm_choice.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

using cuda::choose_lstm;
using cuda::LstmCandidate;
using cuda::LstmCandidates;
using testing::HasSubstr;
using testing::Not;

LstmCandidate kernel(int hidden, int cluster, int slots, int resident) {
  return {
      {hidden, cluster, slots, 1, hidden / 16}, static_cast<unsigned>(hidden / cluster * 8), 20000, resident};
}

// As an H200 would have them, but for fewer sizes. Backward has no (64, 1, 16) and no 96 at all.
LstmCandidates kernels() {
  LstmCandidates all;
  for (const int slots : {8, 16}) all.forward.push_back(kernel(64, 1, slots, 132));
  all.forward.push_back(kernel(96, 1, 8, 132));
  for (const int cluster : {2, 4, 8})
    for (const int slots : {8, 16, 32}) all.forward.push_back(kernel(256, cluster, slots, 132 / cluster));
  all.forward.push_back(kernel(512, 16, 8, 8));
  for (const LstmCandidate& each : all.forward)
    if (each.tile.hidden != 96 && !(each.tile.hidden == 64 && each.tile.slots == 16))
      all.backward.push_back(each);
  return all;
}

LstmDesc description(std::int64_t hidden, std::int64_t sequences, std::int64_t steps,
                     std::int64_t rows = -1) {
  LstmDesc desc;
  desc.dtype = DType::bf16;
  desc.input_size = desc.hidden_size = hidden;
  desc.capacity = {sequences, rows < 0 ? sequences * steps : rows, 0, steps};
  return desc;
}

LstmChoice choose(const LstmDesc& desc, const LstmCosts& costs = {}) {
  return choose_lstm(desc, kernels(), costs);
}

LstmDesc persistent(LstmDesc desc, int cluster = 0, int slots = 0) {
  desc.algorithm = LstmAlgorithm::persistent;
  desc.cluster = cluster;
  desc.slots = slots;
  return desc;
}

std::string refusal(const LstmDesc& desc, const LstmCandidates& candidates = kernels()) {
  return error_of(ErrorCode::unsupported, [&] { choose_lstm(desc, candidates, {}); });
}

// What must hold of any answer.
void expect_sound(const LstmDesc& desc, const LstmChoice& choice) {
  EXPECT_FALSE(choice.reason.empty());
  EXPECT_FALSE(choice.costs.empty());
  EXPECT_EQ(choice.graph_takes_any_batch, choice.algorithm == LstmAlgorithm::persistent);
  const auto of_a_pass = [&](const LstmPassChoice& chosen, const std::vector<LstmPassChoice>& options) {
    int stepwise = 0, chosen_among = 0;
    for (std::size_t i = 0; i < options.size(); ++i) {
      const LstmPassChoice& option = options[i];
      EXPECT_LE(options[i > 0 ? i - 1 : i].us, option.us);
      EXPECT_TRUE(std::isfinite(option.us) && option.us >= 0);
      EXPECT_TRUE(std::isfinite(option.us_per_step) && option.us_per_step >= 0);
      EXPECT_GE(option.steps, 0);
      chosen_among += option.algorithm == chosen.algorithm && option.cluster == chosen.cluster &&
                      option.slots == chosen.slots;
      if (option.algorithm == LstmAlgorithm::stepwise) {
        ++stepwise;
        continue;
      }
      EXPECT_EQ(option.clusters % desc.directions(), 0);
      EXPECT_GE(option.clusters, desc.directions());
      EXPECT_GE(option.hidden, desc.hidden_size);
      EXPECT_EQ(option.hidden, choice.forward_options.front().hidden > 0
                                   ? choice.forward_options.front().hidden
                                   : choice.forward_options[1].hidden);
    }
    EXPECT_EQ(stepwise, 1);
    EXPECT_EQ(chosen_among, 1);
    EXPECT_EQ(chosen.algorithm, choice.algorithm);
  };
  of_a_pass(choice.forward, choice.forward_options);
  if (desc.training) of_a_pass(choice.backward, choice.backward_options);
  EXPECT_EQ(choice.backward_options.empty(), !desc.training);
}

TEST(LstmChoiceOf, ManyDescriptionsIsSound) {
  for (const std::int64_t hidden : {1, 64, 65, 200, 256, 512})
    for (const std::int64_t sequences : {0, 1, 7, 64, 1000, 100000})
      for (const std::int64_t steps : {0, 1, 50, 5000})
        for (const bool both : {false, true}) {
          LstmDesc desc = description(hidden, sequences, steps);
          desc.bidirectional = both;
          desc.training = !both || steps == 50;
          expect_sound(desc, choose(desc));
          expect_sound(desc, choose(persistent(desc)));
        }
}

TEST(LstmChoiceOf, HiddenSizesTakesTheSmallestKernelThatEveryPassHas) {
  const auto padded = [](std::int64_t hidden, bool training) {
    LstmDesc desc = persistent(description(hidden, 8, 10));
    desc.training = training;
    const LstmChoice choice = choose(desc);
    EXPECT_EQ(choice.backward.hidden, training ? choice.forward.hidden : 0);
    return choice.forward.hidden;
  };
  EXPECT_EQ(padded(1, true), 64);
  EXPECT_EQ(padded(64, true), 64);
  EXPECT_EQ(padded(65, false), 96);
  EXPECT_EQ(padded(65, true), 256);  // backward has no 96
  EXPECT_EQ(padded(257, true), 512);
}

TEST(LstmChoiceOf, SmallSizesStaysInOneBlockAndLargeOnesSpread) {
  EXPECT_EQ(choose(description(50, 64, 100)).forward.cluster, 1);
  EXPECT_EQ(choose(description(50, 1, 1000)).backward.cluster, 1);
  EXPECT_EQ(choose(description(500, 64, 100)).forward.cluster, 16);
  // A few long sequences want few slots, many short ones many.
  LstmCosts costs;
  costs.device_bytes_per_ns = costs.block_bytes_per_ns = 1e9;  // else they set what many take
  EXPECT_EQ(choose(description(256, 4, 1000), costs).forward.slots, 8);
  EXPECT_EQ(choose(description(256, 100000, 10), costs).forward.slots, 32);
}

TEST(LstmChoiceOf, StepsAndClustersAreWhatTheScheduleNeeds) {
  const auto forward = [](std::int64_t sequences, std::int64_t steps, std::int64_t rows, bool both,
                          int resident) {
    LstmDesc desc = persistent(description(64, sequences, steps, rows));
    desc.bidirectional = both;
    desc.training = false;
    const LstmPassChoice choice = choose_lstm(desc, {{kernel(64, 1, 8, resident)}, {}}, {}).forward;
    return std::pair(choice.clusters, choice.steps);
  };
  using Pair = std::pair<int, std::int64_t>;
  EXPECT_EQ(forward(1, 100, 100, false, 4), Pair(1, 100));
  EXPECT_EQ(forward(8, 100, 800, false, 4), Pair(1, 100));
  EXPECT_EQ(forward(9, 100, 900, false, 4), Pair(2, 100));
  EXPECT_EQ(forward(32, 100, 3200, false, 4), Pair(4, 100));
  EXPECT_EQ(forward(64, 100, 6400, false, 4), Pair(4, 200));
  EXPECT_EQ(forward(64, 100, 6401, false, 4), Pair(4, 201));
  EXPECT_EQ(forward(64, 1000, 2000, false, 4), Pair(4, 1000));  // one long among short ones
  EXPECT_EQ(forward(64, 100, 6400, true, 4), Pair(4, 400));     // two clusters a direction
  EXPECT_EQ(forward(64, 100, 6400, true, 5), Pair(4, 400));     // a multiple of the directions
  EXPECT_EQ(forward(1, 100, 100, true, 4), Pair(2, 100));
  EXPECT_EQ(forward(1, 100, 100, true, 1), Pair(2, 200));  // one direction after the other
  EXPECT_EQ(forward(0, 100, 0, false, 4), Pair(1, 0));
  EXPECT_EQ(forward(5, 100, 20, false, 4), Pair(1, 20));  // no sequence has more steps than there are rows
}

TEST(LstmChoiceOf, WhatIsForcedIsObeyed) {
  LstmDesc desc = description(200, 100, 50);
  const std::vector<LstmCut> cuts = choose(desc).cuts;
  EXPECT_EQ(cuts.size(), 9u);
  for (const LstmCut& cut : cuts)
    for (const LstmAlgorithm algorithm : {LstmAlgorithm::persistent, LstmAlgorithm::automatic}) {
      LstmDesc forced = persistent(desc, cut.cluster, cut.slots);
      forced.algorithm = algorithm;
      const LstmChoice choice = choose(forced);
      expect_sound(forced, choice);
      EXPECT_EQ(choice.algorithm, LstmAlgorithm::persistent);
      for (const LstmPassChoice& pass : {choice.forward, choice.backward})
        EXPECT_EQ((LstmCut{pass.cluster, pass.slots}), cut);
      EXPECT_EQ(choice.cuts, cuts);
    }
  for (const int cluster : {2, 4, 8}) EXPECT_EQ(choose(persistent(desc, cluster)).backward.cluster, cluster);
  for (const int slots : {8, 16, 32}) EXPECT_EQ(choose(persistent(desc, 0, slots)).forward.slots, slots);
  // 64 has a cut that backward has not: without backward it can be had.
  desc = description(64, 100, 50);
  EXPECT_EQ(choose(desc).cuts, (std::vector<LstmCut>{{1, 8}}));
  desc.training = false;
  EXPECT_EQ(choose(desc).cuts, (std::vector<LstmCut>{{1, 8}, {1, 16}}));
  EXPECT_EQ(choose(persistent(desc, 1, 16)).forward.slots, 16);
  for (const LstmAlgorithm algorithm : {LstmAlgorithm::stepwise, LstmAlgorithm::cudnn}) {
    desc.algorithm = algorithm;
    const LstmChoice choice = choose(desc);
    EXPECT_EQ(choice.algorithm, algorithm);
    EXPECT_EQ(choice.forward.algorithm, algorithm);
    EXPECT_FALSE(choice.graph_takes_any_batch);
  }
}

TEST(LstmChoiceOf, WhatCannotBeObeyedIsAnErrorThatNamesIt) {
  const LstmDesc desc = description(200, 100, 50);
  EXPECT_EQ(refusal(persistent(desc, 3)),
            "cluster is 3: expected what forward has for hidden_size 200 in bf16 on this device, cluster x "
            "slots: 2 x 8, 2 x 16, 2 x 32, 4 x 8, 4 x 16, 4 x 32, 8 x 8, 8 x 16, 8 x 32");
  EXPECT_THAT(refusal(persistent(desc, 0, 64)), HasSubstr("slots is 64: expected what forward has"));
  EXPECT_THAT(refusal(persistent(desc, 2, 24)), HasSubstr("cluster is 2 and slots is 24: expected"));
  EXPECT_THAT(
      refusal(persistent(description(64, 8, 8), 1, 16)),
      HasSubstr("cluster is 1 and slots is 16: expected what backward has for hidden_size 64 in bf16 on "
                "this device, cluster x slots: 1 x 8"));
  LstmDesc wrong = persistent(desc, 4);
  wrong.algorithm = LstmAlgorithm::stepwise;
  EXPECT_EQ(refusal(wrong), "cluster is 4, but algorithm is stepwise: expected 0, or algorithm persistent");
  wrong.algorithm = LstmAlgorithm::cudnn;
  EXPECT_THAT(refusal(wrong), HasSubstr("cluster is 4, but algorithm is cudnn"));
}

TEST(LstmChoiceOf, WherePersistentIsImpossibleSaysWhy) {
  const auto impossible = [](LstmDesc desc, const std::string& why,
                             const LstmCandidates& candidates = kernels()) {
    const LstmChoice choice = choose_lstm(desc, candidates, {});
    EXPECT_EQ(choice.algorithm, LstmAlgorithm::stepwise);
    EXPECT_THAT(choice.reason, HasSubstr(why));
    EXPECT_TRUE(choice.cuts.empty());
    EXPECT_EQ(choice.forward_options.size(), 1u);
    EXPECT_THAT(refusal(persistent(desc), candidates),
                testing::AllOf(HasSubstr("algorithm is persistent, but "), HasSubstr(why)));
    desc.cluster = 8;
    EXPECT_THAT(refusal(desc, candidates), testing::AllOf(HasSubstr("cluster is 8, but "), HasSubstr(why)));
  };
  LstmDesc desc = description(200, 100, 50);
  desc.proj_size = 10;
  impossible(desc, "proj_size is 10");
  desc = description(200, 100, 50);
  desc.dtype = DType::f32;
  impossible(desc, "dtype is f32 with tf32 = false");
  desc.tf32 = true;
  EXPECT_EQ(choose(desc).algorithm, LstmAlgorithm::persistent);
  impossible(description(1024, 100, 50),
             "hidden_size 1024 in bf16: no tile holds it; the largest has 512 units");
  LstmCandidates elsewhere = kernels();
  for (auto* pass : {&elsewhere.forward, &elsewhere.backward})
    for (LstmCandidate& each : *pass)
      if (each.tile.cluster > 1) each.resident_clusters = 0;
  impossible(description(200, 100, 50), "hidden_size 200 in bf16: no kernel for it fits this device",
             elsewhere);
  EXPECT_EQ(choose_lstm(description(50, 100, 50), elsewhere, {}).algorithm, LstmAlgorithm::persistent);
  // Kernels of a larger size serve where those of the smallest do not fit.
  elsewhere.forward.push_back(kernel(300, 1, 8, 132));
  elsewhere.backward.push_back(kernel(300, 1, 8, 132));
  EXPECT_EQ(choose_lstm(persistent(description(200, 100, 50)), elsewhere, {}).forward.hidden, 300);
}

TEST(LstmChoiceOf, TheFasterAlgorithmWins) {
  const LstmDesc desc = description(256, 64, 100);
  LstmCosts costs;
  EXPECT_EQ(choose(desc, costs).algorithm, LstmAlgorithm::persistent);
  costs.stepwise_launch_us = 1e-3;
  costs.stepwise_flops_per_ns = 1e9;
  costs.stepwise_weight_bytes_per_ns = 1e9;
  costs.launch_us = 1000;
  const LstmChoice choice = choose(desc, costs);
  EXPECT_EQ(choice.algorithm, LstmAlgorithm::stepwise);
  EXPECT_THAT(choice.reason, HasSubstr("expected to take"));
  EXPECT_EQ(choice.forward_options.front().algorithm, LstmAlgorithm::stepwise);
  EXPECT_EQ(choice.cuts.size(), 9u);
  // A batch without rows takes no steps of either.
  EXPECT_EQ(choose(description(256, 0, 0)).forward.us, 0);
}

TEST(LstmChoiceOf, MoreWorkIsNeverExpectedToTakeLess) {
  const std::vector<LstmCut> cuts = choose(description(256, 1, 1)).cuts;
  for (const bool both : {false, true})
    for (std::size_t i = 0; i <= cuts.size(); ++i) {  // the last: chosen
      const auto at = [&](std::int64_t sequences, std::int64_t steps, std::int64_t rows) {
        LstmDesc desc = persistent(description(256, sequences, steps, rows));
        if (i < cuts.size()) desc = persistent(desc, cuts[i].cluster, cuts[i].slots);
        desc.bidirectional = both;
        return choose(desc);
      };
      for (const std::int64_t few : {1, 40, 300}) {
        double before = 0;
        int clusters = 0;
        for (std::int64_t rows = 400; rows < 5000000; rows = rows * 3 / 2) {
          const double us = at(few, 400, rows).forward.us;
          EXPECT_GE(us, before);
          before = us;
        }
        before = 0;
        for (std::int64_t steps = 1; steps < 100000; steps = steps * 2 + 1) {
          const double us = at(few, steps, 1000000).backward.us;
          EXPECT_GE(us, before);
          before = us;
        }
        // More sequences: of one cut as many clusters or more.
        for (std::int64_t sequences = 1; i < cuts.size() && sequences < 5000; sequences = sequences * 2 + 1) {
          const int now = at(sequences, 100, 100 * sequences).forward.clusters;
          EXPECT_GE(now, clusters);
          clusters = now;
        }
      }
    }
}

TEST(LstmChoiceOf, LayersAndDirectionsCount) {
  LstmDesc desc = persistent(description(256, 8, 100), 8, 8);
  const double one = choose(desc).forward.us;
  desc.num_layers = 3;
  EXPECT_NEAR(choose(desc).forward.us, 3 * one, 1e-9 * one);
  desc.num_layers = 1;
  desc.bidirectional = true;  // beside each other
  EXPECT_EQ(choose(desc).forward.us, one);
  desc = description(256, 8, 100);
  desc.algorithm = LstmAlgorithm::stepwise;
  const double forward = choose(desc).forward.us;
  desc.bidirectional = true;
  EXPECT_GT(choose(desc).forward.us, forward);
}

TEST(LstmChoiceOf, HugeNumbersDoNotOverflow) {
  LstmDesc desc = description((std::int64_t{1} << 28) - 1, INT32_MAX, INT32_MAX, INT32_MAX);
  desc.num_layers = 1024;
  desc.bidirectional = true;
  desc.dtype = DType::f32;
  desc.tf32 = true;
  const LstmChoice beyond = choose(desc);
  EXPECT_EQ(beyond.algorithm, LstmAlgorithm::stepwise);
  EXPECT_TRUE(std::isfinite(beyond.forward.us) && beyond.forward.us > 1e12);
  EXPECT_FALSE(to_text(beyond).empty());
  desc.hidden_size = 200;
  expect_sound(desc, choose(desc));
  EXPECT_GE(choose(desc).forward.steps, INT32_MAX);
}

TEST(LstmChoiceOf, MeasuredStepsStandForTheModel) {
  const LstmDesc desc = description(256, 64, 1000);
  const LstmChoice estimated = choose(desc);
  LstmCosts costs;
  costs.measured_step_ns[{false, DType::bf16, 256, 2, 16}] = 50;
  costs.measured_step_ns[{true, DType::bf16, 256, 4, 32}] = 60;
  costs.measured_step_ns[{true, DType::f16, 256, 8, 8}] = 1;  // of another dtype
  costs.device_bytes_per_ns = costs.block_bytes_per_ns = 1e9;
  const LstmChoice measured = choose(desc, costs);
  EXPECT_EQ((LstmCut{measured.forward.cluster, measured.forward.slots}), (LstmCut{2, 16}));
  EXPECT_DOUBLE_EQ(measured.forward.us_per_step, 0.05);
  EXPECT_EQ((LstmCut{measured.backward.cluster, measured.backward.slots}), (LstmCut{4, 32}));
  EXPECT_DOUBLE_EQ(measured.backward.us_per_step, 0.06);
  EXPECT_GT(estimated.forward.us_per_step, 0.05);
  // Memory sets what it takes, however quick the step.
  costs.device_bytes_per_ns = 1;
  EXPECT_GT(choose(desc, costs).forward.us_per_step, 0.05);
}

TEST(LstmChoiceOf, TextShowsTheChoiceAndItsAlternatives) {
  const LstmDesc desc = description(256, 64, 100);
  const LstmChoice choice = choose(desc);
  const std::string text = to_text(choice);
  for (const char* part :
       {"algorithm   persistent: ", "any batch within the capacity", "estimated, not measured", "\nforward ",
        "\nbackward ", "us/step", "\n> persistent ", "\n  stepwise "})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3 + 2 * (2 + 10));
  const std::string brief = to_text(choice, 2);
  EXPECT_THAT(brief, HasSubstr("  and 7 more\n"));
  EXPECT_EQ(std::count(brief.begin(), brief.end(), '\n'), 3 + 2 * (2 + 1 + 2 + 1));
  LstmDesc by_cudnn = desc;
  by_cudnn.algorithm = LstmAlgorithm::cudnn;
  EXPECT_THAT(to_text(choose(by_cudnn)), HasSubstr("> cudnn"));
  EXPECT_THAT(to_text(choose(by_cudnn)), HasSubstr("same number of sequences alive"));
}

// With the kernels of this build, of which the emulation has the smallest.
TEST(LstmChoiceOn, DevicesThatAreNotThere) {
  for (const LstmDeviceModel& model : lstm_models)
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      LstmDesc desc = description(20, 64, 100);
      desc.dtype = dtype;
      desc.tf32 = true;
      const LstmChoice choice = choose_lstm(desc, model);
      expect_sound(desc, choice);
      EXPECT_EQ(choice.forward.hidden, 32);
      const bool has_clusters = model.resident_clusters[1] > 0;
      bool clusters = false, groups = false;
      for (const LstmPassChoice& option : choice.forward_options) {
        clusters |= option.cluster > 1 && !option.grid;
        groups |= option.grid;
        // No more blocks than multiprocessors.
        EXPECT_LE(option.clusters * option.cluster, model.resident_clusters[0]);
      }
      EXPECT_EQ(clusters, has_clusters) << model.name;
      EXPECT_EQ(groups, dtype != DType::f32);
      desc.hidden_size = 5000;
      EXPECT_THAT(choose_lstm(desc, model).reason, HasSubstr("no tile holds it"));
    }
  expect_error(ErrorCode::invalid_argument, {"device_model is \"b500\""},
               [] { lstm_choice_on("b500", LstmDesc{}); });
  EXPECT_EQ(lstm_device_models().size(), std::size(lstm_models));
  expect_error(ErrorCode::invalid_argument, {"input_size is 0"}, [] { lstm_choice_on("h200", LstmDesc{}); });
}

class LstmPlans : public OnBackend {};
RAGTIME_TEST_ON_BACKENDS(LstmPlans);

TEST_P(LstmPlans, SayWhatTheyRun) {
  LstmDesc desc = description(20, 8, 12);
  desc.dtype = DType::f32;
  if (backend->device() == DeviceType::cpu) {
    const LstmChoice choice = LstmPlan(backend, desc).choice();
    EXPECT_EQ(choice.algorithm, LstmAlgorithm::automatic);
    EXPECT_THAT(to_text(choice), testing::StartsWith("algorithm   automatic: "));
    for (const bool cluster : {false, true}) {
      LstmDesc forced = desc;
      (cluster ? forced.cluster : forced.slots) = 8;
      expect_error(ErrorCode::unsupported, {cluster ? "cluster is 8" : "slots is 8", "cpu"},
                   [&] { LstmPlan(backend, forced); });
    }
    return;
  }
  expect_sound(desc, LstmPlan(backend, desc).choice());
  EXPECT_EQ(LstmPlan(backend, desc).choice().algorithm, LstmAlgorithm::stepwise);
  desc.tf32 = true;
  const LstmChoice choice = LstmPlan(backend, persistent(desc)).choice();
  expect_sound(desc, choice);
  EXPECT_EQ(choice.algorithm, LstmAlgorithm::persistent);
  for (const LstmCut& cut : choice.cuts) {
    const LstmChoice forced = LstmPlan(backend, persistent(desc, cut.cluster, cut.slots)).choice();
    EXPECT_EQ((LstmCut{forced.forward.cluster, forced.forward.slots}), cut);
  }
  expect_error(ErrorCode::unsupported, {"cluster is 7", "1 x 8"},
               [&] { LstmPlan(backend, persistent(desc, 7)); });
  expect_error(ErrorCode::invalid_argument, {"cluster is -1"},
               [&] { LstmPlan(backend, persistent(desc, -1)); });
  expect_error(ErrorCode::invalid_argument, {"slots is -8"},
               [&] { LstmPlan(backend, persistent(desc, 0, -8)); });
  desc.algorithm = LstmAlgorithm::stepwise;
  EXPECT_EQ(LstmPlan(backend, desc).choice().algorithm, LstmAlgorithm::stepwise);
}

}  // namespace
}  // namespace ragtime::test
