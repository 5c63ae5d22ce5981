#include <algorithm>

#include "cuda/lstm/persistent/operation.hpp"
#include "cuda/support/column_sums.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

LstmGroups carve_groups(Carver& carver, std::size_t group_bytes, const LstmPassChoice& choice) {
  if (group_bytes == 0) return {};
  LstmGroups groups;
  groups.published = carver.take<unsigned>(std::int64_t{choice.clusters} * lstm_group_flags);
  groups.memory = carver.take<unsigned char>(choice.clusters * static_cast<std::int64_t>(group_bytes));
  groups.count = choice.clusters;
  return groups;
}

template <class Args>
std::vector<LstmCandidate> candidates_of(std::span<const LstmPersistentKernel<Args>> kernels) {
  std::vector<LstmCandidate> candidates;
  for (const auto& kernel : kernels) {
    const int cluster = kernel.tile.cluster, of_the_launch = kernel.tile.grid ? 1 : cluster;
    const int resident = arch::resident_clusters({.grid = {static_cast<unsigned>(cluster)},
                                                  .block = {kernel.threads},
                                                  .cluster = static_cast<unsigned>(of_the_launch),
                                                  .shared_bytes = kernel.shared_bytes,
                                                  .cooperative = kernel.tile.grid},
                                                 kernel.run);
    candidates.push_back(
        {kernel.tile, kernel.threads, kernel.shared_bytes, resident * of_the_launch / cluster});
  }
  return candidates;
}

}  // namespace

template <class T>
const LstmCandidates& lstm_candidates() {
  static const LstmCandidates candidates = {candidates_of(lstm_forward_kernels<T>()),
                                            candidates_of(lstm_backward_kernels<T>())};
  return candidates;
}

