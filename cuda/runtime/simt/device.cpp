// cuda/runtime/device.hpp on the CPU: device memory is malloc's, with what AddressSanitizer knows of it;
// every stream is done at once.

#include "cuda/runtime/device.hpp"

#include <cstdlib>
#include <cstring>

#include "host/base/check.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

const DeviceProperties& device_properties() {
  // Few, so that loops over the grid go round more than once.
  static const DeviceProperties properties = {"emulated", std::size_t{1} << 34, 9, 0, 2, 0};
  return properties;
}

void* allocate(std::size_t bytes) {
  constexpr std::size_t alignment = 256;  // cudaMalloc's
  void* const memory = bytes > device_properties().memory
                           ? nullptr
                           : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  check(memory != nullptr, ErrorCode::out_of_memory, "allocating ", bytes, " bytes of device memory failed");
  return memory;
}
void deallocate(void* memory) noexcept {
  std::free(memory);
}
void* allocate_pinned(std::size_t bytes) {
  return allocate(bytes);
}
void deallocate_pinned(void* memory) noexcept {
  std::free(memory);
}

void copy(void* to, const void* from, std::size_t bytes, CopyKind, Stream) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}
void zero(void* memory, std::size_t bytes, Stream) {
  if (bytes > 0) std::memset(memory, 0, bytes);
}
void zero_rows(void* memory, std::size_t stride, std::size_t row_bytes, std::int64_t rows, Stream) {
  for (std::int64_t row = 0; row < rows; ++row)
    zero(static_cast<std::byte*>(memory) + static_cast<std::size_t>(row) * stride, row_bytes, {});
}
void synchronize(Stream) {}
Stream make_stream() {
  return {std::malloc(1)};  // one like no other
}
void free_stream(Stream stream) noexcept {
  std::free(stream.handle);
}
void order(Stream, Stream) {}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
