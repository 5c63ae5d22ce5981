#include "cuda/lstm/stepwise/stepwise.hpp"

#include <algorithm>

#include "cuda/lstm/choice/choice.hpp"
#include "cuda/lstm/persistent/operation.hpp"
#include "cuda/operations.hpp"
#include "cuda/support/column_sums.cuh"
#include "cuda/support/element.hpp"
#include "host/runtime/capacity.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// Sizes are added up once before any product is made, so that those beyond any memory are refused as such.
template <class T>
LstmCuda<T>::LstmCuda(const LstmDesc& desc, LstmChoice choice)
    : desc_(desc),
      choice_(std::move(choice)),
      directions_(desc.directions()),
      hidden_(desc.hidden_size),
      projected_(desc.output_size()),
      projects_(desc.proj_size > 0),
      drops_(desc.training && desc.dropout > 0 && desc.num_layers > 1) {
  for (const bool with_products : {false, true}) {
    if (with_products) make_products();
    Carver forward(nullptr), backward(nullptr), reserve(nullptr);
    carve_forward(forward);
    if (desc_.training) {
      carve_backward(backward);
      for (std::int64_t layer = 0; layer < desc_.num_layers; ++layer) carve_reserve(reserve, layer);
    }
    workspace_bytes_ = std::max(forward.bytes(), backward.bytes());
    reserve_bytes_ = reserve.bytes();
  }
}

template <class T>
void LstmCuda<T>::make_products() {
  const auto make = [&](std::optional<Gemm>& product, GemmDesc sizes) {
    sizes.m = std::max<std::int64_t>(sizes.m, 1);
    sizes.k = std::max<std::int64_t>(sizes.k, 1);
    sizes.stride_a = sizes.transpose_a ? sizes.m : sizes.k;
    sizes.stride_b = sizes.transpose_b ? sizes.k : sizes.n;
    sizes.stride_c = sizes.n;
    sizes.ab = desc_.dtype;
    sizes.tf32 = desc_.tf32;
    product.emplace(sizes);
    gemm_bytes_ = std::max(gemm_bytes_, product->workspace_bytes());
  };
  const std::int64_t sequences = desc_.capacity.sequences, rows = desc_.capacity.rows, gates = 4 * hidden_;
  const DType stored = desc_.dtype;
  const int inputs = desc_.num_layers > 1 ? 2 : 1;
  for (int i = 0; i < inputs; ++i)
    make(products_.x_gates[i], {.m = rows, .n = gates, .k = desc_.layer_input(i), .transpose_b = true});
  make(products_.recurrent, {.m = sequences, .n = gates, .k = projected_, .transpose_b = true});
  if (projects_)
    make(products_.project,
         {.m = sequences, .n = projected_, .k = hidden_, .transpose_b = true, .c = stored});
  if (!desc_.training) return;

  if (!desc_.save_gates)
    make(products_.all_recurrent, {.m = rows, .n = gates, .k = projected_, .transpose_b = true});
  make(products_.d_h, {.m = sequences, .n = projected_, .k = gates});
  if (projects_) make(products_.d_unprojected, {.m = sequences, .n = hidden_, .k = projected_});
  for (int i = 0; i < inputs; ++i) {
    const std::int64_t input = desc_.layer_input(i);
    make(products_.d_x[i], {.m = rows, .n = input, .k = gates, .c = stored});
    make(products_.d_weight_ih[i], {.m = gates, .n = input, .k = rows, .transpose_a = true, .c = stored});
  }
  make(products_.d_weight_hh, {.m = gates, .n = projected_, .k = rows, .transpose_a = true, .c = stored});
  if (projects_)
    make(products_.d_weight_hr, {.m = projected_, .n = hidden_, .k = rows, .transpose_a = true, .c = stored});
}

template <class T>
void LstmCuda<T>::check_batch(const RaggedView& batch) const {
  check_host_batch(batch, desc_.capacity);
}

