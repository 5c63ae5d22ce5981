#include <algorithm>

#include "host/cpu/cpu_operations.hpp"
#include "host/cpu/parallel.hpp"
#include "host/runtime/capacity.hpp"

namespace ragtime::cpu {
namespace {

template <class T>
class LayoutCpu final : public LayoutOperation {
 public:
  explicit LayoutCpu(const LayoutDesc& desc)
      : width_(desc.width), padded_steps_(desc.padded_steps), capacity_(desc.capacity) {}

  void run(const RaggedView& batch, Layout from, const void* source, Layout to, void* target,
           double padding_value, Stream) const override {
    check_batch_fits(batch.counts, capacity_);
    // In order, so that a sequence's place among those still alive, i, is its place within a packed step.
    parallel_for(batch.counts[0], [&](std::int64_t i) {
      const std::int64_t b = batch.order[i];
      const std::int64_t length = std::int64_t{batch.visit_offsets[b + 1]} - batch.visit_offsets[b];
      move(batch, from, static_cast<const T*>(source), to, static_cast<T*>(target), i, b, length);
      if (to == Layout::padded && length < padded_steps_)
        std::fill(static_cast<T*>(target) + (b * padded_steps_ + length) * width_,
                  static_cast<T*>(target) + (b + 1) * padded_steps_ * width_, static_cast<T>(padding_value));
    });
  }

 private:
  void move(const RaggedView& batch, Layout from, const T* source, Layout to, T* target, std::int64_t i,
            std::int64_t b, std::int64_t length) const {
    const std::int64_t ragged = batch.visit_offsets[b], padded = b * padded_steps_;
    std::int64_t packed = i;  // each step begins where the one before it ends
    const auto row = [&](Layout layout, std::int64_t t) {
      return layout == Layout::packed ? packed : (layout == Layout::ragged ? ragged : padded) + t;
    };
    // A sequence longer than the padded layout, against the plan's capacity: what has no place there is left
    // out.
    const std::int64_t steps =
        from == Layout::padded || to == Layout::padded ? std::min(length, padded_steps_) : length;
    for (std::int64_t t = 0; t < steps; packed += batch.batch_sizes[t], ++t)
      std::copy_n(source + row(from, t) * width_, width_, target + row(to, t) * width_);
    for (std::int64_t t = steps; t < length && to != Layout::padded; packed += batch.batch_sizes[t], ++t)
      std::fill_n(target + row(to, t) * width_, width_, T(0));
  }

  std::int64_t width_, padded_steps_;
  Capacity capacity_;
};

}  // namespace

std::unique_ptr<LayoutOperation> make_layout(const LayoutDesc& desc) {
  return with_dtype(desc.dtype, [&]<class T>() -> std::unique_ptr<LayoutOperation> {
    return std::make_unique<LayoutCpu<T>>(desc);
  });
}

}  // namespace ragtime::cpu
