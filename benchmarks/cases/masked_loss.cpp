// Losses with their gradient over the visits of a workload, 1,024 outputs a visit. Bytes: logits in, gradient
// out, and targets where they are dense.

#include "ragtime/masked_loss.hpp"
#include "benchmarks/cases/latest.hpp"
#include "benchmarks/cases/operations.hpp"
#include "benchmarks/cases/tensor.hpp"
#include "benchmarks/cases/workloads.hpp"

namespace ragtime::benchmarks {
namespace {

struct Kind {
  std::string name;
  LossKind kind;
  bool dense;  // bce: targets as numbers, else as ids
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {{"bce_dense", LossKind::bce_with_logits, true},
                                        {"bce_ids", LossKind::bce_with_logits, false},
                                        {"cross_entropy", LossKind::cross_entropy, false},
                                        {"mse", LossKind::mse, true}};
  return all;
}

struct Setup;

class Loss {
 public:
  Loss(const std::shared_ptr<Backend>& backend, const Setup& setup, DType dtype);
  void run(Stream stream) const { plan_.run(args_, stream); }
  const Tensor& loss() const { return loss_; }
  const Tensor& gradient() const { return gradient_; }
  std::size_t bytes() const { return logits_.bytes() + gradient_.bytes() + targets_.bytes(); }

 private:
  DeviceBatch batch_;
  MaskedLossPlan plan_;
  Tensor logits_, targets_, gradient_, loss_;
  Buffer offsets_, ids_, labels_, workspace_;
  MaskedLossArgs args_;
};

struct Setup {
  Setup(const Workload& workload, std::int64_t outputs, const Kind& own, const Precision& own_precision,
        DType reference)
      : kind(own), precision(own_precision), layout(RaggedLayout::from_lengths(workload.lengths)) {
    const std::int64_t rows = layout.rows();
    desc.kind = own.kind;
    desc.outputs = outputs;
    desc.capacity = {layout.sequences(), rows, 0, layout.steps()};
    logits = rounded(random_values(rows * outputs, 1, 4), precision.dtype);
    if (own.dense) {
      targets = random_values(rows * outputs, 2);
      for (float& target : targets) target = target > 0 ? 1.0f : 0.0f;
    }
    offsets.push_back(0);
    for (std::uint32_t row = 0; row < static_cast<std::uint32_t>(rows); ++row) {
      const std::uint32_t first = philox({row, 3, 0, 0}, values_key)[0];
      labels.push_back(static_cast<std::int32_t>(first % static_cast<std::uint32_t>(outputs)));
      // Three ids, as visits of few codes have: 7 apart, or 1 where that would meet itself.
      const std::int64_t apart = outputs % 7 == 0 ? 1 : 7;
      for (std::int64_t k = 0; k < std::min<std::int64_t>(3, outputs); ++k)
        ids.push_back(static_cast<std::int32_t>((labels.back() + apart * k) % outputs));
      offsets.push_back(static_cast<std::int32_t>(ids.size()));
    }
    const Loss expected(make_backend("cpu"), *this, reference);
    expected.run({});
    expected_loss = expected.loss().host();
    expected_gradient = expected.gradient().host();
  }

  Kind kind;
  Precision precision;
  RaggedLayout layout;
  MaskedLossDesc desc;
  std::vector<float> logits, targets, expected_loss, expected_gradient;
  std::vector<std::int32_t> offsets, ids, labels;
};

MaskedLossDesc with_dtype(MaskedLossDesc desc, DType dtype) {
  desc.dtype = dtype;
  return desc;
}

Loss::Loss(const std::shared_ptr<Backend>& backend, const Setup& setup, DType dtype)
    : batch_(backend),
      plan_(backend, with_dtype(setup.desc, dtype)),
      logits_(backend, setup.logits, dtype),
      targets_(backend, setup.targets, dtype),
      gradient_(backend, logits_.count(), dtype),
      loss_(backend, 1, size_of(dtype) == 2 ? DType::f32 : dtype),
      offsets_(upload(backend, setup.offsets)),
      ids_(upload(backend, setup.ids)),
      labels_(upload(backend, setup.labels)),
      workspace_(backend, plan_.workspace_bytes()) {
  batch_.load(setup.layout);
  backend->synchronize();
  args_.batch = batch_.view();
  args_.logits = logits_.data();
  if (setup.kind.dense)
    args_.targets = targets_.data();
  else if (setup.desc.kind == LossKind::cross_entropy)
    args_.labels = labels_.as<std::int32_t>();
  else {
    args_.target_offsets = offsets_.as<std::int32_t>();
    args_.target_ids = ids_.as<std::int32_t>();
  }
  args_.loss = loss_.data();
  args_.d_logits = gradient_.data();
  args_.workspace = workspace_.data();
}

class LossWork final : public Work {
 public:
  LossWork(const std::shared_ptr<Backend>& backend, std::shared_ptr<const Setup> setup)
      : setup_(std::move(setup)), loss_(backend, *setup_, setup_->precision.dtype) {}
  void run(Stream stream) override { loss_.run(stream); }
  void clear() override {
    loss_.loss().clear();
    loss_.gradient().clear();
  }
  void verify() override {
    expect_close(loss_.loss().host(), setup_->expected_loss, setup_->precision.tolerance, "loss");
    expect_close(loss_.gradient().host(), setup_->expected_gradient, setup_->precision.tolerance, "d_logits");
  }
  std::size_t bytes() const override { return loss_.bytes(); }

 private:
  std::shared_ptr<const Setup> setup_;
  Loss loss_;
};

}  // namespace

std::vector<Case> masked_loss_cases(const std::shared_ptr<Backend>& backend, const Request& request) {
  const bool cuda = backend->device() == DeviceType::cuda;
  std::vector<Case> all;
  for (const Problem& problem : problems_of(request, *backend)) {
    const Workload& drawn = problem.workload;
    const std::int64_t of_its_own = drawn.name == "tiny" ? 9 : 1'024;
    const std::int64_t outputs = problem.outputs > 0 ? problem.outputs : of_its_own;
    for (const Kind& kind : kinds())
      for (const Precision& precision : precisions()) {
        if (precision.tf32 || (!cuda && precision.name != "f32")) continue;
        Case one;
        one.workload = drawn.name;
        one.size = "k" + std::to_string(outputs);
        one.type = precision.name;
        one.algorithm = kind.name;
        one.pass = "loss_and_gradient";
        one.shape = {{"B", drawn.lengths.size()}, {"N", drawn.rows()}, {"K", outputs}};
        one.costs.rows = static_cast<double>(drawn.rows());
        one.quick = precision.name != "f16" && (drawn.name == "mimic" || drawn.name == "large");
        one.costs.bytes = (kind.dense ? 3 : 2) * one.costs.rows * static_cast<double>(outputs) *
                          static_cast<double>(size_of(precision.dtype));
        one.make = [=]() -> std::unique_ptr<Work> {
          return std::make_unique<LossWork>(
              backend,
              latest<Setup>(key_of(drawn) + kind.name + std::to_string(outputs) + precision.name, [&] {
                return Setup(drawn, outputs, kind, precision, reference_type(*backend));
              }));
        };
        all.push_back(one);
      }
  }
  return all;
}

}  // namespace ragtime::benchmarks
