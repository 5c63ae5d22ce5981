#pragma once

// From d_out to the gradient of the rows, or of the table.
//
//   What item i of segment s gives its row:  c_i d_out[s] + d_v[i]        sum, mean, attention, last
//                                            d_out[s, e] where i is the source of (s, e), else 0      max
// d_v: the scorer's part, with attention and slots that are items. With slots that are codes it is d_v[code],
// added once to each row of the table.
//
// Rows: d_rows[i] is that, one write each. Bytes: d_out S E, d_rows M E.
//
// Table: items are sorted by code, stably; those that do not count have a code behind the last. A warp sums
// 64 of the sorted items at a time, in order. A code whose items lie in one such chunk is written at once.
// The sum at the beginning of a chunk that goes on from the one before, and that at its end which goes on in
// the next, are kept aside, and a second kernel adds a code's parts, a block a code, its warps a fixed share
// each. So a code in every visit is summed by many warps, and always in the same order. Sums are f32 and
// rounded once. Bytes: sorted codes and items 8 M, coefficients and segments of items 8 M, d_out's rows M E,
// the table's V E.
//
// With atomic_gradients the items add to an f32 table directly, in any order. Blocks wait for nobody.

#include <bit>

#include "cuda/segment_pool/segment_pool.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// Of every item, by a warp a segment: its segment, and for a table the key it is sorted by and its own
// number.
RAGTIME_KERNEL(SegmentPoolTuning::threads, 1)
describe_items(PoolBatch batch, std::int32_t* segment_of_item, std::int32_t* keys, std::int32_t* numbers) {
  const auto absent = static_cast<std::int32_t>(batch.vocab_size);
  const auto visit = [&](std::int64_t segment, const ItemRange& range, std::int64_t begin,
                         std::int64_t step) {
    for (std::int64_t i = range.begin + begin; i < range.end; i += step) {
      segment_of_item[i] = static_cast<std::int32_t>(segment);
      if (keys == nullptr) continue;
      const PoolItem item = item_at(batch, i, nullptr);
      keys[i] = item.weight != 0 ? item.row : absent;
      numbers[i] = static_cast<std::int32_t>(i);
    }
  };
  visit_segments(
      batch,
      [&](std::int64_t segment, const ItemRange& range) {
        visit(segment, range, arch::lane(), arch::warp_size);
      },
      [&](std::int64_t segment, const ItemRange& range) {
        visit(segment, range, arch::thread_rank(), SegmentPoolTuning::threads);
      });
  if (keys == nullptr) return;
  for (std::int64_t i = items_in_use(batch) +
                        std::int64_t{arch::block_index().x} * SegmentPoolTuning::threads +
                        arch::thread_rank();
       i < batch.most_items; i += std::int64_t{arch::grid_extent().x} * SegmentPoolTuning::threads) {
    keys[i] = absent;
    numbers[i] = static_cast<std::int32_t>(i);
  }
}

struct Contributor {
  std::int32_t item, segment;
  float coefficient;
};
RAGTIME_DEVICE Contributor contributor_of(const PoolContributions& from, std::int32_t item) {
  return {item, from.segment_of_item != nullptr ? from.segment_of_item[item] : item,
          from.coefficients != nullptr ? from.coefficients[item] : 1};
}

template <class T, int Bytes>
RAGTIME_DEVICE Elements<T, Bytes> contribution_of(const PoolContributions& from, const Contributor& by,
                                                  std::int64_t e) {
  using Part = Elements<T, Bytes>;
  Part part;
  part.clear();
  if (by.coefficient == 0) return part;
  const std::int64_t element = by.segment * from.width + e;
  const Part d = Part::load(from.d_out, element);
  if (from.sources != nullptr) {
    std::int32_t sources[Part::count];
    load_words(from.sources + element, sources);
    RAGTIME_UNROLL
    for (int i = 0; i < Part::count; ++i) part.value[i] = sources[i] == by.item ? d.value[i] : 0;
    return part;
  }
  RAGTIME_UNROLL
  for (int i = 0; i < Part::count; ++i) part.value[i] = by.coefficient * d.value[i];
  if (from.d_values == nullptr) return part;
  float more[Part::count];
  load_words(from.d_values + by.item * from.width + e, more);
  RAGTIME_UNROLL
  for (int i = 0; i < Part::count; ++i) part.value[i] += more[i];
  return part;
}

