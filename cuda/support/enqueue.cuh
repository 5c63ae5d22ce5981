#pragma once

// How operations launch their kernels.

#include <algorithm>

#include "cuda/arch/arch.cuh"
#include "cuda/runtime/device.hpp"
#include "host/base/check.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// Throws Error(device_error) when the device refuses.
template <class... Parameters, class... Arguments>
void enqueue(const arch::LaunchConfig& config, void (*kernel)(Parameters...), Arguments&&... arguments) {
  const arch::LaunchResult result = arch::launch(config, kernel, std::forward<Arguments>(arguments)...);
  check(result.ok(), ErrorCode::device_error, "launching ", config.name, " failed: ", result.text);
}

// Blocks for `items`, of which each block takes `per_block` at a time and then goes on by the size of the
// grid: at least one, and no more than keep the device busy. No result may depend on how many there are.
inline unsigned blocks_for(std::int64_t items, std::int64_t per_block) {
  const std::int64_t most = std::int64_t{16} * device_properties().multiprocessors;
  return static_cast<unsigned>(std::clamp<std::int64_t>((items + per_block - 1) / per_block, 1, most));
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
