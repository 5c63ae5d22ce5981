// One AdamW step with clipping over the parameters of a model. Bytes: gradients twice (their norm comes
// first), parameters and both moments there and back, and with 16 bits the f32 parameters too.

#include "ragtime/adamw.hpp"
#include "benchmarks/cases/latest.hpp"
#include "benchmarks/cases/operations.hpp"
#include "benchmarks/cases/tensor.hpp"
#include "benchmarks/cases/workloads.hpp"
#include "ragtime/visit_lstm.hpp"

namespace ragtime::benchmarks {
namespace {

AdamWOptions options() {
  AdamWOptions options;
  options.clip_norm = 1;
  return options;
}

struct Setup;

class Step {
 public:
  Step(const std::shared_ptr<Backend>& backend, const Setup& setup, DType dtype);
  void run(Stream stream) const { plan_.step(options(), args_, stream); }
  void restart() const;
  const Tensor& parameters() const { return parameters_; }
  std::size_t bytes() const {
    return parameters_.bytes() + gradients_.bytes() + first_.bytes() + second_.bytes() + master_.bytes();
  }

 private:
  std::shared_ptr<Backend> backend_;
  AdamWPlan plan_;
  Tensor parameters_, gradients_, first_, second_, master_, initial_, initial_master_;
  Buffer state_, workspace_;
  AdamWArgs args_;
};

struct Setup {
  Setup(std::int64_t count, const Precision& own, DType reference)
      : precision(own),
        parameters(rounded(random_values(count, 1), own.dtype)),
        gradients(rounded(random_values(count, 2), own.dtype)) {
    const Step expected(make_backend("cpu"), *this, reference);
    expected.run({});
    expected_parameters = expected.parameters().host();
  }
  Precision precision;
  std::vector<float> parameters, gradients, expected_parameters;
};

// With 16 bits they are wider.
DType moments_of(DType dtype) {
  return dtype == DType::f64 ? DType::f64 : DType::f32;
}

Step::Step(const std::shared_ptr<Backend>& backend, const Setup& setup, DType dtype)
    : backend_(backend),
      plan_(backend, {dtype, static_cast<std::int64_t>(setup.parameters.size())}),
      parameters_(backend, setup.parameters, dtype),
      gradients_(backend, setup.gradients, dtype),
      first_(backend, parameters_.count(), moments_of(dtype)),
      second_(backend, parameters_.count(), moments_of(dtype)),
      initial_(backend, setup.parameters, dtype),
      state_(backend, sizeof(AdamWState)),
      workspace_(backend, plan_.workspace_bytes()) {
  args_.parameters = parameters_.data();
  args_.gradients = gradients_.data();
  args_.first_moment = first_.data();
  args_.second_moment = second_.data();
  if (size_of(dtype) == 2) {
    master_ = Tensor(backend, setup.parameters, DType::f32);
    initial_master_ = Tensor(backend, setup.parameters, DType::f32);
    args_.master = static_cast<float*>(master_.data());
  }
  args_.state = state_.as<AdamWState>();
  args_.workspace = workspace_.data();
  restart();
}

void Step::restart() const {
  const auto copy = [&](const Tensor& to, const Tensor& from) {
    if (to.bytes() > 0) backend_->copy(to.data(), from.data(), to.bytes(), CopyKind::on_device);
  };
  copy(parameters_, initial_);
  copy(master_, initial_master_);
  first_.clear();
  second_.clear();
  backend_->zero(state_.data(), state_.bytes());
  backend_->synchronize();
}

class StepWork final : public Work {
 public:
  StepWork(const std::shared_ptr<Backend>& backend, std::shared_ptr<const Setup> setup)
      : setup_(std::move(setup)), step_(backend, *setup_, setup_->precision.dtype) {}
  void run(Stream stream) override { step_.run(stream); }
  void clear() override { step_.restart(); }
  void verify() override {
    // The step is 1e-3 of parameters of up to 0.5: it is their change that is looked at.
    const std::vector<float> after = step_.parameters().host();
    std::vector<float> change(after.size()), expected(after.size());
    for (std::size_t i = 0; i < after.size(); ++i) {
      change[i] = after[i] - setup_->parameters[i];
      expected[i] = setup_->expected_parameters[i] - setup_->parameters[i];
    }
    if (setup_->precision.dtype == DType::f32)
      expect_close(change, expected, 1e-3, "the change of the parameters");
    else
      expect_close(after, setup_->expected_parameters, 0x1p-7, "the parameters");
  }
  std::size_t bytes() const override { return step_.bytes(); }

 private:
  std::shared_ptr<const Setup> setup_;
  Step step_;
};

}  // namespace

std::vector<Case> adamw_cases(const std::shared_ptr<Backend>& backend, const Request& request) {
  const bool cuda = backend->device() == DeviceType::cuda;
  std::vector<Case> all;
  std::vector<std::string> sizes = {"tiny", "small", "medium", "large"};
  if (request.problem) sizes = {"p" + std::to_string(request.problem->parameters)};
  for (const std::string& size : sizes)
    for (const Precision& precision : precisions()) {
      if (precision.tf32 || (!cuda && precision.name != "f32")) continue;
      std::int64_t count = request.problem ? request.problem->parameters : 1'003;
      if (!request.problem && size != "tiny") {
        ModelConfig config = preset(size);
        config.vocab_size = workload(size == "large" ? "large" : "mimic").vocab_size;
        count = parameter_count(config);
      }
      Case one;
      one.workload = "model";
      one.size = size;
      one.type = precision.name;
      one.algorithm = "adamw_clipped";
      one.pass = "step";
      one.shape = {{"parameters", count}};
      one.costs.bytes =
          static_cast<double>(count) * (precision.dtype == DType::f32 ? 32 : 2 * 2 + 2 + 16 + 8);
      one.make = [=]() -> std::unique_ptr<Work> {
        return std::make_unique<StepWork>(backend, latest<Setup>(size + precision.name, [&] {
                                            return Setup(count, precision, reference_type(*backend));
                                          }));
      };
      all.push_back(one);
    }
  return all;
}

}  // namespace ragtime::benchmarks