template <class T, int Bytes>
RAGTIME_KERNEL(SegmentPoolTuning::threads, 1)
row_gradients(PoolBatch batch, PoolContributions from, unsigned lanes, void* d_rows, bool accumulate) {
  using Part = Elements<T, Bytes>;
  const std::int64_t items = items_in_use(batch);
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * SegmentPoolTuning::threads / lanes;
  for (std::int64_t item =
           (std::int64_t{arch::block_index().x} * SegmentPoolTuning::threads + arch::thread_rank()) / lanes;
       item < items; item += stride) {
    const Contributor by = contributor_of(from, static_cast<std::int32_t>(item));
    for (std::int64_t e = arch::lane() % lanes * Part::count; e < from.width;
         e += std::int64_t{lanes} * Part::count) {
      Part part = contribution_of<T, Bytes>(from, by, e);
      if (accumulate) {
        const Part before = Part::load(d_rows, item * from.width + e);
        for (int i = 0; i < Part::count; ++i) part.value[i] += before.value[i];
      }
      part.store(d_rows, item * from.width + e);
    }
  }
}

// A code's whole sum to where it belongs.
template <class T, int Bytes>
RAGTIME_DEVICE void finish_sum(const CodeSums& sums, std::int64_t width, std::int32_t code, std::int64_t e,
                               Elements<T, Bytes> sum) {
  using Part = Elements<T, Bytes>;
  const std::int64_t element = code * width + e;
  if (sums.d_scores != nullptr && sums.d_scores[code] != 0) {
    float more[Part::count];
    load_words(sums.d_values + element, more);
    for (int i = 0; i < Part::count; ++i) sum.value[i] += more[i];
  }
  if (sums.accumulate) {
    const Part before = Part::load(sums.target, element);
    for (int i = 0; i < Part::count; ++i) sum.value[i] += before.value[i];
  }
  sum.store(sums.target, element);
}

RAGTIME_DEVICE bool same_code(const CodeSums& sums, std::int64_t a, std::int64_t b) {
  return a >= 0 && b < sums.count && sums.keys[a] == sums.keys[b];
}

