#pragma once

// What surrounds the products of the LSTM, backward: the same walk from the last step to the first, with the
// same places as in forward.cuh.
//
//   dc_t += dout o (1 - tanh(c_t)^2)
//   di = dc g i (1 - i),  df = dc c_{t-1} f (1 - f),  dg = dc i (1 - g^2),  do = dout tanh(c_t) o (1 - o)
//   dc_{t-1} = dc f;  dh_{t-1} = W_hh^T dgates, a product
//
// The gradient of the gates goes to the visit's ragged row, for the products over all rows afterwards, and
// once more side by side with the others alive, as the operand of the step's own. A step moves, for each unit
// of a sequence alive, 4 T of gates, 8 bytes of c, 4 of dout, 8 of dc and T of dy, and writes 8 T of dgates.
// Threads share nothing and wait for nobody.

#include "cuda/lstm/stepwise/forward.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// --- The beginning of a layer: what reaches the last state from outside waits until the walk comes to the
// sequence's last step.

template <class T>
struct LstmBackwardStart {
  const std::int32_t* order;
  std::int64_t sequences, hidden, projected, directions;
  const T* d_final_state;  // [B, D*P] or null
  struct Side {
    const T *d_h_n, *d_c_n;  // [B, P], [B, H] in the original order, or null
    float *d_h, *d_c;        // [B, P], [B, H] sorted
  } side[lstm_directions];
};

template <class T>
RAGTIME_KERNEL(LstmTuning::threads, 1)
lstm_backward_start(LstmBackwardStart<T> args, unsigned lanes) {
  const unsigned direction = arch::block_index().z;
  const auto side = of_direction(args.side);
  for_each_group(args.sequences, args.hidden, lanes, [&](std::int64_t i, std::int64_t j) {
    const std::int64_t b = args.order[i];
    side.d_c[i * args.hidden + j] =
        side.d_c_n == nullptr ? 0.0f : arch::to_float(side.d_c_n[b * args.hidden + j]);
    if (j >= args.projected) return;
    float d_h = side.d_h_n == nullptr ? 0.0f : arch::to_float(side.d_h_n[b * args.projected + j]);
    if (args.d_final_state != nullptr)
      d_h += arch::to_float(args.d_final_state[(b * args.directions + direction) * args.projected + j]);
    side.d_h[i * args.projected + j] = d_h;
  });
}

// --- A step.

template <class T>
struct LstmBackwardStep {
  LstmPlaces places;
  std::int64_t alive, hidden, directions;
  const T* d_y;  // [N, D*H] or null; null with a projection, which has added it before
  struct Side {
    const T* gates;        // [N, 4H] as forward saved them
    const float* saved_c;  // [N, H]
    const T* c0;           // [B, H] in the original order, or null
    const float* d_out;    // [B, H] sorted
    float* d_c;            // [B, H] sorted
    T* d_gates;            // [N, 4H]
    T* step_gates;         // [B, 4H] the same, sorted
  } side[lstm_directions];
};

