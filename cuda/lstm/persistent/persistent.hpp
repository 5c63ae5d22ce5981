#pragma once

// The persistent LSTM, as its parts see each other: which kernels there are, what they are given, and how
// the arrays between them lie. What it does and why: docs/persistent-lstm.md.
//
// Hidden units are padded to Hp, the tile's `hidden`, with weights and biases of 0: a padded unit has i = f =
// o = 1/2 and g = 0, so c and h stay exactly 0, and so do all its gradients. Wherever the four gates of a
// unit stand together they are neighbours, i f g o, so that the thread that owns a cell moves them in one
// access:
//   x gates, gradients of gates   [N, D, Hp, 4]      one product serves both directions
//   saved gates                   [D, N, Hp, 4]      saved c [D, N, Hp]
//   packed W_ih                   [D * Hp * 4, in]   row (d, unit, gate)
//
// The recurrent weights are packed as the fragments that mma takes (cuda/arch/gpu/matrix.cuh), 16 bytes a
// lane: [tile of 16 rows][k step of 32 bytes][lane]. A k step of tf32 holds 8 values and one of 16 bits 16,
// and both lie in a fragment byte for byte alike.
//   forward   A = W_hh: rows of a tile are the gates of 4 units: row g is gate 0 or 2 (g even or odd) of unit
//             g / 2, row g + 8 gate 1 or 3 of the same; k is the unit of h
//   backward  A = W_hh^T: rows of a tile are 16 units of dh, row g is unit 2g and row g + 8 unit 2g + 1; k is
//             unit * 4 + gate

#include <cstdint>
#include <span>

#include "cuda/arch/types.cuh"
#include "ragtime/types.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// How a kernel is cut. Everything else follows from it.
struct LstmTile {
  int hidden = 0;          // Hp
  int cluster = 1;         // C blocks, each with Hp / C units
  int slots = 8;           // S sequences that a cluster runs at once
  int tiles_per_warp = 1;  // of 16 rows, that a warp multiplies
  int register_steps = 0;  // k steps of a tile's weights in registers; the others in shared memory
  bool grid = false;       // the cluster is a group, its blocks anywhere on the device (group.cuh)
};

// The same as a type: nvcc does not take kernels whose template parameters are structures.
template <int hidden, int cluster, int slots, int tiles_per_warp, int register_steps, bool grid = false>
struct LstmTiling {
  static constexpr LstmTile tile = {hidden, cluster, slots, tiles_per_warp, register_steps, grid};
};

inline constexpr int lstm_max_directions = 2;
inline constexpr std::size_t most_shared_bytes = 227 * 1024;  // of a block, compute capability 9.0
inline constexpr int lstm_group_flags = 32;                   // of a group, side by side

// One sequence as the schedule hands it out, longest first. 16 bytes; the first 8 are loaded at once.
struct alignas(16) LstmJob {
  std::int32_t first_row = 0;
  std::int32_t length = 0;  // 0: from here on nobody has rows
  std::int32_t sequence = 0;
  std::int32_t unused = 0;
};

// Who runs what: made on the device by lstm_prepare, taken by the kernels.
struct LstmQueue {
  const LstmJob* jobs = nullptr;        // [count]
  const std::int32_t* count = nullptr;  // [1] jobs
  unsigned* taken = nullptr;  // [D] how many beyond the first that each slot begins with; 0 at launch
};

// Where the blocks of groups meet; null for clusters.
struct LstmGroups {
  unsigned* published = nullptr;    // [groups][lstm_group_flags] 0 at launch
  unsigned char* memory = nullptr;  // [groups][LstmPersistentKernel::group_bytes]
  int count = 0;
};

// States are [L*D, B, H] with the sequences in their original order, and this layer's directions start at
// `slot`, layer * D; B is known to the device alone (queue.count).
template <class T>
struct LstmPersistentForward {
  LstmQueue queue;
  LstmGroups groups;
  std::int64_t hidden = 0;  // H
  std::int64_t rows = 0;    // N, the capacity: between the directions of saved gates and c
  std::int64_t slot = 0;
  unsigned directions = 1;         // D
  const float* x_gates = nullptr;  // [N, D, Hp, 4]
  const T* h0 = nullptr;           // [L*D, B, H] or null for zeros
  const T* c0 = nullptr;           // [L*D, B, H] or null for zeros
  T* y = nullptr;                  // [N, D * H]
  T* c_seq = nullptr;              // [N, D * H] or null
  T* h_n = nullptr;                // [L*D, B, H] or null
  T* c_n = nullptr;                // [L*D, B, H] or null
  T* final_state = nullptr;        // [B, D * H] or null
  T* h_before = nullptr;           // [N, D * H] h_{t-1} as the product took it, or null
  T* gates = nullptr;              // [D, N, Hp, 4] or null
  float* c = nullptr;              // [D, N, Hp] or null
  struct Side {
    const arch::Chunk<16>* weights = nullptr;  // packed W_hh
    const float* bias = nullptr;               // [Hp, 4], b_ih + b_hh
  } side[lstm_max_directions];
};

template <class T>
struct LstmPersistentBackward {
  LstmQueue queue;
  LstmGroups groups;
  std::int64_t hidden = 0;
  std::int64_t rows = 0;
  std::int64_t slot = 0;
  unsigned directions = 1;
  const T* gates = nullptr;                                  // [D, N, Hp, 4] i f g o after their activation
  const float* c = nullptr;                                  // [D, N, Hp]
  const T* c0 = nullptr;                                     // [L*D, B, H] or null for zeros
  const T* d_y = nullptr;                                    // [N, D * H] or null
  const T* d_h_n = nullptr;                                  // [L*D, B, H] or null
  const T* d_c_n = nullptr;                                  // [L*D, B, H] or null
  const T* d_final_state = nullptr;                          // [B, D * H] or null
  T* d_gates = nullptr;                                      // [N, D, Hp, 4] before their activation
  T* d_h0 = nullptr;                                         // [L*D, B, H] or null
  T* d_c0 = nullptr;                                         // [L*D, B, H] or null
  const arch::Chunk<16>* weights[lstm_max_directions] = {};  // packed W_hh^T
};

// A kernel that was compiled, and what launching it takes.
template <class Args>
struct LstmPersistentKernel {
  LstmTile tile;
  void (*run)(Args) = nullptr;
  unsigned threads = 0;
  std::size_t shared_bytes = 0;
  std::size_t group_bytes = 0;  // of memory, for each group; 0 for clusters
};

// Every instantiation there is for T, float meaning tf32 products (tiles.hpp).
template <class T>
std::span<const LstmPersistentKernel<LstmPersistentForward<T>>> lstm_forward_kernels();
template <class T>
std::span<const LstmPersistentKernel<LstmPersistentBackward<T>>> lstm_backward_kernels();

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
