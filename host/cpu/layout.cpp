#include <algorithm>

#include "host/cpu/cpu_operations.hpp"
#include "host/cpu/parallel.hpp"

namespace ragtime::cpu {
namespace {

template <class T>
class LayoutCpu final : public LayoutOperation {
 public:
  explicit LayoutCpu(const LayoutDesc& desc) : width_(desc.width), padded_steps_(desc.padded_steps) {}

  void run(const RaggedView& batch, Layout from, const void* source, Layout to, void* target,
           double padding_value, Stream) const override {
    if (from == Layout::packed || to == Layout::packed)
      move_by_steps(batch, from, static_cast<const T*>(source), to, static_cast<T*>(target));
    else
      move_by_sequences(batch, from, static_cast<const T*>(source), to, static_cast<T*>(target));
    if (to == Layout::padded) fill_padding(batch, static_cast<T>(padding_value), static_cast<T*>(target));
  }

 private:
  std::int64_t place(const RaggedView& batch, Layout layout, std::int64_t b, std::int64_t t,
                     std::int64_t packed) const {
    switch (layout) {
      case Layout::ragged:
        return batch.visit_offsets[b] + t;
      case Layout::packed:
        return packed;
      case Layout::padded:
        return b * padded_steps_ + t;
    }
    return 0;
  }

  // In packed order: the rows of step t begin after all rows of the steps before it.
  void move_by_steps(const RaggedView& batch, Layout from, const T* source, Layout to, T* target) const {
    std::int64_t packed = 0;
    for (std::int64_t t = 0; t < batch.counts[3]; ++t)
      for (std::int64_t i = 0; i < batch.batch_sizes[t]; ++i, ++packed) {
        const std::int64_t b = batch.order[i];
        std::copy_n(source + place(batch, from, b, t, packed) * width_, width_,
                    target + place(batch, to, b, t, packed) * width_);
      }
  }

  void move_by_sequences(const RaggedView& batch, Layout from, const T* source, Layout to, T* target) const {
    parallel_for(batch.counts[0], [&](std::int64_t b) {
      const std::int64_t length = std::int64_t{batch.visit_offsets[b + 1]} - batch.visit_offsets[b];
      std::copy_n(source + place(batch, from, b, 0, 0) * width_, length * width_,
                  target + place(batch, to, b, 0, 0) * width_);
    });
  }

  void fill_padding(const RaggedView& batch, T value, T* target) const {
    for (std::int64_t b = 0; b < batch.counts[0]; ++b) {
      const std::int64_t length = std::int64_t{batch.visit_offsets[b + 1]} - batch.visit_offsets[b];
      std::fill(target + (b * padded_steps_ + length) * width_, target + (b + 1) * padded_steps_ * width_,
                value);
    }
  }

  std::int64_t width_, padded_steps_;
};

}  // namespace

std::unique_ptr<LayoutOperation> make_layout(const LayoutDesc& desc) {
  return with_dtype(desc.dtype, [&]<class T>() -> std::unique_ptr<LayoutOperation> {
    return std::make_unique<LayoutCpu<T>>(desc);
  });
}

}  // namespace ragtime::cpu
