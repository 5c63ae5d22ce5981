#include "cuda/lstm/stepwise/forward.cuh"

#include "cuda/dropout/dropout.cuh"
#include "cuda/lstm/stepwise/stepwise.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <class T>
void LstmCuda<T>::walk_forward(const LstmForward& args, std::int64_t layer, const ForwardWork& work,
                               const Reserve& reserve, T* y, Stream stream) const {
  const RaggedView& batch = args.batch;
  const std::int64_t sequences = batch.host_counts[0], steps = batch.host_counts[3];
  const bool last = layer + 1 == desc_.num_layers;

  LstmStart<T> start{batch.order, sequences, hidden_, projected_, {}};
  LstmForwardStep<T> step{
      {batch.order, batch.visit_offsets, 0},        0, hidden_, directions_, projects_ ? nullptr : y,
      last ? static_cast<T*>(args.c_seq) : nullptr, {}};
  LstmPlaceStep<T> place{step.places, 0, projected_, directions_, y, {work.h[0], work.h[1]}};
  LstmFinish<T> finish{batch.order, sequences,   hidden_,
                       projected_,  directions_, last ? static_cast<T*>(args.final_state) : nullptr,
                       {}};
  for (std::int64_t d = 0; d < directions_; ++d) {
    const LstmWeights& weights = weights_of(args.weights, layer, d);
    start.side[d] = {state_of(static_cast<const T*>(args.h0), layer, d, sequences, projected_),
                     state_of(static_cast<const T*>(args.c0), layer, d, sequences, hidden_),
                     static_cast<const T*>(weights.bias_ih),
                     static_cast<const T*>(weights.bias_hh),
                     work.h[d],
                     work.c[d],
                     work.bias[d]};
    step.side[d] = {work.x_gates[d],
                    work.recurrent[d],
                    work.bias[d],
                    work.c[d],
                    projects_ ? work.unprojected[d] : work.h[d],
                    reserve.gates[d],
                    reserve.c[d]};
    finish.side[d] = {work.h[d], work.c[d],
                      state_of(static_cast<T*>(args.h_n), layer, d, sequences, projected_),
                      state_of(static_cast<T*>(args.c_n), layer, d, sequences, hidden_)};
  }

  enqueue_groups("lstm_start", lstm_start<T>, sequences, hidden_, directions_, start, stream);
  for (std::int64_t s = 0; s < steps; ++s) {
    const std::int64_t alive = batch.host_batch_sizes[s];
    for (std::int64_t d = 0; d < directions_; ++d)
      products_.recurrent->run({.m = alive,
                                .k = projected_,
                                .a = work.h[d],
                                .b = weights_of(args.weights, layer, d).weight_hh,
                                .c = work.recurrent[d],
                                .workspace = work.gemm},
                               stream);
    step.places.step = place.places.step = s;
    step.alive = place.alive = alive;
    enqueue_units("lstm_forward_step", lstm_forward_step<T, LstmTuning::elements>, lstm_forward_step<T, 1>,
                  alive, hidden_, directions_, step, stream, step.y, step.c_seq);
    if (!projects_) continue;
    for (std::int64_t d = 0; d < directions_; ++d)
      products_.project->run({.m = alive,
                              .k = hidden_,
                              .a = work.unprojected[d],
                              .b = weights_of(args.weights, layer, d).weight_hr,
                              .c = work.h[d],
                              .workspace = work.gemm},
                             stream);
    enqueue_groups("lstm_place_step", lstm_place_step<T>, alive, projected_, directions_, place, stream);
  }
  enqueue_groups("lstm_finish", lstm_finish<T>, sequences, hidden_, directions_, finish, stream);
}

template <class T>
void LstmCuda<T>::forward(const LstmForward& args, Stream stream) const {
  check_batch(args.batch);
  Carver carver(args.workspace), reserve_carver(args.reserve);
  const ForwardWork work = carve_forward(carver);
  const std::int64_t rows = args.batch.host_counts[1];
  const T* x = static_cast<const T*>(args.x);
  for (std::int64_t layer = 0; layer < desc_.num_layers; ++layer) {
    const bool last = layer + 1 == desc_.num_layers;
    const Reserve reserve = desc_.training ? carve_reserve(reserve_carver, layer) : Reserve{};
    T* y = last ? static_cast<T*>(args.y) : desc_.training ? reserve.y : work.layer_y;
    for (std::int64_t d = 0; d < directions_ && rows > 0; ++d)
      products_.x_gates[layer > 0]->run({.m = rows,
                                         .k = desc_.layer_input(layer),
                                         .a = x,
                                         .b = weights_of(args.weights, layer, d).weight_ih,
                                         .c = work.x_gates[d],
                                         .workspace = work.gemm},
                                        stream);
    walk_forward(args, layer, work, reserve, y, stream);

    x = y;
    if (drops_ && !last) {
      DropoutKey key = args.dropout;
      key.site += static_cast<std::uint32_t>(layer);
      enqueue_dropout<T>(args.batch, key, desc_.dropout, directions_ * projected_, false, y, work.dropped,
                         desc_.capacity, stream);
      x = work.dropped;
    }
  }
}

template void LstmCuda<float>::forward(const LstmForward&, Stream) const;
template void LstmCuda<arch::bf16>::forward(const LstmForward&, Stream) const;
template void LstmCuda<arch::f16>::forward(const LstmForward&, Stream) const;

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
