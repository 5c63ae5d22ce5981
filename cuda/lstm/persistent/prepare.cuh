#pragma once

// What the persistent LSTM needs before and after its walk: weights in the order in which it reads them, the
// queue, sequences without rows, and gradients of weights in the caller's order. Layouts:
// persistent.hpp. Threads share nothing and wait for nobody; every value is written by one thread.

#include "cuda/lstm/persistent/persistent.hpp"
#include "cuda/lstm/stepwise/forward.cuh"
#include "cuda/support/elements.cuh"
#include "cuda/support/rows.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct LstmPrepareTuning {
  static constexpr unsigned threads = 256;
};

// body(i) for i below count, spread over the grid.
template <class Body>
RAGTIME_DEVICE void for_each_thread(std::int64_t count, Body body) {
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * LstmPrepareTuning::threads;
  for (std::int64_t i =
           std::int64_t{arch::block_index().x} * LstmPrepareTuning::threads + arch::thread_rank();
       i < count; i += stride)
    body(i);
}
// body(row, column) with a warp to each row.
template <class Body>
RAGTIME_DEVICE void for_each_of_rows(std::int64_t rows, std::int64_t width, Body body) {
  constexpr unsigned warps = LstmPrepareTuning::threads / arch::warp_size;
  for (std::int64_t row = std::int64_t{arch::block_index().x} * warps + arch::warp(); row < rows;
       row += std::int64_t{arch::grid_extent().x} * warps)
    for (std::int64_t column = arch::lane(); column < width; column += arch::warp_size) body(row, column);
}

// Where a row (unit, gate) of padded weights comes from; none for padding.
RAGTIME_DEVICE std::int64_t lstm_gate_row(std::int64_t padded_row, std::int64_t hidden) {
  const std::int64_t unit = padded_row / 4, gate = padded_row % 4;
  return unit < hidden ? gate * hidden + unit : -1;
}

template <class T>
struct LstmPrepare {
  RaggedView batch;
  std::int64_t most_sequences, most_rows;
  std::int64_t input, hidden, padded;  // of the layer, H, Hp
  unsigned directions;
  bool transposed;  // pack W_hh^T, for the walk back
  LstmJob* jobs;    // [B]
  std::int32_t* count;
  unsigned* taken;    // [D]
  LstmGroups groups;  // whose flags are set to 0
  T* weight_ih;       // [D * Hp * 4, in]
  // Memory of the library's own, all `most_rows` rows of which a product will read: zeros behind the rows in
  // use, of which a batch beyond the capacity has none. Null: nothing to do.
  T* tail[2];  // [N, tail_width]
  std::int64_t tail_width[2];
  // A sequence without rows ends as it began. Forward h = h_0, to h_n; backward h = d_h_n + d_final_state, to
  // d_h_0. Slots as in persistent.hpp.
  std::int64_t slot;
  const T *h, *c;   // [L*D, B, H] or null
  const T* wide_h;  // [B, D * H] or null
  T *to_h, *to_c;   // [L*D, B, H] or null
  T* to_wide_h;     // [B, D * H] or null
  struct Side {
    const T *weight_ih, *weight_hh, *bias_ih, *bias_hh;  // the caller's; biases may be null
    arch::Chunk<16>* packed;                             // W_hh or W_hh^T
    float* bias;                                         // [Hp, 4]
    T* rows;                                             // [Hp * 4, H] W_hh in padded order, or null
  } side[lstm_max_directions];
};

template <class T>
RAGTIME_DEVICE std::uint32_t lstm_packed_word(const LstmPrepare<T>& args, const T* weight, std::int64_t tile,
                                              std::int64_t step, unsigned lane, unsigned word) {
  constexpr int elements = 4 / static_cast<int>(sizeof(T));
  const std::int64_t g = lane / 4, high = word & 1;  // row g or g + 8
  const std::int64_t k = (step * 32 + 4 * (lane % 4) + (word & 2 ? 16 : 0)) / static_cast<int>(sizeof(T));
  float value[elements];
  RAGTIME_UNROLL
  for (int e = 0; e < elements; ++e) {
    const std::int64_t row = args.transposed ? k + e : (tile * 4 + g / 2) * 4 + (g & 1) * 2 + high;
    const std::int64_t column = args.transposed ? tile * 16 + 2 * g + high : k + e;
    const std::int64_t from = lstm_gate_row(row, args.hidden);
    value[e] = from < 0 || column >= args.hidden ? 0.0f : arch::to_float(weight[from * args.hidden + column]);
  }
  if constexpr (std::is_same_v<T, float>)
    return arch::to_tf32(value[0]);
  else
    return arch::pack2<T>(value[0], value[1]);
}

