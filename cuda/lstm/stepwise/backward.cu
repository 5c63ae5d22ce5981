#include "cuda/lstm/stepwise/backward.cuh"

#include "cuda/dropout/dropout.cuh"
#include "cuda/lstm/stepwise/stepwise.hpp"
#include "cuda/support/column_sums.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <class T>
void LstmCuda<T>::previous_h(const LstmBackward& args, std::int64_t layer, std::int64_t d,
                             const BackwardWork& work, const T* y, Stream stream) const {
  const std::int64_t sequences = args.batch.host_counts[0], rows = args.batch.host_counts[1];
  const LstmPreviousH<T> previous{rows, projected_, directions_ * projected_, d * projected_, d == 1,
                                  y,    work.rows};
  enqueue_units("lstm_previous_h", lstm_previous_h<T, LstmTuning::elements>, lstm_previous_h<T, 1>, rows,
                projected_, 1, previous, stream, y);
  const LstmFirstH<T> first{args.batch.visit_offsets,
                            sequences,
                            projected_,
                            d == 1,
                            state_of(static_cast<const T*>(args.h0), layer, d, sequences, projected_),
                            work.rows};
  enqueue_groups("lstm_first_h", lstm_first_h<T>, sequences, projected_, 1, first, stream);
}

// Both sides are added in the order of forward, and the same bias to their sum.
template <class T>
void LstmCuda<T>::recompute_gates(const LstmBackward& args, std::int64_t layer, const BackwardWork& work,
                                  const T* x, const T* y, Stream stream) const {
  const std::int64_t rows = args.batch.host_counts[1];
  for (std::int64_t d = 0; d < directions_; ++d) {
    const LstmWeights& weights = weights_of(args.weights, layer, d);
    previous_h(args, layer, d, work, y, stream);
    products_.x_gates[layer > 0]->run({.m = rows,
                                       .k = desc_.layer_input(layer),
                                       .a = x,
                                       .b = weights.weight_ih,
                                       .c = work.sums,
                                       .workspace = work.gemm},
                                      stream);
    products_.all_recurrent->run({.m = rows,
                                  .k = projected_,
                                  .a = work.rows,
                                  .b = weights.weight_hh,
                                  .c = work.sums,
                                  .accumulate = true,
                                  .workspace = work.gemm},
                                 stream);
    const LstmActivate<T> activate{rows,
                                   hidden_,
                                   work.sums,
                                   static_cast<const T*>(weights.bias_ih),
                                   static_cast<const T*>(weights.bias_hh),
                                   work.gates[d]};
    enqueue_units("lstm_activate", lstm_activate<T, LstmTuning::elements>, lstm_activate<T, 1>, rows, hidden_,
                  1, activate, stream);
  }
}

template <class T>
void LstmCuda<T>::walk_backward(const LstmBackward& args, std::int64_t layer, const BackwardWork& work,
                                const Reserve& saved, const T* d_y, Stream stream) const {
  const RaggedView& batch = args.batch;
  const std::int64_t sequences = batch.host_counts[0], steps = batch.host_counts[3];
  const bool last = layer + 1 == desc_.num_layers;

  LstmBackwardStart<T> start{batch.order, sequences,
                             hidden_,     projected_,
                             directions_, last ? static_cast<const T*>(args.d_final_state) : nullptr,
                             {}};
  LstmBackwardStep<T> step{
      {batch.order, batch.visit_offsets, 0}, 0, hidden_, directions_, projects_ ? nullptr : d_y, {}};
  LstmProjectedStep<T> projected{step.places, 0, projected_, directions_, d_y, {}};
  LstmBackwardFinish<T> finish{batch.order, sequences, hidden_, projected_, {}};
  for (std::int64_t d = 0; d < directions_; ++d) {
    start.side[d] = {state_of(static_cast<const T*>(args.d_h_n), layer, d, sequences, projected_),
                     state_of(static_cast<const T*>(args.d_c_n), layer, d, sequences, hidden_), work.d_h[d],
                     work.d_c[d]};
    step.side[d] = {desc_.save_gates ? saved.gates[d] : work.gates[d],
                    saved.c[d],
                    state_of(static_cast<const T*>(args.c0), layer, d, sequences, hidden_),
                    projects_ ? work.d_unprojected[d] : work.d_h[d],
                    work.d_c[d],
                    work.d_gates[d],
                    work.step_gates[d]};
    projected.side[d] = {work.d_h[d], work.d_projected[d], work.step_projected[d]};
    finish.side[d] = {work.d_h[d], work.d_c[d],
                      state_of(static_cast<T*>(args.d_h0), layer, d, sequences, projected_),
                      state_of(static_cast<T*>(args.d_c0), layer, d, sequences, hidden_)};
  }

  enqueue_groups("lstm_backward_start", lstm_backward_start<T>, sequences, hidden_, directions_, start,
                 stream);
  for (std::int64_t s = steps - 1; s >= 0; --s) {
    const std::int64_t alive = batch.host_batch_sizes[s];
    step.places.step = projected.places.step = s;
    step.alive = projected.alive = alive;
    if (projects_) {
      enqueue_groups("lstm_projected_step", lstm_projected_step<T>, alive, projected_, directions_, projected,
                     stream);
      for (std::int64_t d = 0; d < directions_; ++d)
        products_.d_unprojected->run({.m = alive,
                                      .k = projected_,
                                      .a = work.step_projected[d],
                                      .b = weights_of(args.weights, layer, d).weight_hr,
                                      .c = work.d_unprojected[d],
                                      .workspace = work.gemm},
                                     stream);
    }
    enqueue_units("lstm_backward_step", lstm_backward_step<T, LstmTuning::elements>, lstm_backward_step<T, 1>,
                  alive, hidden_, directions_, step, stream, step.d_y, args.c0);
    for (std::int64_t d = 0; d < directions_; ++d)
      products_.d_h->run({.m = alive,
                          .k = 4 * hidden_,
                          .a = work.step_gates[d],
                          .b = weights_of(args.weights, layer, d).weight_hh,
                          .c = work.d_h[d],
                          .workspace = work.gemm},
                         stream);
  }
  if (args.d_h0 != nullptr || args.d_c0 != nullptr)
    enqueue_groups("lstm_backward_finish", lstm_backward_finish<T>, sequences, hidden_, directions_, finish,
                   stream);
}

