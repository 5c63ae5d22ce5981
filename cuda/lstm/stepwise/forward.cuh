#pragma once

// What surrounds the products of the LSTM, forward.
//
//   i, f, o = sigmoid(z), g = tanh(z),  z = W_ih x_t + W_hh h_{t-1} + b_ih + b_hh
//   c_t = f c_{t-1} + i g,  out = o tanh(c_t)
//
// At step s the sequences longer than s are alive: in the batch's order, longest first, the first
// batch_sizes[s]. What travels from step to step (h, c, W_hh h) is kept in that order, so those alive are
// always the first rows and the step's product needs no gathering; what belongs to a visit (x side, y, saved
// gates and c) stays on its ragged row, which is visit_offsets[b] + s, or for the reverse direction, which
// starts at the last visit, visit_offsets[b + 1] - 1 - s. Both directions have as many alive at a step, so
// they share a launch, as block_index().z.
//
// A thread takes `Elements` neighbouring units of one sequence, all four gates of each; lanes side by side
// take units side by side, so that every access of a warp is to whole lines. A step moves, for each unit of a
// sequence alive, 16 bytes of x side, 16 of h side and 8 of c; it writes h twice (state and y), and in
// training the gates and c: 5 T + 4 bytes more. Threads share nothing and wait for nobody.

#include <bit>

#include "cuda/arch/arch.cuh"
#include "cuda/support/elements.cuh"
#include "cuda/support/enqueue.cuh"
#include "ragtime/types.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct LstmTuning {
  static constexpr unsigned threads = 128;  // few, so that a small step is spread over the multiprocessors
  static constexpr int elements = 4;        // units a thread, where sizes and addresses allow it
};

inline constexpr int lstm_directions = 2;  // at most

// Lanes a row of `groups` groups of units gets: a power of two.
inline unsigned lstm_lanes_for(std::int64_t groups) {
  return groups >= LstmTuning::threads ? LstmTuning::threads : std::bit_ceil(static_cast<unsigned>(groups));
}

// What belongs to this block's direction. Chosen, not indexed: that would put all of it into local memory.
template <class Own>
RAGTIME_DEVICE Own of_direction(const Own (&both)[lstm_directions]) {
  return arch::block_index().z == 0 ? both[0] : both[1];
}

// body(row, group) for all rows and groups, each by one thread.
template <class Body>
RAGTIME_DEVICE void for_each_group(std::int64_t rows, std::int64_t groups, unsigned lanes, Body body) {
  const unsigned rows_at_once = LstmTuning::threads / lanes;
  const unsigned lane = arch::thread_rank() % lanes, own_row = arch::thread_rank() / lanes;
  for (std::int64_t row = std::int64_t{arch::block_index().y} * rows_at_once + own_row; row < rows;
       row += std::int64_t{arch::grid_extent().y} * rows_at_once)
    for (std::int64_t group = std::int64_t{arch::block_index().x} * lanes + lane; group < groups;
         group += std::int64_t{arch::grid_extent().x} * lanes)
      body(row, group);
}

// A kernel over rows x groups of every direction; its parameters are `args` and the number of lanes.
template <class Args>
void enqueue_groups(const char* name, void (*kernel)(Args, unsigned), std::int64_t rows, std::int64_t groups,
                    std::int64_t directions, const Args& args, Stream stream) {
  if (rows == 0) return;
  const unsigned lanes = lstm_lanes_for(groups);
  enqueue({.name = name,
           .grid = {static_cast<unsigned>((groups + lanes - 1) / lanes),
                    blocks_for(rows, LstmTuning::threads / lanes), static_cast<unsigned>(directions)},
           .block = {LstmTuning::threads},
           .stream = stream.handle},
          kernel, args, lanes);
}

