#include "cuda/runtime/device.hpp"

#include <cuda_runtime.h>

#include "host/base/check.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // so that the next launch does not report it again
  fail(ErrorCode::device_error, what, " failed: ", cudaGetErrorString(status));
}

DeviceProperties query_device() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    cudaGetLastError();
    fail(ErrorCode::unsupported,
         "no CUDA device answers: ", status == cudaSuccess ? "there is none" : cudaGetErrorString(status));
  }
  int device = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  cudaDeviceProp properties;
  check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  check(properties.major >= 8, ErrorCode::unsupported, "the CUDA device ", properties.name,
        " has compute capability ", properties.major, ".", properties.minor, ": expected 8.0 or later");
  return {properties.name,  properties.totalGlobalMem,      properties.major,
          properties.minor, properties.multiProcessorCount, device};
}

cudaStream_t handle_of(Stream stream) {
  return static_cast<cudaStream_t>(stream.handle);
}

void* allocated(cudaError_t status, void* memory, std::size_t bytes, const char* where) {
  if (status == cudaSuccess) return memory;
  cudaGetLastError();
  fail(status == cudaErrorMemoryAllocation ? ErrorCode::out_of_memory : ErrorCode::device_error,
       "allocating ", bytes, " bytes of ", where, " failed: ", cudaGetErrorString(status));
}

}  // namespace

const DeviceProperties& device_properties() {
  static const DeviceProperties properties = query_device();
  return properties;
}

void* allocate(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  return allocated(status, memory, bytes, "device memory");
}

void deallocate(void* memory) noexcept {
  cudaFree(memory);
}

void* allocate_pinned(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMallocHost(&memory, bytes);
  return allocated(status, memory, bytes, "pinned host memory");
}

void deallocate_pinned(void* memory) noexcept {
  cudaFreeHost(memory);
}

void copy(void* to, const void* from, std::size_t bytes, CopyKind kind, Stream stream) {
  if (bytes == 0) return;
  const cudaMemcpyKind direction = kind == CopyKind::to_device ? cudaMemcpyHostToDevice
                                   : kind == CopyKind::to_host ? cudaMemcpyDeviceToHost
                                                               : cudaMemcpyDeviceToDevice;
  check_cuda(cudaMemcpyAsync(to, from, bytes, direction, handle_of(stream)), "cudaMemcpyAsync");
}

void zero(void* memory, std::size_t bytes, Stream stream) {
  if (bytes > 0) check_cuda(cudaMemsetAsync(memory, 0, bytes, handle_of(stream)), "cudaMemsetAsync");
}

void zero_rows(void* memory, std::size_t stride, std::size_t row_bytes, std::int64_t rows, Stream stream) {
  if (row_bytes > 0 && rows > 0)
    check_cuda(
        cudaMemset2DAsync(memory, stride, 0, row_bytes, static_cast<std::size_t>(rows), handle_of(stream)),
        "cudaMemset2DAsync");
}

void synchronize(Stream stream) {
  check_cuda(cudaStreamSynchronize(handle_of(stream)), "cudaStreamSynchronize");
}

Stream make_stream() {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return {stream};
}

void free_stream(Stream stream) noexcept {
  if (stream.handle != nullptr) cudaStreamDestroy(handle_of(stream));
}

void order(Stream earlier, Stream later) {
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  cudaError_t status = cudaEventRecord(event, handle_of(earlier));
  if (status == cudaSuccess) status = cudaStreamWaitEvent(handle_of(later), event, 0);
  cudaEventDestroy(event);  // freed by CUDA when the work is done
  check_cuda(status, "ordering two streams");
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
