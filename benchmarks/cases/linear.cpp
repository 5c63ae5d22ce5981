// The linear layer over the visits of a workload, from the LSTM's width to 1,000 outputs. Bytes: x, weights
// and y once, and for backward their gradients beside them; products: 2 in out a row, twice that backward.

#include "ragtime/linear.hpp"
#include "benchmarks/cases/latest.hpp"
#include "benchmarks/cases/operations.hpp"
#include "benchmarks/cases/tensor.hpp"
#include "benchmarks/cases/workloads.hpp"

namespace ragtime::benchmarks {
namespace {

struct Setup;

class Linear {
 public:
  Linear(const std::shared_ptr<Backend>& backend, const Setup& setup, DType dtype, bool tf32);
  void forward(Stream stream) const { plan_.forward(forward_, stream); }
  void backward(Stream stream) const { plan_.backward(backward_, stream); }
  const Tensor& y() const { return y_; }
  const Tensor& d_x() const { return d_x_; }
  const Tensor& d_weight() const { return d_weight_; }
  std::size_t bytes() const {
    return x_.bytes() + d_x_.bytes() + y_.bytes() + d_y_.bytes() + weight_.bytes() + d_weight_.bytes();
  }

 private:
  LinearPlan plan_;
  Buffer rows_;
  Tensor x_, weight_, bias_, y_, d_y_, d_x_, d_weight_, d_bias_;
  Buffer workspace_;
  LinearForward forward_;
  LinearBackward backward_;
};

struct Setup {
  Setup(std::int64_t own_rows, std::int64_t input, std::int64_t output, const Precision& own, DType reference)
      : precision(own) {
    desc.rows = own_rows;
    desc.input_size = input;
    desc.output_size = output;
    const auto values = [&](std::int64_t count, std::uint32_t stream) {
      return rounded(random_values(count, stream, 2), own.dtype);
    };
    x = values(own_rows * input, 1);
    weight = values(output * input, 2);
    bias = values(output, 3);
    d_y = values(own_rows * output, 4);
    const Linear expected(make_backend("cpu"), *this, reference, false);
    expected.forward({});
    expected.backward({});
    expected_y = expected.y().host();
    expected_d_x = expected.d_x().host();
    expected_d_weight = expected.d_weight().host();
  }
  Precision precision;
  LinearDesc desc;
  std::vector<float> x, weight, bias, d_y, expected_y, expected_d_x, expected_d_weight;
};

LinearDesc with_type(LinearDesc desc, DType dtype, bool tf32) {
  desc.dtype = dtype;
  desc.tf32 = tf32;
  return desc;
}

Linear::Linear(const std::shared_ptr<Backend>& backend, const Setup& setup, DType dtype, bool tf32)
    : plan_(backend, with_type(setup.desc, dtype, tf32)),
      rows_(upload(backend, std::vector<std::int32_t>{static_cast<std::int32_t>(setup.desc.rows)})),
      x_(backend, setup.x, dtype),
      weight_(backend, setup.weight, dtype),
      bias_(backend, setup.bias, dtype),
      y_(backend, static_cast<std::int64_t>(setup.d_y.size()), dtype),
      d_y_(backend, setup.d_y, dtype),
      d_x_(backend, x_.count(), dtype),
      d_weight_(backend, weight_.count(), dtype),
      d_bias_(backend, bias_.count(), dtype),
      workspace_(backend, plan_.workspace_bytes()) {
  forward_.rows = backward_.rows = rows_.as<std::int32_t>();
  forward_.host_rows = backward_.host_rows = setup.desc.rows;
  forward_.x = backward_.x = x_.data();
  forward_.weight = backward_.weight = weight_.data();
  forward_.bias = bias_.data();
  forward_.y = y_.data();
  backward_.d_y = d_y_.data();
  backward_.d_x = d_x_.data();
  backward_.d_weight = d_weight_.data();
  backward_.d_bias = d_bias_.data();
  forward_.workspace = backward_.workspace = workspace_.data();
}

class LinearWork final : public Work {
 public:
  LinearWork(const std::shared_ptr<Backend>& backend, std::shared_ptr<const Setup> setup, bool backward)
      : setup_(std::move(setup)),
        backward_(backward),
        linear_(backend, *setup_, setup_->precision.dtype, setup_->precision.tf32) {}
  void run(Stream stream) override {
    if (backward_)
      linear_.backward(stream);
    else
      linear_.forward(stream);
  }
  void clear() override {
    linear_.y().clear();
    linear_.d_x().clear();
    linear_.d_weight().clear();
  }
  void verify() override {
    const double share = setup_->precision.tolerance;
    if (!backward_) return expect_close(linear_.y().host(), setup_->expected_y, share, "y");
    expect_close(linear_.d_x().host(), setup_->expected_d_x, share, "d_x");
    expect_close(linear_.d_weight().host(), setup_->expected_d_weight, share, "d_weight");
  }
  std::size_t bytes() const override { return linear_.bytes(); }

 private:
  std::shared_ptr<const Setup> setup_;
  bool backward_;
  Linear linear_;
};

}  // namespace

std::vector<Case> linear_cases(const std::shared_ptr<Backend>& backend, const Request& request) {
  const bool cuda = backend->device() == DeviceType::cuda;
  std::vector<Case> all;
  for (const Problem& problem : problems_of(request, *backend, {"synthea", "claims", "large"})) {
    const Workload& drawn = problem.workload;
    const std::int64_t of_its_own = drawn.name == "tiny" ? 5 : 1'000;
    const std::int64_t outputs = problem.outputs > 0 ? problem.outputs : of_its_own;
    for (const ModelSize& size : problem.sizes)
      for (const Precision& precision : precisions()) {
        if (!cuda && precision.name != "f32") continue;
        for (const bool backward : {false, true}) {
          Case one;
          one.workload = drawn.name;
          one.size = size.name;
          one.type = precision.name;
          one.algorithm = "linear";
          one.pass = backward ? "backward" : "forward";
          one.shape = {{"N", drawn.rows()}, {"input", size.hidden}, {"output", outputs}};
          const double rows = static_cast<double>(drawn.rows()), input = static_cast<double>(size.hidden);
          const double output = static_cast<double>(outputs), passes = backward ? 2 : 1;
          one.costs.rows = rows;
          one.quick = precision.name == "bf16";
          one.costs.flops = passes * 2 * rows * input * output;
          // Backward reads x, the weights and d_y, and writes d_x and d_weight.
          one.costs.bytes = static_cast<double>(size_of(precision.dtype)) *
                            (passes * (rows * input + input * output) + rows * output);
          one.products = precision.dtype != DType::f32;
          one.make = [=, rows_wanted = drawn.rows(), hidden = size.hidden]() -> std::unique_ptr<Work> {
            return std::make_unique<LinearWork>(
                backend,
                latest<Setup>(
                    key_of(drawn) + key_of(size) + std::to_string(outputs) + precision.name,
                    [&] { return Setup(rows_wanted, hidden, outputs, precision, reference_type(*backend)); }),
                backward);
          };
          all.push_back(one);
        }
      }
  }
  return all;
}

}  // namespace ragtime::benchmarks
