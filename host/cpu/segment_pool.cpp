#include "host/cpu/segment_pool.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/cpu/parallel.hpp"
#include "host/cpu/status_word.hpp"
#include "host/runtime/capacity.hpp"

namespace ragtime::cpu {

template <class T>
SegmentPoolCpu<T>::SegmentPoolCpu(const SegmentPoolDesc& desc)
    : desc_(desc), slots_(desc.vocab_size > 0 ? std::min(desc.items, desc.vocab_size) : desc.items) {
  Carver reserve(nullptr), workspace(nullptr);
  carve_reserve(reserve);
  carve_workspace(workspace);
  reserve_bytes_ = reserve.bytes();
  workspace_bytes_ = workspace.bytes();
}

template <class T>
typename SegmentPoolCpu<T>::Reserve SegmentPoolCpu<T>::carve_reserve(Carver& carver) const {
  Reserve reserve;
  if (desc_.mode == PoolMode::max)
    reserve.sources = carver.take<std::int32_t>(desc_.segments * desc_.width);
  else
    reserve.coefficients = carver.take<T>(desc_.items);
  if (attends()) {
    reserve.slot_count = carver.take<std::int32_t>(1);
    reserve.slot_of_item = carver.take<std::int32_t>(desc_.items);
    reserve.code_of_slot = carver.take<std::int32_t>(slots_);
    reserve.activations = carver.take<T>(slots_ * desc_.attention_width);
  }
  return reserve;
}

template <class T>
typename SegmentPoolCpu<T>::Workspace SegmentPoolCpu<T>::carve_workspace(Carver& carver) const {
  Workspace work;
  work.inference = carve_reserve(carver);
  work.segment_of_item = carver.take<std::int32_t>(desc_.items);
  if (has_table()) {
    work.slot_of_code = carver.take<std::int32_t>(desc_.vocab_size);
    work.slot_of_item = carver.take<std::int32_t>(desc_.items);
    work.code_of_slot = carver.take<std::int32_t>(slots_);
    work.slot_begin = carver.take<std::int32_t>(slots_ + 1);
    work.sorted_items = carver.take<std::int32_t>(desc_.items);
    work.partial_sums = carver.take<T>(2 * (desc_.items / chunk_items) * desc_.width);
  }
  if (attends()) {
    if (gathers()) work.rows = carver.take<T>(slots_ * desc_.width);
    work.scores = carver.take<T>(slots_);
    work.d_activations = carver.take<T>(slots_ * desc_.attention_width);
    work.d_rows = carver.take<T>(slots_ * desc_.width);
    work.packed_w1 = carver.take<T>(std::max(packed_size<T>(desc_.width, desc_.attention_width),
                                             packed_size<T>(desc_.attention_width, desc_.width)));
    work.packed_rows = carver.take<T>(packed_size<T>(slots_, desc_.width));
  }
  return work;
}

template <class T>
std::int32_t SegmentPoolCpu<T>::assign_slots(const std::int32_t* codes, const float* weights,
                                             std::int64_t items, std::int32_t* slot_of_code,
                                             std::int32_t* slot_of_item, std::int32_t* code_of_slot) const {
  std::int32_t slots = 0;
  if (!gathers()) {
    for (; slots < items; ++slots) slot_of_item[slots] = slots;
    return slots;
  }
  if (has_table()) std::fill_n(slot_of_code, desc_.vocab_size, -1);
  for (std::int64_t item = 0; item < items; ++item) {
    const std::int32_t code = has_table() ? codes[item] : static_cast<std::int32_t>(item);
    const bool counts =
        (!has_table() || (code >= 0 && code < desc_.vocab_size)) &&
        (!desc_.weighted || (weights[item] > 0 && weights[item] <= std::numeric_limits<float>::max()));
    slot_of_item[item] = -1;
    if (!counts) continue;
    if (has_table()) slot_of_item[item] = slot_of_code[code];
    if (slot_of_item[item] >= 0) continue;
    code_of_slot[slots] = code;
    if (has_table()) slot_of_code[code] = slots;
    slot_of_item[item] = slots++;
  }
  return slots;
}

template <class T>
const T* SegmentPoolCpu<T>::gather_slots(const void* values, const std::int32_t* code_of_slot,
                                         std::int64_t slots, T* rows) const {
  if (!gathers()) return static_cast<const T*>(values);
  for (std::int64_t u = 0; u < slots; ++u)
    std::copy_n(static_cast<const T*>(values) + code_of_slot[u] * desc_.width, desc_.width,
                rows + u * desc_.width);
  return rows;
}

template <class T>
T SegmentPoolCpu<T>::weight_of(const SegmentPoolForward& args, std::int64_t item) const {
  if (has_table() && (args.codes[item] < 0 || args.codes[item] >= desc_.vocab_size)) {
    report(args.status, Fault::code_out_of_range, item);
    return T(0);
  }
  if (!desc_.weighted) return T(1);
  const float weight = args.weights[item];
  if (weight >= 0 && weight <= std::numeric_limits<float>::max()) return static_cast<T>(weight);
  report(args.status, Fault::bad_code_weight, item);
  return T(0);
}

template <class T>
const T* SegmentPoolCpu<T>::value_of(const void* values, const std::int32_t* codes, std::int64_t item) const {
  return static_cast<const T*>(values) + (has_table() ? codes[item] : item) * desc_.width;
}

// A slot's score takes the same arithmetic whatever else is in the batch: multiply_rows and a plain dot
// product.
template <class T>
void SegmentPoolCpu<T>::score(const SegmentPoolForward& args, const Workspace& work,
                              const Reserve& reserve) const {
  const std::int64_t items = args.offsets[*args.segments], width = desc_.attention_width;
  const std::int64_t slots = *reserve.slot_count = assign_slots(
      args.codes, args.weights, items, work.slot_of_code, reserve.slot_of_item, reserve.code_of_slot);
  const T* rows = gather_slots(args.values, reserve.code_of_slot, slots, work.rows);
  pack_weight(static_cast<const T*>(args.attention.w1), width, desc_.width, work.packed_w1);
  multiply_rows(rows, desc_.width, work.packed_w1, static_cast<const T*>(args.attention.b1), desc_.width,
                width, reserve.activations, width, slots);
  const T* w2 = static_cast<const T*>(args.attention.w2);
  const T b2 = *static_cast<const T*>(args.attention.b2);
  parallel_blocks(slots, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t u = begin; u < end; ++u) {
      T* row = reserve.activations + u * width;
      kernels<T>().tanh(width, row, row);
      T sum = b2;
      for (std::int64_t a = 0; a < width; ++a) sum += w2[a] * row[a];
      work.scores[u] = sum;
    }
  });
}

