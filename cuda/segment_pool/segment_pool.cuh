#pragma once

// What the kernels of pooling share: which items a segment has and which of them count, a row in the widest
// chunks that its length and its address allow, sums over a warp and a block, and how segments are handed
// out.
//
// An item counts when its code is one of the table and its weight is finite and above 0; any other is as if
// it were not there, whatever its row or weight holds. Counts and offsets are read on the device and cut to
// the plan's capacity, so that a batch beyond it leaves nothing out of bounds.

#include <cmath>
#include <cstring>
#include <limits>

#include "cuda/arch/arch.cuh"
#include "cuda/support/status_word.cuh"
#include "ragtime/segment_pool.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct SegmentPoolTuning {
  static constexpr unsigned threads = 256;
  static constexpr unsigned warps = threads / arch::warp_size;
  static constexpr unsigned blocks_per_sm = 2;
  static constexpr int warp_items = 64;       // a segment of more items is taken by a block, not by a warp
  static constexpr int chunks_in_flight = 8;  // of rows, a lane
  static constexpr std::int64_t sorted_chunk = 64;  // items sorted by code that a warp sums
  static constexpr std::int64_t slot_chunk = 64;    // attention: rows whose gradients a block sums
};

struct PoolBatch {
  const std::int32_t* segments;
  const std::int32_t* offsets;
  const std::int32_t* codes;  // with a table
  const float* weights;       // null: 1
  std::int64_t most_segments, most_items, vocab_size;
};

struct ItemRange {
  std::int64_t begin, end;
  RAGTIME_DEVICE std::int64_t size() const { return end - begin; }
};

struct PoolItem {
  std::int32_t row;  // of the table, or of the rows
  float weight;      // 0: does not count
};

// Backward: what items give their rows.
struct PoolContributions {
  const void* d_out = nullptr;                    // [S, E]
  std::int64_t width = 0;                         // E
  const float* coefficients = nullptr;            // [M]; null: 1
  const std::int32_t* segment_of_item = nullptr;  // null: an item is its own segment
  const std::int32_t* sources = nullptr;          // max: [S, E]
  const float* d_values = nullptr;                // [M, E] or null
};

// Backward: such rows summed by code.
struct CodeSums {
  const std::int32_t* keys = nullptr;   // sorted; from `absent` on none counts
  const std::int32_t* items = nullptr;  // in the keys' order
  std::int64_t count = 0;
  std::int32_t absent = 0, skipped = -1;  // skipped: a code whose sum is not wanted
  float* partials = nullptr;        // [chunks, 2, width]: what began before the chunk; what goes on after it
  const float* d_scores = nullptr;  // by code, or null: then no code has d_values
  const float* d_values = nullptr;  // [V, width]: added to the sum of a code whose d_score is not 0
  void* target = nullptr;           // [V, width]
  bool accumulate = false;          // else it is clear
};

RAGTIME_DEVICE std::int64_t between(std::int64_t low, std::int64_t value, std::int64_t high) {
  return value < low ? low : value > high ? high : value;
}
RAGTIME_DEVICE std::int64_t segments_in_use(const PoolBatch& batch) {
  return between(0, *batch.segments, batch.most_segments);
}
RAGTIME_DEVICE std::int64_t items_in_use(const PoolBatch& batch) {
  return between(0, batch.offsets[segments_in_use(batch)], batch.most_items);
}
RAGTIME_DEVICE ItemRange items_of(const PoolBatch& batch, std::int64_t segment) {
  const std::int64_t begin = between(0, batch.offsets[segment], batch.most_items);
  return {begin, between(begin, batch.offsets[segment + 1], batch.most_items)};
}

RAGTIME_DEVICE PoolItem item_at(const PoolBatch& batch, std::int64_t item, std::uint64_t* status) {
  PoolItem result{static_cast<std::int32_t>(item), 1};
  if (batch.weights != nullptr) result.weight = batch.weights[item];
  if (batch.vocab_size > 0) {
    result.row = batch.codes[item];
    if (result.row < 0 || result.row >= batch.vocab_size) {
      report(status, Fault::code_out_of_range, item);
      return {0, 0};
    }
  }
  if (result.weight >= 0 && result.weight <= std::numeric_limits<float>::max()) return result;
  report(status, Fault::bad_code_weight, item);
  return {0, 0};
}

// Numbers of a row that lie side by side, moved in one access.
template <class T, int Bytes>
struct Elements {
  static constexpr int count = Bytes / static_cast<int>(sizeof(T));
  float value[count];

  RAGTIME_DEVICE static Elements of(const arch::Chunk<Bytes>& chunk) {
    T stored[count];
    std::memcpy(static_cast<void*>(stored), &chunk, Bytes);
    Elements elements;
    RAGTIME_UNROLL
    for (int i = 0; i < count; ++i) elements.value[i] = arch::to_float(stored[i]);
    return elements;
  }
  RAGTIME_DEVICE arch::Chunk<Bytes> chunk() const {
    T stored[count];
    RAGTIME_UNROLL
    for (int i = 0; i < count; ++i) stored[i] = arch::from_float<T>(value[i]);
    arch::Chunk<Bytes> chunk;
    std::memcpy(&chunk, static_cast<const void*>(stored), Bytes);
    return chunk;
  }
  // `first`: the element's index from `base`.
  RAGTIME_DEVICE static Elements load(const void* base, std::int64_t first) {
    return of(arch::load<Bytes>(static_cast<const T*>(base) + first));
  }
  RAGTIME_DEVICE void store(void* base, std::int64_t first) const {
    arch::store(static_cast<T*>(base) + first, chunk());
  }
  RAGTIME_DEVICE void clear() {
    RAGTIME_UNROLL
    for (int i = 0; i < count; ++i) value[i] = 0;
  }
};

