#pragma once

// What a batch holds, against what a plan has room for. The plans cannot see it, the counts are in device
// memory; backends check what the host can see.

#include "host/base/check.hpp"
#include "ragtime/types.hpp"

namespace ragtime {

inline void check_fits(std::int64_t count, std::int64_t room, const char* what) {
  check(count >= 0 && count <= room, ErrorCode::out_of_range, "the batch has ", count, " ", what,
        ": expected at most ", room, ", the capacity of the plan");
}

// counts: host [4], as RaggedView's.
inline void check_batch_fits(const std::int32_t* counts, const Capacity& capacity) {
  check_fits(counts[0], capacity.sequences, "sequences");
  check_fits(counts[1], capacity.rows, "rows");
}

// The host's copies of counts and batch_sizes, for what is launched step by step: given, within the capacity,
// and what a batch can have.
inline void check_host_batch(const RaggedView& batch, const Capacity& capacity) {
  const auto given = [](const std::int32_t* pointer, const char* name) {
    check(pointer != nullptr, ErrorCode::invalid_argument, name,
          " is null: expected a host pointer, on this backend the LSTM is launched step by step");
  };
  given(batch.host_counts, "batch.host_counts");
  const std::int32_t* counts = batch.host_counts;
  check_batch_fits(counts, capacity);
  check_fits(counts[3], capacity.steps, "steps");
  if (counts[3] == 0) return;
  given(batch.host_batch_sizes, "batch.host_batch_sizes");
  std::int32_t most = counts[0];
  for (std::int32_t step = 0; step < counts[3]; ++step) {
    const std::int32_t alive = batch.host_batch_sizes[step];
    check(alive > 0 && alive <= most, ErrorCode::invalid_argument, "batch.host_batch_sizes[", step,
          "] = ", alive, ": expected 1 to ", most);
    most = alive;
  }
}

}  // namespace ragtime
