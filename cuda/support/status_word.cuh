#pragma once

#include "cuda/arch/arch.cuh"
#include "ragtime/status.hpp"
#include "ragtime/types.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// The smaller word wins, whichever thread comes first. A null status drops the report.
RAGTIME_DEVICE void report(std::uint64_t* status, Fault fault, std::int64_t position) {
  if (status != nullptr) arch::atomic_min(status, fault_word(fault, static_cast<std::uint64_t>(position)));
}

RAGTIME_DEVICE void report_beyond(std::uint64_t* status, BatchPart part, std::int64_t count,
                                  std::int64_t capacity) {
  if (status != nullptr && count > capacity)
    arch::atomic_min(status, beyond_capacity_word(part, count, capacity));
}

// Once a launch, whatever its batch has beyond the capacity.
RAGTIME_DEVICE void report_beyond(const RaggedView& batch, std::int64_t sequences, std::int64_t rows) {
  const arch::Extent block = arch::block_index();
  if (block.x != 0 || block.y != 0 || block.z != 0 || arch::thread_rank() != 0) return;
  report_beyond(batch.status, BatchPart::sequences, batch.counts[0], sequences);
  report_beyond(batch.status, BatchPart::rows, batch.counts[1], rows);
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
