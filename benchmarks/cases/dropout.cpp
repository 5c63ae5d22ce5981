// Dropout of ragged rows, not in place; backward is the same call. Bytes: each row read and written, and what
// tells an element's patient and visit.

#include "ragtime/dropout.hpp"
#include "benchmarks/cases/latest.hpp"
#include "benchmarks/cases/operations.hpp"
#include "benchmarks/cases/tensor.hpp"
#include "benchmarks/cases/workloads.hpp"

namespace ragtime::benchmarks {
namespace {

constexpr double probability = 0.1;

struct Setup;

class Dropout {
 public:
  Dropout(const std::shared_ptr<Backend>& backend, const Setup& setup, DType dtype);
  void run(Stream stream) const {
    DropoutKey key;
    key.seed = 5;
    key.site = 1;
    plan_.run(batch_.view(), key, x_.data(), y_.data(), stream);
  }
  const Tensor& y() const { return y_; }
  std::size_t bytes() const { return x_.bytes() + y_.bytes(); }

 private:
  DeviceBatch batch_;
  Tensor x_, y_;
  DropoutPlan plan_;
};

struct Setup {
  Setup(const Workload& workload, std::int64_t own_width, const Precision& own_precision, DType reference)
      : precision(own_precision),
        width(own_width),
        layout(RaggedLayout::from_lengths(workload.lengths)),
        x(random_values(layout.rows() * width, 1)) {
    // Far from 0, so that an element kept or dropped against the draw shows.
    for (float& value : x) value += 1;
    x = rounded(x, precision.dtype);
    const Dropout expected(make_backend("cpu"), *this, reference);
    expected.run({});
    expected_y = expected.y().host();
  }
  Precision precision;
  std::int64_t width;
  RaggedLayout layout;
  std::vector<float> x, expected_y;
};

Dropout::Dropout(const std::shared_ptr<Backend>& backend, const Setup& setup, DType dtype)
    : batch_(backend),
      x_(backend, setup.x, dtype),
      y_(backend, x_.count(), dtype),
      plan_(backend, {.dtype = dtype,
                      .width = setup.width,
                      .probability = probability,
                      .capacity = {setup.layout.sequences(), setup.layout.rows(), 0, setup.layout.steps()}}) {
  batch_.load(setup.layout);
  backend->synchronize();
}

class DropoutWork final : public Work {
 public:
  DropoutWork(const std::shared_ptr<Backend>& backend, std::shared_ptr<const Setup> setup)
      : setup_(std::move(setup)), dropout_(backend, *setup_, setup_->precision.dtype) {}
  void run(Stream stream) override { dropout_.run(stream); }
  void clear() override { dropout_.y().clear(); }
  void verify() override {
    expect_close(dropout_.y().host(), setup_->expected_y,
                 setup_->precision.dtype == DType::f32 ? 1e-6 : 0x1p-7, "y");
  }
  std::size_t bytes() const override { return dropout_.bytes(); }

 private:
  std::shared_ptr<const Setup> setup_;
  Dropout dropout_;
};

}  // namespace

std::vector<Case> dropout_cases(const std::shared_ptr<Backend>& backend, const Request& request) {
  const bool cuda = backend->device() == DeviceType::cuda;
  std::vector<Case> all;
  for (const Problem& problem : problems_of(request, *backend)) {
    const Workload& drawn = problem.workload;
    for (const std::int64_t width : problem.widths)
      for (const Precision& precision : precisions()) {
        if (precision.tf32 || (!cuda && precision.name != "f32")) continue;
        Case one;
        one.workload = drawn.name;
        one.size = "w" + std::to_string(width);
        one.type = precision.name;
        one.algorithm = "philox";
        one.pass = "forward";
        one.shape = {
            {"B", drawn.lengths.size()}, {"N", drawn.rows()}, {"T", drawn.longest()}, {"width", width}};
        one.costs.rows = static_cast<double>(drawn.rows());
        one.costs.bytes =
            2 * one.costs.rows * static_cast<double>(width) * static_cast<double>(size_of(precision.dtype)) +
            4 * (static_cast<double>(drawn.lengths.size()) + 1);
        one.quick = precision.name == "bf16" && drawn.name == "large";
        one.make = [=]() -> std::unique_ptr<Work> {
          return std::make_unique<DropoutWork>(
              backend, latest<Setup>(key_of(drawn) + std::to_string(width) + precision.name, [&] {
                return Setup(drawn, width, precision, reference_type(*backend));
              }));
        };
        all.push_back(one);
      }
  }
  return all;
}

}  // namespace ragtime::benchmarks