// The same where a thread may take LstmTuning::elements units: `many` does when the width and the addresses
// of the caller's arrays (those of the workspace and the reserve always do) allow it, else `one`.
template <class T, template <class> class Args, class... Pointers>
void enqueue_units(const char* name, void (*many)(Args<T>, unsigned), void (*one)(Args<T>, unsigned),
                   std::int64_t rows, std::int64_t units, std::int64_t directions, const Args<T>& args,
                   Stream stream, Pointers... pointers) {
  constexpr int elements = LstmTuning::elements;
  const std::uintptr_t addresses = (std::uintptr_t{0} | ... | reinterpret_cast<std::uintptr_t>(pointers));
  const bool whole = units % elements == 0 && addresses % (elements * sizeof(T)) == 0;
  enqueue_groups(name, whole ? many : one, rows, whole ? units / elements : units, directions, args, stream);
}

RAGTIME_DEVICE float sigmoid(float z) {
  return arch::reciprocal(1.0f + arch::exp(-z));
}

// i, f, g, o of one unit.
RAGTIME_DEVICE void activate(float (&z)[4]) {
  z[0] = sigmoid(z[0]);
  z[1] = sigmoid(z[1]);
  z[2] = arch::tanh(z[2]);
  z[3] = sigmoid(z[3]);
}

// Who is alive at a step, and where their visits are.
struct LstmPlaces {
  const std::int32_t* order;          // [B]
  const std::int32_t* visit_offsets;  // [B+1]
  std::int64_t step;

  RAGTIME_DEVICE std::int64_t row(std::int64_t b, unsigned direction) const {
    return direction == 0 ? visit_offsets[b] + step : visit_offsets[b + 1] - 1 - step;
  }
};

// --- The beginning of a layer: states in sorted order, and both biases as one.

template <class T>
struct LstmStart {
  const std::int32_t* order;
  std::int64_t sequences, hidden, projected;
  struct Side {
    const T *h0, *c0;            // [B, P], [B, H] in the original order, or null
    const T *bias_ih, *bias_hh;  // [4H] or null
    T* h;                        // [B, P] sorted
    float* c;                    // [B, H] sorted
    float* bias;                 // [4H] or null
  } side[lstm_directions];
};

template <class T>
RAGTIME_KERNEL(LstmTuning::threads, 1)
lstm_start(LstmStart<T> args, unsigned lanes) {
  const auto side = of_direction(args.side);
  for_each_group(args.sequences, args.hidden, lanes, [&](std::int64_t i, std::int64_t j) {
    const std::int64_t b = args.order[i];
    side.c[i * args.hidden + j] = side.c0 == nullptr ? 0.0f : arch::to_float(side.c0[b * args.hidden + j]);
    if (j < args.projected)
      side.h[i * args.projected + j] =
          side.h0 == nullptr ? arch::from_float<T>(0) : side.h0[b * args.projected + j];
  });
  if (side.bias != nullptr && arch::block_index().y == 0)
    for_each_group(1, 4 * args.hidden, LstmTuning::threads, [&](std::int64_t, std::int64_t j) {
      side.bias[j] = arch::to_float(side.bias_ih[j]) + arch::to_float(side.bias_hh[j]);
    });
}

// --- A step.

template <class T>
struct LstmForwardStep {
  LstmPlaces places;
  std::int64_t alive, hidden, directions;
  T* y;      // [N, D*H]; null with a projection
  T* c_seq;  // [N, D*H] or null
  struct Side {
    const float* x_gates;    // [N, 4H] W_ih x
    const float* recurrent;  // [B, 4H] W_hh h, sorted
    const float* bias;       // [4H] or null
    float* c;                // [B, H] sorted
    T* out;                  // [B, H] sorted: h, or with a projection what it is to be made of
    T* gates;                // [N, 4H] or null
    float* saved_c;          // [N, H] or null
  } side[lstm_directions];
};

