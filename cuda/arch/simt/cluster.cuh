#pragma once

#include "cuda/arch/simt/threads.cuh"

namespace ragtime::arch {
inline namespace on_simt {

inline constexpr bool has_clusters = true;

inline unsigned cluster_rank() {
  return simt::identity().cluster_rank;
}
inline unsigned cluster_size() {
  return simt::launched().cluster;
}
inline void cluster_arrive(Site site = Site::here()) {
  simt::cluster_arrive(site);
}
inline void cluster_wait(Site site = Site::here()) {
  simt::cluster_wait(site);
}
inline void cluster_sync(Site site = Site::here()) {
  simt::cluster_arrive(site);
  simt::cluster_wait(site);
}
template <class T>
T* map_rank(T* pointer, unsigned rank, Site site = Site::here()) {
  return static_cast<T*>(simt::map_rank(pointer, rank, site));
}

inline void mbarrier_init(Mbarrier* barrier, unsigned arrivals, Site site = Site::here()) {
  simt::mbarrier_init(barrier, arrivals, site);
}
inline void mbarrier_fence_init() {}
inline void mbarrier_arrive(Mbarrier* barrier, Site site = Site::here()) {
  simt::mbarrier_arrive(barrier, simt::own_block, 1, 0, site);
}
inline void mbarrier_arrive_at(Mbarrier* barrier, unsigned rank, Site site = Site::here()) {
  simt::mbarrier_arrive(barrier, rank, 1, 0, site);
}
inline void mbarrier_expect_tx(Mbarrier* barrier, unsigned bytes, Site site = Site::here()) {
  simt::mbarrier_arrive(barrier, simt::own_block, 0, bytes, site);
}
inline void mbarrier_arrive_expect_tx(Mbarrier* barrier, unsigned bytes, Site site = Site::here()) {
  simt::mbarrier_arrive(barrier, simt::own_block, 1, bytes, site);
}
inline bool mbarrier_test(Mbarrier* barrier, unsigned parity, Site site = Site::here()) {
  return simt::mbarrier_test(barrier, parity, site);
}
inline void mbarrier_wait(Mbarrier* barrier, unsigned parity, Site site = Site::here()) {
  simt::mbarrier_wait(barrier, parity, site);
}

template <int Bytes>
void st_async(void* place, Chunk<Bytes> value, Mbarrier* barrier, unsigned rank, Site site = Site::here()) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
  simt::st_async(place, &value, Bytes, barrier, rank, site);
}

}  // namespace on_simt
}  // namespace ragtime::arch
