#include <algorithm>

#include "host/cpu/dropout_rows.hpp"
#include "host/cpu/lstm.hpp"

namespace ragtime::cpu {

// The row of step s of a sequence: the reverse direction starts at its last visit.
static std::int64_t row_of(const RaggedView& batch, std::int64_t b, std::int64_t step,
                           std::int64_t direction) {
  return direction == 0 ? batch.visit_offsets[b] + step : batch.visit_offsets[b + 1] - 1 - step;
}

template <class T>
void LstmCpu<T>::walk_forward(const LstmForward& args, std::int64_t layer, std::int64_t direction,
                              const Tile& tile, const Workspace& work, T* gates, T* saved_c, T* y) const {
  const auto& kernel = kernels<T>();
  const RaggedView& batch = args.batch;
  const std::int64_t sequences = batch.counts[0], slot = layer * directions_ + direction;
  const bool projects = desc_.proj_size > 0;
  const bool last_layer = layer + 1 == desc_.num_layers;
  const Walk& walk = work.walk[direction];
  T* h = walk.h + tile.begin * projected_;
  T* c = walk.c + tile.begin * hidden_;
  T* recurrent = walk.gates + tile.begin * 4 * hidden_;
  T* unprojected = walk.unprojected + tile.begin * hidden_;
  const auto sequence = [&](std::int64_t i) { return batch.order[tile.first + i * tile.stride]; };
  const auto length = [&](std::int64_t i) {
    const std::int64_t b = sequence(i);
    return std::int64_t{batch.visit_offsets[b + 1]} - batch.visit_offsets[b];
  };
  const auto start = [&](const void* given, T* state, std::int64_t i, std::int64_t width) {
    if (given == nullptr)
      std::fill_n(state + i * width, width, T(0));
    else
      std::copy_n(static_cast<const T*>(given) + (slot * sequences + sequence(i)) * width, width,
                  state + i * width);
  };
  for (std::int64_t i = 0; i < tile.count; ++i) {
    start(args.h0, h, i, projected_);
    start(args.c0, c, i, hidden_);
  }

  std::int64_t alive = tile.count;
  for (std::int64_t step = 0;; ++step) {
    while (alive > 0 && length(alive - 1) <= step) --alive;
    if (alive == 0) break;
    kernel.multiply(h, projected_, work.packed_hh[direction], nullptr, projected_, 4 * hidden_, recurrent,
                    4 * hidden_, alive, false);
    T* out = projects ? unprojected : h;
    for (std::int64_t i = 0; i < alive; ++i) {
      const std::int64_t row = row_of(batch, sequence(i), step, direction);
      kernel.lstm_forward(hidden_, gates + row * 4 * hidden_, recurrent + i * 4 * hidden_, c + i * hidden_,
                          out + i * hidden_);
      if (saved_c != nullptr) std::copy_n(c + i * hidden_, hidden_, saved_c + row * hidden_);
      if (last_layer && args.c_seq != nullptr)
        std::copy_n(c + i * hidden_, hidden_,
                    static_cast<T*>(args.c_seq) + (row * directions_ + direction) * hidden_);
    }
    if (projects)
      kernel.multiply(unprojected, hidden_, work.packed_hr[direction], nullptr, hidden_, projected_, h,
                      projected_, alive, false);
    for (std::int64_t i = 0; i < alive; ++i) {
      const std::int64_t row = row_of(batch, sequence(i), step, direction);
      std::copy_n(h + i * projected_, projected_, y + (row * directions_ + direction) * projected_);
    }
  }

  // Whoever dropped out of the prefix kept its state where it was.
  for (std::int64_t i = 0; i < tile.count; ++i) {
    const std::int64_t b = sequence(i), place = slot * sequences + b;
    if (args.h_n != nullptr)
      std::copy_n(h + i * projected_, projected_, static_cast<T*>(args.h_n) + place * projected_);
    if (args.c_n != nullptr)
      std::copy_n(c + i * hidden_, hidden_, static_cast<T*>(args.c_n) + place * hidden_);
    if (last_layer && args.final_state != nullptr)
      std::copy_n(h + i * projected_, projected_,
                  static_cast<T*>(args.final_state) + (b * directions_ + direction) * projected_);
  }
}

template <class T>
void LstmCpu<T>::forward(const LstmForward& args, Stream) const {
  check_batch(args.batch);
  Carver carver(args.workspace), reserve_carver(args.reserve);
  Workspace work = carve_forward(carver);
  const std::int64_t sequences = args.batch.counts[0], rows = args.batch.counts[1];
  const T* x = static_cast<const T*>(args.x);
  for (std::int64_t layer = 0; layer < desc_.num_layers; ++layer) {
    const bool last = layer + 1 == desc_.num_layers;
    const Reserve reserve = desc_.training ? carve_reserve(reserve_carver, layer) : Reserve{};
    T* y = last ? static_cast<T*>(args.y) : desc_.training ? reserve.y : work.layer_y;
    const std::int64_t input = desc_.layer_input(layer);

    pack_layer(args.weights, layer, false, work);
    for (std::int64_t d = 0; d < directions_; ++d)
      multiply_rows(x, input, work.packed_ih[d], work.bias[d], input, 4 * hidden_,
                    desc_.training ? reserve.saved[d].gates : work.gates[d], 4 * hidden_, rows);
    for_each_tile(sequences, [&](std::int64_t d, const Tile& tile) {
      walk_forward(args, layer, d, tile, work, desc_.training ? reserve.saved[d].gates : work.gates[d],
                   reserve.saved[d].c, y);
    });

    x = y;
    if (drops_ && !last) {
      DropoutKey key = args.dropout;
      key.site += static_cast<std::uint32_t>(layer);
      dropout_rows(args.batch, key, desc_.dropout, directions_ * projected_, false, y, work.dropped);
      x = work.dropped;
    }
  }
}

template void LstmCpu<float>::forward(const LstmForward&, Stream) const;
template void LstmCpu<double>::forward(const LstmForward&, Stream) const;

}  // namespace ragtime::cpu
