#include <algorithm>

#include "host/cpu/cpu_operations.hpp"
#include "host/cpu/kernels.hpp"
#include "host/cpu/parallel.hpp"
#include "host/runtime/capacity.hpp"

namespace ragtime::cpu {
namespace {

template <class T>
class FinalStateCpu final : public FinalStateOperation {
 public:
  explicit FinalStateCpu(const FinalStateDesc& desc)
      : width_(desc.width), directions_(desc.bidirectional ? 2 : 1), capacity_(desc.capacity) {}

  void forward(const RaggedView& batch, const void* y, void* out, Stream) const override {
    check_batch_fits(batch.counts, capacity_);
    for_each_state(batch, [&](std::int64_t row, std::int64_t state) {
      T* to = static_cast<T*>(out) + state;
      if (row < 0)
        std::fill_n(to, width_, T(0));
      else
        std::copy_n(static_cast<const T*>(y) + row, width_, to);
    });
  }

  void backward(const RaggedView& batch, const void* d_out, void* d_y, bool accumulate,
                Stream) const override {
    check_batch_fits(batch.counts, capacity_);
    const std::int64_t rows = batch.counts[1];
    if (!accumulate) std::fill_n(static_cast<T*>(d_y), rows * directions_ * width_, T(0));
    for_each_state(batch, [&](std::int64_t row, std::int64_t state) {
      if (row >= 0)
        kernels<T>().add_scaled(width_, T(1), static_cast<const T*>(d_out) + state,
                                static_cast<T*>(d_y) + row);
    });
  }

 private:
  // body(where in y, where in out) for each sequence and direction; -1 for a sequence without rows.
  template <class Body>
  void for_each_state(const RaggedView& batch, Body&& body) const {
    parallel_blocks(batch.counts[0], 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b)
        for (std::int64_t d = 0; d < directions_; ++d) {
          const std::int64_t first = batch.visit_offsets[b],
                             last = std::int64_t{batch.visit_offsets[b + 1]} - 1;
          const std::int64_t row = d == 0 ? last : first;
          body(last < first ? -1 : (row * directions_ + d) * width_, (b * directions_ + d) * width_);
        }
    });
  }

  std::int64_t width_, directions_;
  Capacity capacity_;
};

}  // namespace

std::unique_ptr<FinalStateOperation> make_final_state(const FinalStateDesc& desc) {
  return with_dtype(desc.dtype, [&]<class T>() -> std::unique_ptr<FinalStateOperation> {
    return std::make_unique<FinalStateCpu<T>>(desc);
  });
}

}  // namespace ragtime::cpu
