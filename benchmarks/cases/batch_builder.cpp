// Ragged batches from lengths or a mask that are in device memory. Bytes: lengths, or the mask that is as
// wide as the longest sequence, and the arrays that come out.

#include "ragtime/batch_builder.hpp"
#include "benchmarks/cases/operations.hpp"
#include "benchmarks/cases/tensor.hpp"
#include "benchmarks/cases/workloads.hpp"

namespace ragtime::benchmarks {
namespace {

std::vector<std::uint8_t> mask_of(const RaggedLayout& layout) {
  std::vector<std::uint8_t> mask(static_cast<std::size_t>(layout.sequences()) *
                                 static_cast<std::size_t>(layout.steps()));
  for (std::int32_t b = 0; b < layout.sequences(); ++b)
    std::fill_n(mask.begin() + std::int64_t{b} * layout.steps(), layout.length(b), std::uint8_t{1});
  return mask;
}

class BuilderWork final : public Work {
 public:
  BuilderWork(const std::shared_ptr<Backend>& backend, const Workload& workload, bool from_mask)
      : backend_(backend),
        from_mask_(from_mask),
        layout_(RaggedLayout::from_lengths(workload.lengths)),
        capacity_{layout_.sequences(), layout_.rows(), 0, layout_.steps()},
        plan_(backend, {.capacity = capacity_}),
        input_(from_mask ? upload(backend, mask_of(layout_)) : upload(backend, workload.lengths)),
        memory_(backend, RaggedArrays::bytes(capacity_)),
        workspace_(backend, plan_.workspace_bytes()) {
    args_.batch = RaggedArrays::in(memory_.data(), capacity_);
    args_.workspace = workspace_.data();
  }
  void run(Stream stream) override {
    if (from_mask_)
      plan_.from_mask(input_.as<std::uint8_t>(), layout_.steps(), args_, stream);
    else
      plan_.from_lengths(input_.as<std::int32_t>(), args_, stream);
  }
  void clear() override {
    backend_->zero(memory_.data(), memory_.bytes());
    backend_->synchronize();
  }
  void verify() override {
    expect(args_.batch.counts, {layout_.sequences(), layout_.rows(), 0, layout_.steps()}, "counts");
    expect(args_.batch.visit_offsets, layout_.visit_offsets, "visit_offsets");
    expect(args_.batch.order, layout_.order, "order");
    expect(args_.batch.inverse_order, layout_.inverse_order, "inverse_order");
    expect(args_.batch.batch_sizes, layout_.batch_sizes, "batch_sizes");
  }
  std::size_t bytes() const override { return input_.bytes() + memory_.bytes(); }

 private:
  void expect(const std::int32_t* built, const std::vector<std::int32_t>& expected,
              const std::string& what) const {
    std::vector<std::int32_t> actual(expected.size());
    backend_->copy(actual.data(), built, actual.size() * sizeof(std::int32_t), CopyKind::to_host);
    backend_->synchronize();
    if (actual != expected) throw std::runtime_error("wrong: " + what);
  }

  std::shared_ptr<Backend> backend_;
  bool from_mask_;
  RaggedLayout layout_;
  Capacity capacity_;
  BatchBuilderPlan plan_;
  Buffer input_, memory_, workspace_;
  BatchBuild args_;
};

}  // namespace

std::vector<Case> batch_builder_cases(const std::shared_ptr<Backend>& backend, const Request& request) {
  std::vector<Case> all;
  for (const Problem& problem : problems_of(request, *backend)) {
    const Workload& drawn = problem.workload;
    const auto sequences = static_cast<double>(drawn.lengths.size()),
               steps = static_cast<double>(drawn.longest());
    for (const bool from_mask : {false, true}) {
      Case one;
      one.workload = drawn.name;
      one.size = "b" + std::to_string(drawn.lengths.size());
      one.type = from_mask ? "u8" : "i32";
      one.algorithm = from_mask ? "from_mask" : "from_lengths";
      one.pass = "build";
      one.shape = {{"B", drawn.lengths.size()}, {"N", drawn.rows()}, {"T", drawn.longest()}};
      one.costs.rows = static_cast<double>(drawn.rows());
      one.costs.bytes = (from_mask ? sequences * steps : 4 * sequences) + 4 * (4 + 3 * sequences + 1 + steps);
      one.quick = drawn.name == "large" || drawn.name == "skew";
      one.make = [=]() -> std::unique_ptr<Work> {
        return std::make_unique<BuilderWork>(backend, drawn, from_mask);
      };
      all.push_back(one);
    }
  }
  return all;
}

}  // namespace ragtime::benchmarks
