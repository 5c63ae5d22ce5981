#pragma once

// cp.async: from global to shared memory without passing through registers.

#include "cuda/arch/gpu/memory.cuh"

namespace ragtime::arch {
inline namespace on_gpu {

// Bytes: 4, 8 or 16, to which both addresses are aligned. The first `valid` come from memory, the others are
// 0.
template <int Bytes>
RAGTIME_DEVICE void cp_async(void* to, const void* from, unsigned valid = Bytes) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
  // 16 bytes pass by the first-level cache; only .ca exists for less.
  if constexpr (Bytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)),
                 "l"(__cvta_generic_to_global(from)), "r"(valid)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(shared_address(to)),
                 "l"(__cvta_generic_to_global(from)), "r"(valid), "n"(Bytes)
                 : "memory");
}
RAGTIME_DEVICE void cp_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Until at most `Pending` of this thread's newest groups are still under way.
template <int Pending>
RAGTIME_DEVICE void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

}  // namespace on_gpu
}  // namespace ragtime::arch