template <class T>
void SegmentPoolCpu<T>::pool_segment(const SegmentPoolForward& args, const Workspace& work,
                                     const Reserve& reserve, std::int64_t s) const {
  const std::int64_t begin = args.offsets[s], end = args.offsets[s + 1];
  T* out = static_cast<T*>(args.out) + s * desc_.width;
  T* coefficients = reserve.coefficients;
  T total = 0, highest = -std::numeric_limits<T>::infinity();
  std::int64_t last = -1;
  for (std::int64_t item = begin; item < end; ++item) {
    coefficients[item] = weight_of(args, item);
    total += coefficients[item];
    if (coefficients[item] == T(0)) continue;
    last = item;
    if (attends()) highest = std::max(highest, work.scores[reserve.slot_of_item[item]]);
  }
  if (desc_.mode == PoolMode::last) {
    for (std::int64_t item = begin; item < end; ++item) coefficients[item] = item == last ? T(1) : T(0);
  } else if (desc_.mode == PoolMode::mean) {
    for (std::int64_t item = begin; item < end; ++item)
      if (coefficients[item] != T(0)) coefficients[item] /= total;
  } else if (attends()) {
    total = 0;
    for (std::int64_t item = begin; item < end; ++item) {
      if (coefficients[item] == T(0)) continue;
      coefficients[item] *= std::exp(work.scores[reserve.slot_of_item[item]] - highest);
      total += coefficients[item];
    }
    for (std::int64_t item = begin; item < end; ++item)
      if (coefficients[item] != T(0)) coefficients[item] /= total;
  }
  std::fill_n(out, desc_.width, T(0));
  for (std::int64_t item = begin; item < end; ++item)
    if (coefficients[item] != T(0))
      kernels<T>().add_scaled(desc_.width, coefficients[item], value_of(args.values, args.codes, item), out);
}

// The first of equal values wins; NaN wins over everything, as in torch.max.
template <class T>
void SegmentPoolCpu<T>::max_segment(const SegmentPoolForward& args, const Reserve& reserve,
                                    std::int64_t s) const {
  T* out = static_cast<T*>(args.out) + s * desc_.width;
  std::int32_t* sources = reserve.sources + s * desc_.width;
  std::fill_n(out, desc_.width, T(0));
  std::fill_n(sources, desc_.width, -1);
  for (std::int64_t item = args.offsets[s]; item < args.offsets[s + 1]; ++item) {
    if (weight_of(args, item) == T(0)) continue;
    const T* value = value_of(args.values, args.codes, item);
    for (std::int64_t e = 0; e < desc_.width; ++e) {
      const bool takes = sources[e] < 0 || value[e] > out[e] || (std::isnan(value[e]) && !std::isnan(out[e]));
      out[e] = takes ? value[e] : out[e];
      sources[e] = takes ? static_cast<std::int32_t>(item) : sources[e];
    }
  }
}

template <class T>
void SegmentPoolCpu<T>::check_fits_plan(const std::int32_t* segments, const std::int32_t* offsets) const {
  check_fits(*segments, desc_.segments, "segments");
  check_fits(offsets[*segments], desc_.items, "items");
}

template <class T>
void SegmentPoolCpu<T>::forward(const SegmentPoolForward& args, Stream) const {
  check_fits_plan(args.segments, args.offsets);
  Carver carver(args.workspace), reserve_carver(args.reserve);
  const Workspace work = carve_workspace(carver);
  const Reserve reserve = args.reserve == nullptr ? work.inference : carve_reserve(reserve_carver);
  if (attends()) score(args, work, reserve);
  parallel_blocks(*args.segments, segments_a_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t s = begin; s < end; ++s)
      desc_.mode == PoolMode::max ? max_segment(args, reserve, s) : pool_segment(args, work, reserve, s);
  });
}

template class SegmentPoolCpu<float>;
template class SegmentPoolCpu<double>;

std::unique_ptr<SegmentPoolOperation> make_segment_pool(const SegmentPoolDesc& desc) {
  return with_dtype(desc.dtype, [&]<class T>() -> std::unique_ptr<SegmentPoolOperation> {
    return std::make_unique<SegmentPoolCpu<T>>(desc);
  });
}

}  // namespace ragtime::cpu
