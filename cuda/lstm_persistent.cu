#include <algorithm>

#include "cuda/column_sums.cuh"
#include "cuda/dropout.cuh"
#include "cuda/lstm_persistent_operation.hpp"
#include "host/core/capacity.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

template <class Args>
arch::LaunchConfig launch_of(const char* name, const LstmPersistentKernel<Args>& kernel,
                             const LstmPassChoice& choice, Stream stream) {
  const auto cluster = static_cast<unsigned>(kernel.tile.cluster);
  return {.name = name,
          .grid = {static_cast<unsigned>(choice.clusters) * cluster},
          .block = {kernel.threads},
          .cluster = kernel.tile.grid ? 1 : cluster,
          .shared_bytes = kernel.shared_bytes,
          .cooperative = kernel.tile.grid,
          .stream = stream.handle};
}

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

template <class T>
RowCount LstmPersistentCuda<T>::count_rows(const RaggedView& batch) const {
  check(batch.host_counts != nullptr || !desc_.rows_on_host, ErrorCode::invalid_argument,
        "batch.host_counts is null: expected a host pointer, the plan has rows_on_host = true");
  if (batch.host_counts != nullptr) {
    check_batch_fits(batch.host_counts, desc_.capacity);
    check_fits(batch.host_counts[3], desc_.capacity.steps, "steps");
  }
  return {batch.counts + 1, batch.host_counts != nullptr ? batch.host_counts[1] : -1, desc_.capacity.rows,
          batch.status};
}

template <class T>
LstmPrepare<T> LstmPersistentCuda<T>::preparation(const RaggedView& batch, const LstmWeights* weights,
                                                  std::int64_t layer, const Common& work) const {
  LstmPrepare<T> prepare{};
  prepare.batch = batch;
  prepare.most_sequences = desc_.capacity.sequences;
  prepare.most_rows = desc_.capacity.rows;
  prepare.input = desc_.layer_input(layer);
  prepare.hidden = hidden_;
  prepare.padded = padded_;
  prepare.directions = static_cast<unsigned>(directions_);
  prepare.jobs = work.jobs;
  prepare.count = work.count;
  prepare.taken = work.taken;
  prepare.groups = work.groups;
  prepare.weight_ih = work.weight_ih;
  prepare.slot = layer * directions_;
  for (std::int64_t d = 0; d < directions_; ++d) {
    const LstmWeights& of = weights[layer * directions_ + d];
    prepare.side[d] = {static_cast<const T*>(of.weight_ih),
                       static_cast<const T*>(of.weight_hh),
                       static_cast<const T*>(of.bias_ih),
                       static_cast<const T*>(of.bias_hh),
                       work.packed[d],
                       work.bias[d],
                       nullptr};
  }
  return prepare;
}

// The first layer's x where a product over `rows` may read it.
template <class T>
const T* LstmPersistentCuda<T>::input(const RowCount& rows, const void* x, const Common& work,
                                      Stream stream) const {
  if (rows.host >= 0) return static_cast<const T*>(x);
  enqueue_copy_rows(rows, desc_.input_size, static_cast<const T*>(x), work.x, true, stream);
  return work.x;
}

template <class T>
void LstmPersistentCuda<T>::forward(const LstmForward& args, Stream stream) const {
  const RowCount rows = count_rows(args.batch);
  const bool known = rows.host >= 0;
  Carver carver(args.workspace), reserve_carver(args.reserve);
  const ForwardWork work = carve_forward(carver);
  const std::int64_t width = directions_ * hidden_;
  const T* x = input(rows, args.x, work, stream);
  for (std::int64_t layer = 0; layer < desc_.num_layers; ++layer) {
    const bool last = layer + 1 == desc_.num_layers;
    const Reserve reserve = desc_.training ? carve_reserve(reserve_carver, layer) : Reserve{};
    T* y = last ? static_cast<T*>(args.y) : desc_.training ? reserve.y : work.layer_y;

    LstmPrepare<T> prepare = preparation(args.batch, args.weights, layer, work);
    prepare.h = static_cast<const T*>(args.h0);
    prepare.c = static_cast<const T*>(args.c0);
    prepare.to_h = static_cast<T*>(args.h_n);
    prepare.to_c = static_cast<T*>(args.c_n);
    if (last) prepare.to_wide_h = static_cast<T*>(args.final_state);
    if (!known) {
      prepare.tail[0] = reserve.h_before;
      prepare.tail[1] = last ? nullptr : y;
      prepare.tail_width[0] = prepare.tail_width[1] = width;
    }
    enqueue_lstm_prepare(prepare, stream);
    products_.x_gates[layer > 0]->run({.m = product_rows(rows),
                                       .k = desc_.layer_input(layer),
                                       .a = x,
                                       .b = work.weight_ih,
                                       .c = work.x_gates,
                                       .workspace = work.gemm},
                                      stream);

    LstmPersistentForward<T> walk;
    walk.queue = {work.jobs, work.count, work.taken};
    walk.groups = work.groups;
    walk.hidden = hidden_;
    walk.rows = desc_.capacity.rows;
    walk.slot = prepare.slot;
    walk.directions = prepare.directions;
    walk.x_gates = work.x_gates;
    walk.h0 = prepare.h;
    walk.c0 = prepare.c;
    walk.y = y;
    walk.c_seq = last ? static_cast<T*>(args.c_seq) : nullptr;
    walk.h_n = prepare.to_h;
    walk.c_n = prepare.to_c;
    walk.final_state = prepare.to_wide_h;
    walk.h_before = reserve.h_before;
    walk.gates = reserve.gates;
    walk.c = reserve.c;
    for (std::int64_t d = 0; d < directions_; ++d) walk.side[d] = {work.packed[d], work.bias[d]};
    enqueue(launch_of("lstm_persistent_forward", forward_, choice_.forward, stream), forward_.run, walk);

    x = y;
    if (drops_ && !last) {
      DropoutKey key = args.dropout;
      key.site += static_cast<std::uint32_t>(layer);
      enqueue_dropout<T>(args.batch, key, desc_.dropout, width, false, y, work.dropped, desc_.capacity,
                         stream);
      x = work.dropped;
    }
  }
}

