#pragma once

#include <atomic>
#include <cstdint>

#include "ragtime/status.hpp"

namespace ragtime::cpu {

// The smaller word wins, whichever thread comes first. A null status drops the report.
inline void report(std::uint64_t* status, Fault fault, std::int64_t position) {
  if (status == nullptr) return;
  const std::uint64_t word = fault_word(fault, static_cast<std::uint64_t>(position));
  std::atomic_ref<std::uint64_t> shared(*status);
  std::uint64_t seen = shared.load(std::memory_order_relaxed);
  while (word < seen && !shared.compare_exchange_weak(seen, word, std::memory_order_relaxed)) {
  }
}

}  // namespace ragtime::cpu
