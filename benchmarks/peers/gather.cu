// out[i, :] = table[codes[i], :], by the accesses of cuda/segment_pool/forward.cuh: a row's chunks go round
// as many lanes as there are, up to a warp, and a lane has as many chunks under way as there. A warp takes
// the items that its groups of lanes have under way at once, side by side, and then goes on by the size of
// the grid. Bytes: 4 M codes, the M rows read, from the L2 cache where they repeat, and written past it.
// Threads share nothing and wait for no one.

#include "benchmarks/peers/gather.hpp"

#include "cuda/segment_pool/segment_pool.cuh"
#include "cuda/support/enqueue.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <int Bytes>
RAGTIME_KERNEL(SegmentPoolTuning::threads, SegmentPoolTuning::blocks_per_sm)
gather_rows(const std::int32_t* codes, std::int64_t items, std::int64_t row_bytes, unsigned lanes,
            const std::byte* table, std::byte* out) {
  constexpr int in_flight = SegmentPoolTuning::chunks_in_flight;
  const std::int64_t groups = arch::warp_size / lanes, each = groups * in_flight;
  const std::int64_t warp = std::int64_t{arch::block_index().x} * SegmentPoolTuning::warps + arch::warp();
  const std::int64_t warps = std::int64_t{arch::grid_extent().x} * SegmentPoolTuning::warps;
  const std::int64_t group = arch::lane() / lanes, lane = arch::lane() % lanes;
  for (std::int64_t first = warp * each + group; first < items; first += warps * each) {
    std::int64_t row[in_flight];
    RAGTIME_UNROLL
    for (int u = 0; u < in_flight; ++u)
      row[u] = first + u * groups < items ? codes[first + u * groups] * row_bytes : -1;
    for (std::int64_t byte = lane * Bytes; byte < row_bytes; byte += std::int64_t{lanes} * Bytes) {
      arch::Chunk<Bytes> loaded[in_flight];
      RAGTIME_UNROLL
      for (int u = 0; u < in_flight; ++u)
        if (row[u] >= 0) loaded[u] = arch::load<Bytes>(table + row[u] + byte);
      RAGTIME_UNROLL
      for (int u = 0; u < in_flight; ++u)
        if (row[u] >= 0) arch::store_once(out + (first + u * groups) * row_bytes + byte, loaded[u]);
    }
  }
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda

namespace ragtime::benchmarks {

void gather_on_cuda(const std::int32_t* codes, std::int64_t items, std::int64_t row_bytes, const void* table,
                    void* out, Stream stream) {
  using cuda::SegmentPoolTuning;
  cuda::with_access<std::uint16_t>({table, out}, row_bytes / 2, [&]<int Bytes>() {
    const unsigned lanes = cuda::pool_lanes_for(row_bytes / Bytes);
    const std::int64_t of_block = std::int64_t{SegmentPoolTuning::warps} * (arch::warp_size / lanes) *
                                  SegmentPoolTuning::chunks_in_flight;
    cuda::enqueue({.name = "gather_rows",
                   .grid = {cuda::blocks_for(items, of_block)},
                   .block = {SegmentPoolTuning::threads},
                   .stream = stream.handle},
                  cuda::gather_rows<Bytes>, codes, items, row_bytes, lanes,
                  static_cast<const std::byte*>(table), static_cast<std::byte*>(out));
  });
}

}  // namespace ragtime::benchmarks
