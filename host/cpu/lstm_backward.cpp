#include <algorithm>

#include "host/cpu/dropout_rows.hpp"
#include "host/cpu/lstm.hpp"

namespace ragtime::cpu {

template <class T>
void LstmCpu<T>::walk_backward(const LstmBackward& args, std::int64_t layer, std::int64_t direction,
                               const Tile& tile, const Workspace& work, const LstmSaved<T>& saved,
                               const T* d_y) const {
  const auto& kernel = kernels<T>();
  const RaggedView& batch = args.batch;
  const std::int64_t sequences = batch.counts[0], slot = layer * directions_ + direction;
  const bool projects = desc_.proj_size > 0;
  const bool last_layer = layer + 1 == desc_.num_layers;
  const Walk& walk = work.walk[direction];
  T* d_h = walk.h + tile.begin * projected_;
  T* d_c = walk.c + tile.begin * hidden_;
  T* d_gates = walk.gates + tile.begin * 4 * hidden_;
  T* d_unprojected = walk.unprojected + tile.begin * hidden_;
  const auto sequence = [&](std::int64_t i) { return batch.order[tile.first + i * tile.stride]; };
  const auto length = [&](std::int64_t i) {
    const std::int64_t b = sequence(i);
    return std::int64_t{batch.visit_offsets[b + 1]} - batch.visit_offsets[b];
  };
  const auto row_at = [&](std::int64_t i, std::int64_t step) -> std::int64_t {
    const std::int64_t b = sequence(i);
    return direction == 0 ? batch.visit_offsets[b] + step : batch.visit_offsets[b + 1] - 1 - step;
  };

  // What reaches the last state from outside; it waits here until the walk comes to the sequence's last step.
  for (std::int64_t i = 0; i < tile.count; ++i) {
    const std::int64_t b = sequence(i), place = slot * sequences + b;
    T* own_h = d_h + i * projected_;
    T* own_c = d_c + i * hidden_;
    std::fill_n(own_h, projected_, T(0));
    std::fill_n(own_c, hidden_, T(0));
    if (args.d_h_n != nullptr)
      std::copy_n(static_cast<const T*>(args.d_h_n) + place * projected_, projected_, own_h);
    if (args.d_c_n != nullptr)
      std::copy_n(static_cast<const T*>(args.d_c_n) + place * hidden_, hidden_, own_c);
    if (last_layer && args.d_final_state != nullptr)
      kernel.add_scaled(
          projected_, T(1),
          static_cast<const T*>(args.d_final_state) + (b * directions_ + direction) * projected_, own_h);
  }

  std::int64_t alive = 0;
  for (std::int64_t step = length(0) - 1; step >= 0; --step) {
    while (alive < tile.count && length(alive) > step) ++alive;
    if (d_y != nullptr)
      for (std::int64_t i = 0; i < alive; ++i)
        kernel.add_scaled(projected_, T(1), d_y + (row_at(i, step) * directions_ + direction) * projected_,
                          d_h + i * projected_);
    if (projects) {
      for (std::int64_t i = 0; i < alive; ++i)
        std::copy_n(d_h + i * projected_, projected_,
                    work.d_projected[direction] + row_at(i, step) * projected_);
      kernel.multiply(d_h, projected_, work.packed_hr[direction], nullptr, projected_, hidden_, d_unprojected,
                      hidden_, alive, false);
    }
    const T* d_out = projects ? d_unprojected : d_h;
    for (std::int64_t i = 0; i < alive; ++i) {
      const std::int64_t row = row_at(i, step);
      const T* c_previous = nullptr;
      if (step > 0)
        c_previous = saved.c + row_at(i, step - 1) * hidden_;
      else if (args.c0 != nullptr)
        c_previous = static_cast<const T*>(args.c0) + (slot * sequences + sequence(i)) * hidden_;
      T* own = d_gates + i * 4 * hidden_;
      kernel.lstm_backward(hidden_, saved.gates + row * 4 * hidden_, saved.c + row * hidden_, c_previous,
                           d_out + i * hidden_, d_c + i * hidden_, own);
      std::copy_n(own, 4 * hidden_, work.d_gates[direction] + row * 4 * hidden_);
    }
    kernel.multiply(d_gates, 4 * hidden_, work.packed_hh[direction], nullptr, 4 * hidden_, projected_, d_h,
                    projected_, alive, false);
  }

  for (std::int64_t i = 0; i < tile.count; ++i) {
    const std::int64_t place = slot * sequences + sequence(i);
    if (args.d_h0 != nullptr)
      std::copy_n(d_h + i * projected_, projected_, static_cast<T*>(args.d_h0) + place * projected_);
    if (args.d_c0 != nullptr)
      std::copy_n(d_c + i * hidden_, hidden_, static_cast<T*>(args.d_c0) + place * hidden_);
  }
}

template <class T>
void LstmCpu<T>::weight_gradients(const LstmBackward& args, std::int64_t layer, std::int64_t direction,
                                  const Workspace& work, const LstmSaved<T>& saved, const T* x,
                                  const T* y) const {
  if (args.gradients == nullptr) return;
  const LstmGradients& gradients = args.gradients[layer * directions_ + direction];
  const RaggedView& batch = args.batch;
  const std::int64_t sequences = batch.counts[0], rows = batch.counts[1], input = desc_.layer_input(layer);
  const std::int64_t width = 4 * hidden_;
  const T* d_gates = work.d_gates[direction];

  if (gradients.weight_ih != nullptr) {
    pack_transposed(x, input, rows, input, work.packed_rows);
    multiply_transposed(d_gates, width, work.packed_rows, rows, width, input,
                        static_cast<T*>(gradients.weight_ih), args.accumulate);
  }
  if (gradients.weight_hh != nullptr) {
    // h_{t-1} of every row: the row before it in walking order, or h0.
    parallel_for(sequences, [&](std::int64_t b) {
      const std::int64_t begin = batch.visit_offsets[b], end = batch.visit_offsets[b + 1];
      for (std::int64_t row = begin; row < end; ++row) {
        T* to = work.h_previous + row * projected_;
        const std::int64_t before = direction == 0 ? row - 1 : row + 1;
        if (before >= begin && before < end)
          std::copy_n(y + (before * directions_ + direction) * projected_, projected_, to);
        else if (args.h0 != nullptr)
          std::copy_n(static_cast<const T*>(args.h0) +
                          ((layer * directions_ + direction) * sequences + b) * projected_,
                      projected_, to);
        else
          std::fill_n(to, projected_, T(0));
      }
    });
    pack_transposed(work.h_previous, projected_, rows, projected_, work.packed_rows);
    multiply_transposed(d_gates, width, work.packed_rows, rows, width, projected_,
                        static_cast<T*>(gradients.weight_hh), args.accumulate);
  }
  // Both biases enter the gates as their sum, so their gradients are equal.
  if (gradients.bias_ih != nullptr)
    sum_rows(d_gates, width, rows, width, static_cast<T*>(gradients.bias_ih), args.accumulate);
  if (gradients.bias_hh != nullptr)
    sum_rows(d_gates, width, rows, width, static_cast<T*>(gradients.bias_hh), args.accumulate);
  if (desc_.proj_size > 0 && gradients.weight_hr != nullptr) {
    parallel_for(rows, [&](std::int64_t row) {
      kernels<T>().multiply_tanh(hidden_, saved.gates + row * width + 3 * hidden_, saved.c + row * hidden_,
                                 work.h_previous + row * hidden_);
    });
    pack_transposed(work.h_previous, hidden_, rows, hidden_, work.packed_rows);
    multiply_transposed(work.d_projected[direction], projected_, work.packed_rows, rows, projected_, hidden_,
                        static_cast<T*>(gradients.weight_hr), args.accumulate);
  }
}

template <class T>
void LstmCpu<T>::backward(const LstmBackward& args, Stream) const {
  check_batch(args.batch);
  Carver carver(args.workspace);
  Workspace work = carve_backward(carver);
  const std::int64_t sequences = args.batch.counts[0], rows = args.batch.counts[1];
  const std::int64_t width = directions_ * projected_;

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
      dropout_rows(args.batch, key, desc_.dropout, width, false, x, work.dropped);
      x = work.dropped;
    }

    pack_layer(args.weights, layer, true, work);
    for_each_tile(sequences, [&](std::int64_t d, const Tile& tile) {
      walk_backward(args, layer, d, tile, work, own.saved[d], d_y);
    });
    for (std::int64_t d = 0; d < directions_; ++d) weight_gradients(args, layer, d, work, own.saved[d], x, y);

    const std::int64_t input = desc_.layer_input(layer);
    T* d_x = layer == 0 ? static_cast<T*>(args.d_x) : work.d_layer;
    if (d_x != nullptr)
      for (std::int64_t d = 0; d < directions_; ++d)
        multiply_rows<T>(work.d_gates[d], 4 * hidden_, work.packed_ih[d], nullptr, 4 * hidden_, input, d_x,
                         input, rows, d > 0);
    if (input_drops) dropout_rows(args.batch, key, desc_.dropout, width, false, d_x, d_x);
    d_y = d_x;
  }
}

template void LstmCpu<float>::backward(const LstmBackward&, Stream) const;
template void LstmCpu<double>::backward(const LstmBackward&, Stream) const;

}  // namespace ragtime::cpu
