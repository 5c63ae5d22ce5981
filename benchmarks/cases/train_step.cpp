// A whole training step of the model: forward, loss, backward, clipping and AdamW, on one batch of a
// workload. The peer is the reference model in PyTorch: scripts/gpu_torch.py. Verified by the logits of some
// patients, which the cpu backend computes from the same parameters.
//
// TASK_any_batch: on a batch that is fixed in its places (DeviceBatch::fix) at the size of the workload. Its
// graph is the step that serves any batch within that; the graph of TASK serves this batch alone.

#include "benchmarks/cases/latest.hpp"
#include "benchmarks/cases/lstm_setup.hpp"
#include "benchmarks/cases/operations.hpp"
#include "benchmarks/cases/tensor.hpp"
#include "benchmarks/cases/workloads.hpp"
#include "benchmarks/measure/device.hpp"
#include "ragtime/adamw.hpp"
#include "ragtime/visit_lstm.hpp"

namespace ragtime::benchmarks {
namespace {

constexpr std::uint64_t seed = 1;

ModelConfig config_of(const Workload& workload, const ModelSize& size, Task task) {
  ModelConfig config;
  config.vocab_size = workload.vocab_size;
  config.embedding_dim = size.input;
  config.hidden_dim = size.hidden;
  config.num_layers = size.layers;
  config.task = task;
  config.output_dim = task == Task::next_visit ? workload.vocab_size : 1;
  return config;
}

struct Setup {
  Setup(const Workload& workload, const ModelSize& size, Task task, DType reference)
      : batch(coded_batch(workload)), config(config_of(workload, size, task)) {
    const RaggedLayout& layout = batch.layout;
    for (std::int32_t b = 0; b < layout.sequences(); ++b) {
      labels.push_back(static_cast<float>(b % 2));
      for (std::int32_t t = 0; t < layout.length(b); ++t)
        row_weight.push_back(t + 1 < layout.length(b) ? 1.0f : 0.0f);
    }
    // The first patients, alone.
    RaggedBatch few;
    std::vector<std::int32_t> lengths;
    for (std::int32_t b = 0;
         b < layout.sequences() && (b == 0 || layout.visit_offsets[static_cast<std::size_t>(b) + 1] <= 300);
         ++b)
      lengths.push_back(layout.length(b));
    few.layout = RaggedLayout::from_lengths(lengths);
    few.code_offsets.assign(batch.code_offsets.begin(), batch.code_offsets.begin() + few.layout.rows() + 1);
    few.codes.assign(batch.codes.begin(), batch.codes.begin() + few.code_offsets.back());
    const auto cpu = make_backend("cpu");
    VisitLstm model(cpu, config, reference);
    model.initialize(seed);
    DeviceBatch on_cpu(cpu);
    on_cpu.load(few);
    const void* const logits = model.forward(on_cpu);
    const std::int64_t rows = is_patient_level(task) ? few.layout.sequences() : few.layout.rows();
    const Tensor copy(cpu, rows * config.output_dim, reference);
    cpu->copy(copy.data(), logits, copy.bytes(), CopyKind::on_device);
    expected_logits = copy.host();
  }
  RaggedBatch batch;
  ModelConfig config;
  std::vector<float> labels, row_weight, expected_logits;
};

class TrainWork final : public Work {
 public:
  TrainWork(const std::shared_ptr<Backend>& backend, std::shared_ptr<const Setup> setup,
            const Precision& precision, bool any_batch)
      : backend_(backend),
        setup_(std::move(setup)),
        precision_(precision),
        model_(backend, setup_->config, precision.dtype, precision.tf32),
        batch_(backend),
        labels_(backend, setup_->labels, precision.dtype),
        row_weight_(upload(backend, setup_->row_weight)),
        loss_(backend, 2, DType::f32) {
    if (any_batch) batch_.fix(setup_->batch.size());
    batch_.load(setup_->batch);
    model_.reserve(batch_.size(), true);
    if (setup_->config.task == Task::next_visit)
      targets_.row_weight = row_weight_.as<float>();
    else
      targets_.values = labels_.data();
    clear();
  }
  void run(Stream stream) override {
    auto* const loss = static_cast<float*>(loss_.data());
    logits_ =
        model_.forward_backward(batch_, targets_, seed, &optimizer_->state()->step, loss, loss + 1, stream);
    optimizer_->step(model_.parameter_data(), model_.gradient_data(), stream);
  }
  // Starts again: what is verified is the first step.
  void clear() override {
    model_.initialize(seed);
    if (optimizer_ == nullptr) {
      AdamWOptions options;
      options.clip_norm = 5;
      optimizer_ = std::make_unique<AdamW>(backend_, model_.parameter_count(), options, precision_.dtype);
    }
    if (optimizer_->master() != nullptr) optimizer_->load_master(model_.parameter_data());
    loss_.clear();
  }
  void verify() override {
    const auto count = static_cast<std::int64_t>(setup_->expected_logits.size());
    const Tensor first(backend_, count, precision_.dtype);
    backend_->copy(first.data(), logits_, first.bytes(), CopyKind::on_device);
    expect_close(first.host(), setup_->expected_logits, precision_.tolerance, "the logits");
    const float loss = loss_.host()[0];
    if (!(loss > 0 && loss < 10)) throw std::runtime_error("wrong: the loss is " + std::to_string(loss));
  }
  std::size_t bytes() const override {
    return static_cast<std::size_t>(model_.parameter_count()) * 4 * size_of(precision_.dtype);
  }