template <class T>
void LstmPersistentCuda<T>::recompute_gates(const RowCount& rows, std::int64_t layer, const T* x,
                                            const Reserve& saved, const BackwardWork& work,
                                            Stream stream) const {
  products_.x_gates[layer > 0]->run({.m = product_rows(rows),
                                     .k = desc_.layer_input(layer),
                                     .a = x,
                                     .b = work.weight_ih,
                                     .c = work.sums,
                                     .workspace = work.gemm},
                                    stream);
  for (std::int64_t d = 0; d < directions_; ++d)
    products_.recurrent->run({.m = product_rows(rows),
                              .k = hidden_,
                              .a = saved.h_before + d * hidden_,
                              .b = work.weight_hh[d],
                              .c = work.sums + d * 4 * padded_,
                              .accumulate = true,
                              .workspace = work.gemm},
                             stream);
  const LstmActivateRows<T> activate{
      rows, padded_, static_cast<unsigned>(directions_), work.sums, {work.bias[0], work.bias[1]}, work.gates};
  enqueue({.name = "lstm_activate_rows",
           .grid = {blocks_for(desc_.capacity.rows * directions_ * padded_, LstmPrepareTuning::threads)},
           .block = {LstmPrepareTuning::threads},
           .stream = stream.handle},
          lstm_activate_rows<T>, activate);
}

template <class T>
void LstmPersistentCuda<T>::weight_gradients(const LstmBackward& args, const RowCount& rows,
                                             std::int64_t layer, const T* x, const Reserve& saved,
                                             const BackwardWork& work, Stream stream) const {
  if (args.gradients == nullptr) return;
  LstmUnpack<T> unpack{desc_.layer_input(layer),
                       hidden_,
                       padded_,
                       static_cast<unsigned>(directions_),
                       args.accumulate,
                       work.d_weight_ih,
                       work.d_weight_hh,
                       work.d_bias,
                       {}};
  bool wants_ih = false, wants_bias = false, wants_hh = false;
  for (std::int64_t d = 0; d < directions_; ++d) {
    const LstmGradients& to = args.gradients[layer * directions_ + d];
    unpack.side[d] = {static_cast<T*>(to.weight_ih), static_cast<T*>(to.weight_hh),
                      static_cast<T*>(to.bias_ih), static_cast<T*>(to.bias_hh)};
    wants_ih |= to.weight_ih != nullptr;
    wants_bias |= to.bias_ih != nullptr || to.bias_hh != nullptr;
    wants_hh |= to.weight_hh != nullptr;
    if (to.weight_hh != nullptr)
      products_.d_weight_hh->run({.m = 4 * padded_,
                                  .k = product_rows(rows),
                                  .a = work.d_gates + d * 4 * padded_,
                                  .b = saved.h_before + d * hidden_,
                                  .c = work.d_weight_hh + d * 4 * padded_ * hidden_,
                                  .workspace = work.gemm},
                                 stream);
  }
  if (wants_ih)
    products_.d_weight_ih[layer > 0]->run({.m = directions_ * 4 * padded_,
                                           .k = product_rows(rows),
                                           .a = work.d_gates,
                                           .b = x,
                                           .c = work.d_weight_ih,
                                           .workspace = work.gemm},
                                          stream);
  if (wants_bias)
    enqueue_column_sums<T, float>(rows, directions_ * 4 * padded_, work.d_gates, work.partial, work.d_bias,
                                  nullptr, false, stream);
  if (wants_ih || wants_bias || wants_hh)
    enqueue({.name = "lstm_unpack_gradients",
             .grid = {blocks_for(4 * hidden_ * (unpack.input + hidden_), LstmPrepareTuning::threads)},
             .block = {LstmPrepareTuning::threads},
             .stream = stream.handle},
            lstm_unpack_gradients<T>, unpack);
}

