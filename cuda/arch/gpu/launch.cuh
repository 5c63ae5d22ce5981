#pragma once

// Kernel launches, with what CUDA wants to be told beforehand.

#include "cuda/arch/gpu/threads.cuh"

namespace ragtime::arch {
inline namespace on_gpu {

inline LaunchResult launch_result(cudaError_t status) {
  if (status != cudaSuccess) cudaGetLastError();  // so that no later call reports it again
  return {static_cast<int>(status), status == cudaSuccess ? "" : cudaGetErrorString(status)};
}

// What a kernel has to be allowed before it may have so much shared memory, or so large a cluster.
template <class... Parameters>
cudaError_t allow(const LaunchConfig& config, void (*kernel)(Parameters...)) {
  constexpr std::size_t without_asking = 48 * 1024;
  constexpr unsigned portable_cluster = 8;
  if (config.shared_bytes > without_asking) {
    const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                    static_cast<int>(config.shared_bytes));
    if (status != cudaSuccess) return status;
  }
  if (config.cluster > portable_cluster)
    return cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1);
  return cudaSuccess;
}

template <class... Parameters, class... Arguments>
LaunchResult launch(const LaunchConfig& config, void (*kernel)(Parameters...), Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments));
  const cudaError_t status = allow(config, kernel);
  if (status != cudaSuccess) return launch_result(status);
  cudaLaunchAttribute attributes[2];
  unsigned count = 0;
  if (config.cluster > 1) {
    attributes[count].id = cudaLaunchAttributeClusterDimension;
    attributes[count].val.clusterDim = {config.cluster, 1, 1};
    ++count;
  }
  if (config.cooperative) {
    attributes[count].id = cudaLaunchAttributeCooperative;
    attributes[count].val.cooperative = 1;
    ++count;
  }
  cudaLaunchConfig_t cuda{};
  cuda.gridDim = dim3(config.grid.x, config.grid.y, config.grid.z);
  cuda.blockDim = dim3(config.block.x, config.block.y, config.block.z);
  cuda.dynamicSmemBytes = config.shared_bytes;
  cuda.stream = static_cast<cudaStream_t>(config.stream);
  cuda.attrs = attributes;
  cuda.numAttrs = count;
  return launch_result(cudaLaunchKernelEx(&cuda, kernel, static_cast<Parameters>(arguments)...));
}

// How many clusters of a kernel are resident at once on the current device; the configuration's grid does not
// matter. 0 where not even one is, or the device knows no clusters of that size.
template <class... Parameters>
int resident_clusters(const LaunchConfig& config, void (*kernel)(Parameters...)) {
  int device = 0, multiprocessors = 0, count = 0;
  cudaError_t status = allow(config, kernel);
  if (status == cudaSuccess && config.cluster == 1) {
    status = cudaGetDevice(&device);
    if (status == cudaSuccess)
      status = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
    if (status == cudaSuccess)
      status = cudaOccupancyMaxActiveBlocksPerMultiprocessor(
          &count, kernel, static_cast<int>(config.block.count()), config.shared_bytes);
    count *= multiprocessors;
  } else if (status == cudaSuccess) {
    cudaLaunchAttribute attribute;
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim = {config.cluster, 1, 1};
    cudaLaunchConfig_t cuda{};
    cuda.gridDim = dim3(config.cluster);
    cuda.blockDim = dim3(config.block.x, config.block.y, config.block.z);
    cuda.dynamicSmemBytes = config.shared_bytes;
    cuda.attrs = &attribute;
    cuda.numAttrs = 1;
    status = cudaOccupancyMaxActiveClusters(&count, kernel, &cuda);
  }
  if (status == cudaSuccess) return count;
  cudaGetLastError();
  return 0;
}

}  // namespace on_gpu
}  // namespace ragtime::arch