template <class T>
RAGTIME_KERNEL(LstmPrepareTuning::threads, 1)
lstm_prepare(LstmPrepare<T> args) {
  const std::int64_t hidden = args.hidden, padded = args.padded, rows = args.batch.counts[1];
  const bool fits = args.batch.counts[0] <= args.most_sequences && rows <= args.most_rows;
  const std::int64_t sequences = fits ? args.batch.counts[0] : 0;
  report_beyond(args.batch, args.most_sequences, args.most_rows);

  for_each_thread(sequences, [&](std::int64_t i) {
    const std::int32_t b = args.batch.order[i], first = args.batch.visit_offsets[b];
    args.jobs[i] = {first, args.batch.visit_offsets[b + 1] - first, b, 0};
  });
  for_each_thread(args.directions, [&](std::int64_t d) {
    args.taken[d] = 0;
    if (d == 0) *args.count = static_cast<std::int32_t>(sequences);
  });
  for_each_thread(args.groups.count * lstm_group_flags,
                  [&](std::int64_t i) { args.groups.published[i] = 0; });
  for (int i = 0; i < 2; ++i) {
    if (args.tail[i] == nullptr) continue;
    const std::int64_t used = fits ? rows * args.tail_width[i] : 0;
    for_each_thread(args.most_rows * args.tail_width[i] - used,
                    [&](std::int64_t e) { args.tail[i][used + e] = arch::from_float<T>(0); });
  }

  RAGTIME_UNROLL
  for (unsigned d = 0; d < lstm_max_directions; ++d) {
    if (d >= args.directions) break;
    const auto& side = args.side[d];
    // Tiles x k steps x lanes; both orientations have as many.
    const std::int64_t steps = (args.transposed ? 4 : 1) * padded * static_cast<int>(sizeof(T)) / 32;
    for_each_thread(padded / (args.transposed ? 16 : 4) * steps * arch::warp_size, [&](std::int64_t i) {
      const unsigned lane = static_cast<unsigned>(i % arch::warp_size);
      const std::int64_t step = i / arch::warp_size % steps, tile = i / arch::warp_size / steps;
      arch::Chunk<16> chunk;
      RAGTIME_UNROLL
      for (unsigned word = 0; word < 4; ++word)
        chunk.word[word] = lstm_packed_word(args, side.weight_hh, tile, step, lane, word);
      arch::store(side.packed + i, chunk);
    });
    for_each_of_rows(4 * padded, args.input, [&](std::int64_t row, std::int64_t column) {
      const std::int64_t from = lstm_gate_row(row, hidden);
      args.weight_ih[(d * 4 * padded + row) * args.input + column] =
          from < 0 ? arch::from_float<T>(0) : side.weight_ih[from * args.input + column];
    });
    if (side.rows != nullptr)
      for_each_of_rows(4 * padded, hidden, [&](std::int64_t row, std::int64_t column) {
        const std::int64_t from = lstm_gate_row(row, hidden);
        side.rows[row * hidden + column] =
            from < 0 ? arch::from_float<T>(0) : side.weight_hh[from * hidden + column];
      });
    for_each_thread(4 * padded, [&](std::int64_t row) {
      const std::int64_t from = lstm_gate_row(row, hidden);
      side.bias[row] = from < 0 || side.bias_ih == nullptr
                           ? 0.0f
                           : arch::to_float(side.bias_ih[from]) + arch::to_float(side.bias_hh[from]);
    });
    for_each_of_rows(sequences, hidden, [&](std::int64_t b, std::int64_t unit) {
      if (args.batch.visit_offsets[b] != args.batch.visit_offsets[b + 1]) return;
      const std::int64_t at = ((args.slot + d) * sequences + b) * hidden + unit;
      const std::int64_t wide = (b * args.directions + d) * hidden + unit;
      const float h = (args.h == nullptr ? 0.0f : arch::to_float(args.h[at])) +
                      (args.wide_h == nullptr ? 0.0f : arch::to_float(args.wide_h[wide]));
      if (args.to_h != nullptr) args.to_h[at] = arch::from_float<T>(h);
      if (args.to_wide_h != nullptr) args.to_wide_h[wide] = arch::from_float<T>(h);
      if (args.to_c != nullptr) args.to_c[at] = args.c == nullptr ? arch::from_float<T>(0) : args.c[at];
    });
  }
}

