#pragma once

#include "cuda/arch/simt/threads.cuh"

namespace ragtime::arch {
inline namespace on_simt {

template <int Bytes>
void cp_async(void* to, const void* from, unsigned valid = Bytes, Site site = Site::here()) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
  simt::cp_async(to, from, Bytes, valid, site);
}
inline void cp_async_commit(Site site = Site::here()) {
  simt::cp_async_commit(site);
}
template <int Pending>
void cp_async_wait(Site site = Site::here()) {
  simt::cp_async_wait(Pending, site);
}

}  // namespace on_simt
}  // namespace ragtime::arch