template <class T>
void LstmCuda<T>::weight_gradients(const LstmBackward& args, std::int64_t layer, std::int64_t d,
                                   const BackwardWork& work, const Reserve& saved, const T* x, const T* y,
                                   Stream stream) const {
  if (args.gradients == nullptr) return;
  const LstmGradients& gradients = args.gradients[layer * directions_ + d];
  const std::int64_t rows = args.batch.host_counts[1];
  const auto multiply = [&](const std::optional<Gemm>& product, std::int64_t m, const T* left, const T* right,
                            void* to) {
    product->run({.m = m,
                  .k = rows,
                  .a = left,
                  .b = right,
                  .c = to,
                  .accumulate = args.accumulate,
                  .workspace = work.gemm},
                 stream);
  };
  if (gradients.weight_ih != nullptr)
    multiply(products_.d_weight_ih[layer > 0], 4 * hidden_, work.d_gates[d], x, gradients.weight_ih);
  if (gradients.weight_hh != nullptr) {
    previous_h(args, layer, d, work, y, stream);
    multiply(products_.d_weight_hh, 4 * hidden_, work.d_gates[d], work.rows, gradients.weight_hh);
  }
  // Both biases enter the gates as their sum, so their gradients are equal.
  enqueue_column_sums<T>({nullptr, rows, desc_.capacity.rows}, 4 * hidden_, work.d_gates[d], work.partial,
                         static_cast<T*>(gradients.bias_ih), static_cast<T*>(gradients.bias_hh),
                         args.accumulate, stream);
  if (projects_ && gradients.weight_hr != nullptr) {
    const LstmUnprojected<T> unprojected{rows, hidden_, desc_.save_gates ? saved.gates[d] : work.gates[d],
                                         saved.c[d], work.rows};
    enqueue_units("lstm_unprojected", lstm_unprojected<T, LstmTuning::elements>, lstm_unprojected<T, 1>, rows,
                  hidden_, 1, unprojected, stream);
    multiply(products_.d_weight_hr, projected_, work.d_projected[d], work.rows, gradients.weight_hr);
  }
}

template <class T>
void LstmCuda<T>::backward(const LstmBackward& args, Stream stream) const {
  check_batch(args.batch);
  Carver carver(args.workspace);
  const BackwardWork work = carve_backward(carver);
  const std::int64_t rows = args.batch.host_counts[1], width = directions_ * projected_;

  const T* d_y = static_cast<const T*>(args.d_y);
  for (std::int64_t layer = desc_.num_layers - 1; layer >= 0; --layer) {
    // Reserves lie one after the other; the one below is reached again from the start.
    Carver reserve_carver(args.reserve);
    Reserve below, own;
    for (std::int64_t k = 0; k <= layer; ++k) {
      below = own;
      own = carve_reserve(reserve_carver, k);
    }
    const T* y = layer + 1 == desc_.num_layers ? static_cast<const T*>(args.y) : own.y;
    const T* x = layer == 0 ? static_cast<const T*>(args.x) : below.y;
    DropoutKey key = args.dropout;
    key.site += static_cast<std::uint32_t>(layer - 1);
    const bool input_drops = drops_ && layer > 0;
    if (input_drops) {
      enqueue_dropout<T>(args.batch, key, desc_.dropout, width, false, x, work.dropped, desc_.capacity,
                         stream);
      x = work.dropped;
    }

    if (!desc_.save_gates && rows > 0) recompute_gates(args, layer, work, x, y, stream);
    walk_backward(args, layer, work, own, d_y, stream);
    for (std::int64_t d = 0; d < directions_; ++d) weight_gradients(args, layer, d, work, own, x, y, stream);

    T* d_x = layer == 0 ? static_cast<T*>(args.d_x) : work.d_layer;
    for (std::int64_t d = 0; d < directions_ && d_x != nullptr && rows > 0; ++d)
      products_.d_x[layer > 0]->run({.m = rows,
                                     .k = 4 * hidden_,
                                     .a = work.d_gates[d],
                                     .b = weights_of(args.weights, layer, d).weight_ih,
                                     .c = d_x,
                                     .accumulate = d > 0,
                                     .workspace = work.gemm},
                                    stream);
    if (input_drops)
      enqueue_dropout<T>(args.batch, key, desc_.dropout, width, false, d_x, d_x, desc_.capacity, stream);
    d_y = d_x;
  }
}

template void LstmCuda<float>::backward(const LstmBackward&, Stream) const;
template void LstmCuda<arch::bf16>::backward(const LstmBackward&, Stream) const;
template void LstmCuda<arch::f16>::backward(const LstmBackward&, Stream) const;

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
