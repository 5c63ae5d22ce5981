#pragma once

// The scorer of attention, by slots. A slot is what is scored once: a code, where the plan has no more codes
// than items, else an item. Products are matrix products over all slots there is room for; what is here is
// what stands around them.
//
//   Forward    Z = V W1^T over the slots' rows V, then  t = tanh(z + b1),  score = w2 . t + b2
//   Backward   slope_i = d_out[s] . v_i,  d_score_i = c_i (slope_i - sum of c_j slope_j over the segment s),
//              summed by slot; with g = d_score w2 (1 - t^2) by slot
//              d_W1 = g^T V,  d_b1 = sum of g,  d_w2 = sum of d_score t,  d_b2 = sum of d_score,  d_V = g W1
//
// Slots are scored by a code alone, so a row of the table that no item uses is scored too, and may hold NaN:
// nothing reads its score. Backward, a slot without a counting item has d_score = 0, and then g = 0 exactly
// and a row of zeros in V's copy: what it holds does not meet the gradient. Rows that are items are copied
// before the first product for the same reason, and because what lies behind the items in use is nobody's.
//
// t is kept in f32: 1 - t^2 would lose what a rounding to 16 bits leaves of it where t is near 1. Sums over
// slots are of fixed chunks of 64, and these in order. Blocks do not wait for each other.

#include "cuda/segment_pool/segment_pool.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// [slots, E] of rows: of items that count where d_scores is null, else of slots whose d_score is not 0 (those
// of items, or codes where slots are codes). Zeros in the place of all others. A slot takes `lanes` lanes.
template <class T, int Bytes>
RAGTIME_KERNEL(SegmentPoolTuning::threads, 1)
copy_slots(PoolBatch batch, const void* values, std::int64_t width, unsigned lanes, const float* d_scores,
           bool slots_are_codes, std::int64_t slots, void* rows) {
  constexpr int count = Elements<T, Bytes>::count;
  const std::int64_t items = items_in_use(batch);
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * SegmentPoolTuning::threads / lanes;
  for (std::int64_t u =
           (std::int64_t{arch::block_index().x} * SegmentPoolTuning::threads + arch::thread_rank()) / lanes;
       u < slots; u += stride) {
    bool counts = d_scores == nullptr || d_scores[u] != 0;
    std::int64_t row = u;
    if (!slots_are_codes && counts) {
      const PoolItem item = u < items ? item_at(batch, u, nullptr) : PoolItem{0, 0};
      counts = item.weight != 0;
      row = item.row;
    }
    const T* const from = static_cast<const T*>(values) + row * width;
    T* const to = static_cast<T*>(rows) + u * width;
    for (std::int64_t e = arch::lane() % lanes * count; e < width; e += std::int64_t{lanes} * count)
      arch::store(to + e, counts ? arch::load<Bytes>(from + e) : arch::Chunk<Bytes>{});
  }
}

// activations [slots, A]: Z before, t after. A warp a slot.
template <class T>
RAGTIME_KERNEL(SegmentPoolTuning::threads, 1)
score_slots(PoolBatch batch, bool slots_are_codes, std::int64_t slots, std::int64_t width, const T* b1,
            const T* w2, const T* b2, float* activations, float* scores) {
  const std::int64_t used = slots_are_codes ? slots : items_in_use(batch);
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * SegmentPoolTuning::warps;
  for (std::int64_t u = std::int64_t{arch::block_index().x} * SegmentPoolTuning::warps + arch::warp();
       u < used; u += stride) {
    float sum = 0;
    for (std::int64_t a = arch::lane(); a < width; a += arch::warp_size) {
      const float t = arch::tanh(activations[u * width + a] + arch::to_float(b1[a]));
      activations[u * width + a] = t;
      sum = arch::fma(arch::to_float(w2[a]), t, sum);
    }
    sum = reduce_warp(sum, Plus{});
    if (arch::lane() == 0) scores[u] = sum + arch::to_float(*b2);
  }
}