template <class T>
void LstmPersistentCuda<T>::backward(const LstmBackward& args, Stream stream) const {
  const RowCount rows = count_rows(args.batch);
  const bool known = rows.host >= 0;
  Carver carver(args.workspace);
  const BackwardWork work = carve_backward(carver);
  const std::int64_t width = directions_ * hidden_;

  const T* d_y = static_cast<const T*>(args.d_y);
  for (std::int64_t layer = desc_.num_layers - 1; layer >= 0; --layer) {
    const bool last = layer + 1 == desc_.num_layers;
    // Reserves lie one after the other; the one below is reached again from the start.
    Carver reserve_carver(args.reserve);
    Reserve below, own;
    for (std::int64_t k = 0; k <= layer; ++k) {
      below = own;
      own = carve_reserve(reserve_carver, k);
    }
    const bool input_drops = drops_ && layer > 0;

    LstmPrepare<T> prepare = preparation(args.batch, args.weights, layer, work);
    prepare.transposed = true;
    prepare.h = static_cast<const T*>(args.d_h_n);
    prepare.c = static_cast<const T*>(args.d_c_n);
    prepare.wide_h = last ? static_cast<const T*>(args.d_final_state) : nullptr;
    prepare.to_h = static_cast<T*>(args.d_h0);
    prepare.to_c = static_cast<T*>(args.d_c0);
    for (std::int64_t d = 0; d < directions_; ++d) prepare.side[d].rows = work.weight_hh[d];
    if (!known) {
      prepare.tail[0] = work.d_gates;
      prepare.tail_width[0] = directions_ * 4 * padded_;
      prepare.tail[1] = input_drops ? work.dropped : nullptr;
      prepare.tail_width[1] = width;
    }
    enqueue_lstm_prepare(prepare, stream);

    const T* x = layer == 0 ? input(rows, args.x, work, stream) : below.y;
    DropoutKey key = args.dropout;
    key.site += static_cast<std::uint32_t>(layer - 1);
    if (input_drops) {
      enqueue_dropout<T>(args.batch, key, desc_.dropout, width, false, x, work.dropped, desc_.capacity,
                         stream);
      x = work.dropped;
    }
    if (!desc_.save_gates) recompute_gates(rows, layer, x, own, work, stream);

    LstmPersistentBackward<T> walk;
    walk.queue = {work.jobs, work.count, work.taken};
    walk.groups = work.groups;
    walk.hidden = hidden_;
    walk.rows = desc_.capacity.rows;
    walk.slot = prepare.slot;
    walk.directions = prepare.directions;
    walk.gates = desc_.save_gates ? own.gates : work.gates;
    walk.c = own.c;
    walk.c0 = static_cast<const T*>(args.c0);
    walk.d_y = d_y;
    walk.d_h_n = prepare.h;
    walk.d_c_n = prepare.c;
    walk.d_final_state = prepare.wide_h;
    walk.d_gates = work.d_gates;
    walk.d_h0 = prepare.to_h;
    walk.d_c0 = prepare.to_c;
    for (std::int64_t d = 0; d < directions_; ++d) walk.weights[d] = work.packed[d];
    enqueue(launch_of("lstm_persistent_backward", backward_, choice_.backward, stream), backward_.run, walk);

    weight_gradients(args, rows, layer, x, own, work, stream);
    const bool to_caller = layer == 0 && known;
    T* d_x = layer > 0                          ? work.d_layer
             : args.d_x == nullptr || to_caller ? static_cast<T*>(args.d_x)
                                                : work.d_x;
    if (d_x != nullptr)
      products_.d_x[layer > 0]->run({.m = product_rows(rows),
                                     .k = directions_ * 4 * padded_,
                                     .a = work.d_gates,
                                     .b = work.weight_ih,
                                     .c = d_x,
                                     .workspace = work.gemm},
                                    stream);
    if (layer == 0 && !known && d_x != nullptr)
      enqueue_copy_rows(rows, desc_.input_size, d_x, static_cast<T*>(args.d_x), false, stream);
    if (input_drops)
      enqueue_dropout<T>(args.batch, key, desc_.dropout, width, false, d_x, d_x, desc_.capacity, stream);
    d_y = d_x;
  }
}

template const LstmCandidates& lstm_candidates<float>();
template const LstmCandidates& lstm_candidates<arch::bf16>();
template const LstmCandidates& lstm_candidates<arch::f16>();
template class LstmPersistentCuda<float>;
template class LstmPersistentCuda<arch::bf16>;
template class LstmPersistentCuda<arch::f16>;

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
