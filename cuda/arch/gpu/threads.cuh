#pragma once

// Who a thread is, and how the threads of a warp and of a block meet.

#include <cuda_runtime.h>

#include "cuda/arch/types.cuh"

namespace ragtime::arch {
inline namespace on_gpu {

RAGTIME_DEVICE Extent thread_index() {
  return {threadIdx.x, threadIdx.y, threadIdx.z};
}
RAGTIME_DEVICE Extent block_index() {
  return {blockIdx.x, blockIdx.y, blockIdx.z};
}
RAGTIME_DEVICE Extent block_extent() {
  return {blockDim.x, blockDim.y, blockDim.z};
}
RAGTIME_DEVICE Extent grid_extent() {
  return {gridDim.x, gridDim.y, gridDim.z};
}
RAGTIME_DEVICE unsigned thread_rank() {
  return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}
RAGTIME_DEVICE unsigned warp() {
  return thread_rank() / warp_size;
}
RAGTIME_DEVICE unsigned lane() {
  unsigned lane;
  asm("mov.u32 %0, %%laneid;" : "=r"(lane));
  return lane;
}

template <class T>
RAGTIME_DEVICE T shfl(T value, unsigned from, std::uint32_t mask = all_lanes) {
  return __shfl_sync(mask, value, static_cast<int>(from));
}
template <class T>
RAGTIME_DEVICE T shfl_xor(T value, unsigned flip, std::uint32_t mask = all_lanes) {
  return __shfl_xor_sync(mask, value, static_cast<int>(flip));
}
template <class T>
RAGTIME_DEVICE T shfl_up(T value, unsigned distance, std::uint32_t mask = all_lanes) {
  return __shfl_up_sync(mask, value, distance);
}
template <class T>
RAGTIME_DEVICE T shfl_down(T value, unsigned distance, std::uint32_t mask = all_lanes) {
  return __shfl_down_sync(mask, value, distance);
}
RAGTIME_DEVICE std::uint32_t ballot(bool vote, std::uint32_t mask = all_lanes) {
  return __ballot_sync(mask, vote);
}
RAGTIME_DEVICE bool any(bool vote, std::uint32_t mask = all_lanes) {
  return __any_sync(mask, vote) != 0;
}
RAGTIME_DEVICE bool all(bool vote, std::uint32_t mask = all_lanes) {
  return __all_sync(mask, vote) != 0;
}
RAGTIME_DEVICE void warp_sync(std::uint32_t mask = all_lanes) {
  __syncwarp(mask);
}

RAGTIME_DEVICE void block_sync() {
  __syncthreads();
}
RAGTIME_DEVICE void named_sync(unsigned id, unsigned threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
RAGTIME_DEVICE void named_arrive(unsigned id, unsigned threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

}  // namespace on_gpu
}  // namespace ragtime::arch
