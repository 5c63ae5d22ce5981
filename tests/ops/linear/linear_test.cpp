// y = x W^T + b and its gradients against plain double loops, at sizes around every block of the kernels; a
// row's bits depend on that row alone, and not on whether the host knows how many there are; what lies behind
// the rows in use is neither read nor written.

#include "ragtime/linear.hpp"

#include <gtest/gtest.h>

#include "ragtime/status.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

struct LinearProblem {
  std::int64_t capacity = 0, rows = 0, input = 1, output = 1;
  bool bias = true;
  std::vector<double> x, weight, bias_values, d_y;
};

struct LinearResult {
  std::vector<double> y, d_x, d_weight, d_bias;
};

// NaN in the rows between those in use and the capacity.
LinearProblem linear_problem(std::int64_t rows, std::int64_t input, std::int64_t output, bool bias,
                             std::int64_t slack = 7) {
  LinearProblem problem{rows + slack, rows, input, output, bias, {}, {}, {}, {}};
  Numbers numbers(static_cast<std::uint64_t>(rows * 1000000 + input * 1000 + output));
  problem.x = cast<double>(numbers.vector<float>(rows * input));
  problem.x.resize(static_cast<std::size_t>(problem.capacity * input), nan<double>);
  problem.weight = cast<double>(numbers.vector<float>(output * input));
  if (bias) problem.bias_values = cast<double>(numbers.vector<float>(output));
  problem.d_y = cast<double>(numbers.vector<float>(rows * output));
  problem.d_y.resize(static_cast<std::size_t>(problem.capacity * output), nan<double>);
  return problem;
}

LinearResult reference_linear(const LinearProblem& problem) {
  const std::int64_t in = problem.input, out = problem.output;
  LinearResult result;
  result.y.assign(problem.rows * out, 0);
  result.d_x.assign(problem.rows * in, 0);
  result.d_weight.assign(out * in, 0);
  result.d_bias.assign(out, 0);
  for (std::int64_t r = 0; r < problem.rows; ++r)
    for (std::int64_t j = 0; j < out; ++j) {
      const double d = problem.d_y[r * out + j];
      double sum = problem.bias ? problem.bias_values[j] : 0;
      for (std::int64_t k = 0; k < in; ++k) {
        sum += problem.x[r * in + k] * problem.weight[j * in + k];
        result.d_x[r * in + k] += d * problem.weight[j * in + k];
        result.d_weight[j * in + k] += d * problem.x[r * in + k];
      }
      result.y[r * out + j] = sum;
      result.d_bias[j] += d;
    }
  return result;
}

// The values as T holds them.
template <class T>
LinearProblem rounded(LinearProblem problem) {
  for (auto* values : {&problem.x, &problem.weight, &problem.bias_values, &problem.d_y})
    *values = cast<double>(cast<T>(*values));
  return problem;
}

template <class T>
struct LinearOutputs {
  std::vector<T> y, d_x, d_weight, d_bias;
};

struct LinearOptions {
  bool host_rows = false;       // the host says how many rows there are
  double preset = nan<double>;  // what d_weight and d_bias hold before they are added to; NaN: overwritten
};

template <class T>
LinearOutputs<T> run_linear(const std::shared_ptr<Backend>& backend, const LinearProblem& problem,
                            const LinearOptions& options = {}) {
  const double preset = options.preset;
  const std::int64_t host_rows = options.host_rows ? problem.rows : -1;
  const LinearPlan plan(backend, {dtype_of<T>, problem.capacity, problem.input, problem.output, problem.bias,
                                  options.host_rows});
  const auto workspace = poisoned_workspace(backend, plan.workspace_bytes());
  const DeviceArray<std::int32_t> rows(backend, {static_cast<std::int32_t>(problem.rows)});
  const DeviceArray<T> x(backend, cast<T>(problem.x)), weight(backend, cast<T>(problem.weight));
  const DeviceArray<T> bias(backend, cast<T>(problem.bias_values)), d_y(backend, cast<T>(problem.d_y));
  const auto y = DeviceArray<T>::poisoned(backend, problem.capacity * problem.output);
  const auto d_x = DeviceArray<T>::poisoned(backend, problem.capacity * problem.input);
  const DeviceArray<T> d_weight(backend, std::vector<T>(problem.weight.size(), static_cast<T>(preset)));
  const DeviceArray<T> d_bias(
      backend, std::vector<T>(static_cast<std::size_t>(problem.output), static_cast<T>(preset)));
  plan.forward({rows.data(), host_rows, x.data(), weight.data(), bias.data(), y.data(), workspace.data()});
  plan.backward({rows.data(), host_rows, x.data(), weight.data(), d_y.data(), d_x.data(), d_weight.data(),
                 d_bias.data(), !std::isnan(preset), workspace.data()});
  const auto in_use = [&](const DeviceArray<T>& array, std::int64_t width) {
    std::vector<T> all = array.host();
    const auto end = all.begin() + problem.rows * width;
    const std::vector<T> behind(end, all.end());
    EXPECT_TRUE(same_bits(
        behind, DeviceArray<T>::poisoned(backend, static_cast<std::int64_t>(behind.size())).host()));
    return std::vector<T>(all.begin(), end);
  };
  return {in_use(y, problem.output), in_use(d_x, problem.input), d_weight.host(), d_bias.host()};
}

