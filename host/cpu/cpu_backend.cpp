#include "host/cpu/cpu_backend.hpp"

#include <cstring>
#include <new>

#include "host/base/check.hpp"
#include "host/cpu/cpu_operations.hpp"
#include "host/cpu/kernels.hpp"
#include "host/cpu/parallel.hpp"

namespace ragtime {
namespace {

constexpr std::align_val_t alignment{64};  // a cache line, and the widest vector

class CpuOperations final : public OperationFactory {
 public:
  bool supports(DType dtype) const override { return dtype == DType::f32 || dtype == DType::f64; }
  std::unique_ptr<BatchBuilderOperation> batch_builder(const BatchBuilderDesc& desc) const override {
    return cpu::make_batch_builder(desc);
  }
  std::unique_ptr<LayoutOperation> layout(const LayoutDesc& desc) const override {
    return cpu::make_layout(desc);
  }
  std::unique_ptr<SegmentPoolOperation> segment_pool(const SegmentPoolDesc& desc) const override {
    return cpu::make_segment_pool(desc);
  }
  std::unique_ptr<LstmOperation> lstm(const LstmDesc& desc) const override { return cpu::make_lstm(desc); }
  std::unique_ptr<FinalStateOperation> final_state(const FinalStateDesc& desc) const override {
    return cpu::make_final_state(desc);
  }
  std::unique_ptr<LinearOperation> linear(const LinearDesc& desc) const override {
    return cpu::make_linear(desc);
  }
  std::unique_ptr<DropoutOperation> dropout(const DropoutDesc& desc) const override {
    return cpu::make_dropout(desc);
  }
  std::unique_ptr<MaskedLossOperation> masked_loss(const MaskedLossDesc& desc) const override {
    return cpu::make_masked_loss(desc);
  }
  std::unique_ptr<AdamWOperation> adamw(const AdamWDesc& desc) const override {
    return cpu::make_adamw(desc);
  }
};

class CpuBackend final : public Backend {
 public:
  DeviceType device() const override { return DeviceType::cpu; }
  std::string description() const override {
    return concat("cpu, ", cpu::instruction_set(), ", ", cpu_threads(),
                  cpu_threads() == 1 ? " thread" : " threads");
  }

  void* allocate(std::size_t bytes) override {
    void* memory = ::operator new(bytes, alignment, std::nothrow);
    check(memory != nullptr, ErrorCode::out_of_memory, "allocating ", bytes, " bytes of memory failed");
    return memory;
  }
  void deallocate(void* memory, std::size_t) noexcept override { ::operator delete(memory, alignment); }

  void copy(void* to, const void* from, std::size_t bytes, CopyKind, Stream) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void zero(void* memory, std::size_t bytes, Stream) override {
    if (bytes > 0) std::memset(memory, 0, bytes);
  }
  void synchronize(Stream) override {}

  const OperationFactory& operations() const override { return operations_; }

 private:
  CpuOperations operations_;
};

}  // namespace

std::shared_ptr<Backend> make_cpu_backend() {
  static const auto backend = std::make_shared<CpuBackend>();
  return backend;
}

}  // namespace ragtime
