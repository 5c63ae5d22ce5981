#include "cuda/segment_pool/backward.cuh"

#include "cuda/runtime/device.hpp"
#include "cuda/runtime/sort.hpp"
#include "cuda/segment_pool/segment_pool.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <class T>
CodeSums SegmentPoolCuda<T>::code_sums(const BackwardWork& work) const {
  return {.keys = work.sorted_keys,
          .items = work.sorted_items,
          .count = desc_.items,
          .absent = static_cast<std::int32_t>(desc_.vocab_size),
          .skipped = -1,
          .partials = work.partials};
}

template <class T>
template <class Element>
void SegmentPoolCuda<T>::sum_by_codes(const CodeSums& sums, const PoolContributions& from,
                                      Stream stream) const {
  with_access<Element>({from.d_out, sums.target}, from.width, [&]<int Bytes>() {
    constexpr std::int64_t tile = arch::warp_size * Bytes / static_cast<std::int64_t>(sizeof(Element));
    enqueue(config("sum_by_code", sorted_chunks() * ((from.width + tile - 1) / tile),
                   SegmentPoolTuning::warps, stream),
            sum_by_code<Element, Bytes>, sums, from);
    if (sorted_chunks() > 1)
      enqueue(config("add_sums_by_code", sorted_chunks() - 1, 1, stream), add_sums_by_code<Element, Bytes>,
              sums, from.width);
  });
}

template <class T>
void SegmentPoolCuda<T>::backward(const SegmentPoolBackward& args, Stream stream) const {
  Carver work_carver(args.workspace), reserve_carver(const_cast<void*>(args.reserve));
  const BackwardWork work = carve_backward(work_carver);
  const Reserve reserve = carve_reserve(reserve_carver);
  const PoolBatch batch = batch_of(args);
  if (desc_.items > 0) {
    enqueue(config("describe_items", desc_.segments, 1, stream), describe_items, batch, work.segment_of_item,
            work.keys, work.numbers);
    if (sorts())
      sort_pairs(work.keys, work.sorted_keys, work.numbers, work.sorted_items, desc_.items,
                 bits_for(desc_.vocab_size), work.sort, stream);
  }
  if (attends()) score_gradients(args, work, reserve, stream);

  const PoolContributions from{.d_out = args.d_out,
                               .width = desc_.width,
                               .coefficients = reserve.coefficients,
                               .segment_of_item = work.segment_of_item,
                               .sources = reserve.sources,
                               .d_values = slots_are_codes_ ? nullptr : work.d_rows};
  if (has_table()) {
    table_gradients(args, work, from, stream);
  } else if (desc_.items > 0) {
    with_access<T>({args.d_out, args.d_values}, desc_.width, [&]<int Bytes>() {
      const unsigned lanes = pool_lanes_for(desc_.width * static_cast<std::int64_t>(sizeof(T)) / Bytes);
      enqueue(config("row_gradients", desc_.items, SegmentPoolTuning::threads / lanes, stream),
              row_gradients<T, Bytes>, batch, from, lanes, args.d_values, args.accumulate);
    });
  }
}

template <class T>
void SegmentPoolCuda<T>::table_gradients(const SegmentPoolBackward& args, const BackwardWork& work,
                                         const PoolContributions& from, Stream stream) const {
  const auto bytes = static_cast<std::size_t>(desc_.vocab_size * desc_.width) * sizeof(T);
  const float* const d_scores = attends() && slots_are_codes_ ? work.d_scores : nullptr;
  if (!desc_.atomic_gradients) {
    if (!args.accumulate) zero(args.d_values, bytes, stream);
    CodeSums sums = code_sums(work);
    sums.skipped = static_cast<std::int32_t>(desc_.padding_idx);
    sums.d_scores = d_scores;
    sums.d_values = work.d_rows;
    sums.target = args.d_values;
    sums.accumulate = args.accumulate;
    if (desc_.items > 0) sum_by_codes<T>(sums, from, stream);
    return;
  }
  // 16 bits are summed in a table of their own; f32 where the result is to be.
  float* const sums = sizeof(T) == 2 ? work.sums : static_cast<float*>(args.d_values);
  if (sizeof(T) == 2 || !args.accumulate)
    zero(sums, static_cast<std::size_t>(desc_.vocab_size * desc_.width) * sizeof(float), stream);
  if (desc_.items > 0)
    with_access<T>({args.d_out}, desc_.width, [&]<int Bytes>() {
      const unsigned lanes = pool_lanes_for(desc_.width * static_cast<std::int64_t>(sizeof(T)) / Bytes);
      enqueue(config("add_atomically", desc_.items, SegmentPoolTuning::threads / lanes, stream),
              add_atomically<T, Bytes>, batch_of(args), from, lanes, desc_.padding_idx, sums);
    });
  if (sizeof(T) == 2 || d_scores != nullptr)
    enqueue(config("finish_atomic_sums", desc_.vocab_size * desc_.width, SegmentPoolTuning::threads, stream),
            finish_atomic_sums<T>, desc_.vocab_size, desc_.width, desc_.padding_idx,
            sizeof(T) == 2 ? sums : nullptr, d_scores, work.d_rows, static_cast<T*>(args.d_values),
            sizeof(T) == 4 || args.accumulate);
}

template void SegmentPoolCuda<float>::backward(const SegmentPoolBackward&, Stream) const;
template CodeSums SegmentPoolCuda<float>::code_sums(const BackwardWork&) const;
template void SegmentPoolCuda<float>::sum_by_codes<float>(const CodeSums&, const PoolContributions&,
                                                          Stream) const;

template void SegmentPoolCuda<arch::bf16>::backward(const SegmentPoolBackward&, Stream) const;
template CodeSums SegmentPoolCuda<arch::bf16>::code_sums(const BackwardWork&) const;
template void SegmentPoolCuda<arch::bf16>::sum_by_codes<float>(const CodeSums&, const PoolContributions&,
                                                               Stream) const;

template void SegmentPoolCuda<arch::f16>::backward(const SegmentPoolBackward&, Stream) const;
template CodeSums SegmentPoolCuda<arch::f16>::code_sums(const BackwardWork&) const;
template void SegmentPoolCuda<arch::f16>::sum_by_codes<float>(const CodeSums&, const PoolContributions&,
                                                              Stream) const;

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
