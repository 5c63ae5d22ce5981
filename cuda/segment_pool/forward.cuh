#pragma once

// A segment's rows into one.
//
//   sum, mean, attention, last   out[s] = sum over the items i of s that count of  c_i v_i
//     c_i = w_i                                     sum
//         = w_i / W, W the sum of w                 mean
//         = w_i exp(z_i - z) / Z, z the highest z_i,
//           Z the sum of w_i exp(z_i - z)           attention, z_i the score of v_i
//         = 1 for the last, else 0                  last
//   max                          out[s, e] = v_i[e] of the first i that no v_j[e] exceeds; NaN exceeds all
//
// A warp a segment. Its items that count are queued in shared memory, side by side, whatever lies between
// them: so an item that does not count changes no bit. Lanes over the queue find what the coefficients need;
// then groups of lanes, as many lanes as a row has chunks, take every `groups`th item of the queue, several
// at a time, and their sums are added by a fixed tree. A segment of more than 64 items is taken by a block,
// each warp a fixed share of its items, queue after queue, and the warps' sums are added in order. So what a
// segment gets depends on its own items alone.
//
// Bytes, at least: offsets 4 (S + 1), codes 4 M and weights 4 M where there are, E rows of M (those of a
// table from the L2 cache where they repeat), out; for training also 4 M coefficients, or 4 S E sources.
// Nothing but rows wider than a tile (1 KiB at full width) is read twice, and of those only the queue. Blocks
// do not wait for each other; a block meets for each long segment of its own, which all its warps agree on.

#include <bit>

#include "cuda/segment_pool/segment_pool.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct PoolArgs {
  PoolBatch batch;
  PoolMode mode;
  const void* values;
  std::int64_t width;
  unsigned lanes;         // a row
  const float* scores;    // attention, by slot
  bool slots_are_codes;   // else slots are items
  void* out;              // [S, E]
  float* coefficients;    // [M] or null
  std::int32_t* sources;  // max: [S, E] items, -1 for none; or null
  std::uint64_t* status;
};

struct PoolQueue {
  static constexpr int room = SegmentPoolTuning::warp_items;
  std::int32_t row[room], item[room];
  float coefficient[room];
};

// What the coefficients of a segment have in common.
struct PoolShares {
  float total = 0, highest = -std::numeric_limits<float>::infinity();
  std::int64_t last = -1;
};

RAGTIME_DEVICE float score_of(const PoolArgs& args, std::int32_t row, std::int64_t item) {
  return args.mode == PoolMode::attention ? args.scores[args.slots_are_codes ? row : item] : 0;
}
RAGTIME_DEVICE float share_of(PoolMode mode, const PoolShares& shares, float weight, float score,
                              std::int64_t item) {
  switch (mode) {
    case PoolMode::mean:
      return weight / shares.total;
    case PoolMode::attention:
      return weight * arch::exp(score - shares.highest) / shares.total;
    case PoolMode::last:
      return item == shares.last ? 1 : 0;
    default:
      return weight;
  }
}

// The range's items that count, at most a queue full, with their weights as coefficients; returns how many.
// place: where in the queue the lane's own items went, -1 for none.
struct QueuePlaces {
  static constexpr int rounds = PoolQueue::room / static_cast<int>(arch::warp_size);
  int place[rounds];
};
RAGTIME_DEVICE int fill_queue(const PoolBatch& batch, const ItemRange& range, PoolQueue& queue,
                              QueuePlaces& places, std::uint64_t* status) {
  int count = 0;
  RAGTIME_UNROLL
  for (int round = 0; round < QueuePlaces::rounds; ++round) {
    const std::int64_t item = range.begin + round * static_cast<int>(arch::warp_size) + arch::lane();
    const PoolItem found = item < range.end ? item_at(batch, item, status) : PoolItem{0, 0};
    const std::uint32_t counting = arch::ballot(found.weight != 0);
    const int before = std::popcount(counting & ((std::uint32_t{1} << arch::lane()) - 1));
    places.place[round] = found.weight != 0 ? count + before : -1;
    if (found.weight != 0) {
      queue.row[count + before] = found.row;
      queue.item[count + before] = static_cast<std::int32_t>(item);
      queue.coefficient[count + before] = found.weight;
    }
    count += std::popcount(counting);
  }
  arch::warp_sync();
  return count;
}

