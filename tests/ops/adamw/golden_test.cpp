// Several steps of AdamW with clipping move parameters and moments as torch.optim.AdamW does behind
// torch.nn.utils.clip_grad_norm_.

#include <gtest/gtest.h>

#include "ragtime/adamw.hpp"
#include "tests/support/golden.hpp"

namespace ragtime::test {
namespace {

class GoldenAdamW : public OnBackend {};
RAGTIME_TEST_ON_BACKENDS(GoldenAdamW);

template <class T>
void check_adamw(const std::shared_ptr<Backend>& backend, const GoldenCase& golden) {
  const std::int64_t steps = golden.size("gradients", 0), parameters = golden.size("gradients", 1);
  AdamWOptions options;
  options.learning_rate = golden.about<double>("learning_rate");
  options.beta1 = golden.about<double>("beta1");
  options.beta2 = golden.about<double>("beta2");
  options.epsilon = golden.about<double>("epsilon");
  options.weight_decay = golden.about<double>("weight_decay");
  options.clip_norm = golden.about<double>("clip_norm");
  const AdamWPlan plan(backend, {dtype_of<T>, parameters});

  // What is added up in: the parameters, or their f32 master.
  constexpr bool has_master = sizeof(T) == 2;
  using Sum = std::conditional_t<has_master, float, T>;
  const auto moving = golden.device<Sum>(backend, "parameters");
  const auto rounded = golden.room<T>(backend, "parameters"),
             gradients = golden.device<T>(backend, "gradients");
  const std::vector<Sum> zeros(static_cast<std::size_t>(parameters));
  const DeviceArray<Sum> first_moment(backend, zeros), second_moment(backend, zeros);
  const DeviceArray<AdamWState> state(backend, {AdamWState{}});
  const auto workspace = poisoned_workspace(backend, plan.workspace_bytes());
  const auto after = golden.values<double>("after"), norms = golden.values<double>("norms");

  for (std::int64_t step = 0; step < steps; ++step) {
    AdamWArgs args;
    args.parameters = moving.data();
    if constexpr (has_master) {
      args.parameters = rounded.data();
      args.master = moving.data();
    }
    args.gradients = gradients.data() + step * parameters;
    args.first_moment = first_moment.data();
    args.second_moment = second_moment.data();
    args.state = state.data();
    args.workspace = workspace.data();
    plan.step(options, args);
    const auto begin = after.begin() + step * parameters;
    EXPECT_TRUE(close(moving.host(), std::vector<double>(begin, begin + parameters), tolerance<T>))
        << "step " << step;
    EXPECT_NEAR(state.host()[0].gradient_norm, norms[step], tolerance<T> * norms[step]) << "step " << step;
  }
  EXPECT_TRUE(close(first_moment.host(), golden.values<double>("first_moment"), tolerance<T>));
  EXPECT_TRUE(close(second_moment.host(), golden.values<double>("second_moment"), tolerance<T>));
  if constexpr (has_master) {
    EXPECT_TRUE(same_bits(rounded.host(), cast<T>(moving.host())));
  }
  EXPECT_EQ(state.host()[0].step, steps);
  EXPECT_EQ(state.host()[0].skipped, 0);
}

TEST_P(GoldenAdamW, Double) {
  RAGTIME_NEEDS_DOUBLE();
  for_each_golden("adamw", [&](const GoldenCase& golden) { check_adamw<double>(backend, golden); });
}
TEST_P(GoldenAdamW, Float) {
  for_each_golden("adamw", [&](const GoldenCase& golden) { check_adamw<float>(backend, golden); });
}
TEST_P(GoldenAdamW, Bf16) {
  RAGTIME_NEEDS(bf16);
  for_each_golden("adamw", [&](const GoldenCase& golden) { check_adamw<bf16>(backend, golden); });
}
TEST_P(GoldenAdamW, F16) {
  RAGTIME_NEEDS(f16);
  for_each_golden("adamw", [&](const GoldenCase& golden) { check_adamw<f16>(backend, golden); });
}

}  // namespace
}  // namespace ragtime::test
