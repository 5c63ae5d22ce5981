#pragma once

// What a batch holds, against what a plan has room for. The plans cannot see it, the counts are in device
// memory; backends check what the host can see.

#include "host/core/check.hpp"
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

}  // namespace ragtime