template <class T>
typename LstmCuda<T>::ForwardWork LstmCuda<T>::carve_forward(Carver& carver) const {
  const std::int64_t sequences = desc_.capacity.sequences, rows = desc_.capacity.rows;
  ForwardWork work;
  for (std::int64_t d = 0; d < directions_; ++d) {
    work.x_gates[d] = carver.take<float>(rows * 4 * hidden_);
    work.recurrent[d] = carver.take<float>(sequences * 4 * hidden_);
    if (desc_.bias) work.bias[d] = carver.take<float>(4 * hidden_);
    work.c[d] = carver.take<float>(sequences * hidden_);
    work.h[d] = carver.take<T>(sequences * projected_);
    if (projects_) work.unprojected[d] = carver.take<T>(sequences * hidden_);
  }
  if (!desc_.training && desc_.num_layers > 1) work.layer_y = carver.take<T>(rows * directions_ * projected_);
  if (drops_) work.dropped = carver.take<T>(rows * directions_ * projected_);
  work.gemm = carver.take<std::byte>(static_cast<std::int64_t>(gemm_bytes_));
  return work;
}

template <class T>
typename LstmCuda<T>::BackwardWork LstmCuda<T>::carve_backward(Carver& carver) const {
  const std::int64_t sequences = desc_.capacity.sequences, rows = desc_.capacity.rows;
  BackwardWork work;
  for (std::int64_t d = 0; d < directions_; ++d) {
    work.d_gates[d] = carver.take<T>(rows * 4 * hidden_);
    work.step_gates[d] = carver.take<T>(sequences * 4 * hidden_);
    work.d_h[d] = carver.take<float>(sequences * projected_);
    work.d_c[d] = carver.take<float>(sequences * hidden_);
    if (projects_) {
      work.d_projected[d] = carver.take<T>(rows * projected_);
      work.step_projected[d] = carver.take<T>(sequences * projected_);
      work.d_unprojected[d] = carver.take<float>(sequences * hidden_);
    }
    if (!desc_.save_gates) work.gates[d] = carver.take<T>(rows * 4 * hidden_);
  }
  if (!desc_.save_gates) work.sums = carver.take<float>(rows * 4 * hidden_);
  work.rows = carver.take<T>(rows * hidden_);  // P is no more than H
  work.partial = carver.take<float>(RowChunks(rows).partial_size(4 * hidden_));
  if (desc_.num_layers > 1) work.d_layer = carver.take<T>(rows * directions_ * projected_);
  if (drops_) work.dropped = carver.take<T>(rows * directions_ * projected_);
  work.gemm = carver.take<std::byte>(static_cast<std::int64_t>(gemm_bytes_));
  return work;
}

template <class T>
typename LstmCuda<T>::Reserve LstmCuda<T>::carve_reserve(Carver& carver, std::int64_t layer) const {
  const std::int64_t rows = desc_.capacity.rows;
  Reserve reserve;
  for (std::int64_t d = 0; d < directions_; ++d) {
    if (desc_.save_gates) reserve.gates[d] = carver.take<T>(rows * 4 * hidden_);
    reserve.c[d] = carver.take<float>(rows * hidden_);
  }
  if (layer + 1 < desc_.num_layers) reserve.y = carver.take<T>(rows * directions_ * projected_);
  return reserve;
}

template class LstmCuda<float>;
template class LstmCuda<arch::bf16>;
template class LstmCuda<arch::f16>;

std::unique_ptr<LstmOperation> make_lstm(const LstmDesc& desc) {
  LstmChoice choice = choose_lstm(desc);
  if (choice.algorithm == LstmAlgorithm::cudnn) return make_lstm_cudnn(desc, std::move(choice));
  return with_element(desc.dtype, [&]<class T>() -> std::unique_ptr<LstmOperation> {
    if (choice.algorithm == LstmAlgorithm::persistent)
      return std::make_unique<LstmPersistentCuda<T>>(desc, choice);
    return std::make_unique<LstmCuda<T>>(desc, std::move(choice));
  });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