// A warp takes a chunk of the sorted items and a warp's width of their rows.
template <class T, int Bytes>
RAGTIME_KERNEL(SegmentPoolTuning::threads, SegmentPoolTuning::blocks_per_sm)
sum_by_code(CodeSums sums, PoolContributions from) {
  using Part = Elements<T, Bytes>;
  constexpr int at_once = SegmentPoolTuning::chunks_in_flight;
  constexpr std::int64_t chunk_items = SegmentPoolTuning::sorted_chunk;
  constexpr std::int64_t tile = Part::count * static_cast<std::int64_t>(arch::warp_size);
  const std::int64_t tiles = (from.width + tile - 1) / tile;
  const std::int64_t tasks = (sums.count + chunk_items - 1) / chunk_items * tiles;
  for (std::int64_t task = std::int64_t{arch::block_index().x} * SegmentPoolTuning::warps + arch::warp();
       task < tasks; task += std::int64_t{arch::grid_extent().x} * SegmentPoolTuning::warps) {
    const std::int64_t chunk = task / tiles, e = task % tiles * tile + arch::lane() * Part::count;
    const std::int64_t begin = chunk * chunk_items;
    const std::int64_t end = begin + chunk_items < sums.count ? begin + chunk_items : sums.count;
    const bool goes_on_from_before = same_code(sums, begin - 1, begin);
    const bool goes_on_after = same_code(sums, end - 1, end);
    const std::int32_t first_code = sums.keys[begin], last_code = sums.keys[end - 1];
    std::int32_t code = first_code;
    Part sum;
    sum.clear();
    const auto finish = [&] {
      if (code >= sums.absent || code == sums.skipped || e >= from.width) return;
      const bool before = goes_on_from_before && code == first_code;
      if (before || (goes_on_after && code == last_code))
        store_words(sums.partials + (2 * chunk + (before ? 0 : 1)) * from.width + e, sum.value);
      else
        finish_sum<T, Bytes>(sums, from.width, code, e, sum);
    };
    for (std::int64_t some = begin; some < end && code < sums.absent; some += arch::warp_size) {
      // An item a lane, then one after the other, each lane a part of its row.
      std::int32_t lane_key = sums.absent;
      Contributor lane_by{0, 0, 0};
      if (some + arch::lane() < end) lane_key = sums.keys[some + arch::lane()];
      if (lane_key < sums.absent && lane_key != sums.skipped)
        lane_by = contributor_of(from, sums.items[some + arch::lane()]);
      for (int first = 0; first < static_cast<int>(arch::warp_size); first += at_once) {
        Part part[at_once];
        std::int32_t key[at_once];
        RAGTIME_UNROLL
        for (int u = 0; u < at_once; ++u) {
          const auto lane = static_cast<unsigned>(first + u);
          key[u] = arch::shfl(lane_key, lane);
          const Contributor by{arch::shfl(lane_by.item, lane), arch::shfl(lane_by.segment, lane),
                               arch::shfl(lane_by.coefficient, lane)};
          part[u].clear();
          if (e < from.width) part[u] = contribution_of<T, Bytes>(from, by, e);
        }
        RAGTIME_UNROLL
        for (int u = 0; u < at_once; ++u) {
          if (key[u] != code) {
            finish();
            code = key[u];
            sum.clear();
          }
          RAGTIME_UNROLL
          for (int i = 0; i < Part::count; ++i) sum.value[i] += part[u].value[i];
        }
        if (code >= sums.absent) break;  // so are all that follow
      }
    }
    finish();
  }
}

// The first position from `low` on that is not the code's: a warp's width of places at a time.
RAGTIME_DEVICE std::int64_t end_of_code(const CodeSums& sums, std::int32_t code, std::int64_t low) {
  std::int64_t high = sums.count;
  while (low < high) {
    const std::int64_t step = (high - low + arch::warp_size - 1) / arch::warp_size;
    const std::int64_t place = low + (arch::lane() + 1) * step - 1;
    const std::int64_t found =
        std::popcount(arch::ballot(place < high && sums.keys[place] == code));  // of the first lanes
    low += found * step;
    high = low + step - 1 < high ? low + step - 1 : high;
  }
  return low;
}

