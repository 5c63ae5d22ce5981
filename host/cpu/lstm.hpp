#pragma once

// The LSTM on the CPU.
//
// Sequences share nothing but weights, so each thread takes a tile of sequences and walks it through all its
// visits without waiting for anybody; the recurrent weights, packed once a run, stay in its second-level
// cache. Inside a tile the longest sequence comes first: those still alive at step t are a prefix, and no
// step is spent on padding. A row's bits do not depend on the tile (kernels.hpp), so tiles may follow the
// number of threads. The x side of all rows, and every gradient of a weight, are products over all rows,
// before and after the walk.

#include <algorithm>
#include <cstdint>

#include "host/cpu/cpu_operations.hpp"
#include "host/cpu/kernels.hpp"
#include "host/cpu/parallel.hpp"
#include "host/runtime/carve.hpp"

namespace ragtime::cpu {

// What backward needs of one layer and direction.
template <class T>
struct LstmSaved {
  T* gates = nullptr;  // [N, 4H] i, f, g, o
  T* c = nullptr;      // [N, H]
};

template <class T>
class LstmCpu final : public LstmOperation {
 public:
  explicit LstmCpu(const LstmDesc& desc);

  std::size_t workspace_bytes() const override { return workspace_bytes_; }
  std::size_t reserve_bytes() const override { return reserve_bytes_; }
  LstmChoice choice() const override;
  void forward(const LstmForward& args, Stream stream) const override;
  void backward(const LstmBackward& args, Stream stream) const override;

 private:
  static constexpr std::int64_t max_directions = 2;

  struct Reserve {
    LstmSaved<T> saved[max_directions];
    T* y = nullptr;  // [N, D*P] before dropout, of every layer but the last
  };

  // State of every sequence while its tile walks, and the tile's products. Cut per direction; a tile takes
  // the part of its sequences.
  struct Walk {
    T* h = nullptr;            // [B, P] forward: h; backward: dL/dh
    T* c = nullptr;            // [B, H] likewise
    T* gates = nullptr;        // [B, 4H] forward: W_hh h; backward: dL/dgates of this step
    T* unprojected = nullptr;  // [B, H] o tanh(c), or its gradient
  };

  struct Workspace {
    T* packed_ih[max_directions] = {};
    T* packed_hh[max_directions] = {};
    T* packed_hr[max_directions] = {};
    T* bias[max_directions] = {};  // [4H] bias_ih + bias_hh
    Walk walk[max_directions];
    // Forward, inference: x-side gates [N, 4H] of each direction (training writes them into the reserve) and
    // layer outputs.
    T* gates[max_directions] = {};
    T* layer_y = nullptr;  // [N, D*P]; a layer has read it all when it begins to write
    // Backward.
    T* d_gates[max_directions] = {};      // [N, 4H]
    T* d_projected[max_directions] = {};  // [N, P] dL/dh as the projection's output sees it
    T* h_previous = nullptr;              // [N, max(P, H)]
    T* packed_rows = nullptr;             // rows of a batch, packed for a weight gradient
    T* dropped = nullptr;                 // [N, D*P] a layer's input after dropout
    T* d_layer = nullptr;                 // [N, D*P] gradient between layers, likewise
  };

  struct Tile {
    std::int64_t first;  // sequences order[first], order[first + stride], ...
    std::int64_t stride;
    std::int64_t count;
    std::int64_t begin;  // where its part of the walk's memory begins, in sequences
  };

  void check_batch(const RaggedView& batch) const;
  Workspace carve_forward(Carver& carver) const;
  Workspace carve_backward(Carver& carver) const;
  Reserve carve_reserve(Carver& carver, std::int64_t layer) const;
  Walk carve_walk(Carver& carver) const;
  void pack_layer(const LstmWeights* weights, std::int64_t layer, bool backward, Workspace& work) const;

  template <class Body>
  void for_each_tile(std::int64_t sequences, Body&& body) const;

  void walk_forward(const LstmForward& args, std::int64_t layer, std::int64_t direction, const Tile& tile,
                    const Workspace& work, T* gates, T* saved_c, T* y) const;
  void walk_backward(const LstmBackward& args, std::int64_t layer, std::int64_t direction, const Tile& tile,
                     const Workspace& work, const LstmSaved<T>& saved, const T* d_y) const;
  void weight_gradients(const LstmBackward& args, std::int64_t layer, std::int64_t direction,
                        const Workspace& work, const LstmSaved<T>& saved, const T* x, const T* y) const;

  LstmDesc desc_;
  std::int64_t directions_, hidden_, projected_, widest_input_;
  bool drops_;  // dropout between layers is on
  std::size_t workspace_bytes_ = 0, reserve_bytes_ = 0;
};

template <class T>
template <class Body>
void LstmCpu<T>::for_each_tile(std::int64_t sequences, Body&& body) const {
  if (sequences == 0) return;
  constexpr std::int64_t largest = 96, smallest = 12;
  const std::int64_t wanted = std::max<std::int64_t>((sequences + largest - 1) / largest, cpu_threads());
  const std::int64_t tiles = std::clamp<std::int64_t>(sequences / smallest, 1, wanted);
  parallel_for(tiles * directions_, [&](std::int64_t task) {
    const std::int64_t first = task / directions_, share = sequences / tiles, rest = sequences % tiles;
    body(task % directions_,
         Tile{first, tiles, share + (first < rest ? 1 : 0), first * share + std::min(first, rest)});
  });
}

}  // namespace ragtime::cpu
