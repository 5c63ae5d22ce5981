#pragma once

#include <cstring>
#include <type_traits>

#include "cuda/arch/simt/machine/device.hpp"

namespace ragtime::arch {
inline namespace on_simt {

using simt::Site;

inline Extent thread_index() {
  return simt::identity().thread;
}
inline Extent block_index() {
  return simt::identity().block;
}
inline Extent block_extent() {
  return simt::launched().block;
}
inline Extent grid_extent() {
  return simt::launched().grid;
}
inline unsigned thread_rank() {
  return simt::identity().rank;
}
inline unsigned lane() {
  return simt::identity().lane;
}
inline unsigned warp() {
  return simt::identity().rank / warp_size;
}

template <class T>
T exchange(const char* operation, T value, unsigned from, std::uint32_t mask, Site site) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = simt::shuffle(operation, bits, from, mask, site);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
template <class T>
T shfl(T value, unsigned from, std::uint32_t mask = all_lanes, Site site = Site::here()) {
  return exchange("shfl", value, from, mask, site);
}
template <class T>
T shfl_xor(T value, unsigned flip, std::uint32_t mask = all_lanes, Site site = Site::here()) {
  return exchange("shfl_xor", value, lane() ^ flip, mask, site);
}
// Beyond the ends of the warp a lane keeps its own value.
template <class T>
T shfl_up(T value, unsigned distance, std::uint32_t mask = all_lanes, Site site = Site::here()) {
  return exchange("shfl_up", value, lane() < distance ? lane() : lane() - distance, mask, site);
}
template <class T>
T shfl_down(T value, unsigned distance, std::uint32_t mask = all_lanes, Site site = Site::here()) {
  return exchange("shfl_down", value, lane() + distance < warp_size ? lane() + distance : lane(), mask, site);
}
inline std::uint32_t ballot(bool vote, std::uint32_t mask = all_lanes, Site site = Site::here()) {
  return simt::ballot("ballot", vote, mask, site);
}
inline bool any(bool vote, std::uint32_t mask = all_lanes, Site site = Site::here()) {
  return simt::ballot("any", vote, mask, site) != 0;
}
inline bool all(bool vote, std::uint32_t mask = all_lanes, Site site = Site::here()) {
  return simt::ballot("all", vote, mask, site) == mask;
}
inline void warp_sync(std::uint32_t mask = all_lanes, Site site = Site::here()) {
  simt::warp_sync(mask, site);
}

inline void block_sync(Site site = Site::here()) {
  simt::block_barrier(0, 0, true, site);
}
inline void named_sync(unsigned id, unsigned threads, Site site = Site::here()) {
  simt::block_barrier(id, threads, true, site);
}
inline void named_arrive(unsigned id, unsigned threads, Site site = Site::here()) {
  simt::block_barrier(id, threads, false, site);
}

}  // namespace on_simt
}  // namespace ragtime::arch
