#include "cuda/runtime/sort.hpp"

#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>

#include "host/base/check.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

void check_cub(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  fail(ErrorCode::device_error, "cub::", what, " failed: ", cudaGetErrorString(status));
}

// Associative for numbers of 0 ... limit, whatever the order.
struct LimitedSum {
  std::int32_t limit;
  RAGTIME_HOST_DEVICE std::int32_t operator()(std::int32_t a, std::int32_t b) const {
    return a > limit - b ? limit : a + b;
  }
};

}  // namespace

std::size_t sort_pairs_workspace(std::int64_t count, int key_bits) {
  std::size_t bytes = 0;
  const std::int32_t* in = nullptr;
  std::int32_t* out = nullptr;
  check_cub(cub::DeviceRadixSort::SortPairs(nullptr, bytes, in, out, in, out, count, 0, key_bits),
            "DeviceRadixSort::SortPairs");
  return bytes;
}

void sort_pairs(const std::int32_t* keys, std::int32_t* sorted_keys, const std::int32_t* values,
                std::int32_t* sorted_values, std::int64_t count, int key_bits, void* workspace,
                Stream stream) {
  if (count == 0) return;
  std::size_t bytes = sort_pairs_workspace(count, key_bits);
  check_cub(cub::DeviceRadixSort::SortPairs(workspace, bytes, keys, sorted_keys, values, sorted_values, count,
                                            0, key_bits, static_cast<cudaStream_t>(stream.handle)),
            "DeviceRadixSort::SortPairs");
}

std::size_t limited_sum_workspace(std::int64_t count) {
  std::size_t bytes = 0;
  const std::int32_t* in = nullptr;
  std::int32_t* out = nullptr;
  check_cub(cub::DeviceScan::InclusiveScan(nullptr, bytes, in, out, LimitedSum{}, count),
            "DeviceScan::InclusiveScan");
  return bytes;
}

void limited_sum(const std::int32_t* values, std::int32_t* sums, std::int64_t count, std::int32_t limit,
                 void* workspace, Stream stream) {
  if (count == 0) return;
  std::size_t bytes = limited_sum_workspace(count);
  check_cub(cub::DeviceScan::InclusiveScan(workspace, bytes, values, sums, LimitedSum{limit}, count,
                                           static_cast<cudaStream_t>(stream.handle)),
            "DeviceScan::InclusiveScan");
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
