#pragma once

#include "cuda/arch/arch.cuh"
#include "ragtime/status.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// The smaller word wins, whichever thread comes first. A null status drops the report.
RAGTIME_DEVICE void report(std::uint64_t* status, Fault fault, std::int64_t position) {
  if (status != nullptr) arch::atomic_min(status, fault_word(fault, static_cast<std::uint64_t>(position)));
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