// Words of four bytes beside a row's elements (f32 sums, the items of a maximum), in accesses as wide as can
// be: their rows begin at 64 bytes and are whole multiples of Count.
template <int Count, class Word>
RAGTIME_DEVICE void load_words(const Word* from, Word (&words)[Count]) {
  if constexpr (Count % 4 == 0) {
    RAGTIME_UNROLL
    for (int i = 0; i < Count; i += 4) {
      const arch::Chunk<16> chunk = arch::load<16>(from + i);
      std::memcpy(words + i, &chunk, 16);
    }
  } else {
    for (int i = 0; i < Count; ++i) words[i] = from[i];
  }
}
template <int Count, class Word>
RAGTIME_DEVICE void store_words(Word* to, const Word (&words)[Count]) {
  if constexpr (Count % 4 == 0) {
    RAGTIME_UNROLL
    for (int i = 0; i < Count; i += 4) {
      arch::Chunk<16> chunk;
      std::memcpy(&chunk, words + i, 16);
      arch::store(to + i, chunk);
    }
  } else {
    for (int i = 0; i < Count; ++i) to[i] = words[i];
  }
}

// combine: commutative to the bit, so that every lane has the same.
template <class V, class Combine>
RAGTIME_DEVICE V reduce_warp(V value, Combine combine) {
  for (unsigned flip = arch::warp_size / 2; flip > 0; flip /= 2)
    value = combine(value, arch::shfl_xor(value, flip));
  return value;
}
template <class V, class Combine>
RAGTIME_DEVICE V reduce_block(V value, Combine combine) {
  RAGTIME_SHARED(V, partial, SegmentPoolTuning::warps);
  value = reduce_warp(value, combine);
  if (arch::lane() == 0) partial[arch::warp()] = value;
  arch::block_sync();
  value = partial[0];
  for (unsigned warp = 1; warp < SegmentPoolTuning::warps; ++warp) value = combine(value, partial[warp]);
  arch::block_sync();  // before the next one overwrites them
  return value;
}
struct Plus {
  template <class V>
  RAGTIME_DEVICE V operator()(V a, V b) const {
    return a + b;
  }
};
struct Larger {
  RAGTIME_DEVICE float operator()(float a, float b) const { return fmaxf(a, b); }  // passes over NaN
  RAGTIME_DEVICE std::int64_t operator()(std::int64_t a, std::int64_t b) const { return a < b ? b : a; }
};

// by_warp(segment, range) for segments of up to warp_items, by_block(segment, range) for longer ones.
// Segments go round the blocks first and then to their warps, so that a few long ones are spread over the
// device. Which of its segments are long every warp of a block finds out for itself: the block meets for
// those alone.
template <class ByWarp, class ByBlock>
RAGTIME_DEVICE void visit_segments(const PoolBatch& batch, ByWarp by_warp, ByBlock by_block) {
  const std::int64_t segments = segments_in_use(batch), blocks = arch::grid_extent().x;
  for (std::int64_t first = arch::block_index().x; first < segments;
       first += blocks * SegmentPoolTuning::warps) {
    const std::int64_t of_lane = first + arch::lane() * blocks;
    ItemRange range{0, 0};
    if (arch::lane() < SegmentPoolTuning::warps && of_lane < segments) range = items_of(batch, of_lane);
    const std::uint32_t large = arch::ballot(range.size() > SegmentPoolTuning::warp_items);
    const auto range_of = [&](unsigned warp) {
      return ItemRange{arch::shfl(range.begin, warp), arch::shfl(range.end, warp)};
    };
    const std::int64_t of_warp = first + arch::warp() * blocks;
    const ItemRange mine = range_of(arch::warp());
    if (of_warp < segments && (large >> arch::warp() & 1) == 0) by_warp(of_warp, mine);
    for (unsigned warp = 0; warp < SegmentPoolTuning::warps; ++warp)
      if ((large >> warp & 1) != 0) by_block(first + warp * blocks, range_of(warp));
  }
}

// A row's chunks go round `lanes` lanes, a power of two up to a warp: as many as it has chunks, so that a
// warp takes several narrow rows at once.
inline unsigned pool_lanes_for(std::int64_t chunks) {
  unsigned lanes = 1;
  while (lanes < arch::warp_size && lanes < chunks) lanes *= 2;
  return lanes;
}

// Calls run.operator()<Bytes>() with the widest access that rows of `width` elements at these addresses
// allow.
template <class T, class Run>
void with_access(std::initializer_list<const void*> rows, std::int64_t width, Run&& run) {
  std::uintptr_t all = static_cast<std::uintptr_t>(width) * sizeof(T);
  for (const void* row : rows) all |= reinterpret_cast<std::uintptr_t>(row);
  if (all % 16 == 0) return run.template operator()<16>();
  if constexpr (sizeof(T) == 2)
    if (all % 4 != 0) return run.template operator()<2>();
  run.template operator()<4>();
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
