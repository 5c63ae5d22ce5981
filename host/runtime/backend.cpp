#include "ragtime/backend.hpp"

#include <new>

#include "host/base/check.hpp"
#include "host/cpu/cpu_backend.hpp"
#include "host/runtime/backend_registry.hpp"
#include "ragtime/error.hpp"

namespace ragtime {
namespace {

std::vector<BackendEntry>& entries() {
  static std::vector<BackendEntry> entries = {
      {"cpu", make_cpu_backend},
#ifdef RAGTIME_CUDA_BACKEND
      {"cuda", make_cuda_backend},
#endif
  };
  return entries;
}

std::shared_ptr<Backend> make_best_backend() {
#ifdef RAGTIME_CUDA_BACKEND
  try {
    return make_cuda_backend();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) throw;
  }
#endif
  return make_cpu_backend();
}

constexpr std::align_val_t host_alignment{64};

}  // namespace

void register_backend(BackendEntry entry) {
  entries().push_back(std::move(entry));
}

std::shared_ptr<Backend> make_backend(std::string_view device) {
  if (device == "auto") return make_best_backend();
  for (const BackendEntry& entry : entries())
    if (device == entry.name) return entry.make();
  if (device == "cuda")
    fail(ErrorCode::unsupported,
         "device is \"cuda\", but this build of ragtime has no CUDA backend: use \"cpu\" or \"auto\"");
  fail(ErrorCode::invalid_argument, "device is \"", device, "\": expected \"auto\", \"cpu\" or \"cuda\"");
}

std::vector<std::string> backends_built() {
  std::vector<std::string> names;
  for (const BackendEntry& entry : entries()) names.push_back(entry.name);
  return names;
}

void* Backend::allocate_host(std::size_t bytes) {
  void* memory = ::operator new(bytes, host_alignment, std::nothrow);
  check(memory != nullptr, ErrorCode::out_of_memory, "allocating ", bytes, " bytes of host memory failed");
  return memory;
}

void Backend::deallocate_host(void* memory, std::size_t) noexcept {
  ::operator delete(memory, host_alignment);
}

Stream Backend::make_stream() {
  return {};
}
void Backend::free_stream(Stream) noexcept {}
void Backend::order(Stream, Stream) {}

}  // namespace ragtime