template <class T, int Elements>
RAGTIME_KERNEL(LstmTuning::threads, 1)
lstm_backward_step(LstmBackwardStep<T> args, unsigned lanes) {
  const unsigned direction = arch::block_index().z;
  const auto side = of_direction(args.side);
  const std::int64_t hidden = args.hidden;
  for_each_group(args.alive, hidden / Elements, lanes, [&](std::int64_t i, std::int64_t group) {
    const std::int64_t j = group * Elements, b = args.places.order[i];
    const std::int64_t row = args.places.row(b, direction);
    float gate[4][Elements], c[Elements], before[Elements] = {}, d_out[Elements], d_c[Elements];
    RAGTIME_UNROLL
    for (int k = 0; k < 4; ++k) load_floats(side.gates + row * 4 * hidden + k * hidden + j, gate[k]);
    load_floats(side.saved_c + row * hidden + j, c);
    load_floats(side.d_out + i * hidden + j, d_out);
    load_floats(side.d_c + i * hidden + j, d_c);
    if (args.places.step > 0)
      load_floats(side.saved_c + (direction == 0 ? row - 1 : row + 1) * hidden + j, before);
    else if (side.c0 != nullptr)
      load_floats(side.c0 + b * hidden + j, before);
    if (args.d_y != nullptr) {
      float d_y[Elements];
      load_floats(args.d_y + (row * args.directions + direction) * hidden + j, d_y);
      RAGTIME_UNROLL
      for (int e = 0; e < Elements; ++e) d_out[e] += d_y[e];
    }
    RAGTIME_UNROLL
    for (int e = 0; e < Elements; ++e) {
      const float in = gate[0][e], forget = gate[1][e], cell = gate[2][e], out = gate[3][e];
      const float bounded = arch::tanh(c[e]);
      const float d_cell = arch::fma(d_out[e] * out, 1 - bounded * bounded, d_c[e]);
      gate[0][e] = d_cell * cell * in * (1 - in);
      gate[1][e] = d_cell * before[e] * forget * (1 - forget);
      gate[2][e] = d_cell * in * (1 - cell * cell);
      gate[3][e] = d_out[e] * bounded * out * (1 - out);
      d_c[e] = d_cell * forget;
    }
    store_floats(side.d_c + i * hidden + j, d_c);
    RAGTIME_UNROLL
    for (int k = 0; k < 4; ++k) {
      store_floats(side.d_gates + row * 4 * hidden + k * hidden + j, gate[k]);
      store_floats(side.step_gates + i * 4 * hidden + k * hidden + j, gate[k]);
    }
  });
}

// With a projection, before its adjoint: dL/dh of the step, to the visit's row and side by side.
template <class T>
struct LstmProjectedStep {
  LstmPlaces places;
  std::int64_t alive, projected, directions;
  const T* d_y;  // [N, D*P] or null
  struct Side {
    const float* d_h;   // [B, P] sorted
    T* d_projected;     // [N, P]
    T* step_projected;  // [B, P] sorted
  } side[lstm_directions];
};

template <class T>
RAGTIME_KERNEL(LstmTuning::threads, 1)
lstm_projected_step(LstmProjectedStep<T> args, unsigned lanes) {
  const unsigned direction = arch::block_index().z;
  const auto side = of_direction(args.side);
  for_each_group(args.alive, args.projected, lanes, [&](std::int64_t i, std::int64_t p) {
    const std::int64_t row = args.places.row(args.places.order[i], direction);
    float d_h = side.d_h[i * args.projected + p];
    if (args.d_y != nullptr)
      d_h += arch::to_float(args.d_y[(row * args.directions + direction) * args.projected + p]);
    const T rounded = arch::from_float<T>(d_h);
    side.d_projected[row * args.projected + p] = rounded;
    side.step_projected[i * args.projected + p] = rounded;
  });
}

// --- The end of a layer.

template <class T>
struct LstmBackwardFinish {
  const std::int32_t* order;
  std::int64_t sequences, hidden, projected;
  struct Side {
    const float *d_h, *d_c;  // [B, P], [B, H] sorted
    T *d_h0, *d_c0;          // [B, P], [B, H] in the original order, or null
  } side[lstm_directions];
};

template <class T>
RAGTIME_KERNEL(LstmTuning::threads, 1)
lstm_backward_finish(LstmBackwardFinish<T> args, unsigned lanes) {
  const auto side = of_direction(args.side);
  for_each_group(args.sequences, args.hidden, lanes, [&](std::int64_t i, std::int64_t j) {
    const std::int64_t b = args.order[i];
    if (side.d_c0 != nullptr)
      side.d_c0[b * args.hidden + j] = arch::from_float<T>(side.d_c[i * args.hidden + j]);
    if (side.d_h0 != nullptr && j < args.projected)
      side.d_h0[b * args.projected + j] = arch::from_float<T>(side.d_h[i * args.projected + j]);
  });
}

// --- Over all rows: operands of the products that follow the walk, and the gates where they were not kept.
// One direction a launch.

