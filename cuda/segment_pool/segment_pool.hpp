#pragma once

// Pooling on the GPU: what is kept from forward to backward, what is worked with, and the launches of both.

#include <optional>

#include "cuda/operations.hpp"
#include "cuda/runtime/gemm.hpp"
#include "cuda/segment_pool/segment_pool.cuh"
#include "cuda/support/enqueue.cuh"
#include "host/runtime/carve.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <class T>
class SegmentPoolCuda final : public SegmentPoolOperation {
 public:
  explicit SegmentPoolCuda(const SegmentPoolDesc& desc);

  std::size_t workspace_bytes() const override { return workspace_bytes_; }
  std::size_t reserve_bytes() const override { return reserve_bytes_; }
  void forward(const SegmentPoolForward& args, Stream stream) const override;
  void backward(const SegmentPoolBackward& args, Stream stream) const override;

 private:
  struct Reserve {
    float* coefficients = nullptr;    // [M] all modes but max
    std::int32_t* sources = nullptr;  // [S, E] max: item, -1 for none
    float* activations = nullptr;     // [U, A] attention: tanh(W1 e + b1), U slots
  };
  struct ForwardWork {
    float* activations = nullptr;  // [U, A] attention from here on, when there is no reserve
    float* scores = nullptr;       // [U]
    T* rows = nullptr;             // [U, E] where slots are items
    void* product = nullptr;
  };
  struct BackwardWork {
    std::int32_t* segment_of_item = nullptr;  // [M]
    std::int32_t* keys = nullptr;             // [M] sorted gradients of a table: codes
    std::int32_t* numbers = nullptr;          // [M] 0, 1, ..
    std::int32_t* sorted_keys = nullptr;      // [M]
    std::int32_t* sorted_items = nullptr;     // [M]
    void* sort = nullptr;
    float* partials = nullptr;         // [chunks of sorted items, 2, E]
    float* sums = nullptr;             // [V, E] atomic gradients of a table of 16 bits
    float* slopes = nullptr;           // [M] attention from here on
    float* item_d_scores = nullptr;    // [M]
    float* d_scores = nullptr;         // [U]; the items' where slots are items
    T* rows = nullptr;                 // [U, E]
    T* d_activations = nullptr;        // [U, A]
    float* d_rows = nullptr;           // [U, E]
    float* scorer_partials = nullptr;  // [chunks of slots, 2 A + 1]
    void* product = nullptr;
  };

  Reserve carve_reserve(Carver& carver) const;
  ForwardWork carve_forward(Carver& carver) const;
  BackwardWork carve_backward(Carver& carver) const;

  template <class Args>
  PoolBatch batch_of(const Args& args) const;
  bool has_table() const { return desc_.vocab_size > 0; }
  bool attends() const { return desc_.mode == PoolMode::attention; }
  bool sorts() const { return has_table() && !desc_.atomic_gradients; }
  std::int64_t sorted_chunks() const {
    return (desc_.items + SegmentPoolTuning::sorted_chunk - 1) / SegmentPoolTuning::sorted_chunk;
  }
  std::int64_t slot_chunks() const {
    return (slots_ + SegmentPoolTuning::slot_chunk - 1) / SegmentPoolTuning::slot_chunk;
  }
  // For `units` of work of which a block takes `per_block` at a time.
  static arch::LaunchConfig config(const char* name, std::int64_t units, std::int64_t per_block,
                                   Stream stream) {
    return {.name = name,
            .grid = {blocks_for(units, per_block)},
            .block = {SegmentPoolTuning::threads},
            .stream = stream.handle};
  }

  // The rows that are scored: the table, or a copy [U, E] in `rows`.
  const void* copy_slots_of(const PoolBatch& batch, const void* values, const float* d_scores, T* rows,
                            Stream stream) const;
  void score(const SegmentPoolForward& args, const ForwardWork& work, float* activations,
             Stream stream) const;
  void score_gradients(const SegmentPoolBackward& args, const BackwardWork& work, const Reserve& reserve,
                       Stream stream) const;
  CodeSums code_sums(const BackwardWork& work) const;
  // Rows of Element, by code.
  template <class Element>
  void sum_by_codes(const CodeSums& sums, const PoolContributions& from, Stream stream) const;
  void table_gradients(const SegmentPoolBackward& args, const BackwardWork& work,
                       const PoolContributions& from, Stream stream) const;

  SegmentPoolDesc desc_;
  bool slots_are_codes_;
  std::int64_t slots_;  // capacity U
  std::optional<Gemm> scores_product_, w1_product_, rows_product_;
  std::size_t workspace_bytes_ = 0, reserve_bytes_ = 0;
};

template <class T>
template <class Args>
PoolBatch SegmentPoolCuda<T>::batch_of(const Args& args) const {
  return {.segments = args.segments,
          .offsets = args.offsets,
          .codes = args.codes,
          .weights = desc_.weighted ? args.weights : nullptr,
          .most_segments = desc_.segments,
          .most_items = desc_.items,
          .vocab_size = desc_.vocab_size};
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