// Of the items of a range that was queued; 0 for those that do not count.
RAGTIME_DEVICE void keep_coefficients(float* coefficients, const ItemRange& range, const PoolQueue& queue,
                                      const QueuePlaces& places) {
  if (coefficients == nullptr) return;
  RAGTIME_UNROLL
  for (int round = 0; round < QueuePlaces::rounds; ++round) {
    const std::int64_t item = range.begin + round * static_cast<int>(arch::warp_size) + arch::lane();
    if (item < range.end)
      coefficients[item] = places.place[round] < 0 ? 0 : queue.coefficient[places.place[round]];
  }
}

// From weights to coefficients, in the queue of a whole segment.
RAGTIME_DEVICE void share_queue(const PoolArgs& args, PoolQueue& queue, int count) {
  constexpr int rounds = QueuePlaces::rounds;
  if (args.mode == PoolMode::sum || args.mode == PoolMode::max || count == 0) return;
  float weight[rounds], score[rounds];
  PoolShares shares;
  RAGTIME_UNROLL
  for (int round = 0; round < rounds; ++round) {
    const int i = round * static_cast<int>(arch::warp_size) + static_cast<int>(arch::lane());
    weight[round] = i < count ? queue.coefficient[i] : 0;
    score[round] = i < count ? score_of(args, queue.row[i], queue.item[i]) : shares.highest;
  }
  if (args.mode == PoolMode::attention) {
    for (int round = 0; round < rounds; ++round) shares.highest = fmaxf(shares.highest, score[round]);
    shares.highest = reduce_warp(shares.highest, Larger{});
  }
  for (int round = 0; round < rounds; ++round)
    if (weight[round] != 0)
      shares.total += args.mode == PoolMode::attention
                          ? weight[round] * arch::exp(score[round] - shares.highest)
                          : weight[round];
  shares.total = reduce_warp(shares.total, Plus{});
  shares.last = queue.item[count - 1];
  arch::warp_sync();
  RAGTIME_UNROLL
  for (int round = 0; round < rounds; ++round) {
    const int i = round * static_cast<int>(arch::warp_size) + static_cast<int>(arch::lane());
    if (i < count)
      queue.coefficient[i] = share_of(args.mode, shares, weight[round], score[round], queue.item[i]);
  }
  arch::warp_sync();
}

// The same for a long segment, by all threads of the block; reports what is wrong with its items.
RAGTIME_DEVICE PoolShares shares_in_block(const PoolArgs& args, const ItemRange& range) {
  PoolShares shares;
  const auto for_items = [&](std::uint64_t* status, auto&& visit) {
    for (std::int64_t i = range.begin + arch::thread_rank(); i < range.end; i += SegmentPoolTuning::threads) {
      const PoolItem item = item_at(args.batch, i, status);
      if (item.weight != 0) visit(item, i);
    }
  };
  for_items(args.status, [&](const PoolItem& item, std::int64_t i) {
    shares.last = i;
    if (args.mode == PoolMode::attention)
      shares.highest = fmaxf(shares.highest, score_of(args, item.row, i));
    else
      shares.total += item.weight;
  });
  if (args.mode == PoolMode::last) shares.last = reduce_block(shares.last, Larger{});
  if (args.mode == PoolMode::attention) {
    shares.highest = reduce_block(shares.highest, Larger{});
    for_items(nullptr, [&](const PoolItem& item, std::int64_t i) {
      shares.total += item.weight * arch::exp(score_of(args, item.row, i) - shares.highest);
    });
  }
  if (args.mode == PoolMode::attention || args.mode == PoolMode::mean)
    shares.total = reduce_block(shares.total, Plus{});
  return shares;
}

// A lane's part of a segment's row: PerLane chunks, `lanes` apart.
template <class T, int Bytes, int PerLane, bool Max>
struct PoolTile {
  using Part = Elements<T, Bytes>;
  static constexpr int count = Part::count;
  static constexpr int items_in_flight = SegmentPoolTuning::chunks_in_flight / PerLane;

  Part sum[PerLane];
  std::int32_t source[Max ? PerLane : 1][Max ? count : 1];

