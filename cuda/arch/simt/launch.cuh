#pragma once

#include <type_traits>

#include "cuda/arch/simt/threads.cuh"

namespace ragtime::arch {
inline namespace on_simt {

// Returns when the kernel is done. Throws simt::Error when it does something wrong.
template <class... Parameters, class... Arguments>
LaunchResult launch(const LaunchConfig& config, void (*kernel)(Parameters...), Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments));
  return simt::run(config, [&] { kernel(static_cast<Parameters>(arguments)...); });
}

// Few, so that clusters take more than one sequence a slot, and launches stay small. Blocks of a cooperative
// launch share the work of a sequence, so there is room for more of them.
template <class... Parameters>
int resident_clusters(const LaunchConfig& config, void (*)(Parameters...)) {
  if (config.cooperative) return 8 / static_cast<int>(config.cluster);
  return config.cluster <= 2 ? 3 : config.cluster <= 4 ? 2 : 1;
}

}  // namespace on_simt
}  // namespace ragtime::arch