class Linear : public OnBackend {
 protected:
  template <class T>
  void expect_as_formula(const LinearProblem& given) {
    if (!computes_in<T>()) return;
    SCOPED_TRACE(name_of(dtype_of<T>));
    const LinearProblem problem = rounded<T>(given);
    LinearResult expected = reference_linear(problem);
    const auto actual = run_linear<T>(backend, problem);
    EXPECT_TRUE(close(actual.y, expected.y, tolerance<T>, problem.output));
    EXPECT_TRUE(close(actual.d_x, expected.d_x, tolerance<T>, problem.input));
    EXPECT_TRUE(close(actual.d_weight, expected.d_weight, tolerance<T>, problem.input));
    EXPECT_TRUE(close(actual.d_bias, expected.d_bias, tolerance<T>));
    const auto counted = run_linear<T>(backend, problem, {.host_rows = true});
    EXPECT_TRUE(same_bits(counted.y, actual.y));
    EXPECT_TRUE(same_bits(counted.d_x, actual.d_x));
    EXPECT_TRUE(same_bits(counted.d_bias, actual.d_bias));
    EXPECT_TRUE(close(counted.d_weight, expected.d_weight, tolerance<T>, problem.input));

    for (double& value : expected.d_weight) value += 2;
    for (double& value : expected.d_bias) value += 2;
    for (const bool host_rows : {false, true}) {
      const auto added = run_linear<T>(backend, problem, {host_rows, 2});
      EXPECT_TRUE(close(added.d_weight, expected.d_weight, tolerance<T>, problem.input));
      EXPECT_TRUE(close(added.d_bias, expected.d_bias, tolerance<T>));
    }
  }
  void expect_as_formula(const LinearProblem& problem) {
    expect_as_formula<float>(problem);
    expect_as_formula<double>(problem);
    expect_as_formula<bf16>(problem);
    expect_as_formula<f16>(problem);
  }

  template <class T>
  void expect_own_bits() {
    if (!computes_in<T>()) return;
    SCOPED_TRACE(name_of(dtype_of<T>));
    const LinearProblem problem = linear_problem(203, 70, 65, true);
    const auto together = run_linear<T>(backend, problem);
    const auto row_of = [](const std::vector<T>& rows, std::int64_t row, std::int64_t width) {
      return std::vector<T>(rows.begin() + row * width, rows.begin() + (row + 1) * width);
    };
    for (const std::int64_t row : {0, 5, 11, 12, 95, 96, 202})
      for (const bool host_rows : {false, true}) {
        LinearProblem alone = problem;
        alone.rows = 1;
        std::fill(alone.x.begin(), alone.x.end(), nan<double>);
        std::fill(alone.d_y.begin(), alone.d_y.end(), nan<double>);
        std::copy_n(problem.x.begin() + row * 70, 70, alone.x.begin());
        std::copy_n(problem.d_y.begin() + row * 65, 65, alone.d_y.begin());
        const auto one = run_linear<T>(backend, alone, {.host_rows = host_rows});
        EXPECT_TRUE(same_bits(one.y, row_of(together.y, row, 65)));
        EXPECT_TRUE(same_bits(one.d_x, row_of(together.d_x, row, 70)));
      }
  }
};
RAGTIME_TEST_ON_BACKENDS(Linear);