// slopes [M]: `lanes` lanes a row, several items a group at a time.
template <class T, int Bytes>
RAGTIME_KERNEL(SegmentPoolTuning::threads, SegmentPoolTuning::blocks_per_sm)
attention_slopes(PoolBatch batch, const void* values, const void* d_out, std::int64_t width, unsigned lanes,
                 const float* coefficients, const std::int32_t* segment_of_item, float* slopes) {
  using Part = Elements<T, Bytes>;
  constexpr int at_once = 4;
  const std::int64_t items = items_in_use(batch), groups = arch::warp_size / lanes;
  const std::int64_t warps = std::int64_t{arch::grid_extent().x} * SegmentPoolTuning::warps;
  const std::int64_t warp = std::int64_t{arch::block_index().x} * SegmentPoolTuning::warps + arch::warp();
  for (std::int64_t first = warp * groups * at_once; first < items; first += warps * groups * at_once) {
    bool counts[at_once];
    std::int64_t row[at_once], d_row[at_once];
    float slope[at_once];
    RAGTIME_UNROLL
    for (int u = 0; u < at_once; ++u) {
      const std::int64_t item = first + u * groups + arch::lane() / lanes;
      counts[u] = item < items && coefficients[item] != 0;
      row[u] = (counts[u] && batch.vocab_size > 0 ? batch.codes[item] : item) * width;
      d_row[u] = counts[u] ? segment_of_item[item] * width : 0;
      slope[u] = 0;
    }
    for (std::int64_t e = arch::lane() % lanes * Part::count; e < width;
         e += std::int64_t{lanes} * Part::count) {
      Part value[at_once], d[at_once];
      RAGTIME_UNROLL
      for (int u = 0; u < at_once; ++u) {
        value[u].clear();
        d[u].clear();
        if (!counts[u]) continue;
        value[u] = Part::load(values, row[u] + e);
        d[u] = Part::load(d_out, d_row[u] + e);
      }
      RAGTIME_UNROLL
      for (int u = 0; u < at_once; ++u) {
        RAGTIME_UNROLL
        for (int i = 0; i < Part::count; ++i)
          slope[u] = arch::fma(value[u].value[i], d[u].value[i], slope[u]);
      }
    }
    RAGTIME_UNROLL
    for (int u = 0; u < at_once; ++u) {
      for (unsigned flip = lanes / 2; flip > 0; flip /= 2) slope[u] += arch::shfl_xor(slope[u], flip);
      const std::int64_t item = first + u * groups + arch::lane() / lanes;
      if (arch::lane() % lanes == 0 && item < items) slopes[item] = slope[u];
    }
  }
}

// d_scores [M] by item, 0 behind the items in use. sums: where slots are codes and atomic adds are asked for,
// [V] sums by code besides.
RAGTIME_KERNEL(SegmentPoolTuning::threads, 1)
item_score_gradients(PoolBatch batch, const float* coefficients, const float* slopes, float* d_scores,
                     float* sums) {
  const auto visit = [&](const ItemRange& range, std::int64_t begin, std::int64_t step, auto&& reduce) {
    float mean = 0;
    for (std::int64_t i = range.begin + begin; i < range.end; i += step)
      mean = arch::fma(coefficients[i], slopes[i], mean);
    mean = reduce(mean);
    for (std::int64_t i = range.begin + begin; i < range.end; i += step) {
      const float share = coefficients[i], d = share == 0 ? 0 : share * (slopes[i] - mean);
      d_scores[i] = d;
      if (sums != nullptr && share != 0) arch::atomic_add(sums + batch.codes[i], d);
    }
  };
  visit_segments(
      batch,
      [&](std::int64_t, const ItemRange& range) {
        visit(range, arch::lane(), arch::warp_size, [](float sum) { return reduce_warp(sum, Plus{}); });
      },
      [&](std::int64_t, const ItemRange& range) {
        visit(range, arch::thread_rank(), SegmentPoolTuning::threads,
              [](float sum) { return reduce_block(sum, Plus{}); });
      });
  for (std::int64_t i = items_in_use(batch) +
                        std::int64_t{arch::block_index().x} * SegmentPoolTuning::threads +
                        arch::thread_rank();
       i < batch.most_items; i += std::int64_t{arch::grid_extent().x} * SegmentPoolTuning::threads)
    d_scores[i] = 0;
}

