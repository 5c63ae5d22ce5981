#pragma once

// The LSTM step by step: per step and direction one product over the sequences still alive, then one kernel
// for both directions. Everything that does not recur, the x side and all gradients of weights, is a product
// over all rows before or after the walk. The kernels and where they find things: forward.cuh,
// backward.cuh.
//
// How many are alive at each step comes from the batch's host copies, so nothing waits for the device. Each
// product has one algorithm, chosen for the capacity (Gemm), so a sequence's bits do not depend on how many
// others are alive.
//
// Storage is T: x, weights, h, y, saved gates, gradients of gates. f32: both sides of the gates before their
// activation, all sums, c, dh, dc.

#include <cstdint>
#include <optional>

#include "cuda/arch/types.cuh"
#include "cuda/runtime/gemm.hpp"
#include "host/ops/operations.hpp"
#include "host/runtime/carve.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <class T>
class LstmCuda final : public LstmOperation {
 public:
  LstmCuda(const LstmDesc& desc, LstmChoice choice);

  std::size_t workspace_bytes() const override { return workspace_bytes_; }
  std::size_t reserve_bytes() const override { return reserve_bytes_; }
  LstmChoice choice() const override { return choice_; }
  void forward(const LstmForward& args, Stream stream) const override;
  void backward(const LstmBackward& args, Stream stream) const override;

 private:
  static constexpr std::int64_t max_directions = 2;

  // What forward keeps of a layer.
  struct Reserve {
    T* gates[max_directions] = {};  // [N, 4H] i, f, g, o; null without save_gates
    float* c[max_directions] = {};  // [N, H]
    T* y = nullptr;                 // [N, D*P] before dropout, of every layer but the last
  };

  struct ForwardWork {
    float* x_gates[max_directions] = {};    // [N, 4H]
    float* recurrent[max_directions] = {};  // [B, 4H]
    float* bias[max_directions] = {};       // [4H]
    float* c[max_directions] = {};          // [B, H]
    T* h[max_directions] = {};              // [B, P]
    T* unprojected[max_directions] = {};    // [B, H] with a projection
    T* layer_y = nullptr;                   // [N, D*P] inference; a layer has read it when it begins to write
    T* dropped = nullptr;                   // [N, D*P] a layer's input after dropout
    std::byte* gemm = nullptr;
  };

  struct BackwardWork {
    T* d_gates[max_directions] = {};            // [N, 4H]
    T* step_gates[max_directions] = {};         // [B, 4H]
    float* d_h[max_directions] = {};            // [B, P]
    float* d_c[max_directions] = {};            // [B, H]
    T* d_projected[max_directions] = {};        // [N, P] with a projection, and so the next two
    T* step_projected[max_directions] = {};     // [B, P]
    float* d_unprojected[max_directions] = {};  // [B, H]
    T* gates[max_directions] = {};              // [N, 4H] without save_gates: computed again
    float* sums = nullptr;                      // [N, 4H] likewise, before the activation
    T* rows = nullptr;                          // [N, max(P, H)] h_{t-1}, or what the projection multiplied
    float* partial = nullptr;                   // of the sums over rows
    T* d_layer = nullptr;                       // [N, D*P] gradient between layers, as ForwardWork::layer_y
    T* dropped = nullptr;                       // [N, D*P]
    std::byte* gemm = nullptr;
  };

  // Every product that is ever asked for; [2]: of the first layer's input, of the others'.
  struct Products {
    std::optional<Gemm> x_gates[2];     // [N, input] x W_ih^T
    std::optional<Gemm> recurrent;      // [B, P] x W_hh^T
    std::optional<Gemm> project;        // [B, H] x W_hr^T
    std::optional<Gemm> all_recurrent;  // [N, P] x W_hh^T
    std::optional<Gemm> d_h;            // [B, 4H] x W_hh
    std::optional<Gemm> d_unprojected;  // [B, P] x W_hr
    std::optional<Gemm> d_x[2];         // [N, 4H] x W_ih
    std::optional<Gemm> d_weight_ih[2];
    std::optional<Gemm> d_weight_hh;
    std::optional<Gemm> d_weight_hr;
  };

  void make_products();
  void check_batch(const RaggedView& batch) const;
  ForwardWork carve_forward(Carver& carver) const;
  BackwardWork carve_backward(Carver& carver) const;
  Reserve carve_reserve(Carver& carver, std::int64_t layer) const;
  const LstmWeights& weights_of(const LstmWeights* weights, std::int64_t layer, std::int64_t d) const {
    return weights[layer * directions_ + d];
  }
  // Of [L*D, B, width], the part of a layer and direction; null stays null.
  template <class Pointer>
  Pointer* state_of(Pointer* states, std::int64_t layer, std::int64_t d, std::int64_t sequences,
                    std::int64_t width) const {
    return states == nullptr ? nullptr : states + (layer * directions_ + d) * sequences * width;
  }

  void walk_forward(const LstmForward& args, std::int64_t layer, const ForwardWork& work,
                    const Reserve& reserve, T* y, Stream stream) const;
  void recompute_gates(const LstmBackward& args, std::int64_t layer, const BackwardWork& work, const T* x,
                       const T* y, Stream stream) const;
  void walk_backward(const LstmBackward& args, std::int64_t layer, const BackwardWork& work,
                     const Reserve& saved, const T* d_y, Stream stream) const;
  void previous_h(const LstmBackward& args, std::int64_t layer, std::int64_t d, const BackwardWork& work,
                  const T* y, Stream stream) const;
  void weight_gradients(const LstmBackward& args, std::int64_t layer, std::int64_t d,
                        const BackwardWork& work, const Reserve& saved, const T* x, const T* y,
                        Stream stream) const;

  LstmDesc desc_;
  LstmChoice choice_;
  std::int64_t directions_, hidden_, projected_;
  bool projects_;
  bool drops_;  // dropout between layers is on
  Products products_;
  std::size_t gemm_bytes_ = 0, workspace_bytes_ = 0, reserve_bytes_ = 0;
};

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
