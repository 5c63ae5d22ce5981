#include "cuda/final_state/final_state.cuh"

#include "cuda/operations.hpp"
#include "cuda/support/element.hpp"
#include "cuda/support/enqueue.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

template <class T>
class FinalStateCuda final : public FinalStateOperation {
 public:
  explicit FinalStateCuda(const FinalStateDesc& desc)
      : width_(desc.width), directions_(desc.bidirectional ? 2 : 1), capacity_(desc.capacity) {}

  void forward(const RaggedView& batch, const void* y, void* out, Stream stream) const override {
    enqueue(config("final_state_forward", stream), final_state_forward<T>, batch, capacity_, width_,
            directions_, static_cast<const T*>(y), static_cast<T*>(out));
  }
  void backward(const RaggedView& batch, const void* d_out, void* d_y, bool accumulate,
                Stream stream) const override {
    enqueue(config("final_state_backward", stream), final_state_backward<T>, batch, capacity_, width_,
            directions_, static_cast<const T*>(d_out), static_cast<T*>(d_y), accumulate);
  }

 private:
  arch::LaunchConfig config(const char* name, Stream stream) const {
    return {.name = name,
            .grid = {blocks_for(capacity_.sequences, FinalStateTuning::warps)},
            .block = {FinalStateTuning::threads},
            .stream = stream.handle};
  }

  std::int64_t width_, directions_;
  Capacity capacity_;
};

}  // namespace

std::unique_ptr<FinalStateOperation> make_final_state(const FinalStateDesc& desc) {
  return with_element(desc.dtype, [&]<class T>() -> std::unique_ptr<FinalStateOperation> {
    return std::make_unique<FinalStateCuda<T>>(desc);
  });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
