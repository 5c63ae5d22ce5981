#include <cstdint>
#include <utility>

#include "host/base/check.hpp"
#include "ragtime/backend.hpp"

namespace ragtime {
namespace {

// Everything but device memory is the other backend's.
class BackendWithAllocator final : public Backend {
 public:
  BackendWithAllocator(std::shared_ptr<Backend> backend, Allocator allocator)
      : backend_(std::move(backend)), allocator_(std::move(allocator)) {}

  DeviceType device() const override { return backend_->device(); }
  int index() const override { return backend_->index(); }
  std::string description() const override { return backend_->description(); }

  void* allocate(std::size_t bytes) override {
    void* const memory = allocator_.allocate(bytes);
    check(memory != nullptr, ErrorCode::out_of_memory, "the allocator has no ", bytes, " bytes");
    const std::uintptr_t alignment = device() == DeviceType::cuda ? 256 : 64;
    if (reinterpret_cast<std::uintptr_t>(memory) % alignment != 0) {
      allocator_.deallocate(memory, bytes);
      fail(ErrorCode::invalid_argument, "the allocator's memory is at ", memory, ": expected it aligned to ",
           alignment, " bytes");
    }
    return memory;
  }
  void deallocate(void* memory, std::size_t bytes) noexcept override { allocator_.deallocate(memory, bytes); }

  void copy(void* to, const void* from, std::size_t bytes, CopyKind kind, Stream stream) override {
    backend_->copy(to, from, bytes, kind, stream);
  }
  void zero(void* memory, std::size_t bytes, Stream stream) override {
    backend_->zero(memory, bytes, stream);
  }
  void synchronize(Stream stream) override { backend_->synchronize(stream); }

  void* allocate_host(std::size_t bytes) override { return backend_->allocate_host(bytes); }
  void deallocate_host(void* memory, std::size_t bytes) noexcept override {
    backend_->deallocate_host(memory, bytes);
  }
  Stream make_stream() override { return backend_->make_stream(); }
  void free_stream(Stream stream) noexcept override { backend_->free_stream(stream); }
  void order(Stream earlier, Stream later) override { backend_->order(earlier, later); }

  const OperationFactory& operations() const override { return backend_->operations(); }

 private:
  std::shared_ptr<Backend> backend_;
  Allocator allocator_;
};

}  // namespace

std::shared_ptr<Backend> with_allocator(std::shared_ptr<Backend> backend, Allocator allocator) {
  check(backend != nullptr, ErrorCode::invalid_argument, "backend is null: expected one from make_backend");
  check(allocator.allocate != nullptr, ErrorCode::invalid_argument,
        "allocator.allocate is empty: expected a function");
  check(allocator.deallocate != nullptr, ErrorCode::invalid_argument,
        "allocator.deallocate is empty: expected a function");
  return std::make_shared<BackendWithAllocator>(std::move(backend), std::move(allocator));
}

}  // namespace ragtime
