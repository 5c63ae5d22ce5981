// Both passes of the persistent LSTM, launch by launch.

#include "cuda/dropout/dropout.cuh"
#include "cuda/lstm/persistent/operation.hpp"
#include "cuda/support/column_sums.cuh"
#include "host/runtime/capacity.hpp"

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

}  // namespace

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
    T* d_x = static_cast<T*>(args.d_x);
    if (layer > 0)
      d_x = work.d_layer;
    else if (d_x != nullptr && !known)
      d_x = work.d_x;
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

template void LstmPersistentCuda<float>::forward(const LstmForward&, Stream) const;
template void LstmPersistentCuda<float>::backward(const LstmBackward&, Stream) const;
template void LstmPersistentCuda<arch::bf16>::forward(const LstmForward&, Stream) const;
template void LstmPersistentCuda<arch::bf16>::backward(const LstmBackward&, Stream) const;
template void LstmPersistentCuda<arch::f16>::forward(const LstmForward&, Stream) const;
template void LstmPersistentCuda<arch::f16>::backward(const LstmBackward&, Stream) const;

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
