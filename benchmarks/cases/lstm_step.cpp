// One step of an LSTM stack for as many patients as the workload has sequences, each with a state of its own:
// streaming inference. Bytes, products and steps as lstm_costs counts them for sequences of one row, and h
// and c of every layer read and written.

#include "ragtime/lstm_step.hpp"
#include "benchmarks/cases/lstm_setup.hpp"
#include "benchmarks/cases/operations.hpp"

namespace ragtime::benchmarks {
namespace {

struct Setup;

class Step {
 public:
  Step(const std::shared_ptr<Backend>& backend, const Setup& setup, DType dtype);
  void run(Stream stream) const { plan_.forward(args_, stream); }
  const Tensor& h_next() const { return h_next_; }
  const Tensor& c_next() const { return c_next_; }
  std::size_t bytes() const;

 private:
  LstmStepPlan plan_;
  LstmStack<Tensor, LstmWeights> weights_;
  std::vector<LstmWeights> weight_pointers_;
  Tensor x_, h_, c_, h_next_, c_next_;
  Buffer workspace_;
  LstmStepForward args_;
};

struct Setup {
  Setup(std::int64_t own_sequences, const ModelSize& own_size, const Precision& own_precision,
        DType reference)
      : sequences(own_sequences), size(own_size), precision(own_precision) {
    std::uint32_t stream = 0;
    const auto values = [&](std::int64_t count, float scale) {
      return rounded(random_values(count, stream++, 2 * scale), precision.dtype);
    };
    const float scale = 1.0f / std::sqrt(static_cast<float>(size.hidden));
    const std::int64_t gates = 4 * size.hidden, states = size.layers * sequences * size.hidden;
    for (std::int64_t layer = 0; layer < size.layers; ++layer)
      for (const std::int64_t count :
           {gates * (layer == 0 ? size.input : size.hidden), gates * size.hidden, gates, gates})
        weights.push_back(values(count, scale));
    x = values(sequences * size.input, 1);
    h = values(states, 1);
    c = values(states, 1);
    const Step expected(make_backend("cpu"), *this, reference);
    expected.run({});
    expected_h = expected.h_next().host();
    expected_c = expected.c_next().host();
  }
  std::int64_t sequences;
  ModelSize size;
  Precision precision;
  std::vector<std::vector<float>> weights;
  std::vector<float> x, h, c, expected_h, expected_c;
};

LstmStepDesc describe(const Setup& setup, DType dtype) {
  LstmStepDesc desc;
  desc.dtype = dtype;
  desc.input_size = setup.size.input;
  desc.hidden_size = setup.size.hidden;
  desc.num_layers = setup.size.layers;
  desc.sequences = setup.sequences;
  return desc;
}

Step::Step(const std::shared_ptr<Backend>& backend, const Setup& setup, DType dtype)
    : plan_(backend, describe(setup, dtype)),
      x_(backend, setup.x, dtype),
      h_(backend, setup.h, dtype),
      c_(backend, setup.c, dtype),
      h_next_(backend, h_.count(), dtype),
      c_next_(backend, c_.count(), dtype),
      workspace_(backend, plan_.workspace_bytes()) {
  for (const std::vector<float>& array : setup.weights) weights_.arrays.emplace_back(backend, array, dtype);
  weight_pointers_ = weights_.pointers();
  args_.x = x_.data();
  args_.weights = weight_pointers_.data();
  args_.h = h_.data();
  args_.c = c_.data();
  args_.h_next = h_next_.data();
  args_.c_next = c_next_.data();
  args_.workspace = workspace_.data();
}

std::size_t Step::bytes() const {
  std::size_t bytes = x_.bytes() + h_.bytes() + c_.bytes() + h_next_.bytes() + c_next_.bytes();
  for (const Tensor& array : weights_.arrays) bytes += array.bytes();
  return bytes;
}

class StepWork final : public Work {
 public:
  StepWork(const std::shared_ptr<Backend>& backend, std::shared_ptr<const Setup> setup)
      : setup_(std::move(setup)), step_(backend, *setup_, setup_->precision.dtype) {}
  void run(Stream stream) override { step_.run(stream); }
  void clear() override {
    step_.h_next().clear();
    step_.c_next().clear();
  }
  void verify() override {
    expect_close(step_.h_next().host(), setup_->expected_h, setup_->precision.tolerance, "h_next");
    expect_close(step_.c_next().host(), setup_->expected_c, setup_->precision.tolerance, "c_next");
  }
  std::size_t bytes() const override { return step_.bytes(); }

 private:
  std::shared_ptr<const Setup> setup_;
  Step step_;
};

}  // namespace

std::vector<Case> lstm_step_cases(const std::shared_ptr<Backend>& backend, const Request& request) {
  const bool cuda = backend->device() == DeviceType::cuda;
  std::vector<Case> all;
  for (const Problem& problem : problems_of(request, *backend)) {
    const Workload& drawn = problem.workload;
    Workload one_step = drawn;
    std::fill(one_step.lengths.begin(), one_step.lengths.end(), 1);
    const auto sequences = static_cast<std::int64_t>(drawn.lengths.size());
    for (const ModelSize& size : problem.sizes)
      for (const Precision& precision : precisions()) {
        // A step has no tf32.
        if (precision.tf32 || (!cuda && precision.name != "f32")) continue;
        Case one;
        one.workload = drawn.name;
        one.size = size.name;
        one.type = precision.name;
        one.algorithm = name_of(cuda ? LstmAlgorithm::stepwise : LstmAlgorithm::automatic);
        one.pass = "forward";
        one.shape = {
            {"B", sequences}, {"input", size.input}, {"hidden", size.hidden}, {"layers", size.layers}};
        one.costs = lstm_costs(one_step, size, precision, false);
        // Of the last layer's h_next, y there, the writing is counted already; so is each other layer's, with
        // the reading by the next.
        one.costs.bytes += 3 * static_cast<double>(size.layers * sequences * size.hidden) *
                           static_cast<double>(size_of(precision.dtype));
        one.products = precision.dtype != DType::f32;
        one.quick = precision.name == "bf16" && size.name != "medium";
        one.make = [=]() -> std::unique_ptr<Work> {
          return std::make_unique<StepWork>(
              backend, latest<Setup>(key_of(drawn) + key_of(size) + precision.name, [&] {
                return Setup(sequences, size, precision, reference_type(*backend));
              }));
        };
        all.push_back(one);
      }
  }
  return all;
}

}  // namespace ragtime::benchmarks
