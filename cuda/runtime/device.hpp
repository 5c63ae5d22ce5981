#pragma once

// The CUDA runtime as far as the backend needs it: memory, copies, streams, what the device is. Two
// implementations: gpu/ (cudart), and simt/ (malloc; a stream is done at once). No header
// of CUDA is needed to include this. A call that fails throws Error: out_of_memory where that is the reason,
// else device_error, with CUDA's text; nothing is left behind that a later call would report again.

#include <cstddef>
#include <string>

#include "cuda/arch/types.cuh"
#include "ragtime/backend.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct DeviceProperties {
  std::string name;          // "NVIDIA H200"
  std::size_t memory = 0;    // bytes
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  int index = 0;  // as cudaSetDevice counts
};

// Of the device that this process uses. Throws Error(unsupported) when there is none.
const DeviceProperties& device_properties();

void* allocate(std::size_t bytes);
void deallocate(void* memory) noexcept;
void* allocate_pinned(std::size_t bytes);
void deallocate_pinned(void* memory) noexcept;

void copy(void* to, const void* from, std::size_t bytes, CopyKind kind, Stream stream);
void zero(void* memory, std::size_t bytes, Stream stream);
// `rows` pieces of row_bytes, `stride` bytes from one to the next.
void zero_rows(void* memory, std::size_t stride, std::size_t row_bytes, std::int64_t rows, Stream stream);
void synchronize(Stream stream);
Stream make_stream();
void free_stream(Stream stream) noexcept;
void order(Stream earlier, Stream later);

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
