#include "cuda/segment_pool/attention.cuh"

#include "cuda/runtime/device.hpp"
#include "cuda/segment_pool/segment_pool.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <class T>
const void* SegmentPoolCuda<T>::copy_slots_of(const PoolBatch& batch, const void* values,
                                              const float* d_scores, T* rows, Stream stream) const {
  with_access<T>({values}, desc_.width, [&]<int Bytes>() {
    const unsigned lanes = pool_lanes_for(desc_.width * static_cast<std::int64_t>(sizeof(T)) / Bytes);
    enqueue(config("copy_slots", slots_, SegmentPoolTuning::threads / lanes, stream), copy_slots<T, Bytes>,
            batch, values, desc_.width, lanes, d_scores, slots_are_codes_, slots_, rows);
  });
  return rows;
}

template <class T>
void SegmentPoolCuda<T>::score(const SegmentPoolForward& args, const ForwardWork& work, float* activations,
                               Stream stream) const {
  const PoolBatch batch = batch_of(args);
  const void* const rows =
      slots_are_codes_ ? args.values : copy_slots_of(batch, args.values, nullptr, work.rows, stream);
  scores_product_->run(GemmArgs{.m = slots_,
                                .k = desc_.width,
                                .a = rows,
                                .b = args.attention.w1,
                                .c = activations,
                                .workspace = work.product},
                       stream);
  enqueue(config("score_slots", slots_, SegmentPoolTuning::warps, stream), score_slots<T>, batch,
          slots_are_codes_, slots_, desc_.attention_width, static_cast<const T*>(args.attention.b1),
          static_cast<const T*>(args.attention.w2), static_cast<const T*>(args.attention.b2), activations,
          work.scores);
}

// From dL/dout to dL/dscore of every slot, and on to the scorer's weights and the slots' values
// (work.d_rows).
template <class T>
void SegmentPoolCuda<T>::score_gradients(const SegmentPoolBackward& args, const BackwardWork& work,
                                         const Reserve& reserve, Stream stream) const {
  const PoolBatch batch = batch_of(args);
  const std::int64_t hidden = desc_.attention_width;
  if (slots_ > 0) {
    with_access<T>({args.values, args.d_out}, desc_.width, [&]<int Bytes>() {
      const unsigned lanes = pool_lanes_for(desc_.width * static_cast<std::int64_t>(sizeof(T)) / Bytes);
      enqueue(config("attention_slopes", desc_.items, SegmentPoolTuning::threads / lanes * 4, stream),
              attention_slopes<T, Bytes>, batch, args.values, args.d_out, desc_.width, lanes,
              reserve.coefficients, work.segment_of_item, work.slopes);
    });
    const bool atomic_sums = slots_are_codes_ && desc_.atomic_gradients;
    if (slots_are_codes_) zero(work.d_scores, static_cast<std::size_t>(slots_) * sizeof(float), stream);
    enqueue(config("item_score_gradients", desc_.segments, 1, stream), item_score_gradients, batch,
            reserve.coefficients, work.slopes, work.item_d_scores, atomic_sums ? work.d_scores : nullptr);
    if (slots_are_codes_ && !atomic_sums) {
      CodeSums sums = code_sums(work);
      sums.target = work.d_scores;
      sum_by_codes<float>(sums, {.d_out = work.item_d_scores, .width = 1}, stream);
    }
    enqueue(config("scorer_gradients", slot_chunks(), 1, stream), scorer_gradients<T>, slots_, hidden,
            static_cast<const T*>(args.attention.w2), work.d_scores, reserve.activations, work.d_activations,
            work.scorer_partials);
    copy_slots_of(batch, args.values, work.d_scores, work.rows, stream);
    rows_product_->run(GemmArgs{.m = slots_,
                                .k = hidden,
                                .a = work.d_activations,
                                .b = args.attention.w1,
                                .c = work.d_rows,
                                .workspace = work.product},
                       stream);
  }
  enqueue(config("add_scorer_gradients", 2 * hidden + 1, arch::warp_size, stream), add_scorer_gradients<T>,
          slot_chunks(), hidden, work.scorer_partials, static_cast<T*>(args.d_attention.b1),
          static_cast<T*>(args.d_attention.w2), static_cast<T*>(args.d_attention.b2), args.accumulate);
  w1_product_->run(GemmArgs{.m = hidden,
                            .k = slots_,
                            .a = work.d_activations,
                            .b = work.rows,
                            .c = args.d_attention.w1,
                            .accumulate = args.accumulate,
                            .workspace = work.product},
                   stream);
}

template void SegmentPoolCuda<float>::score(const SegmentPoolForward&, const ForwardWork&, float*,
                                            Stream) const;
template void SegmentPoolCuda<arch::bf16>::score(const SegmentPoolForward&, const ForwardWork&, float*,
                                                 Stream) const;
template void SegmentPoolCuda<arch::f16>::score(const SegmentPoolForward&, const ForwardWork&, float*,
                                                Stream) const;
template void SegmentPoolCuda<float>::score_gradients(const SegmentPoolBackward&, const BackwardWork&,
                                                      const Reserve&, Stream) const;
template void SegmentPoolCuda<arch::bf16>::score_gradients(const SegmentPoolBackward&, const BackwardWork&,
                                                           const Reserve&, Stream) const;
template void SegmentPoolCuda<arch::f16>::score_gradients(const SegmentPoolBackward&, const BackwardWork&,
                                                          const Reserve&, Stream) const;

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