  RAGTIME_DEVICE void clear() {
    RAGTIME_UNROLL
    for (int k = 0; k < PerLane; ++k) {
      sum[k].clear();
      if constexpr (Max)
        for (int i = 0; i < count; ++i) source[k][i] = -1;
    }
  }

  // Whether b, of item b_source, takes the place of a. Items may come in any order.
  RAGTIME_DEVICE static bool exceeds(float b, std::int32_t b_source, float a, std::int32_t a_source) {
    if (b_source < 0 || a_source < 0) return b_source >= 0;
    const bool a_lost = a != a, b_lost = b != b;
    if (a_lost || b_lost) return b_lost && (!a_lost || b_source < a_source);
    return b > a || (b == a && b_source < a_source);
  }
  RAGTIME_DEVICE void merge(int k, int i, float value, std::int32_t from) {
    if constexpr (Max) {
      const bool takes = exceeds(value, from, sum[k].value[i], source[k][i]);
      sum[k].value[i] = takes ? value : sum[k].value[i];
      source[k][i] = takes ? from : source[k][i];
    } else {
      sum[k].value[i] += value;
    }
  }

  // first_chunk: the lane's first; the group of lanes it is in takes the queue's items group, group + groups,
  // ..
  RAGTIME_DEVICE void add(const PoolArgs& args, const PoolQueue& queue, int queued,
                          std::int64_t first_chunk) {
    const int groups = static_cast<int>(arch::warp_size / args.lanes);
    const int group = static_cast<int>(arch::lane() / args.lanes);
    const std::int64_t chunks = args.width / count;
    for (int first = group; first < queued; first += groups * items_in_flight) {
      arch::Chunk<Bytes> loaded[items_in_flight][PerLane];
      float coefficient[items_in_flight];
      RAGTIME_UNROLL
      for (int u = 0; u < items_in_flight; ++u) {
        const int at = first + u * groups;
        coefficient[u] = at < queued ? queue.coefficient[at] : 0;
        const std::int64_t row = coefficient[u] != 0 ? queue.row[at] * args.width : 0;
        RAGTIME_UNROLL
        for (int k = 0; k < PerLane; ++k) {
          const std::int64_t chunk = first_chunk + k * args.lanes;
          loaded[u][k] = {};
          if (coefficient[u] != 0 && chunk < chunks)
            loaded[u][k] = arch::load<Bytes>(static_cast<const T*>(args.values) + row + chunk * count);
        }
      }
      RAGTIME_UNROLL
      for (int u = 0; u < items_in_flight; ++u) {
        const std::int32_t item = Max && coefficient[u] != 0 ? queue.item[first + u * groups] : -1;
        RAGTIME_UNROLL
        for (int k = 0; k < PerLane; ++k) {
          const Part part = Part::of(loaded[u][k]);
          RAGTIME_UNROLL
          for (int i = 0; i < count; ++i) {
            if constexpr (Max)
              merge(k, i, part.value[i], item);
            else
              sum[k].value[i] = arch::fma(coefficient[u], part.value[i], sum[k].value[i]);
          }
        }
      }
    }
  }

  // Over the warp's groups; each then has the whole.
  RAGTIME_DEVICE void add_groups(unsigned lanes) {
    for (unsigned flip = lanes; flip < arch::warp_size; flip *= 2) {
      RAGTIME_UNROLL
      for (int k = 0; k < PerLane; ++k) {
        RAGTIME_UNROLL
        for (int i = 0; i < count; ++i) {
          const float value = arch::shfl_xor(sum[k].value[i], flip);
          std::int32_t from = 0;
          if constexpr (Max) from = arch::shfl_xor(source[k][i], flip);
          merge(k, i, value, from);
        }
      }
    }
  }

  RAGTIME_DEVICE void store(const PoolArgs& args, std::int64_t segment, std::int64_t chunk, int k) const {
    if (chunk >= args.width / count) return;
    const std::int64_t element = segment * args.width + chunk * count;
    sum[k].store(args.out, element);
    if constexpr (Max)
      if (args.sources != nullptr) store_words(args.sources + element, source[k]);
  }
};

