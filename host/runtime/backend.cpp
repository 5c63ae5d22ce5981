#include "ragtime/backend.hpp"

#include <new>

#include "host/base/check.hpp"
#include "host/runtime/backend_registry.hpp"
#include "ragtime/error.hpp"

namespace ragtime {
namespace {

// Those of the library, and behind them those that are linked in beside it.
std::vector<BackendEntry>& entries() {
  static std::vector<BackendEntry> entries = backends_of_library();
  return entries;
}

// The last backend of the library whose device answers.
std::shared_ptr<Backend> make_best_backend() {
  const std::vector<BackendEntry> own = backends_of_library();
  for (auto entry = own.rbegin(); entry + 1 != own.rend(); ++entry) {
    try {
      return entry->make();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported) throw;
    }
  }
  return own.front().make();
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
