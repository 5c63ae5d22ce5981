#pragma once

// Devices, their memory and their streams: what everything else is made with.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ragtime/types.hpp"

namespace ragtime {

class OperationFactory;  // host/ops/operations.hpp: what a backend implements

// From where to where bytes are copied.
enum class CopyKind : std::uint8_t {
  to_device,  // from host memory into device memory
  to_host,    // from device memory into host memory
  on_device,  // within device memory
};

// A device and the operations it offers. Plans and memory keep the backend alive. Its functions may be called
// by several threads at once, and throw Error(device_error) when CUDA reports a failure.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual DeviceType device() const = 0;        // which type of device it is
  virtual int index() const { return 0; }       // of the device among those of its type
  virtual std::string description() const = 0;  // one line for a person: processor or GPU, threads or memory

  // Device memory of that many bytes, aligned to 256 bytes on CUDA and to 64 on the CPU. Throws
  // Error(out_of_memory); the backend stays usable.
  virtual void* allocate(std::size_t bytes) = 0;
  // Takes back memory that allocate gave for that many bytes. Nothing that is queued may still use it.
  virtual void deallocate(void* memory, std::size_t bytes) noexcept = 0;

  // Queues a copy of that many bytes. `from` and `to` do not overlap, and are where kind says.
  virtual void copy(void* to, const void* from, std::size_t bytes, CopyKind kind, Stream stream = {}) = 0;
  // Queues zeros for that many bytes of device memory.
  virtual void zero(void* memory, std::size_t bytes, Stream stream = {}) = 0;
  // Waits until everything queued on the stream is done.
  virtual void synchronize(Stream stream = {}) = 0;

  // Host memory of that many bytes that copies are made from and into without the host waiting for them:
  // pinned on CUDA. Throws Error(out_of_memory).
  virtual void* allocate_host(std::size_t bytes);
  // Takes back memory that allocate_host gave for that many bytes.
  virtual void deallocate_host(void* memory, std::size_t bytes) noexcept;

  // Queues of work that may run beside each other. On the CPU every call is done on return, so they are all
  // the same one.
  virtual Stream make_stream();
  // Takes back what make_stream gave.
  virtual void free_stream(Stream stream) noexcept;
  // What is queued on `later` from now on waits for what is queued on `earlier` by now.
  virtual void order(Stream earlier, Stream later);

  // What plans are made of; nothing for users.
  virtual const OperationFactory& operations() const = 0;
};

// The backend of a device, one for the whole process. `device` is "auto", "cpu" or "cuda"; auto takes CUDA
// when it is built in and a device answers. "cuda" is the calling thread's current device (cudaSetDevice) at
// the first call. Throws Error(unsupported) that says what is missing, and Error(invalid_argument) on any
// other word.
std::shared_ptr<Backend> make_backend(std::string_view device = "auto");

// Where device memory comes from in place of the device's own allocator. Both are called by any thread that
// calls the library, and must not call it.
struct Allocator {
  // Aligned to 256 bytes on CUDA and to 64 on the CPU; null: there is none, which becomes
  // Error(out_of_memory).
  std::function<void*(std::size_t bytes)> allocate;
  std::function<void(void* memory, std::size_t bytes)> deallocate;  // what allocate gave, with its size
};

// The same device and operations, with memory from the allocator: Buffers, batches, models, optimizers, and
// what plans keep. Throws Error(invalid_argument) where one of the three is missing.
std::shared_ptr<Backend> with_allocator(std::shared_ptr<Backend> backend, Allocator allocator);

// Names of the backends compiled into this library: "cpu", and "cuda" where it was built with it.
std::vector<std::string> backends_built();

// How many threads the CPU backend may use, process-wide; 0: RAGTIME_THREADS if set, else one per core.
// Results do not depend on it. Not while other threads run operations.
void set_cpu_threads(int threads);
int cpu_threads();  // how many threads the CPU backend may use

// Memory of a backend with an owner: Buffer and HostBuffer. Empty after a move.
template <void* (Backend::*take)(std::size_t), void (Backend::*give_back)(void*, std::size_t) noexcept>
class OwnedMemory {
 public:
  OwnedMemory() = default;  // empty
  // Takes that many bytes of the backend's memory; 0: empty. Throws Error(out_of_memory).
  OwnedMemory(std::shared_ptr<Backend> backend, std::size_t bytes)
      : backend_(std::move(backend)), bytes_(bytes) {
    if (bytes_ > 0) memory_ = ((*backend_).*take)(bytes_);
  }
  ~OwnedMemory() {
    if (memory_ != nullptr) ((*backend_).*give_back)(memory_, bytes_);
  }
  // Takes over the memory of the other one, which is then empty.
  OwnedMemory(OwnedMemory&& other) noexcept { swap(other); }
  // Gives back what it has and takes over the memory of the other one, which is then empty.
  OwnedMemory& operator=(OwnedMemory&& other) noexcept {
    OwnedMemory(std::move(other)).swap(*this);
    return *this;
  }

  void* data() const { return memory_; }  // null when empty
  // data() as a pointer to what is kept there.
  template <class T>
  T* as() const {
    return static_cast<T*>(memory_);
  }
  std::size_t bytes() const { return bytes_; }  // 0 when empty
  // Exchanges the memory with that of the other one.
  void swap(OwnedMemory& other) noexcept {
    std::swap(backend_, other.backend_);
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
  }

 private:
  std::shared_ptr<Backend> backend_;
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

using Buffer = OwnedMemory<&Backend::allocate, &Backend::deallocate>;  // device memory
using HostBuffer =
    OwnedMemory<&Backend::allocate_host, &Backend::deallocate_host>;  // host memory, pinned on CUDA

}  // namespace ragtime