TEST_P(Linear, FollowsItsFormula) {
  const bool emulated = backend->device() != DeviceType::cpu;
  const auto rows_of =
      emulated ? std::vector<std::int64_t>{0, 1, 97} : std::vector<std::int64_t>{0, 1, 13, 97};
  for (const std::int64_t rows : rows_of)
    for (const auto& [input, output] :
         {std::pair{1, 1}, {3, 2}, {16, 32}, {17, 33}, {256, 5}, {259, 100}, {5, 300}})
      for (const bool bias : {true, false}) {
        if (emulated && bias != (rows == 97)) continue;
        SCOPED_TRACE(testing::Message() << rows << " x " << input << " -> " << output);
        expect_as_formula(linear_problem(rows, input, output, bias));
      }
}

// Several chunks of the sums over rows, and more strips of columns than there are blocks.
TEST_P(Linear, ManyRowsAndColumns) {
  expect_as_formula(linear_problem(301, 3, 5, true, 9000));
  expect_as_formula(linear_problem(2, 3, 1033, true, 70));
}

// Where the host cannot see it, a count beyond the plan's is cut there.
TEST_P(Linear, ACountBeyondTheCapacityOnTheDeviceIsCut) {
  if (backend->device() == DeviceType::cpu) GTEST_SKIP() << "the count is seen, and refused";
  const LinearProblem problem = linear_problem(3, 4, 5, true, 0);
  const LinearResult expected = reference_linear(problem);
  const LinearPlan plan(backend, {DType::f32, 3, 4, 5, true});
  const auto workspace = poisoned_workspace(backend, plan.workspace_bytes());
  const DeviceArray<float> x(backend, cast<float>(problem.x)), weight(backend, cast<float>(problem.weight)),
      bias(backend, cast<float>(problem.bias_values)), d_y(backend, cast<float>(problem.d_y));
  Status status(backend);
  for (const std::int32_t count : {4, 1000000, -1}) {
    const DeviceArray<std::int32_t> rows(backend, {count});
    const auto y = DeviceArray<float>::poisoned(backend, 20),
               d_bias = DeviceArray<float>::poisoned(backend, 5);
    plan.forward(
        {rows.data(), -1, x.data(), weight.data(), bias.data(), y.data(), workspace.data(), status.word()});
    plan.backward({rows.data(), -1, x.data(), weight.data(), d_y.data(), nullptr, nullptr, d_bias.data(),
                   false, workspace.data()});
    if (count > 3)
      expect_error(ErrorCode::out_of_range, {std::to_string(count)}, [&] { status.check(); });
    else
      EXPECT_NO_THROW(status.check());
    auto written = y.host();
    for (std::size_t i = count < 0 ? 0 : 15; i < 20; ++i) EXPECT_TRUE(std::isnan(written[i])) << i;
    written.resize(15);
    if (count > 0) {
      EXPECT_TRUE(close(written, expected.y, tolerance<float>, 5));
    }
    EXPECT_TRUE(close(d_bias.host(), count < 0 ? std::vector<double>(5) : expected.d_bias, tolerance<float>));
  }
}

TEST_P(Linear, GradientsAreThoseOfFiniteDifferences) {
  RAGTIME_NEEDS_DOUBLE();
  LinearProblem problem = linear_problem(3, 4, 5, true, 0);
  const auto outputs = run_linear<double>(backend, problem);
  const auto loss = [&] {
    const auto y = reference_linear(problem).y;
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * problem.d_y[i];
    return sum;
  };
  EXPECT_TRUE(close(outputs.d_x, finite_differences(problem.x, loss), 1e-9));
  EXPECT_TRUE(close(outputs.d_weight, finite_differences(problem.weight, loss), 1e-9));
  EXPECT_TRUE(close(outputs.d_bias, finite_differences(problem.bias_values, loss), 1e-9));
}

TEST_P(Linear, ARowHasItsBitsInAnyCompanyAndOnAnyThreads) {
  const LinearProblem problem = linear_problem(203, 70, 65, true);
  set_cpu_threads(1);
  const auto together = run_linear<float>(backend, problem);
  for (const int threads : {2, 3}) {
    set_cpu_threads(threads);
    const auto again = run_linear<float>(backend, problem);
    EXPECT_TRUE(same_bits(again.y, together.y));
    EXPECT_TRUE(same_bits(again.d_x, together.d_x));
    EXPECT_TRUE(same_bits(again.d_weight, together.d_weight));
    EXPECT_TRUE(same_bits(again.d_bias, together.d_bias));
  }
  set_cpu_threads(0);
  expect_own_bits<float>();
  expect_own_bits<double>();
  expect_own_bits<bf16>();
  expect_own_bits<f16>();
}