 private:
  std::shared_ptr<Backend> backend_;
  std::shared_ptr<const Setup> setup_;
  Precision precision_;
  VisitLstm model_;
  DeviceBatch batch_;
  Tensor labels_;
  Buffer row_weight_;
  Tensor loss_;
  ModelTargets targets_;
  std::unique_ptr<AdamW> optimizer_;
  const void* logits_ = nullptr;
};

// Those of the LSTM, whose x and d_x are the pooled visits and their gradients, and beside them: the head's
// products, logits and their gradients, each written and read, and what AdamW reads and writes of each
// parameter: the value, its gradient, two moments, and the master where storage has 16 bits.
Costs step_costs(const Workload& workload, const ModelSize& size, Task task, const Precision& precision,
                 const ModelConfig& config) {
  Costs costs = lstm_costs(workload, size, precision, true);
  const double element = static_cast<double>(size_of(precision.dtype));
  const double rows = task == Task::next_visit ? costs.rows : static_cast<double>(workload.lengths.size());
  const double hidden = static_cast<double>(size.hidden), outputs = static_cast<double>(config.output_dim);
  const double parameters = static_cast<double>(parameter_count(config));
  const bool master = precision.dtype != DType::f32;
  costs.flops += 3 * 2 * rows * hidden * outputs;
  costs.bytes += 4 * element * rows * outputs;
  costs.bytes += parameters * ((master ? 2 : 3) * element + (master ? 6 : 4) * sizeof(float));
  return costs;
}

}  // namespace

std::vector<Case> train_step_cases(const std::shared_ptr<Backend>& backend, const Request& request) {
  const bool cuda = backend->device() == DeviceType::cuda;
  std::vector<Case> all;
  for (const Problem& problem : problems_of(request, *backend)) {
    const Workload& drawn = problem.workload;
    if (!drawn.has_codes()) continue;
    for (const ModelSize& size : problem.sizes)
      for (const Task task : {Task::binary_classification, Task::next_visit}) {
        // Its logits, rows x vocabulary, would fill the memory of any GPU.
        if (task == Task::next_visit && drawn.name == "large") continue;
        for (const Precision& precision : precisions())
          for (const bool any_batch : {false, true}) {
            if (precision.name == "f16" || (!cuda && (precision.name != "f32" || any_batch))) continue;
            Case one;
            one.workload = drawn.name;
            one.size = size.name;
            one.type = precision.name;
            one.algorithm = name_of(task) + std::string(any_batch ? "_any_batch" : "");
            one.pass = "train_step";
            one.shape = {{"B", drawn.lengths.size()}, {"N", drawn.rows()}, {"T", drawn.longest()},
                         {"V", drawn.vocab_size},     {"E", size.input},   {"H", size.hidden},
                         {"L", size.layers}};
            one.costs = step_costs(drawn, size, task, precision, config_of(drawn, size, task));
            one.products = precision.dtype != DType::f32;
            one.quick = size.name != "large" && (size.name != "medium" || precision.name == "bf16");
            one.make = [=]() -> std::unique_ptr<Work> {
              return std::make_unique<TrainWork>(
                  backend,
                  latest<Setup>(key_of(drawn) + key_of(size) + name_of(task),
                                [&] { return Setup(drawn, size, task, reference_type(*backend)); }),
                  precision, any_batch);
            };
            all.push_back(one);
          }
      }
  }
  return all;
}

}  // namespace ragtime::benchmarks
