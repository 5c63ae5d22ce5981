#include <algorithm>
#include <numeric>

#include "host/cpu/parallel.hpp"
#include "host/cpu/segment_pool.hpp"

namespace ragtime::cpu {

template <class T>
void SegmentPoolCpu<T>::add_item(const SegmentPoolBackward& args, const Reserve& reserve, std::int64_t item,
                                 std::int64_t segment, T* d) const {
  const T* d_out = static_cast<const T*>(args.d_out) + segment * desc_.width;
  if (desc_.mode != PoolMode::max) {
    if (reserve.coefficients[item] != T(0))
      kernels<T>().add_scaled(desc_.width, reserve.coefficients[item], d_out, d);
    return;
  }
  const std::int32_t* sources = reserve.sources + segment * desc_.width;
  for (std::int64_t e = 0; e < desc_.width; ++e)
    if (sources[e] == item) d[e] += d_out[e];
}

// From dL/dout to dL/dscore of every slot, and on to the scorer's weights and the slots' values
// (work.d_rows).
template <class T>
void SegmentPoolCpu<T>::score_gradients(const SegmentPoolBackward& args, const Workspace& work,
                                        const Reserve& reserve) const {
  const std::int64_t slots = *reserve.slot_count, segments = *args.segments, items = args.offsets[segments];
  const std::int64_t width = desc_.attention_width;
  // Per item first (in the inference coefficients' place), then summed by slot in item order.
  T* d_item = work.inference.coefficients;
  parallel_blocks(segments, segments_a_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t s = begin; s < end; ++s) {
      const T* d_out = static_cast<const T*>(args.d_out) + s * desc_.width;
      T mean = 0;
      for (std::int64_t item = args.offsets[s]; item < args.offsets[s + 1]; ++item) {
        T dot = 0;
        if (reserve.coefficients[item] != T(0)) {
          const T* value = value_of(args.values, args.codes, item);
          for (std::int64_t e = 0; e < desc_.width; ++e) dot += d_out[e] * value[e];
        }
        d_item[item] = dot;
        mean += reserve.coefficients[item] * dot;
      }
      for (std::int64_t item = args.offsets[s]; item < args.offsets[s + 1]; ++item)
        d_item[item] = reserve.coefficients[item] * (d_item[item] - mean);
    }
  });
  T* d_scores = work.scores;
  std::fill_n(d_scores, slots, T(0));
  for (std::int64_t item = 0; item < items; ++item)
    if (reserve.slot_of_item[item] >= 0) d_scores[reserve.slot_of_item[item]] += d_item[item];

  const T* w2 = static_cast<const T*>(args.attention.w2);
  parallel_blocks(slots, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t u = begin; u < end; ++u)
      for (std::int64_t a = 0; a < width; ++a) {
        const T t = reserve.activations[u * width + a];
        work.d_activations[u * width + a] = d_scores[u] * w2[a] * (T(1) - t * t);
      }
  });
  T* d_w2 = static_cast<T*>(args.d_attention.w2);
  T* d_b2 = static_cast<T*>(args.d_attention.b2);
  if (!args.accumulate) {
    std::fill_n(d_w2, width, T(0));
    *d_b2 = T(0);
  }
  for (std::int64_t u = 0; u < slots; ++u) {
    kernels<T>().add_scaled(width, d_scores[u], reserve.activations + u * width, d_w2);
    *d_b2 += d_scores[u];
  }
  const T* rows = gather_slots(args.values, reserve.code_of_slot, slots, work.rows);
  pack_transposed(rows, desc_.width, slots, desc_.width, work.packed_rows);
  multiply_transposed(work.d_activations, width, work.packed_rows, slots, width, desc_.width,
                      static_cast<T*>(args.d_attention.w1), args.accumulate);
  sum_rows(work.d_activations, width, slots, width, static_cast<T*>(args.d_attention.b1), args.accumulate);
  pack_transposed(static_cast<const T*>(args.attention.w1), desc_.width, width, desc_.width, work.packed_w1);
  multiply_rows<T>(work.d_activations, width, work.packed_w1, nullptr, width, desc_.width, work.d_rows,
                   desc_.width, slots);
}

template <class T>
void SegmentPoolCpu<T>::row_gradients(const SegmentPoolBackward& args, const Workspace& work,
                                      const Reserve& reserve) const {
  const std::int64_t items = args.offsets[*args.segments];
  parallel_blocks(items, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t item = begin; item < end; ++item) {
      T* d = static_cast<T*>(args.d_values) + item * desc_.width;
      if (!args.accumulate) std::fill_n(d, desc_.width, T(0));
      if (attends() && reserve.slot_of_item[item] >= 0)
        kernels<T>().add_scaled(desc_.width, T(1), work.d_rows + reserve.slot_of_item[item] * desc_.width, d);
      add_item(args, reserve, item, work.segment_of_item[item], d);
    }
  });
}

