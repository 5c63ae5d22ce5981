// AdamW with memory of its own takes the steps of AdamWPlan bit by bit, starts from zero moments whatever its
// memory held, follows options that change in between, and skips a step while the status word is set.

#include <gtest/gtest.h>

#include "ragtime/adamw.hpp"
#include "ragtime/status.hpp"
#include "tests/model_support.hpp"
#include "tests/support.hpp"

namespace ragtime::test {
namespace {

constexpr std::int64_t count = 37;

TEST(AdamW, TakesTheStepsOfItsPlan) {
  const auto backend = std::make_shared<PoisonedBackend>();
  Numbers numbers(5);
  auto parameters = numbers.vector<float>(count), expected = parameters;
  AdamW adamw(backend, count, {.learning_rate = 0.1, .weight_decay = 0.2, .clip_norm = 1.5});

  const AdamWPlan plan(backend, {.parameters = count});
  std::vector<float> first(count), second(count);
  AdamWState state;
  std::vector<std::byte> workspace(plan.workspace_bytes());
  for (int step = 0; step < 5; ++step) {
    const auto gradients = numbers.vector<float>(count);
    AdamWArgs args;
    args.parameters = expected.data();
    args.gradients = gradients.data();
    args.first_moment = first.data();
    args.second_moment = second.data();
    args.state = &state;
    args.workspace = workspace.data();
    const double rate = step < 3 ? 0.1 : 0.01;
    plan.step({.learning_rate = rate, .weight_decay = 0.2, .clip_norm = 1.5}, args);
    adamw.options.learning_rate = rate;
    adamw.step(parameters.data(), gradients.data());
    EXPECT_TRUE(same_bits(parameters, expected)) << step;
    EXPECT_EQ(adamw.state()->step, step + 1);
    EXPECT_EQ(adamw.state()->gradient_norm, state.gradient_norm);
  }
}

TEST(AdamW, SkipsAStepWhileTheStatusWordIsSet) {
  const auto backend = make_backend("cpu");
  std::vector<double> parameters(count, 1.0);
  const std::vector<double> gradients(count, 2.0);
  AdamW adamw(backend, count, {}, DType::f64);
  std::uint64_t word = fault_word(Fault::code_out_of_range, 4);
  adamw.step(parameters.data(), gradients.data(), {}, &word);
  EXPECT_TRUE(same_bits(parameters, std::vector<double>(count, 1.0)));
  EXPECT_EQ(adamw.state()->skipped, 1);
  word = no_fault;
  adamw.step(parameters.data(), gradients.data(), {}, &word);
  EXPECT_LT(parameters[0], 1.0);
  EXPECT_EQ(adamw.state()->step, 1);
}

TEST(AdamW, SaysWhatIsWrong) {
  const auto backend = make_backend("cpu");
  expect_error(ErrorCode::invalid_argument, {"parameters is -1"}, [&] { AdamW(backend, -1); });
  expect_error(ErrorCode::invalid_argument, {"backend is null"}, [] { AdamW(nullptr, 1); });
  AdamW adamw(backend, 1, {.learning_rate = nan<double>});
  float value = 1;
  expect_error(ErrorCode::invalid_argument, {"learning_rate is nan"}, [&] { adamw.step(&value, &value); });
  adamw.options = {};
  expect_error(ErrorCode::invalid_argument, {"parameters is null"}, [&] { adamw.step(nullptr, &value); });
}

}  // namespace
}  // namespace ragtime::test
