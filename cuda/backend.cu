#include "cuda/backend.hpp"

#include "cuda/operations.hpp"
#include "cuda/runtime/device.hpp"
#include "host/base/check.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

class CudaOperations final : public OperationFactory {
 public:
  bool supports(DType dtype) const override { return dtype != DType::f64; }
  std::unique_ptr<BatchBuilderOperation> batch_builder(const BatchBuilderDesc& desc) const override {
    return make_batch_builder(desc);
  }
  std::unique_ptr<LayoutOperation> layout(const LayoutDesc& desc) const override { return make_layout(desc); }
  std::unique_ptr<SegmentPoolOperation> segment_pool(const SegmentPoolDesc& desc) const override {
    return make_segment_pool(desc);
  }
  std::unique_ptr<LstmOperation> lstm(const LstmDesc& desc) const override { return make_lstm(desc); }
  std::unique_ptr<FinalStateOperation> final_state(const FinalStateDesc& desc) const override {
    return make_final_state(desc);
  }
  std::unique_ptr<LinearOperation> linear(const LinearDesc& desc) const override { return make_linear(desc); }
  std::unique_ptr<DropoutOperation> dropout(const DropoutDesc& desc) const override {
    return make_dropout(desc);
  }
  std::unique_ptr<MaskedLossOperation> masked_loss(const MaskedLossDesc& desc) const override {
    return make_masked_loss(desc);
  }
  std::unique_ptr<AdamWOperation> adamw(const AdamWDesc& desc) const override { return make_adamw(desc); }
};

class CudaBackend final : public Backend {
 public:
  CudaBackend() { device_properties(); }  // throws when there is none

  DeviceType device() const override { return DeviceType::cuda; }
  int index() const override { return device_properties().index; }
  std::string description() const override {
    const DeviceProperties& device = device_properties();
    return concat("cuda, ", device.name, ", sm_", device.major, device.minor, ", ", device.multiprocessors,
                  " multiprocessors, ", device.memory >> 30, " GiB");
  }

  void* allocate(std::size_t bytes) override { return cuda::allocate(bytes); }
  void deallocate(void* memory, std::size_t) noexcept override { cuda::deallocate(memory); }
  void copy(void* to, const void* from, std::size_t bytes, CopyKind kind, Stream stream) override {
    cuda::copy(to, from, bytes, kind, stream);
  }
  void zero(void* memory, std::size_t bytes, Stream stream) override { cuda::zero(memory, bytes, stream); }
  void synchronize(Stream stream) override { cuda::synchronize(stream); }

  void* allocate_host(std::size_t bytes) override { return allocate_pinned(bytes); }
  void deallocate_host(void* memory, std::size_t) noexcept override { deallocate_pinned(memory); }
  Stream make_stream() override { return cuda::make_stream(); }
  void free_stream(Stream stream) noexcept override { cuda::free_stream(stream); }
  void order(Stream earlier, Stream later) override { cuda::order(earlier, later); }

  const OperationFactory& operations() const override { return operations_; }

 private:
  CudaOperations operations_;
};

}  // namespace

std::shared_ptr<Backend> backend() {
  static const auto backend = std::make_shared<CudaBackend>();
  return backend;
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
