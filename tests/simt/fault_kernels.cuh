#pragma once

// Kernels with one thing wrong each, for faults_test.

#include "cuda/arch/arch.cuh"

namespace ragtime::test {
inline namespace RAGTIME_ARCH {

// A result that nobody looks at, where no other thread writes.
template <class T>
RAGTIME_DEVICE void finish(T* out, T value = 1) {
  out[arch::block_index().x * arch::block_extent().count() + arch::thread_rank()] = value;
}

RAGTIME_KERNEL(64, 1) shuffle_in_a_branch(int* out) {
  if (arch::lane() < 16) finish(out, arch::shfl(1, 0));
}
RAGTIME_KERNEL(64, 1) different_warp_operations(int* out) {
  if (arch::lane() < 16)
    finish(out, arch::shfl(1, 0));
  else
    finish(out, static_cast<int>(arch::ballot(true)));
}
RAGTIME_KERNEL(64, 1) mask_with_exited_lanes(int* out) {
  if (arch::lane() >= 16) return;
  for (int i = 0; i < 4; ++i) arch::warp_sync(0xFFFF);
  finish(out, arch::shfl(1, 0));
}
RAGTIME_KERNEL(64, 1) mask_without_the_caller(int* out) {
  finish(out, arch::shfl(1, 0, 0xFF));
}
RAGTIME_KERNEL(64, 1) product_at_two_places(float* out) {
  float c[4] = {};
  const std::uint32_t a[4] = {}, b[2] = {};
  if (arch::lane() < 16)
    arch::mma_bf16(c, a, b);
  else
    arch::mma_bf16(c, a, b);
  finish(out, c[0]);
}

RAGTIME_KERNEL(64, 1) barrier_in_half_of_the_block(int* out) {
  if (arch::thread_rank() < 32) arch::block_sync();
  finish(out);
}
RAGTIME_KERNEL(64, 1) barrier_at_two_places(int* out) {
  if (arch::thread_rank() < 32)
    arch::block_sync();
  else
    arch::block_sync();
  finish(out);
}
RAGTIME_KERNEL(64, 1) named_barriers_that_disagree(int* out) {
  arch::named_sync(1, arch::thread_rank() < 32 ? 64 : 32);
  finish(out);
}
RAGTIME_KERNEL(64, 1) named_barrier_nobody_completes(int* out) {
  if (arch::warp() == 0) arch::named_sync(2, 64);
  finish(out);
}
RAGTIME_KERNEL(64, 1) cluster_barrier_that_one_misses(int* out) {
  if (arch::cluster_rank() == 0)
    arch::cluster_sync();
  else if (arch::thread_rank() < 32)
    arch::cluster_sync();
  else
    arch::named_sync(1, 64);
  finish(out);
}
RAGTIME_KERNEL(64, 1) cluster_wait_alone(int* out) {
  arch::cluster_wait();
  finish(out);
}
RAGTIME_KERNEL(64, 1) cluster_arrive_twice(int* out) {
  arch::cluster_arrive();
  arch::cluster_arrive();
  finish(out);
}

RAGTIME_KERNEL(32, 1) takes_too_much(int* out) {
  arch::SharedMemory shared;
  finish(out, shared.take<int>(100)[0]);
}
RAGTIME_KERNEL(32, 1) takes_differently(int* out) {
  arch::SharedMemory shared;
  finish(out, shared.take<int>(arch::lane() == 7 ? 8 : 9)[0]);
}
RAGTIME_KERNEL(32, 1) writes_behind_an_array(int* out) {
  arch::SharedMemory shared;
  int* const array = shared.take<int>(32);
  shared.take<int>(32);
  array[arch::lane() + 1] = 1;  // one row too far
  finish(out);
}
RAGTIME_KERNEL(32, 1) reaches_another_rank(int* out) {
  RAGTIME_SHARED(int, array, 4);
  if (arch::lane() == 0) array[0] = 1;
  finish(out, *arch::map_rank(array, arch::cluster_size()));
}
RAGTIME_KERNEL(32, 1) maps_what_is_not_shared(int* out) {
  finish(out, *arch::map_rank(out, 0));
}
RAGTIME_KERNEL(32, 1) reaches_an_exited_block(int* out) {
  RAGTIME_SHARED(int, array, 4);
  if (arch::lane() == 0) array[0] = 1;
  if (arch::cluster_rank() == 1) return;
  for (int i = 0; i < 8; ++i) arch::block_sync();
  arch::spin_until(reinterpret_cast<unsigned*>(out), [](unsigned) { return true; });
  *arch::map_rank(array, 1) = 2;
}

enum class Misaligned { load, store, copy_to, copy_from, matrix, message };
template <Misaligned what>
RAGTIME_KERNEL(32, 1)
misaligned(unsigned char* memory) {
  arch::SharedMemory shared;
  auto* const bytes = shared.take<unsigned char>(1024);
  auto* const barrier = shared.take<arch::Mbarrier>(1);
  if constexpr (what == Misaligned::load)
    finish(memory, static_cast<unsigned char>(arch::load<16>(memory + 8).word[0]));
  if constexpr (what == Misaligned::store) arch::store(memory + 4, arch::Chunk<8>{});
  if constexpr (what == Misaligned::copy_to) arch::cp_async<16>(bytes + 8, memory);
  if constexpr (what == Misaligned::copy_from) arch::cp_async<8>(bytes, memory + 4);
  if constexpr (what == Misaligned::matrix) {
    std::uint32_t r[4];
    arch::ldmatrix_x4(r, bytes + arch::lane() * 18);
  }
  if constexpr (what == Misaligned::message) {
    if (arch::lane() == 0) arch::mbarrier_init(barrier, 1);
    arch::warp_sync();
    arch::st_async(bytes + 8, arch::Chunk<16>{}, barrier, 0);
  }
}

RAGTIME_KERNEL(32, 1) copy_never_waited_for(const int* from) {
  arch::SharedMemory shared;
  int* const to = shared.take<int>(32);
  arch::cp_async<4>(to + arch::lane(), from + arch::lane());
  arch::cp_async_commit();
}
RAGTIME_KERNEL(32, 1) copy_behind_an_array(const int* from) {
  arch::SharedMemory shared;
  int* const to = shared.take<int>(32);
  arch::cp_async<4>(to + arch::lane() + 1, from + arch::lane());
  arch::cp_async_commit();
  arch::cp_async_wait<0>();
}

enum class Wrong {
  uninitialised,
  twice,
  overwritten,
  arrivals,
  expects_more,
  expects_less,
  receiver_gone,
  mismatched
};
template <Wrong what>
RAGTIME_KERNEL(32, 1)
wrong_mbarrier(int* out) {
  arch::SharedMemory shared;
  auto* const inbox = shared.take<std::uint32_t>(4);
  auto* const barrier = shared.take<arch::Mbarrier>(2);
  const unsigned other = arch::cluster_size() - 1 - arch::cluster_rank();
  constexpr bool messages = what == Wrong::expects_more || what == Wrong::expects_less ||
                            what == Wrong::receiver_gone || what == Wrong::mismatched;
  if (arch::lane() == 0) {
    if constexpr (what == Wrong::uninitialised) arch::mbarrier_arrive(barrier);
    arch::mbarrier_init(barrier, 1);
    if constexpr (what == Wrong::twice) arch::mbarrier_init(barrier, 1);
    if constexpr (what == Wrong::overwritten) {
      barrier->state = 0;
      arch::mbarrier_arrive(barrier);
    }
    if constexpr (what == Wrong::arrivals) {
      arch::mbarrier_expect_tx(barrier, 8);
      arch::mbarrier_arrive(barrier);
      arch::mbarrier_arrive(barrier);
    }
    if constexpr (messages)
      arch::mbarrier_arrive_expect_tx(barrier, what == Wrong::expects_more   ? 12
                                               : what == Wrong::expects_less ? 4
                                                                             : 8);
  }
  arch::cluster_sync();
  if constexpr (messages) {
    if (arch::lane() < 2)
      arch::st_async(inbox + arch::lane(), arch::Chunk<4>{{1}},
                     barrier + (what == Wrong::mismatched ? arch::lane() : 0), other);
    if constexpr (what == Wrong::receiver_gone) return;
    arch::mbarrier_wait(barrier, 0);
    arch::cluster_sync();
  }
  finish(out);
}

// Thread 0 waits for more signals than there are.
RAGTIME_KERNEL(32, 1) lost_signal(unsigned* flag) {
  if (arch::lane() == 0)
    arch::spin_until(flag, [](unsigned seen) { return seen >= 32; });
  else
    arch::atomic_add(flag, 1u);
}

// All threads of the grid, `round` counted from 1. counter [1] zero.
RAGTIME_DEVICE void grid_barrier(unsigned* counter, unsigned round) {
  arch::block_sync();
  if (arch::thread_rank() == 0) {
    const unsigned all = round * arch::grid_extent().x;
    arch::atomic_add_acq_rel(counter, 1u);
    arch::spin_until(counter, [all](unsigned arrived) { return arrived >= all; });
  }
  arch::block_sync();
}
RAGTIME_KERNEL(32, 1) meet_in_the_grid(unsigned* counter) {
  grid_barrier(counter, 1);
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::test
