// The state each patient ends with, out of ragged rows, and the gradient of all rows from it. Bytes of
// forward: the states read and written, and where they stand; of backward: their gradients read, and every
// row written.

#include "ragtime/final_state.hpp"
#include "benchmarks/cases/operations.hpp"
#include "benchmarks/cases/tensor.hpp"
#include "benchmarks/cases/workloads.hpp"

namespace ragtime::benchmarks {
namespace {

class FinalStateWork final : public Work {
 public:
  FinalStateWork(const std::shared_ptr<Backend>& backend, const Workload& workload, std::int64_t width,
                 bool bidirectional, bool backward, DType dtype)
      : width_(width),
        directions_(bidirectional ? 2 : 1),
        backward_(backward),
        layout_(RaggedLayout::from_lengths(workload.lengths)),
        batch_(backend),
        values_(rounded(random_values((backward ? layout_.sequences() : layout_.rows()) * row(), 1), dtype)),
        from_(backend, values_, dtype),
        to_(backend, (backward ? layout_.rows() : layout_.sequences()) * row(), dtype),
        plan_(backend, {.dtype = dtype,
                        .width = width,
                        .bidirectional = bidirectional,
                        .capacity = {layout_.sequences(), layout_.rows(), 0, layout_.steps()}}) {
    batch_.load(layout_);
    backend->synchronize();
  }
  void run(Stream stream) override {
    if (backward_)
      plan_.backward(batch_.view(), from_.data(), to_.data(), false, stream);
    else
      plan_.forward(batch_.view(), from_.data(), to_.data(), stream);
  }
  void clear() override { to_.clear(); }
  void verify() override {
    std::vector<float> expected(static_cast<std::size_t>(to_.count()));
    for (std::int64_t b = 0; b < layout_.sequences(); ++b)
      for (std::int64_t direction = 0; direction < directions_; ++direction) {
        const auto sequence = static_cast<std::size_t>(b);
        const std::int64_t n =
            direction == 0 ? layout_.visit_offsets[sequence + 1] - 1 : layout_.visit_offsets[sequence];
        const std::int64_t of_rows = n * row() + direction * width_,
                           of_states = b * row() + direction * width_;
        std::copy_n(values_.begin() + (backward_ ? of_states : of_rows), width_,
                    expected.begin() + (backward_ ? of_rows : of_states));
      }
    expect_close(to_.host(), expected, 0, backward_ ? "d_y" : "out");
  }
  std::size_t bytes() const override { return from_.bytes() + to_.bytes(); }

 private:
  std::int64_t row() const { return directions_ * width_; }

  std::int64_t width_, directions_;
  bool backward_;
  RaggedLayout layout_;
  DeviceBatch batch_;
  std::vector<float> values_;
  Tensor from_, to_;
  FinalStatePlan plan_;
};

}  // namespace

std::vector<Case> final_state_cases(const std::shared_ptr<Backend>& backend, const Request& request) {
  const bool cuda = backend->device() == DeviceType::cuda;
  std::vector<Case> all;
  for (const Problem& problem : problems_of(request, *backend)) {
    const Workload& drawn = problem.workload;
    const auto sequences = static_cast<double>(drawn.lengths.size());
    for (const std::int64_t width : problem.widths)
      for (const bool bidirectional : {false, true})
        for (const Precision& precision : precisions()) {
          if (precision.tf32 || (!cuda && precision.name != "f32")) continue;
          for (const bool backward : {false, true}) {
            Case one;
            one.workload = drawn.name;
            one.size = "w" + std::to_string(width);
            one.type = precision.name;
            one.algorithm = bidirectional ? "both_ends" : "last_rows";
            one.pass = backward ? "backward" : "forward";
            one.shape = {{"B", drawn.lengths.size()},
                         {"N", drawn.rows()},
                         {"T", drawn.longest()},
                         {"width", width},
                         {"directions", bidirectional ? 2 : 1}};
            one.costs.rows = static_cast<double>(drawn.rows());
            one.costs.bytes = (sequences + (backward ? one.costs.rows : sequences)) *
                                  static_cast<double>(bidirectional ? 2 * width : width) *
                                  static_cast<double>(size_of(precision.dtype)) +
                              4 * (sequences + 1);
            one.quick = precision.name == "bf16" && drawn.name == "large";
            one.make = [=, dtype = precision.dtype]() -> std::unique_ptr<Work> {
              return std::make_unique<FinalStateWork>(backend, drawn, width, bidirectional, backward, dtype);
            };
            all.push_back(one);
          }
        }
  }
  return all;
}

}  // namespace ragtime::benchmarks
