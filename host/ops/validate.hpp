#pragma once

// Checks that several operations share.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "host/base/check.hpp"
#include "host/ops/operations.hpp"
#include "ragtime/backend.hpp"

namespace ragtime {

inline const OperationFactory& operations_for(const std::shared_ptr<Backend>& backend, DType dtype) {
  check(backend != nullptr, ErrorCode::invalid_argument, "backend is null: expected one from make_backend");
  check(backend->operations().supports(dtype), ErrorCode::unsupported, "dtype is ", name_of(dtype),
        ", which the ", name_of(backend->device()), " backend does not compute in");
  return backend->operations();
}

inline void check_size(std::int64_t value, std::int64_t smallest, const char* name) {
  check(value >= smallest, ErrorCode::invalid_argument, name, " is ", value, ": expected at least ",
        smallest);
  check(value <= std::int64_t{1} << 40, ErrorCode::invalid_argument, name, " is ", value,
        ": expected at most 2^40");
}

// Rows, sequences and codes are counted in int32.
inline void check_count(std::int64_t value, const char* name) {
  check(value >= 0 && value <= INT32_MAX, ErrorCode::invalid_argument, name, " is ", value,
        ": expected 0 to 2147483647");
}

inline void check_probability(double value, const char* name) {
  check(value >= 0 && value < 1, ErrorCode::invalid_argument, name, " is ", value,
        ": expected a number in [0, 1)");
}

inline void check_batch(const RaggedView& batch) {
  check_given(batch.counts, "batch.counts");
  check_given(batch.visit_offsets, "batch.visit_offsets");
  check_given(batch.order, "batch.order");
  check_given(batch.inverse_order, "batch.inverse_order");
  check_given(batch.batch_sizes, "batch.batch_sizes");
}

// Workspaces and reserves; any allocator aligns them as wanted.
inline void check_memory(const void* memory, std::size_t bytes, const char* name) {
  check(bytes == 0 || memory != nullptr, ErrorCode::invalid_argument, name, " is null: expected ", bytes,
        " bytes");
  check(bytes == 0 || reinterpret_cast<std::uintptr_t>(memory) % alignof(std::max_align_t) == 0,
        ErrorCode::invalid_argument, name, " is at ", memory, ": expected memory aligned to ",
        alignof(std::max_align_t), " bytes");
}

}  // namespace ragtime
