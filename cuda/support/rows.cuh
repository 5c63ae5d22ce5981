#pragma once

// Rows in use, where only the device may know how many there are, and their copies.

#include <cstdint>

#include "cuda/arch/arch.cuh"
#include "cuda/support/enqueue.cuh"
#include "cuda/support/status_word.cuh"
#include "ragtime/types.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct RowCount {
  const std::int32_t* device = nullptr;  // [1], read where the host does not know
  std::int64_t host = -1;                // -1: the device knows
  std::int64_t capacity = 0;             // no more than this are ever in use
  std::uint64_t* status = nullptr;       // for a count beyond it

  RAGTIME_DEVICE std::int64_t in_use() const {
    if (host >= 0) return host;
    const std::int64_t count = *device;
    return count < 0 ? 0 : count < capacity ? count : capacity;
  }
};

struct RowsTuning {
  static constexpr unsigned threads = 256;
  static constexpr int bytes = 16;  // a thread and turn
};

// to[r, :] = from[r, :] for the rows in use, and with zero_tail 0 for those from there to the capacity; both
// [capacity, width]. As one long array, in accesses of 16 bytes where both addresses allow it, so
// that the width does not matter: 2 r w elements are moved, and those of the tail once. Threads share
// nothing.
template <class T, int Elements>
RAGTIME_KERNEL(RowsTuning::threads, 1)
copy_rows(RowCount rows, std::int64_t width, const T* from, T* to, bool zero_tail) {
  if (rows.host < 0 && arch::block_index().x == 0 && arch::thread_rank() == 0)
    report_beyond(rows.status, BatchPart::rows, *rows.device, rows.capacity);
  const std::int64_t used = rows.in_use() * width, end = zero_tail ? rows.capacity * width : used;
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * RowsTuning::threads * Elements;
  for (std::int64_t e =
           (std::int64_t{arch::block_index().x} * RowsTuning::threads + arch::thread_rank()) * Elements;
       e < end; e += stride) {
    if (e + Elements <= used) {
      arch::store(to + e, arch::load<Elements * sizeof(T)>(from + e));
    } else {
      for (std::int64_t one = e; one < e + Elements && one < end; ++one)
        to[one] = one < used ? from[one] : arch::from_float<T>(0);
    }
  }
}

template <class T>
void enqueue_copy_rows(const RowCount& rows, std::int64_t width, const T* from, T* to, bool zero_tail,
                       Stream stream) {
  constexpr int most = RowsTuning::bytes / static_cast<int>(sizeof(T));
  const bool aligned = ((reinterpret_cast<std::uintptr_t>(from) | reinterpret_cast<std::uintptr_t>(to)) %
                        RowsTuning::bytes) == 0;
  const std::int64_t elements = rows.capacity * width, each = aligned ? most : 1;
  enqueue({.name = "copy_rows",
           .grid = {blocks_for(elements, RowsTuning::threads * each)},
           .block = {RowsTuning::threads},
           .stream = stream.handle},
          aligned ? copy_rows<T, most> : copy_rows<T, 1>, rows, width, from, to, zero_tail);
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
