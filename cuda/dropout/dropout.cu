#include "cuda/dropout/dropout.cuh"

#include "cuda/operations.hpp"
#include "cuda/support/element.hpp"
#include "cuda/support/enqueue.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <class T>
void enqueue_dropout(const RaggedView& batch, const DropoutKey& key, double probability, std::int64_t width,
                     bool per_sequence, const T* x, T* y, const Capacity& capacity, Stream stream) {
  const DropoutArgs args{.batch = batch,
                         .key = key,
                         .threshold = dropout_threshold(probability),
                         .scale = static_cast<float>(1 / (1 - probability)),
                         .width = width,
                         .per_sequence = per_sequence,
                         .most_sequences = capacity.sequences,
                         .most_rows = capacity.rows};
  const auto addresses = reinterpret_cast<std::uintptr_t>(x) | reinterpret_cast<std::uintptr_t>(y);
  const bool whole = width % DropoutTuning::quad == 0 && addresses % (DropoutTuning::quad * sizeof(T)) == 0;
  const std::int64_t elements = (per_sequence ? capacity.sequences : capacity.rows) * width;
  enqueue({.name = "dropout_tiles",
           .grid = {blocks_for(elements, std::int64_t{DropoutTuning::warps} * DropoutTuning::tile)},
           .block = {DropoutTuning::threads},
           .stream = stream.handle},
          whole ? dropout_tiles<T, true> : dropout_tiles<T, false>, args, x, y);
}

template void enqueue_dropout(const RaggedView&, const DropoutKey&, double, std::int64_t, bool, const float*,
                              float*, const Capacity&, Stream);
template void enqueue_dropout(const RaggedView&, const DropoutKey&, double, std::int64_t, bool,
                              const arch::bf16*, arch::bf16*, const Capacity&, Stream);
template void enqueue_dropout(const RaggedView&, const DropoutKey&, double, std::int64_t, bool,
                              const arch::f16*, arch::f16*, const Capacity&, Stream);

namespace {

template <class T>
class DropoutCuda final : public DropoutOperation {
 public:
  explicit DropoutCuda(const DropoutDesc& desc) : desc_(desc) {}

  void run(const RaggedView& batch, const DropoutKey& key, const void* x, void* y,
           Stream stream) const override {
    enqueue_dropout(batch, key, desc_.probability, desc_.width, desc_.per_sequence, static_cast<const T*>(x),
                    static_cast<T*>(y), desc_.capacity, stream);
  }

 private:
  DropoutDesc desc_;
};

}  // namespace

std::unique_ptr<DropoutOperation> make_dropout(const DropoutDesc& desc) {
  return with_element(desc.dtype, [&]<class T>() -> std::unique_ptr<DropoutOperation> {
    return std::make_unique<DropoutCuda<T>>(desc);
  });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