// Sizes are added up once before any product is made, so that those beyond any memory are refused as such.
template <class T>
LstmPersistentCuda<T>::LstmPersistentCuda(const LstmDesc& desc, const LstmChoice& choice)
    : desc_(desc),
      choice_(choice),
      forward_(*find_kernel(lstm_forward_kernels<T>(), choice.forward)),
      directions_(desc.directions()),
      hidden_(desc.hidden_size),
      padded_(choice.forward.hidden),
      drops_(desc.training && desc.dropout > 0 && desc.num_layers > 1) {
  if (desc_.training) backward_ = *find_kernel(lstm_backward_kernels<T>(), choice.backward);
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
void LstmPersistentCuda<T>::make_products() {
  const auto make = [&](std::optional<Gemm>& product, GemmDesc sizes) {
    sizes.m = std::max<std::int64_t>(sizes.m, 1);
    sizes.k = std::max<std::int64_t>(sizes.k, 1);
    sizes.ab = desc_.dtype;
    sizes.tf32 = desc_.tf32;
    product.emplace(sizes);
    gemm_bytes_ = std::max(gemm_bytes_, product->workspace_bytes());
  };
  const std::int64_t rows = desc_.capacity.rows, width = directions_ * hidden_;
  const std::int64_t gates = 4 * padded_, all_gates = directions_ * gates;
  for (int i = 0; i < (desc_.num_layers > 1 ? 2 : 1); ++i) {
    const std::int64_t input = desc_.layer_input(i);
    make(products_.x_gates[i], {.m = rows,
                                .n = all_gates,
                                .k = input,
                                .transpose_b = true,
                                .stride_a = input,
                                .stride_b = input,
                                .stride_c = all_gates});
    if (!desc_.training) continue;
    make(products_.d_x[i], {.m = rows,
                            .n = input,
                            .k = all_gates,
                            .stride_a = all_gates,
                            .stride_b = input,
                            .stride_c = input,
                            .c = desc_.dtype});
    make(products_.d_weight_ih[i], {.m = all_gates,
                                    .n = input,
                                    .k = rows,
                                    .transpose_a = true,
                                    .stride_a = all_gates,
                                    .stride_b = input,
                                    .stride_c = input});
  }
  if (!desc_.training) return;
  make(products_.d_weight_hh, {.m = gates,
                               .n = hidden_,
                               .k = rows,
                               .transpose_a = true,
                               .stride_a = all_gates,
                               .stride_b = width,
                               .stride_c = hidden_});
  if (!desc_.save_gates)
    make(products_.recurrent, {.m = rows,
                               .n = gates,
                               .k = hidden_,
                               .transpose_b = true,
                               .stride_a = width,
                               .stride_b = hidden_,
                               .stride_c = all_gates});
}

template <class T>
void LstmPersistentCuda<T>::carve_common(Carver& carver, Common& work) const {
  const std::int64_t rows = desc_.capacity.rows, sequences = desc_.capacity.sequences;
  const std::int64_t deepest =
      desc_.num_layers > 1 ? std::max(desc_.input_size, directions_ * hidden_) : desc_.input_size;
  work.jobs = carver.take<LstmJob>(sequences);
  work.count = carver.take<std::int32_t>(1);
  work.taken = carver.take<unsigned>(max_directions);
  for (std::int64_t d = 0; d < directions_; ++d) {
    // 32 lanes of 16 bytes for every 16 rows and 32 bytes of k.
    work.packed[d] =
        carver.take<arch::Chunk<16>>(padded_ / 4 * padded_ * static_cast<std::int64_t>(sizeof(T)));
    work.bias[d] = carver.take<float>(4 * padded_);
  }
  work.weight_ih = carver.take<T>(directions_ * 4 * padded_ * deepest);
  if (!desc_.rows_on_host) work.x = carver.take<T>(rows * desc_.input_size);
  if (drops_) work.dropped = carver.take<T>(rows * directions_ * hidden_);
  work.gemm = carver.take<std::byte>(static_cast<std::int64_t>(gemm_bytes_));
}

template <class T>
typename LstmPersistentCuda<T>::ForwardWork LstmPersistentCuda<T>::carve_forward(Carver& carver) const {
  const std::int64_t rows = desc_.capacity.rows;
  ForwardWork work;
  carve_common(carver, work);
  work.groups = carve_groups(carver, forward_.group_bytes, choice_.forward);
  work.x_gates = carver.take<float>(rows * directions_ * 4 * padded_);
  if (!desc_.training && desc_.num_layers > 1) work.layer_y = carver.take<T>(rows * directions_ * hidden_);
  return work;
}

template <class T>
typename LstmPersistentCuda<T>::BackwardWork LstmPersistentCuda<T>::carve_backward(Carver& carver) const {
  const std::int64_t rows = desc_.capacity.rows, all_gates = directions_ * 4 * padded_;
  const std::int64_t deepest =
      desc_.num_layers > 1 ? std::max(desc_.input_size, directions_ * hidden_) : desc_.input_size;
  BackwardWork work;
  carve_common(carver, work);
  work.groups = carve_groups(carver, backward_.group_bytes, choice_.backward);
  work.d_gates = carver.take<T>(rows * all_gates);
  if (!desc_.rows_on_host) work.d_x = carver.take<T>(rows * desc_.input_size);
  if (desc_.num_layers > 1) work.d_layer = carver.take<T>(rows * directions_ * hidden_);
  work.d_weight_ih = carver.take<float>(all_gates * deepest);
  work.d_weight_hh = carver.take<float>(all_gates * hidden_);
  work.d_bias = carver.take<float>(all_gates);
  work.partial = carver.take<float>(RowChunks(rows).partial_size(all_gates));
  if (desc_.save_gates) return work;
  work.gates = carver.take<T>(rows * all_gates);
  work.sums = carver.take<float>(rows * all_gates);
  for (std::int64_t d = 0; d < directions_; ++d) work.weight_hh[d] = carver.take<T>(4 * padded_ * hidden_);
  return work;
}

template <class T>
typename LstmPersistentCuda<T>::Reserve LstmPersistentCuda<T>::carve_reserve(Carver& carver,
                                                                             std::int64_t layer) const {
  const std::int64_t rows = desc_.capacity.rows;
  Reserve reserve;
  if (desc_.save_gates) reserve.gates = carver.take<T>(directions_ * rows * 4 * padded_);
  reserve.c = carver.take<float>(directions_ * rows * padded_);
  reserve.h_before = carver.take<T>(rows * directions_ * hidden_);
  if (layer + 1 < desc_.num_layers) reserve.y = carver.take<T>(rows * directions_ * hidden_);
  return reserve;
}

template const LstmCandidates& lstm_candidates<float>();
template const LstmCandidates& lstm_candidates<arch::bf16>();
template const LstmCandidates& lstm_candidates<arch::f16>();
template class LstmPersistentCuda<float>;
template class LstmPersistentCuda<arch::bf16>;
template class LstmPersistentCuda<arch::f16>;

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