template <class T, int Elements>
RAGTIME_KERNEL(LstmTuning::threads, 1)
lstm_forward_step(LstmForwardStep<T> args, unsigned lanes) {
  const unsigned direction = arch::block_index().z;
  const auto side = of_direction(args.side);
  const std::int64_t hidden = args.hidden;
  for_each_group(args.alive, hidden / Elements, lanes, [&](std::int64_t i, std::int64_t group) {
    const std::int64_t j = group * Elements;
    const std::int64_t row = args.places.row(args.places.order[i], direction);
    float z[4][Elements], c[Elements], out[Elements];
    RAGTIME_UNROLL
    for (int k = 0; k < 4; ++k) {
      float recurrent[Elements];
      load_floats(side.x_gates + row * 4 * hidden + k * hidden + j, z[k]);
      load_floats(side.recurrent + i * 4 * hidden + k * hidden + j, recurrent);
      RAGTIME_UNROLL
      for (int e = 0; e < Elements; ++e) z[k][e] += recurrent[e];
    }
    if (side.bias != nullptr) {
      RAGTIME_UNROLL
      for (int k = 0; k < 4; ++k) {
        float bias[Elements];
        load_floats(side.bias + k * hidden + j, bias);
        RAGTIME_UNROLL
        for (int e = 0; e < Elements; ++e) z[k][e] += bias[e];
      }
    }
    load_floats(side.c + i * hidden + j, c);
    RAGTIME_UNROLL
    for (int e = 0; e < Elements; ++e) {
      z[0][e] = sigmoid(z[0][e]);
      z[1][e] = sigmoid(z[1][e]);
      z[2][e] = arch::tanh(z[2][e]);
      z[3][e] = sigmoid(z[3][e]);
      c[e] = arch::fma(z[1][e], c[e], z[0][e] * z[2][e]);
      out[e] = z[3][e] * arch::tanh(c[e]);
    }
    store_floats(side.c + i * hidden + j, c);
    store_floats(side.out + i * hidden + j, out);
    const std::int64_t at = (row * args.directions + direction) * hidden + j;
    if (args.y != nullptr) store_floats(args.y + at, out);
    if (args.c_seq != nullptr) store_floats(args.c_seq + at, c);
    if (side.saved_c != nullptr) store_floats(side.saved_c + row * hidden + j, c);
    if (side.gates != nullptr) {
      RAGTIME_UNROLL
      for (int k = 0; k < 4; ++k) store_floats(side.gates + row * 4 * hidden + k * hidden + j, z[k]);
    }
  });
}

// With a projection: y[row] = h of the step's product.
template <class T>
struct LstmPlaceStep {
  LstmPlaces places;
  std::int64_t alive, projected, directions;
  T* y;                         // [N, D*P]
  const T* h[lstm_directions];  // [B, P] sorted
};

template <class T>
RAGTIME_KERNEL(LstmTuning::threads, 1)
lstm_place_step(LstmPlaceStep<T> args, unsigned lanes) {
  const unsigned direction = arch::block_index().z;
  const T* const h = of_direction(args.h);
  for_each_group(args.alive, args.projected, lanes, [&](std::int64_t i, std::int64_t p) {
    const std::int64_t row = args.places.row(args.places.order[i], direction);
    args.y[(row * args.directions + direction) * args.projected + p] = h[i * args.projected + p];
  });
}

// --- The end of a layer. Whoever dropped out of the prefix kept its state where it was.

template <class T>
struct LstmFinish {
  const std::int32_t* order;
  std::int64_t sequences, hidden, projected, directions;
  T* final_state;  // [B, D*P] or null
  struct Side {
    const T* h;      // [B, P] sorted
    const float* c;  // [B, H] sorted
    T *h_n, *c_n;    // [B, P], [B, H] in the original order, or null
  } side[lstm_directions];
};

template <class T>
RAGTIME_KERNEL(LstmTuning::threads, 1)
lstm_finish(LstmFinish<T> args, unsigned lanes) {
  const unsigned direction = arch::block_index().z;
  const auto side = of_direction(args.side);
  for_each_group(args.sequences, args.hidden, lanes, [&](std::int64_t i, std::int64_t j) {
    const std::int64_t b = args.order[i];
    if (side.c_n != nullptr) side.c_n[b * args.hidden + j] = arch::from_float<T>(side.c[i * args.hidden + j]);
    if (j >= args.projected) return;
    const T h = side.h[i * args.projected + j];
    if (side.h_n != nullptr) side.h_n[b * args.projected + j] = h;
    if (args.final_state != nullptr)
      args.final_state[(b * args.directions + direction) * args.projected + j] = h;
  });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
