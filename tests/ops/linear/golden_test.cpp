// The linear layer gives what nn.Linear gives, with the gradients of rows, weight and bias.

#include <gtest/gtest.h>

#include "ragtime/linear.hpp"
#include "tests/support/golden.hpp"

namespace ragtime::test {
namespace {

class GoldenLinear : public OnBackend {};
RAGTIME_TEST_ON_BACKENDS(GoldenLinear);

template <class T>
void check_linear(const std::shared_ptr<Backend>& backend, const GoldenCase& golden) {
  LinearDesc desc;
  desc.dtype = dtype_of<T>;
  desc.rows = golden.size("x", 0);
  desc.input_size = golden.size("x", 1);
  desc.output_size = golden.size("y", 1);
  desc.bias = golden.about<bool>("bias");
  const LinearPlan plan(backend, desc);

  const DeviceArray<std::int32_t> rows(backend, {static_cast<std::int32_t>(desc.rows)});
  const auto x = golden.device<T>(backend, "x"), weight = golden.device<T>(backend, "weight"),
             bias = golden.device<T>(backend, "bias"), d_y = golden.device<T>(backend, "d_y");
  const auto workspace = poisoned_workspace(backend, plan.workspace_bytes());
  const auto y = golden.room<T>(backend, "y");
  plan.forward({rows.data(), desc.rows, x.data(), weight.data(), bias.data(), y.data(), workspace.data()});
  golden.expect(y, "y");

  const auto d_x = golden.room<T>(backend, "d_x"), d_weight = golden.room<T>(backend, "d_weight"),
             d_bias = golden.room<T>(backend, "d_bias");
  LinearBackward backward;
  backward.rows = rows.data();
  backward.x = x.data();
  backward.weight = weight.data();
  backward.d_y = d_y.data();
  backward.d_x = d_x.data();
  backward.d_weight = d_weight.data();
  backward.d_bias = d_bias.data();
  backward.workspace = workspace.data();
  plan.backward(backward);
  golden.expect(d_x, "d_x");
  golden.expect(d_weight, "d_weight");
  golden.expect(d_bias, "d_bias");
}

TEST_P(GoldenLinear, Double) {
  RAGTIME_NEEDS_DOUBLE();
  for_each_golden("linear", [&](const GoldenCase& golden) { check_linear<double>(backend, golden); });
}
TEST_P(GoldenLinear, Float) {
  for_each_golden("linear", [&](const GoldenCase& golden) { check_linear<float>(backend, golden); });
}

}  // namespace
}  // namespace ragtime::test
