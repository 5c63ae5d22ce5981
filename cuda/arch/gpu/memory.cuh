#pragma once

// Atomics, acquire and release, whole-chunk accesses, shared memory.

#include <cstring>
#include <type_traits>

#include "cuda/arch/gpu/threads.cuh"

// T name[count], in static shared memory.
#define RAGTIME_SHARED(T, name, count) __shared__ T name[count]

namespace ragtime::arch {
inline namespace on_gpu {

// 32-bit address within shared memory, as PTX wants it.
RAGTIME_DEVICE unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

// CUDA has 64-bit atomics on unsigned long long only, which is not what uint64_t is on Linux.
template <class T>
RAGTIME_DEVICE auto* atomic_pointer(T* pointer) {
  if constexpr (std::is_same_v<T, std::uint64_t>)
    return reinterpret_cast<unsigned long long*>(pointer);
  else
    return pointer;
}
template <class T>  // int, unsigned, uint64_t, float
RAGTIME_DEVICE T atomic_add(T* pointer, T value) {
  return atomicAdd(atomic_pointer(pointer), value);
}
template <class T>  // int, unsigned, uint64_t
RAGTIME_DEVICE T atomic_min(T* pointer, T value) {
  return atomicMin(atomic_pointer(pointer), value);
}
template <class T>
RAGTIME_DEVICE T atomic_max(T* pointer, T value) {
  return atomicMax(atomic_pointer(pointer), value);
}
template <class T>
RAGTIME_DEVICE T atomic_cas(T* pointer, T expected, T desired) {
  return atomicCAS(atomic_pointer(pointer), expected, desired);
}

// Adds 1, below 2^31, and gives what was there. Unlike atomic_add it is not gathered over the warp by the
// compiler, which would have every lane wait for the answer at once.
RAGTIME_DEVICE unsigned atomic_increment(unsigned* pointer) {
  unsigned before;
  asm volatile("atom.relaxed.gpu.global.inc.u32 %0, [%1], 0x7fffffff;"
               : "=r"(before)
               : "l"(__cvta_generic_to_global(pointer))
               : "memory");
  return before;
}
RAGTIME_DEVICE unsigned atomic_add_acq_rel(unsigned* pointer, unsigned value) {
  unsigned before;
  asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], %2;"
               : "=r"(before)
               : "l"(__cvta_generic_to_global(pointer)), "r"(value)
               : "memory");
  return before;
}

template <class T>  // 4 or 8 bytes
RAGTIME_DEVICE T load_acquire(const T* pointer) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  if constexpr (sizeof(T) == 4) {
    unsigned bits;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];"
                 : "=r"(bits)
                 : "l"(__cvta_generic_to_global(pointer))
                 : "memory");
    return static_cast<T>(bits);
  } else {
    unsigned long long bits;
    asm volatile("ld.acquire.gpu.global.u64 %0, [%1];"
                 : "=l"(bits)
                 : "l"(__cvta_generic_to_global(pointer))
                 : "memory");
    return static_cast<T>(bits);
  }
}
template <class T>
RAGTIME_DEVICE void store_release(T* pointer, T value) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  if constexpr (sizeof(T) == 4)
    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(__cvta_generic_to_global(pointer)),
                 "r"(static_cast<unsigned>(value))
                 : "memory");
  else
    asm volatile("st.release.gpu.global.u64 [%0], %1;" ::"l"(__cvta_generic_to_global(pointer)),
                 "l"(static_cast<unsigned long long>(value))
                 : "memory");
}
// Waits until done(*pointer), and acquires.
template <class T, class Done>
RAGTIME_DEVICE T spin_until(const T* pointer, Done done) {
  T value = load_acquire(pointer);
  while (!done(value)) value = load_acquire(pointer);
  return value;
}

template <int Bytes>
struct Machine;  // the builtin type with a load and a store of that many bytes
template <>
struct Machine<2> {
  using Type = unsigned short;
};
template <>
struct Machine<4> {
  using Type = unsigned;
};
template <>
struct Machine<8> {
  using Type = uint2;
};
template <>
struct Machine<16> {
  using Type = uint4;
};
template <class To, class From>
RAGTIME_DEVICE To same_bits(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &from, sizeof(To));
  return to;
}

template <int Bytes>
RAGTIME_DEVICE Chunk<Bytes> load(const void* pointer) {
  // In a variable of its own: through a reference the compiler copies byte by byte.
  const typename Machine<Bytes>::Type value = *static_cast<const typename Machine<Bytes>::Type*>(pointer);
  return same_bits<Chunk<Bytes>>(value);
}
template <int Bytes>
RAGTIME_DEVICE void store(void* pointer, Chunk<Bytes> value) {
  using Type = typename Machine<Bytes>::Type;
  *static_cast<Type*>(pointer) = same_bits<Type>(value);
}
template <int Bytes>
RAGTIME_DEVICE Chunk<Bytes> load_once(const void* pointer) {
  return same_bits<Chunk<Bytes>>(__ldcs(static_cast<const typename Machine<Bytes>::Type*>(pointer)));
}
template <int Bytes>
RAGTIME_DEVICE void store_once(void* pointer, Chunk<Bytes> value) {
  using Type = typename Machine<Bytes>::Type;
  __stcs(static_cast<Type*>(pointer), same_bits<Type>(value));
}

class SharedMemory {
 public:
  // For the device; the host may only name it, in code that is given this class or SharedSize.
  template <class T>
  RAGTIME_HOST_DEVICE T* take([[maybe_unused]] std::size_t count,
                              [[maybe_unused]] std::size_t alignment = 16) {
#if defined(__CUDA_ARCH__)
    extern __shared__ __align__(1024) unsigned char ragtime_shared_memory[];
    used_ = (used_ + alignment - 1) / alignment * alignment;
    T* const array = reinterpret_cast<T*>(ragtime_shared_memory + used_);
    used_ += count * sizeof(T);
    return array;
#else
    return nullptr;
#endif
  }

 private:
  std::size_t used_ = 0;
};

}  // namespace on_gpu
}  // namespace ragtime::arch
