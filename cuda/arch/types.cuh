#pragma once

// What both implementations share: plain types, the size of shared memory, how a launch is described, and
// what the host can do as well.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Kernels live in `inline namespace RAGTIME_ARCH` of ragtime::cuda, so that the same kernel compiled for the
// GPU and for the emulation has two names and may be linked into one program.
#if defined(__CUDACC__)
#define RAGTIME_ARCH on_gpu
#define RAGTIME_KERNEL(threads, blocks_per_sm) __global__ void __launch_bounds__(threads, blocks_per_sm)
#define RAGTIME_DEVICE __device__ __forceinline__
#define RAGTIME_HOST_DEVICE __host__ __device__ __forceinline__
#define RAGTIME_UNROLL _Pragma("unroll")
#define RAGTIME_NO_UNROLL _Pragma("unroll 1")
#else
#define RAGTIME_ARCH on_simt
#define RAGTIME_KERNEL(threads, blocks_per_sm) inline void
#define RAGTIME_DEVICE inline
#define RAGTIME_HOST_DEVICE inline
#define RAGTIME_UNROLL
#define RAGTIME_NO_UNROLL
#endif

namespace ragtime::arch {

using bf16 = __nv_bfloat16;
using f16 = __half;

inline constexpr unsigned warp_size = 32;
inline constexpr std::uint32_t all_lanes = 0xFFFFFFFFu;

RAGTIME_HOST_DEVICE float to_float(float value) {
  return value;
}
RAGTIME_HOST_DEVICE float to_float(bf16 value) {
  return __bfloat162float(value);
}
RAGTIME_HOST_DEVICE float to_float(f16 value) {
  return __half2float(value);
}

// To nearest, ties to even; f16 beyond its range becomes infinite.
template <class T>
RAGTIME_HOST_DEVICE T from_float(float value) {
  if constexpr (std::is_same_v<T, bf16>)
    return __float2bfloat16_rn(value);
  else if constexpr (std::is_same_v<T, f16>)
    return __float2half_rn(value);
  else
    return value;
}

struct Extent {
  unsigned x = 1, y = 1, z = 1;
  RAGTIME_HOST_DEVICE constexpr unsigned count() const { return x * y * z; }
};

// Bytes that are loaded, stored or sent in one access.
template <int Bytes>
struct alignas(Bytes) Chunk {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "an access has 2, 4, 8 or 16 bytes");
  std::uint32_t word[Bytes / 4];
};
template <>
struct alignas(2) Chunk<2> {
  std::uint16_t half;
};

// A barrier in shared memory that counts arrivals and bytes. Opaque.
struct alignas(8) Mbarrier {
  std::uint64_t state;
};

// How many bytes of dynamic shared memory the same calls of SharedMemory::take will hand out.
class SharedSize {
 public:
  template <class T>
  RAGTIME_HOST_DEVICE constexpr T* take(std::size_t count, std::size_t alignment = 16) {
    bytes_ = (bytes_ + alignment - 1) / alignment * alignment + count * sizeof(T);
    return nullptr;
  }
  RAGTIME_HOST_DEVICE constexpr std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

struct LaunchConfig {
  const char* name = "kernel";  // for reports
  Extent grid = {};             // blocks
  Extent block = {};            // threads
  unsigned cluster = 1;         // blocks a cluster, along x; 16 is not portable but allowed
  std::size_t shared_bytes = 0;
  bool cooperative = false;  // all blocks resident at once, so that they may wait for each other
  void* stream = nullptr;    // a cudaStream_t
};

// Of a launch, not of the kernel: what the kernel does wrong shows when its stream is next waited for.
struct [[nodiscard]] LaunchResult {
  int code = 0;           // a cudaError_t
  const char* text = "";  // why, unless ok
  bool ok() const { return code == 0; }
};

}  // namespace ragtime::arch