TEST_P(Linear, WhatCannotBeRightIsRefused) {
  const auto refuses = [&](const LinearDesc& desc, std::initializer_list<std::string> parts,
                           ErrorCode code = ErrorCode::invalid_argument) {
    expect_error(code, parts, [&] { LinearPlan(backend, desc); });
  };
  const std::int64_t huge = std::int64_t{1} << 31;
  refuses({.rows = -1, .input_size = 1, .output_size = 1}, {"rows is -1"});
  refuses({.rows = huge, .input_size = 1, .output_size = 1}, {"rows is 2147483648"});
  refuses({.rows = 1, .input_size = 0, .output_size = 1}, {"input_size is 0"});
  refuses({.rows = 1, .input_size = huge, .output_size = 1}, {"input_size is 2147483648"});
  refuses({.rows = 1, .input_size = 1, .output_size = -3}, {"output_size is -3"});
  refuses({.rows = 1, .input_size = 1, .output_size = huge}, {"output_size is 2147483648"});
  refuses({.rows = huge - 1, .input_size = huge - 1, .output_size = huge - 1}, {"larger than any memory"},
          ErrorCode::out_of_memory);

  const LinearPlan plan(backend, {DType::f32, 2, 3, 4, true});
  const auto workspace = poisoned_workspace(backend, plan.workspace_bytes());
  const DeviceArray<std::int32_t> two(backend, {2}), three(backend, {3}), negative(backend, {-1});
  const DeviceArray<float> memory(backend, std::vector<float>(64, 7));
  LinearForward forward{two.data(),      -1, memory.data(), memory.data(), memory.data(), memory.data(),
                        workspace.data()};
  LinearBackward backward{
      two.data(),    -1,    memory.data(),   memory.data(), memory.data(), memory.data(), memory.data(),
      memory.data(), false, workspace.data()};
  const auto refuses_run = [&](ErrorCode code, const std::string& text, LinearForward changed) {
    expect_error(code, {text}, [&] { plan.forward(changed); });
    EXPECT_EQ(memory.host(), std::vector<float>(64, 7));
  };
  const auto refuses_backward = [&](ErrorCode code, const std::string& text, LinearBackward changed) {
    expect_error(code, {text}, [&] { plan.backward(changed); });
    EXPECT_EQ(memory.host(), std::vector<float>(64, 7));
  };
  const auto with = [](auto args, auto member) {
    args.*member = nullptr;
    return args;
  };
  const ErrorCode invalid = ErrorCode::invalid_argument;
  refuses_run(invalid, "rows is null", with(forward, &LinearForward::rows));
  refuses_run(invalid, "x is null", with(forward, &LinearForward::x));
  refuses_run(invalid, "weight is null", with(forward, &LinearForward::weight));
  refuses_run(invalid, "bias is null", with(forward, &LinearForward::bias));
  refuses_run(invalid, "y is null", with(forward, &LinearForward::y));
  refuses_run(invalid, "workspace is null", with(forward, &LinearForward::workspace));
  refuses_backward(invalid, "rows is null", with(backward, &LinearBackward::rows));
  refuses_backward(invalid, "x is null", with(backward, &LinearBackward::x));
  refuses_backward(invalid, "weight is null", with(backward, &LinearBackward::weight));
  refuses_backward(invalid, "d_y is null", with(backward, &LinearBackward::d_y));
  refuses_backward(invalid, "workspace is null", with(backward, &LinearBackward::workspace));

  const LinearPlan counted(
      backend, {.rows = 2, .input_size = 3, .output_size = 4, .bias = true, .rows_on_host = true});
  expect_error(invalid, {"host_rows is -1"}, [&] { counted.forward(forward); });
  expect_error(invalid, {"host_rows is -1"}, [&] { counted.backward(backward); });

  if (backend->device() != DeviceType::cpu) {  // the count is in device memory: only what the host says
    forward.host_rows = backward.host_rows = 3;
    refuses_run(ErrorCode::out_of_range, "3 rows: expected at most 2", forward);
    refuses_backward(ErrorCode::out_of_range, "3 rows: expected at most 2", backward);
    return;
  }
  for (const auto* rows : {&three, &negative}) {
    forward.rows = backward.rows = rows->data();
    const std::string text = rows == &three ? "3 rows: expected at most 2" : "-1 rows";
    refuses_run(ErrorCode::out_of_range, text, forward);
    refuses_backward(ErrorCode::out_of_range, text, backward);
  }
}

}  // namespace
}  // namespace ragtime::test
