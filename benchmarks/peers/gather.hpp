#pragma once

// Rows of a table, copied: the rate of pooling's reads with nothing done to them.

#include <cstdint>

#include "ragtime/types.hpp"

namespace ragtime::benchmarks {

// out[i, :] = table[codes[i], :], rows of row_bytes, a multiple of 2. Device pointers, and codes of the
// table. Throws Error(device_error) when the device refuses.
void gather_on_cuda(const std::int32_t* codes, std::int64_t items, std::int64_t row_bytes, const void* table,
                    void* out, Stream stream);

}  // namespace ragtime::benchmarks
