#pragma once

// The persistent LSTM as an operation: per layer one kernel that prepares, one product for the x side of both
// directions, and one launch for the whole recurrence (forward.cuh, backward.cuh); the
// gradients of x and of the weights are products over all rows afterwards.
//
// Only the device need know the batch. Where the host knows its rows, the products are of exactly these;
// where it does not, they are of the plan's capacity: x is copied to the workspace with zeros behind the rows
// in use, what else they read is the library's own memory, whose tails lstm_prepare sets to zero, and d_x is
// copied back. So a captured graph holds for any batch within the capacity. Bits are the same either way,
// where arrays are aligned alike (Gemm).

#include <cstdint>
#include <optional>

#include "cuda/lstm/choice/choice.hpp"
#include "cuda/lstm/persistent/persistent.hpp"
#include "cuda/lstm/persistent/prepare.cuh"
#include "cuda/runtime/gemm.hpp"
#include "host/ops/operations.hpp"
#include "host/runtime/carve.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <class T>
class LstmPersistentCuda final : public LstmOperation {
 public:
  // choice: of the persistent algorithm, for this description.
  LstmPersistentCuda(const LstmDesc& desc, const LstmChoice& choice);

  std::size_t workspace_bytes() const override { return workspace_bytes_; }
  std::size_t reserve_bytes() const override { return reserve_bytes_; }
  void forward(const LstmForward& args, Stream stream) const override;
  void backward(const LstmBackward& args, Stream stream) const override;
  LstmChoice choice() const override { return choice_; }

 private:
  static constexpr std::int64_t max_directions = lstm_max_directions;

  // What forward keeps of a layer.
  struct Reserve {
    T* gates = nullptr;     // [D, N, Hp, 4]; null without save_gates
    float* c = nullptr;     // [D, N, Hp]
    T* h_before = nullptr;  // [N, D*H] h_{t-1}
    T* y = nullptr;         // [N, D*H] before dropout, of every layer but the last
  };

  // Of forward and backward.
  struct Common {
    LstmJob* jobs = nullptr;  // [B]
    std::int32_t* count = nullptr;
    unsigned* taken = nullptr;  // [D]
    LstmGroups groups;
    arch::Chunk<16>* packed[max_directions] = {};  // W_hh or its transpose
    float* bias[max_directions] = {};              // [Hp, 4]
    T* weight_ih = nullptr;                        // [D*Hp*4, in]
    T* x = nullptr;                                // [N, in] of the first layer; null with rows_on_host
    T* dropped = nullptr;                          // [N, D*H] a layer's input after dropout
    std::byte* gemm = nullptr;
  };
  struct ForwardWork : Common {
    float* x_gates = nullptr;  // [N, D, Hp, 4]
    T* layer_y = nullptr;      // [N, D*H] inference; a layer has read it when it begins to write
  };
  struct BackwardWork : Common {
    T* d_gates = nullptr;               // [N, D, Hp, 4]
    T* d_x = nullptr;                   // [N, in] of the first layer; null with rows_on_host
    T* d_layer = nullptr;               // [N, D*H] gradient between layers
    float* d_weight_ih = nullptr;       // [D*Hp*4, in]
    float* d_weight_hh = nullptr;       // [D, Hp*4, H]
    float* d_bias = nullptr;            // [D*Hp*4]
    float* partial = nullptr;           // of d_bias
    T* gates = nullptr;                 // [D, N, Hp, 4] without save_gates: computed again
    float* sums = nullptr;              // [N, D, Hp, 4] likewise, before the activation
    T* weight_hh[max_directions] = {};  // [Hp*4, H] likewise
  };

  // Every product that is ever asked for; [2]: of the first layer's input, of the others'.
  struct Products {
    std::optional<Gemm> x_gates[2];  // [N, in] x W_ih^T, both directions side by side
    std::optional<Gemm> recurrent;   // [N, H] x W_hh^T, added
    std::optional<Gemm> d_x[2];      // [N, D*Hp*4] x W_ih
    std::optional<Gemm> d_weight_ih[2];
    std::optional<Gemm> d_weight_hh;
  };

  void make_products();
  void carve_common(Carver& carver, Common& work) const;
  ForwardWork carve_forward(Carver& carver) const;
  BackwardWork carve_backward(Carver& carver) const;
  Reserve carve_reserve(Carver& carver, std::int64_t layer) const;

  RowCount count_rows(const RaggedView& batch) const;
  std::int64_t product_rows(const RowCount& rows) const { return rows.host >= 0 ? rows.host : rows.capacity; }
  LstmPrepare<T> preparation(const RaggedView& batch, const LstmWeights* weights, std::int64_t layer,
                             const Common& work) const;
  const T* input(const RowCount& rows, const void* x, const Common& work, Stream stream) const;
  void recompute_gates(const RowCount& rows, std::int64_t layer, const T* x, const Reserve& saved,
                       const BackwardWork& work, Stream stream) const;
  void weight_gradients(const LstmBackward& args, const RowCount& rows, std::int64_t layer, const T* x,
                        const Reserve& saved, const BackwardWork& work, Stream stream) const;

  LstmDesc desc_;
  LstmChoice choice_;
  LstmPersistentKernel<LstmPersistentForward<T>> forward_;
  LstmPersistentKernel<LstmPersistentBackward<T>> backward_;  // none without training
  std::int64_t directions_, hidden_, padded_;
  bool drops_;  // dropout between layers is on
  Products products_;
  std::size_t gemm_bytes_ = 0, workspace_bytes_ = 0, reserve_bytes_ = 0;
};

// The kernels there are, and how many clusters of each fit the device; asked once.
template <class T>
const LstmCandidates& lstm_candidates();

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
