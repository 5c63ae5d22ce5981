// Rows from layout to layout. Bytes: each row read and written, and a padded target's padding written.

#include "ragtime/layout.hpp"
#include "benchmarks/cases/operations.hpp"
#include "benchmarks/cases/tensor.hpp"
#include "benchmarks/cases/workloads.hpp"

namespace ragtime::benchmarks {
namespace {

class LayoutWork final : public Work {
 public:
  LayoutWork(const std::shared_ptr<Backend>& backend, const Workload& workload, std::int64_t width, Layout to,
             DType dtype)
      : width_(width),
        to_(to),
        layout_(RaggedLayout::from_lengths(workload.lengths)),
        batch_(backend),
        values_(rounded(random_values(layout_.rows() * width, 1), dtype)),
        rows_(backend, values_, dtype),
        target_(backend, target_rows() * width, dtype) {
    batch_.load(layout_);
    backend->synchronize();
    LayoutDesc desc;
    desc.dtype = dtype;
    desc.width = width;
    desc.from = Layout::ragged;
    desc.to = to;
    desc.padded_steps = to == Layout::padded ? layout_.steps() : 0;
    desc.capacity = batch_.size();
    plan_ = std::make_unique<LayoutPlan>(backend, desc);
  }
  void run(Stream stream) override { plan_->forward(batch_.view(), rows_.data(), target_.data(), stream); }
  void clear() override { target_.clear(); }
  void verify() override {
    std::vector<float> expected(static_cast<std::size_t>(target_rows() * width_));
    std::int64_t packed = 0;
    for (std::int32_t t = 0; t < layout_.steps(); ++t)
      for (std::int32_t i = 0; i < layout_.batch_sizes[static_cast<std::size_t>(t)]; ++i, ++packed) {
        const std::int64_t b = layout_.order[static_cast<std::size_t>(i)];
        const std::int64_t from = layout_.visit_offsets[static_cast<std::size_t>(b)] + t;
        const std::int64_t row = to_ == Layout::packed ? packed : b * layout_.steps() + t;
        std::copy_n(values_.begin() + from * width_, width_, expected.begin() + row * width_);
      }
    expect_close(target_.host(), expected, 0, "the rows");
  }
  std::size_t bytes() const override { return rows_.bytes() + target_.bytes(); }

 private:
  std::int64_t target_rows() const {
    return to_ == Layout::packed ? layout_.rows() : std::int64_t{layout_.sequences()} * layout_.steps();
  }

  std::int64_t width_;
  Layout to_;
  RaggedLayout layout_;
  DeviceBatch batch_;
  std::vector<float> values_;
  Tensor rows_, target_;
  std::unique_ptr<LayoutPlan> plan_;
};

}  // namespace

std::vector<Case> layout_cases(const std::shared_ptr<Backend>& backend, const Request& request) {
  const bool cuda = backend->device() == DeviceType::cuda;
  std::vector<Case> all;
  for (const Problem& problem : problems_of(request, *backend)) {
    const Workload& drawn = problem.workload;
    for (const std::int64_t width : problem.widths)
      for (const Layout to : {Layout::packed, Layout::padded})
        for (const Precision& precision : precisions()) {
          if (precision.name == "tf32" || precision.name == "f16" || (!cuda && precision.name != "f32"))
            continue;
          Case one;
          one.workload = drawn.name;
          one.size = "w" + std::to_string(width);
          one.type = precision.name;
          one.algorithm = std::string("ragged_to_") + name_of(to);
          one.pass = "forward";
          one.shape = {
              {"B", drawn.lengths.size()}, {"N", drawn.rows()}, {"T", drawn.longest()}, {"width", width}};
          one.costs.rows = static_cast<double>(drawn.rows());
          one.quick = precision.name == "bf16" && drawn.name == "large";
          const double written = to == Layout::packed ? one.costs.rows
                                                      : static_cast<double>(drawn.lengths.size()) *
                                                            static_cast<double>(drawn.longest());
          one.costs.bytes = (one.costs.rows + written) * static_cast<double>(width) *
                            static_cast<double>(size_of(precision.dtype));
          one.make = [=, dtype = precision.dtype]() -> std::unique_ptr<Work> {
            return std::make_unique<LayoutWork>(backend, drawn, width, to, dtype);
          };
          all.push_back(one);
        }
  }
  return all;
}

}  // namespace ragtime::benchmarks