// From d_scores [slots] to g [slots, A], and for each chunk of slots the sums that make d_b1 [A], d_w2 [A]
// and d_b2 [1]: partials [chunks, 2 A + 1]. A block a chunk, its threads the columns; column A is d_b2's,
// a t of 1.
template <class T>
RAGTIME_KERNEL(SegmentPoolTuning::threads, 1)
scorer_gradients(std::int64_t slots, std::int64_t width, const T* w2, const float* d_scores,
                 const float* activations, T* g, float* partials) {
  constexpr std::int64_t chunk_slots = SegmentPoolTuning::slot_chunk;
  constexpr int at_once = SegmentPoolTuning::chunks_in_flight;
  for (std::int64_t chunk = arch::block_index().x; chunk * chunk_slots < slots;
       chunk += arch::grid_extent().x) {
    const std::int64_t begin = chunk * chunk_slots;
    const std::int64_t end = begin + chunk_slots < slots ? begin + chunk_slots : slots;
    float* const sums = partials + chunk * (2 * width + 1);
    for (std::int64_t a = arch::thread_rank(); a <= width; a += SegmentPoolTuning::threads) {
      float d_bias = 0, d_weight = 0;
      const float weight = a < width ? arch::to_float(w2[a]) : 0;
      for (std::int64_t first = begin; first < end; first += at_once) {
        float d[at_once], t[at_once];
        RAGTIME_UNROLL
        for (int i = 0; i < at_once; ++i) {
          const std::int64_t u = first + i;
          d[i] = u < end ? d_scores[u] : 0;
          t[i] = u < end && a < width ? activations[u * width + a] : 1;
        }
        RAGTIME_UNROLL
        for (int i = 0; i < at_once; ++i) {
          if (first + i >= end) continue;
          if (d[i] == 0) t[i] = 0;  // whatever a slot without a gradient holds
          const float d_sum = d[i] != 0 ? d[i] * weight * (1 - t[i] * t[i]) : 0;
          if (a < width) g[(first + i) * width + a] = arch::from_float<T>(d_sum);
          d_bias += d_sum;
          d_weight = arch::fma(d[i], t[i], d_weight);
        }
      }
      if (a < width) sums[a] = d_bias;
      sums[width + a] = d_weight;
    }
  }
}

// partials [chunks, 2 A + 1] to d_b1, d_w2, d_b2. A block 32 columns; each warp a share of the chunks.
template <class T>
RAGTIME_KERNEL(SegmentPoolTuning::threads, 1)
add_scorer_gradients(std::int64_t chunks, std::int64_t width, const float* partials, T* d_b1, T* d_w2,
                     T* d_b2, bool accumulate) {
  constexpr unsigned warps = SegmentPoolTuning::warps;
  RAGTIME_SHARED(double, shared, warps* arch::warp_size);
  const std::int64_t columns = 2 * width + 1, share = (chunks + warps - 1) / warps;
  for (std::int64_t first = std::int64_t{arch::block_index().x} * arch::warp_size; first < columns;
       first += std::int64_t{arch::grid_extent().x} * arch::warp_size) {
    const std::int64_t column = first + arch::lane();
    double sum = 0;
    if (column < columns)
      for (std::int64_t chunk = arch::warp() * share; chunk < (arch::warp() + 1) * share && chunk < chunks;
           ++chunk)
        sum += partials[chunk * columns + column];
    shared[arch::thread_rank()] = sum;
    arch::block_sync();
    if (arch::warp() == 0 && column < columns) {
      for (unsigned warp = 1; warp < warps; ++warp) sum += shared[warp * arch::warp_size + arch::lane()];
      T* const to = column < width ? d_b1 + column : column < 2 * width ? d_w2 + (column - width) : d_b2;
      if (accumulate) sum += arch::to_float(*to);
      *to = arch::from_float<T>(static_cast<float>(sum));
    }
    arch::block_sync();
  }
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