// h_{t-1} of every row: the row before it in walking order. A sequence's first row has none; it gets its
// neighbour's, or nothing, until lstm_first_h comes.
template <class T>
struct LstmPreviousH {
  std::int64_t rows, projected, stride, offset;  // h of row n is y[n * stride + offset]
  bool reverse;
  const T* y;
  T* previous;  // [N, P]
};

template <class T, int Elements>
RAGTIME_KERNEL(LstmTuning::threads, 1)
lstm_previous_h(LstmPreviousH<T> args, unsigned lanes) {
  for_each_group(args.rows, args.projected / Elements, lanes, [&](std::int64_t n, std::int64_t group) {
    const std::int64_t from = args.reverse ? n + 1 : n - 1;
    if (from < 0 || from >= args.rows) return;
    float h[Elements];
    load_floats(args.y + from * args.stride + args.offset + group * Elements, h);
    store_floats(args.previous + n * args.projected + group * Elements, h);
  });
}

template <class T>
struct LstmFirstH {
  const std::int32_t* visit_offsets;
  std::int64_t sequences, projected;
  bool reverse;
  const T* h0;  // [B, P] or null
  T* previous;  // [N, P]
};

template <class T>
RAGTIME_KERNEL(LstmTuning::threads, 1)
lstm_first_h(LstmFirstH<T> args, unsigned lanes) {
  for_each_group(args.sequences, args.projected, lanes, [&](std::int64_t b, std::int64_t p) {
    const std::int64_t first = args.visit_offsets[b], end = args.visit_offsets[b + 1];
    if (first == end) return;
    args.previous[(args.reverse ? end - 1 : first) * args.projected + p] =
        args.h0 == nullptr ? arch::from_float<T>(0) : args.h0[b * args.projected + p];
  });
}

// gates = what forward would have saved, from both sides' sum.
template <class T>
struct LstmActivate {
  std::int64_t rows, hidden;
  const float* sums;           // [N, 4H]
  const T *bias_ih, *bias_hh;  // [4H] or null
  T* gates;                    // [N, 4H]
};

template <class T, int Elements>
RAGTIME_KERNEL(LstmTuning::threads, 1)
lstm_activate(LstmActivate<T> args, unsigned lanes) {
  const std::int64_t hidden = args.hidden;
  for_each_group(args.rows, hidden / Elements, lanes, [&](std::int64_t n, std::int64_t group) {
    RAGTIME_UNROLL
    for (int k = 0; k < 4; ++k) {
      const std::int64_t column = k * hidden + group * Elements;
      float z[Elements];
      load_floats(args.sums + n * 4 * hidden + column, z);
      if (args.bias_ih != nullptr) {
        RAGTIME_UNROLL
        for (int e = 0; e < Elements; ++e)
          z[e] += arch::to_float(args.bias_ih[column + e]) + arch::to_float(args.bias_hh[column + e]);
      }
      RAGTIME_UNROLL
      for (int e = 0; e < Elements; ++e) z[e] = k == 2 ? arch::tanh(z[e]) : sigmoid(z[e]);
      store_floats(args.gates + n * 4 * hidden + column, z);
    }
  });
}

// What the projection multiplied: o tanh(c).
template <class T>
struct LstmUnprojected {
  std::int64_t rows, hidden;
  const T* gates;  // [N, 4H]
  const float* c;  // [N, H]
  T* out;          // [N, H]
};

template <class T, int Elements>
RAGTIME_KERNEL(LstmTuning::threads, 1)
lstm_unprojected(LstmUnprojected<T> args, unsigned lanes) {
  const std::int64_t hidden = args.hidden;
  for_each_group(args.rows, hidden / Elements, lanes, [&](std::int64_t n, std::int64_t group) {
    float out[Elements], c[Elements];
    load_floats(args.gates + n * 4 * hidden + 3 * hidden + group * Elements, out);
    load_floats(args.c + n * hidden + group * Elements, c);
    RAGTIME_UNROLL
    for (int e = 0; e < Elements; ++e) out[e] *= arch::tanh(c[e]);
    store_floats(args.out + n * hidden + group * Elements, out);
  });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
