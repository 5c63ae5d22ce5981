#include "cuda/runtime/sort.hpp"
#include "cuda/segment_pool/forward.cuh"
#include "cuda/segment_pool/segment_pool.hpp"
#include "cuda/support/element.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <class T>
SegmentPoolCuda<T>::SegmentPoolCuda(const SegmentPoolDesc& desc)
    : desc_(desc),
      slots_are_codes_(desc.vocab_size > 0 && desc.vocab_size <= desc.items),
      slots_(slots_are_codes_ ? desc.vocab_size : desc.items) {
  Carver reserve(nullptr);  // first: it refuses what is larger than any memory
  carve_reserve(reserve);
  reserve_bytes_ = reserve.bytes();
  if (attends()) {
    const std::int64_t width = desc.width, hidden = desc.attention_width,
                       slots = std::max<std::int64_t>(slots_, 1);
    GemmDesc product{.m = slots,
                     .n = hidden,
                     .k = width,
                     .transpose_b = true,
                     .stride_a = width,
                     .stride_b = width,
                     .stride_c = hidden,
                     .ab = desc.dtype,
                     .tf32 = desc.tf32};
    scores_product_.emplace(product);
    product = {.m = hidden,
               .n = width,
               .k = slots,
               .transpose_a = true,
               .stride_a = hidden,
               .stride_b = width,
               .stride_c = width,
               .ab = desc.dtype,
               .c = desc.dtype,
               .tf32 = desc.tf32};
    w1_product_.emplace(product);
    product = {.m = slots,
               .n = width,
               .k = hidden,
               .stride_a = hidden,
               .stride_b = width,
               .stride_c = width,
               .ab = desc.dtype,
               .tf32 = desc.tf32};
    rows_product_.emplace(product);
  }
  Carver forward(nullptr), backward(nullptr);
  carve_forward(forward);
  carve_backward(backward);
  workspace_bytes_ = std::max(forward.bytes(), backward.bytes());
}

template <class T>
typename SegmentPoolCuda<T>::Reserve SegmentPoolCuda<T>::carve_reserve(Carver& carver) const {
  Reserve reserve;
  if (desc_.mode == PoolMode::max)
    reserve.sources = carver.take<std::int32_t>(desc_.segments * desc_.width);
  else
    reserve.coefficients = carver.take<float>(desc_.items);
  if (attends()) reserve.activations = carver.take<float>(slots_ * desc_.attention_width);
  return reserve;
}

template <class T>
typename SegmentPoolCuda<T>::ForwardWork SegmentPoolCuda<T>::carve_forward(Carver& carver) const {
  ForwardWork work;
  if (!attends()) return work;
  work.activations = carver.take<float>(slots_ * desc_.attention_width);
  work.scores = carver.take<float>(slots_);
  if (!slots_are_codes_) work.rows = carver.take<T>(slots_ * desc_.width);
  work.product = carver.take<std::byte>(static_cast<std::int64_t>(scores_product_->workspace_bytes()));
  return work;
}

template <class T>
typename SegmentPoolCuda<T>::BackwardWork SegmentPoolCuda<T>::carve_backward(Carver& carver) const {
  BackwardWork work;
  work.segment_of_item = carver.take<std::int32_t>(desc_.items);
  if (sorts()) {
    work.keys = carver.take<std::int32_t>(desc_.items);
    work.numbers = carver.take<std::int32_t>(desc_.items);
    work.sorted_keys = carver.take<std::int32_t>(desc_.items);
    work.sorted_items = carver.take<std::int32_t>(desc_.items);
    work.sort = carver.take<std::byte>(
        static_cast<std::int64_t>(sort_pairs_workspace(desc_.items, bits_for(desc_.vocab_size))));
    work.partials = carver.take<float>(sorted_chunks() * 2 * desc_.width);
  } else if (has_table() && sizeof(T) == 2) {
    work.sums = carver.take<float>(desc_.vocab_size * desc_.width);
  }
  if (attends()) {
    work.slopes = carver.take<float>(desc_.items);
    work.item_d_scores = carver.take<float>(desc_.items);
    work.d_scores = slots_are_codes_ ? carver.take<float>(slots_) : work.item_d_scores;
    work.rows = carver.take<T>(slots_ * desc_.width);
    work.d_activations = carver.take<T>(slots_ * desc_.attention_width);
    work.d_rows = carver.take<float>(slots_ * desc_.width);
    work.scorer_partials = carver.take<float>(slot_chunks() * (2 * desc_.attention_width + 1));
    work.product = carver.take<std::byte>(static_cast<std::int64_t>(
        std::max(w1_product_->workspace_bytes(), rows_product_->workspace_bytes())));
  }
  return work;
}

template <class T>
void SegmentPoolCuda<T>::forward(const SegmentPoolForward& args, Stream stream) const {
  Carver work_carver(args.workspace), reserve_carver(args.reserve);
  const ForwardWork work = carve_forward(work_carver);
  const Reserve reserve = args.reserve == nullptr ? Reserve{} : carve_reserve(reserve_carver);
  if (attends() && slots_ > 0)
    score(args, work, args.reserve == nullptr ? work.activations : reserve.activations, stream);

  with_access<T>({args.values, args.out}, desc_.width, [&]<int Bytes>() {
    const std::int64_t chunks = desc_.width * static_cast<std::int64_t>(sizeof(T)) / Bytes;
    const PoolArgs pool{.batch = batch_of(args),
                        .mode = desc_.mode,
                        .values = args.values,
                        .width = desc_.width,
                        .lanes = pool_lanes_for(chunks),
                        .scores = work.scores,
                        .slots_are_codes = slots_are_codes_,
                        .out = args.out,
                        .coefficients = reserve.coefficients,
                        .sources = reserve.sources,
                        .status = args.status};
    const auto launch = [&]<int PerLane>() {
      enqueue(config("pool_segments", desc_.segments, 1, stream),
              desc_.mode == PoolMode::max ? pool_segments<T, Bytes, PerLane, true>
                                          : pool_segments<T, Bytes, PerLane, false>,
              pool);
    };
    // One chunk a lane of a row that needs no more leaves more items in flight.
    if constexpr (Bytes == 16)
      chunks <= arch::warp_size ? launch.template operator()<1>() : launch.template operator()<2>();
    else
      launch.template operator()<4>();
  });
}

template class SegmentPoolCuda<float>;
template class SegmentPoolCuda<arch::bf16>;
template class SegmentPoolCuda<arch::f16>;

std::unique_ptr<SegmentPoolOperation> make_segment_pool(const SegmentPoolDesc& desc) {
  return with_element(desc.dtype, [&]<class T>() -> std::unique_ptr<SegmentPoolOperation> {
    return std::make_unique<SegmentPoolCuda<T>>(desc);
  });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
