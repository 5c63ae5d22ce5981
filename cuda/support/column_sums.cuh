#pragma once

// The gradient of a bias: the sum of each column of a matrix.
//
//   sums[j] = a[0, j] + ... + a[rows - 1, j]      (added to what is there, when asked)
//
// The rows are cut into chunks whose size follows the capacity alone. In the first kernel a block takes a
// chunk and a strip of columns: every warp every eighth row, its lanes the columns side by side, and the
// eight sums are added in the order of the warps. In the second a block adds the chunks of 32 columns, in
// double and again in a fixed order. So the bits depend on the rows and the capacity, and on nothing else; a
// is read once, at most 128 partial sums a column are written and read. Blocks share nothing; inside a block
// every thread comes to every barrier.

#include <type_traits>

#include "cuda/arch/arch.cuh"
#include "cuda/support/elements.cuh"
#include "cuda/support/rows.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct ColumnSumsTuning {
  static constexpr unsigned threads = 256;
  static constexpr unsigned warps = threads / arch::warp_size;
  static constexpr std::int64_t most_chunks = 128;
  static constexpr std::int64_t fewest_rows = 64;  // of a chunk
};

// How many rows a chunk has, and how many chunks there are room for.
struct RowChunks {
  std::int64_t rows, count;

  explicit RowChunks(std::int64_t capacity)
      : rows((capacity + ColumnSumsTuning::most_chunks - 1) / ColumnSumsTuning::most_chunks) {
    if (rows < ColumnSumsTuning::fewest_rows) rows = ColumnSumsTuning::fewest_rows;
    count = (capacity + rows - 1) / rows;
  }
  // Floats of workspace.
  std::int64_t partial_size(std::int64_t width) const { return count * width; }
};

template <class T, int Elements>
RAGTIME_KERNEL(ColumnSumsTuning::threads, 1)
sum_chunks(RowCount rows, std::int64_t chunk_rows, std::int64_t width, const T* a, float* partial) {
  constexpr unsigned warps = ColumnSumsTuning::warps, strip = arch::warp_size * Elements;
  RAGTIME_SHARED(float, sums, warps* strip);
  const std::int64_t used = rows.in_use();
  const std::int64_t first = std::int64_t{arch::block_index().y} * chunk_rows;
  if (first >= used) return;
  const std::int64_t end = first + chunk_rows < used ? first + chunk_rows : used;
  for (std::int64_t strip_at = std::int64_t{arch::block_index().x} * strip; strip_at < width;
       strip_at += std::int64_t{arch::grid_extent().x} * strip) {
    const std::int64_t column = strip_at + std::int64_t{arch::lane()} * Elements;
    float sum[Elements] = {};
    if (column < width)
      for (std::int64_t row = first + arch::warp(); row < end; row += warps) {
        float values[Elements];
        load_floats(a + row * width + column, values);
        RAGTIME_UNROLL
        for (int k = 0; k < Elements; ++k) sum[k] += values[k];
      }
    RAGTIME_UNROLL
    for (int k = 0; k < Elements; ++k)
      sums[arch::warp() * strip + k * arch::warp_size + arch::lane()] = sum[k];
    arch::block_sync();
    for (unsigned i = arch::thread_rank(); i < strip; i += ColumnSumsTuning::threads) {
      float total = 0;
      for (unsigned warp = 0; warp < warps; ++warp) total += sums[warp * strip + i];
      const std::int64_t to = strip_at + std::int64_t{i % arch::warp_size} * Elements + i / arch::warp_size;
      if (to < width) partial[arch::block_index().y * width + to] = total;
    }
    arch::block_sync();  // before the next strip overwrites the sums
  }
}

// Either target may be null.
template <class To>
RAGTIME_KERNEL(ColumnSumsTuning::threads, 1)
add_chunks(RowCount rows, std::int64_t chunk_rows, std::int64_t width, const float* partial, To* to,
           To* also_to, bool accumulate) {
  constexpr unsigned warps = ColumnSumsTuning::warps;
  RAGTIME_SHARED(double, sums, ColumnSumsTuning::threads);
  const std::int64_t chunks = (rows.in_use() + chunk_rows - 1) / chunk_rows;
  for (std::int64_t strip_at = std::int64_t{arch::block_index().x} * arch::warp_size; strip_at < width;
       strip_at += std::int64_t{arch::grid_extent().x} * arch::warp_size) {
    const std::int64_t column = strip_at + arch::lane();
    double sum = 0;
    if (column < width)
      for (std::int64_t chunk = arch::warp(); chunk < chunks; chunk += warps)
        sum += partial[chunk * width + column];
    sums[arch::thread_rank()] = sum;
    arch::block_sync();
    if (arch::warp() == 0 && column < width) {
      for (unsigned warp = 1; warp < warps; ++warp) sum += sums[warp * arch::warp_size + arch::lane()];
      const auto put = [&](To* target) {
        if (target == nullptr) return;
        const double before = accumulate ? arch::to_float(target[column]) : 0.0;
        target[column] = arch::from_float<To>(static_cast<float>(before + sum));
      };
      put(to);
      put(also_to);
    }
    arch::block_sync();
  }
}

// partial: device [RowChunks(rows.capacity).partial_size(width)].
template <class T, class To = T>
void enqueue_column_sums(const RowCount& rows, std::int64_t width, const T* a, float* partial,
                         std::type_identity_t<To>* to, std::type_identity_t<To>* also_to, bool accumulate,
                         Stream stream) {
  if (to == nullptr && also_to == nullptr) return;
  constexpr int most = widest_elements<T>;
  const RowChunks chunks(rows.capacity);
  const bool aligned = width % most == 0 && reinterpret_cast<std::uintptr_t>(a) % 16 == 0;
  const std::int64_t strip = arch::warp_size * (aligned ? most : 1);
  if (chunks.count > 0)
    enqueue({.name = "sum_chunks",
             .grid = {blocks_for(width, strip), static_cast<unsigned>(chunks.count)},
             .block = {ColumnSumsTuning::threads},
             .stream = stream.handle},
            aligned ? sum_chunks<T, most> : sum_chunks<T, 1>, rows, chunks.rows, width, a, partial);
  enqueue({.name = "add_chunks",
           .grid = {blocks_for(width, arch::warp_size)},
           .block = {ColumnSumsTuning::threads},
           .stream = stream.handle},
          add_chunks<To>, rows, chunks.rows, width, partial, to, also_to, accumulate);
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
