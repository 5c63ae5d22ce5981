#pragma once

// Blocks of a cluster: their barrier, each other's shared memory, mbarriers, and stores that are counted on
// the receiver's mbarrier.

#include "cuda/arch/gpu/memory.cuh"

namespace ragtime::arch {
inline namespace on_gpu {

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900

inline constexpr bool has_clusters = true;  // of more than one block

RAGTIME_DEVICE unsigned cluster_rank() {
  unsigned rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}
RAGTIME_DEVICE unsigned cluster_size() {
  unsigned size;
  asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  return size;
}
RAGTIME_DEVICE void cluster_arrive() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}
RAGTIME_DEVICE void cluster_wait() {
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}
// The place in block `rank` that corresponds to `pointer` into this block's shared memory.
template <class T>
RAGTIME_DEVICE T* map_rank(T* pointer, unsigned rank) {
  std::uint64_t mapped;
  asm("mapa.u64 %0, %1, %2;" : "=l"(mapped) : "l"(pointer), "r"(rank));
  return reinterpret_cast<T*>(mapped);
}

// Makes initialisations visible to the cluster; a cluster barrier must follow.
RAGTIME_DEVICE void mbarrier_fence_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
RAGTIME_DEVICE void mbarrier_arrive_at(Mbarrier* barrier, unsigned rank) {
  asm volatile(
      "{\n .reg .b32 remote;\n mapa.shared::cluster.u32 remote, %0, %1;\n"
      " mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n}" ::"r"(shared_address(barrier)),
      "r"(rank)
      : "memory");
}
RAGTIME_DEVICE void mbarrier_expect_tx(Mbarrier* barrier, unsigned bytes) {
  asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(bytes)
               : "memory");
}
RAGTIME_DEVICE void mbarrier_arrive_expect_tx(Mbarrier* barrier, unsigned bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(bytes)
               : "memory");
}
// Acquires what arrived in shared memory with the barrier, and of other memory nothing: an acquire of all of
// it would empty the first-level cache, every time and for every warp.
RAGTIME_DEVICE void mbarrier_wait(Mbarrier* barrier, unsigned parity) {
#if __CUDACC_VER_MAJOR__ >= 13
  asm volatile(
      "{\n .reg .pred done;\nretry_%=:\n"
      " mbarrier.try_wait.parity.relaxed.cluster.shared::cta.b64 done, [%0], %1;\n"
      " @!done bra retry_%=;\n fence.acquire.sync_restrict::shared::cluster.cluster;\n}" ::"r"(
          shared_address(barrier)),
      "r"(parity)
      : "memory");
#else
  asm volatile(
      "{\n .reg .pred done;\nretry_%=:\n"
      " mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n"
      " @!done bra retry_%=;\n}" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
#endif
}
RAGTIME_DEVICE bool mbarrier_test(Mbarrier* barrier, unsigned parity) {
  unsigned done;
  asm volatile(
      "{\n .reg .pred done;\n mbarrier.test_wait.parity.acquire.cluster.shared::cta.b64 done, [%1], %2;\n"
      " selp.u32 %0, 1, 0, done;\n}"
      : "=r"(done)
      : "r"(shared_address(barrier)), "r"(parity)
      : "memory");
  return done != 0;
}

// Place and barrier are named in this block and meant in block `rank`. 16 bytes are the widest form there is.
RAGTIME_DEVICE void st_async(void* place, Chunk<4> value, Mbarrier* barrier, unsigned rank) {
  asm volatile(
      "{\n .reg .b32 to, bar;\n mapa.shared::cluster.u32 to, %0, %3;\n mapa.shared::cluster.u32 bar, %2, "
      "%3;\n"
      " st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b32 [to], %1, [bar];\n}" ::"r"(
          shared_address(place)),
      "r"(value.word[0]), "r"(shared_address(barrier)), "r"(rank)
      : "memory");
}
RAGTIME_DEVICE void st_async(void* place, Chunk<8> value, Mbarrier* barrier, unsigned rank) {
  asm volatile(
      "{\n .reg .b32 to, bar;\n mapa.shared::cluster.u32 to, %0, %4;\n mapa.shared::cluster.u32 bar, %3, "
      "%4;\n"
      " st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b32 [to], {%1, %2}, [bar];\n}" ::"r"(
          shared_address(place)),
      "r"(value.word[0]), "r"(value.word[1]), "r"(shared_address(barrier)), "r"(rank)
      : "memory");
}
RAGTIME_DEVICE void st_async(void* place, Chunk<16> value, Mbarrier* barrier, unsigned rank) {
  asm volatile(
      "{\n .reg .b32 to, bar;\n mapa.shared::cluster.u32 to, %0, %6;\n mapa.shared::cluster.u32 bar, %5, "
      "%6;\n"
      " st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [to], {%1, %2, %3, %4}, "
      "[bar];\n}" ::"r"(shared_address(place)),
      "r"(value.word[0]), "r"(value.word[1]), "r"(value.word[2]), "r"(value.word[3]),
      "r"(shared_address(barrier)), "r"(rank)
      : "memory");
}

#else  // before sm_90: a cluster is one block, and mbarriers do not count bytes

inline constexpr bool has_clusters = false;

RAGTIME_DEVICE unsigned cluster_rank() {
  return 0;
}
RAGTIME_DEVICE unsigned cluster_size() {
  return 1;
}
RAGTIME_DEVICE void cluster_arrive() {
  __syncthreads();
}
RAGTIME_DEVICE void cluster_wait() {}
template <class T>
RAGTIME_DEVICE T* map_rank(T* pointer, unsigned) {
  return pointer;
}
RAGTIME_DEVICE void mbarrier_fence_init() {}
RAGTIME_DEVICE void mbarrier_arrive_at(Mbarrier* barrier, unsigned) {
  asm volatile(
      "{\n .reg .b64 token;\n mbarrier.arrive.shared.b64 token, [%0];\n}" ::"r"(shared_address(barrier))
      : "memory");
}
RAGTIME_DEVICE void mbarrier_expect_tx(Mbarrier*, unsigned) {
  __trap();
}
RAGTIME_DEVICE void mbarrier_arrive_expect_tx(Mbarrier*, unsigned) {
  __trap();
}
RAGTIME_DEVICE bool mbarrier_test(Mbarrier* barrier, unsigned parity) {
  unsigned done;
  asm volatile(
      "{\n .reg .pred done;\n mbarrier.test_wait.parity.shared.b64 done, [%1], %2;\n"
      " selp.u32 %0, 1, 0, done;\n}"
      : "=r"(done)
      : "r"(shared_address(barrier)), "r"(parity)
      : "memory");
  return done != 0;
}
RAGTIME_DEVICE void mbarrier_wait(Mbarrier* barrier, unsigned parity) {
  while (!mbarrier_test(barrier, parity)) {
  }
}
template <int Bytes>
RAGTIME_DEVICE void st_async(void*, Chunk<Bytes>, Mbarrier*, unsigned) {
  __trap();
}

#endif

RAGTIME_DEVICE void cluster_sync() {
  cluster_arrive();
  cluster_wait();
}
RAGTIME_DEVICE void mbarrier_init(Mbarrier* barrier, unsigned arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}
RAGTIME_DEVICE void mbarrier_arrive(Mbarrier* barrier) {
  asm volatile(
      "{\n .reg .b64 token;\n mbarrier.arrive.shared.b64 token, [%0];\n}" ::"r"(shared_address(barrier))
      : "memory");
}

}  // namespace on_gpu
}  // namespace ragtime::arch