// The codes that go on over a chunk's end: a block each, found at the chunk where they begin.
template <class T, int Bytes>
RAGTIME_KERNEL(SegmentPoolTuning::threads, SegmentPoolTuning::blocks_per_sm)
add_sums_by_code(CodeSums sums, std::int64_t width) {
  using Part = Elements<T, Bytes>;
  constexpr unsigned warps = SegmentPoolTuning::warps;
  constexpr std::int64_t chunk_items = SegmentPoolTuning::sorted_chunk;
  constexpr std::int64_t tile = Part::count * static_cast<std::int64_t>(arch::warp_size);
  RAGTIME_SHARED(float, shared, warps* arch::warp_size* Part::count);
  const std::int64_t chunks = (sums.count + chunk_items - 1) / chunk_items;
  for (std::int64_t chunk = arch::block_index().x; chunk + 1 < chunks; chunk += arch::grid_extent().x) {
    const std::int64_t begin = chunk * chunk_items, end = begin + chunk_items;
    const std::int32_t code = sums.keys[end - 1];
    if (code >= sums.absent || code == sums.skipped || sums.keys[end] != code) continue;
    if (sums.keys[begin] == code && same_code(sums, begin - 1, begin)) continue;  // it began before
    const std::int64_t behind = end_of_code(sums, code, end);
    // The part at the end of this chunk, and those at the beginning of the following ones.
    const std::int64_t parts = (behind - 1) / chunk_items - chunk + 1, share = (parts + warps - 1) / warps;
    const std::int64_t first = arch::warp() * share;
    const std::int64_t last = first + share < parts ? first + share : parts;
    for (std::int64_t e = arch::lane() * Part::count; e - arch::lane() * Part::count < width; e += tile) {
      Part sum;
      sum.clear();
      if (e < width)
        for (std::int64_t part = first; part < last; ++part) {
          float more[Part::count];
          load_words(sums.partials + (part == 0 ? 2 * chunk + 1 : 2 * (chunk + part)) * width + e, more);
          for (int i = 0; i < Part::count; ++i) sum.value[i] += more[i];
        }
      for (int i = 0; i < Part::count; ++i) shared[arch::thread_rank() * Part::count + i] = sum.value[i];
      arch::block_sync();
      if (arch::warp() == 0 && e < width) {
        for (unsigned warp = 1; warp < warps; ++warp)
          for (int i = 0; i < Part::count; ++i)
            sum.value[i] += shared[(warp * arch::warp_size + arch::lane()) * Part::count + i];
        finish_sum<T, Bytes>(sums, width, code, e, sum);
      }
      arch::block_sync();
    }
  }
}

// sums [V, E], f32: `lanes` lanes an item.
template <class T, int Bytes>
RAGTIME_KERNEL(SegmentPoolTuning::threads, 1)
add_atomically(PoolBatch batch, PoolContributions from, unsigned lanes, std::int64_t padding_idx,
               float* sums) {
  using Part = Elements<T, Bytes>;
  const std::int64_t items = items_in_use(batch);
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * SegmentPoolTuning::threads / lanes;
  for (std::int64_t i =
           (std::int64_t{arch::block_index().x} * SegmentPoolTuning::threads + arch::thread_rank()) / lanes;
       i < items; i += stride) {
    const PoolItem item = item_at(batch, i, nullptr);
    if (item.weight == 0 || item.row == padding_idx) continue;
    const Contributor by = contributor_of(from, static_cast<std::int32_t>(i));
    for (std::int64_t e = arch::lane() % lanes * Part::count; e < from.width;
         e += std::int64_t{lanes} * Part::count) {
      const Part part = contribution_of<T, Bytes>(from, by, e);
      for (int k = 0; k < Part::count; ++k)
        if (part.value[k] != 0) arch::atomic_add(sums + item.row * from.width + e + k, part.value[k]);
    }
  }
}

// What the atomic sums still lack: the scorer's part by code (d_scores null: there is none), and, where the
// table's gradient is not f32 and they lie elsewhere, the rounding.
template <class T>
RAGTIME_KERNEL(SegmentPoolTuning::threads, 1)
finish_atomic_sums(std::int64_t vocab_size, std::int64_t width, std::int64_t padding_idx, const float* sums,
                   const float* d_scores, const float* d_values, T* target, bool accumulate) {
  for (std::int64_t i =
           std::int64_t{arch::block_index().x} * SegmentPoolTuning::threads + arch::thread_rank();
       i < vocab_size * width; i += std::int64_t{arch::grid_extent().x} * SegmentPoolTuning::threads) {
    const std::int64_t code = i / width;
    float sum = accumulate ? arch::to_float(target[i]) : 0;
    if (sums != nullptr) sum += sums[i];
    if (d_scores != nullptr && code != padding_idx && d_scores[code] != 0) sum += d_values[i];
    target[i] = arch::from_float<T>(sum);
  }
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