template <class T, int Bytes, int PerLane, bool Max>
RAGTIME_KERNEL(SegmentPoolTuning::threads, Max&& PerLane > 1 ? 1 : SegmentPoolTuning::blocks_per_sm)
pool_segments(PoolArgs args) {
  using Tile = PoolTile<T, Bytes, PerLane, Max>;
  constexpr int shared_elements = Tile::count * static_cast<int>(arch::warp_size);  // of a warp
  RAGTIME_SHARED(PoolQueue, queues, SegmentPoolTuning::warps);
  RAGTIME_SHARED(float, shared_sums, SegmentPoolTuning::warps* shared_elements);
  RAGTIME_SHARED(std::int32_t, shared_sources, Max ? SegmentPoolTuning::warps * shared_elements : 1);
  PoolQueue& queue = queues[arch::warp()];
  const PoolBatch& batch = args.batch;
  if (arch::block_index().x == 0 && arch::thread_rank() == 0) {
    report_beyond(args.status, BatchPart::segments, *batch.segments, batch.most_segments);
    const std::int32_t items = batch.offsets[segments_in_use(batch)];
    report_beyond(args.status, BatchPart::items, items, batch.most_items);
  }
  const std::int64_t chunks = args.width / Tile::count, tile_chunks = std::int64_t{args.lanes} * PerLane;
  const unsigned lane = arch::lane() % args.lanes;
  const bool first_group = arch::lane() < args.lanes;

  const auto by_warp = [&](std::int64_t segment, const ItemRange& range) {
    QueuePlaces places;
    const int count = fill_queue(batch, range, queue, places, args.status);
    share_queue(args, queue, count);
    keep_coefficients(args.coefficients, range, queue, places);
    for (std::int64_t tile = 0; tile < chunks; tile += tile_chunks) {
      Tile part;
      part.clear();
      part.add(args, queue, count, tile + lane);
      part.add_groups(args.lanes);
      RAGTIME_UNROLL
      for (int k = 0; k < PerLane; ++k)
        if (first_group) part.store(args, segment, tile + lane + k * args.lanes, k);
    }
    arch::warp_sync();  // before the queue is filled again
  };

  const auto by_block = [&](std::int64_t segment, const ItemRange& range) {
    const PoolShares shares = shares_in_block(args, range);
    const std::int64_t share = (range.size() + SegmentPoolTuning::warps - 1) / SegmentPoolTuning::warps;
    const std::int64_t begin = range.begin + arch::warp() * share;
    const std::int64_t end = begin + share < range.end ? begin + share : range.end;
    for (std::int64_t tile = 0; tile < chunks; tile += tile_chunks) {
      Tile part;
      part.clear();
      for (std::int64_t first = begin; first < end; first += PoolQueue::room) {
        const ItemRange some{first, first + PoolQueue::room < end ? first + PoolQueue::room : end};
        QueuePlaces places;
        const int count = fill_queue(batch, some, queue, places, nullptr);
        for (int i = static_cast<int>(arch::lane()); i < count; i += static_cast<int>(arch::warp_size))
          queue.coefficient[i] = share_of(args.mode, shares, queue.coefficient[i],
                                          score_of(args, queue.row[i], queue.item[i]), queue.item[i]);
        arch::warp_sync();
        if (tile == 0) keep_coefficients(args.coefficients, some, queue, places);
        part.add(args, queue, count, tile + lane);
        arch::warp_sync();
      }
      part.add_groups(args.lanes);
      RAGTIME_UNROLL
      for (int k = 0; k < PerLane; ++k) {
        const unsigned at = (arch::warp() * arch::warp_size + lane) * Tile::count;
        RAGTIME_UNROLL
        for (int i = 0; i < Tile::count; ++i)
          if (first_group) {
            shared_sums[at + i] = part.sum[k].value[i];
            if constexpr (Max) shared_sources[at + i] = part.source[k][i];
          }
        arch::block_sync();
        if (arch::warp() == 0 && first_group) {
          for (unsigned warp = 1; warp < SegmentPoolTuning::warps; ++warp) RAGTIME_UNROLL
          for (int i = 0; i < Tile::count; ++i) {
            const unsigned from = (warp * arch::warp_size + lane) * Tile::count + i;
            part.merge(k, i, shared_sums[from], Max ? shared_sources[from] : 0);
          }
          part.store(args, segment, tile + lane + k * args.lanes, k);
        }
        arch::block_sync();
      }
    }
  };

  visit_segments(batch, by_warp, by_block);
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