template <class T>
void enqueue_lstm_prepare(const LstmPrepare<T>& args, Stream stream) {
  const std::int64_t chunks = args.padded * args.padded * static_cast<int>(sizeof(T)) / 4;
  enqueue({.name = "lstm_prepare",
           .grid = {blocks_for(chunks, LstmPrepareTuning::threads)},
           .block = {LstmPrepareTuning::threads},
           .stream = stream.handle},
          lstm_prepare<T>, args);
}

// The gates again from both sides' sum, where forward did not keep them.
template <class T>
struct LstmActivateRows {
  RowCount rows;
  std::int64_t padded;
  unsigned directions;
  const float* sums;                       // [N, D, Hp, 4]
  const float* bias[lstm_max_directions];  // [Hp, 4]
  T* gates;                                // [D, capacity of rows, Hp, 4]
};

template <class T>
RAGTIME_KERNEL(LstmPrepareTuning::threads, 1)
lstm_activate_rows(LstmActivateRows<T> args) {
  const std::int64_t rows = args.rows.in_use();
  for_each_thread(rows * args.directions * args.padded, [&](std::int64_t i) {
    const std::int64_t unit = i % args.padded, row = i / args.padded / args.directions;
    const std::int64_t d = i / args.padded % args.directions;
    float z[4], bias[4];
    load_floats(args.sums + i * 4, z);
    load_floats((d == 0 ? args.bias[0] : args.bias[1]) + unit * 4, bias);
    RAGTIME_UNROLL
    for (int k = 0; k < 4; ++k) z[k] += bias[k];
    activate(z);
    store_floats(args.gates + ((d * args.rows.capacity + row) * args.padded + unit) * 4, z);
  });
}

// Gradients of weights, summed in padded order, into the caller's.
template <class T>
struct LstmUnpack {
  std::int64_t input, hidden, padded;
  unsigned directions;
  bool accumulate;
  const float* weight_ih;  // [D * Hp * 4, in], and so on
  const float* weight_hh;  // [D, Hp * 4, H]
  const float* bias;       // [D * Hp * 4]
  struct Side {
    T *weight_ih, *weight_hh, *bias_ih, *bias_hh;  // null: not wanted
  } side[lstm_max_directions];
};

template <class T>
RAGTIME_KERNEL(LstmPrepareTuning::threads, 1)
lstm_unpack_gradients(LstmUnpack<T> args) {
  const std::int64_t gates = 4 * args.hidden;
  const auto put = [&](T* to, std::int64_t at, float sum) {
    if (to != nullptr) to[at] = arch::from_float<T>(args.accumulate ? arch::to_float(to[at]) + sum : sum);
  };
  RAGTIME_UNROLL
  for (unsigned d = 0; d < lstm_max_directions; ++d) {
    if (d >= args.directions) break;
    const auto& side = args.side[d];
    const auto padded_row = [&](std::int64_t row) {
      return d * 4 * args.padded + row % args.hidden * 4 + row / args.hidden;
    };
    if (side.weight_ih != nullptr)
      for_each_of_rows(gates, args.input, [&](std::int64_t row, std::int64_t column) {
        put(side.weight_ih, row * args.input + column, args.weight_ih[padded_row(row) * args.input + column]);
      });
    if (side.weight_hh != nullptr)
      for_each_of_rows(gates, args.hidden, [&](std::int64_t row, std::int64_t column) {
        put(side.weight_hh, row * args.hidden + column,
            args.weight_hh[padded_row(row) * args.hidden + column]);
      });
    // Both biases enter the gates as their sum, so their gradients are equal.
    for_each_thread(gates, [&](std::int64_t row) {
      put(side.bias_ih, row, args.bias[padded_row(row)]);
      put(side.bias_hh, row, args.bias[padded_row(row)]);
    });
  }
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