template <class T>
void SegmentPoolCpu<T>::table_gradients(const SegmentPoolBackward& args, const Workspace& work,
                                        const Reserve& reserve) const {
  const std::int64_t items = args.offsets[*args.segments], width = desc_.width;
  T* d_table = static_cast<T*>(args.d_values);
  if (!args.accumulate)
    parallel_blocks(desc_.vocab_size, 256, [&](std::int64_t begin, std::int64_t end) {
      std::fill(d_table + begin * width, d_table + end * width, T(0));
    });

  // Items sorted by slot, in order within a slot (a counting sort).
  const std::int32_t* slot_of_item = attends() ? reserve.slot_of_item : work.slot_of_item;
  const std::int32_t* code_of_slot = attends() ? reserve.code_of_slot : work.code_of_slot;
  const std::int64_t slots = attends() ? *reserve.slot_count
                                       : assign_slots(args.codes, args.weights, items, work.slot_of_code,
                                                      work.slot_of_item, work.code_of_slot);
  std::fill_n(work.slot_begin, slots + 1, 0);
  for (std::int64_t item = 0; item < items; ++item)
    if (slot_of_item[item] >= 0) ++work.slot_begin[slot_of_item[item] + 1];
  std::partial_sum(work.slot_begin, work.slot_begin + slots + 1, work.slot_begin);
  std::int32_t* cursor = work.slot_of_code;  // by slot from here on; slots are at most V
  std::copy_n(work.slot_begin, slots, cursor);
  for (std::int64_t item = 0; item < items; ++item)
    if (slot_of_item[item] >= 0)
      work.sorted_items[cursor[slot_of_item[item]]++] = static_cast<std::int32_t>(item);

  const auto add_items = [&](std::int64_t begin, std::int64_t end, T* d) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int32_t item = work.sorted_items[i];
      add_item(args, reserve, item, work.segment_of_item[item], d);
    }
  };
  // Slots of more than one chunk: their chunks side by side first.
  std::int64_t chunks = 0;
  for (std::int64_t u = 0; u < slots; ++u) {
    const std::int64_t begin = work.slot_begin[u], end = work.slot_begin[u + 1];
    if (end - begin <= chunk_items) continue;
    const std::int64_t count = (end - begin + chunk_items - 1) / chunk_items;
    parallel_for(count, [&, chunks](std::int64_t chunk) {
      T* partial = work.partial_sums + (chunks + chunk) * width;
      std::fill_n(partial, width, T(0));
      add_items(begin + chunk * chunk_items, std::min(begin + (chunk + 1) * chunk_items, end), partial);
    });
    chunks += count;
    if (code_of_slot[u] == desc_.padding_idx) continue;
    for (std::int64_t chunk = chunks - count; chunk < chunks; ++chunk)
      kernels<T>().add_scaled(width, T(1), work.partial_sums + chunk * width,
                              d_table + code_of_slot[u] * width);
  }
  parallel_blocks(slots, 8, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t u = first; u < last; ++u) {
      if (code_of_slot[u] == desc_.padding_idx) continue;
      T* d = d_table + code_of_slot[u] * width;
      if (attends()) kernels<T>().add_scaled(width, T(1), work.d_rows + u * width, d);
      if (work.slot_begin[u + 1] - work.slot_begin[u] <= chunk_items)
        add_items(work.slot_begin[u], work.slot_begin[u + 1], d);
    }
  });
}

template <class T>
void SegmentPoolCpu<T>::backward(const SegmentPoolBackward& args, Stream) const {
  check_fits_plan(args.segments, args.offsets);
  Carver carver(args.workspace), reserve_carver(args.reserve);
  const Workspace work = carve_workspace(carver);
  const Reserve reserve = carve_reserve(reserve_carver);
  for (std::int64_t s = 0; s < *args.segments; ++s)
    std::fill(work.segment_of_item + args.offsets[s], work.segment_of_item + args.offsets[s + 1],
              static_cast<std::int32_t>(s));
  if (attends()) score_gradients(args, work, reserve);
  has_table() ? table_gradients(args, work, reserve) : row_gradients(args, work, reserve);
}

template void SegmentPoolCpu<float>::backward(const SegmentPoolBackward&, Stream) const;
template void SegmentPoolCpu<double>::backward(const SegmentPoolBackward&, Stream) const;

}  // namespace ragtime::cpu
