// cuda/runtime/sort.hpp on the CPU. The workspace is filled, so that whoever keeps something there loses it.

#include "cuda/runtime/sort.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

void fill(void* workspace, std::size_t bytes) {
  if (bytes > 0) std::memset(workspace, 0xFF, bytes);
}

}  // namespace

std::size_t sort_pairs_workspace(std::int64_t count, int) {
  return static_cast<std::size_t>(count) * 2 * sizeof(std::int32_t);
}

void sort_pairs(const std::int32_t* keys, std::int32_t* sorted_keys, const std::int32_t* values,
                std::int32_t* sorted_values, std::int64_t count, int key_bits, void* workspace, Stream) {
  fill(workspace, sort_pairs_workspace(count, key_bits));
  const std::int32_t mask = key_bits >= 31 ? INT32_MAX : (1 << key_bits) - 1;
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return (keys[a] & mask) < (keys[b] & mask); });
  for (std::int64_t i = 0; i < count; ++i) {
    sorted_keys[i] = keys[order[static_cast<std::size_t>(i)]];
    sorted_values[i] = values[order[static_cast<std::size_t>(i)]];
  }
}

std::size_t limited_sum_workspace(std::int64_t count) {
  return static_cast<std::size_t>(count);
}

void limited_sum(const std::int32_t* values, std::int32_t* sums, std::int64_t count, std::int32_t limit,
                 void* workspace, Stream) {
  fill(workspace, limited_sum_workspace(count));
  std::inclusive_scan(values, values + count, sums,
                      [limit](std::int32_t a, std::int32_t b) { return a > limit - b ? limit : a + b; });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
