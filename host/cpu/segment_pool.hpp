#pragma once

// Pooling on the CPU. Forward leaves a coefficient for each item (its weight in the sum), or for max the item
// each output came from; backward needs nothing else to spread a gradient. With a table, items that share a
// code share a slot: attention scores each slot once, and a table row's gradient is the sum over its slot's
// items, taken in order and in chunks of fixed size, so that a code in every visit does not keep one thread
// busy.

#include <cstdint>

#include "host/cpu/cpu_operations.hpp"
#include "host/cpu/kernels.hpp"
#include "host/runtime/carve.hpp"

namespace ragtime::cpu {

template <class T>
class SegmentPoolCpu final : public SegmentPoolOperation {
 public:
  explicit SegmentPoolCpu(const SegmentPoolDesc& desc);

  std::size_t workspace_bytes() const override { return workspace_bytes_; }
  std::size_t reserve_bytes() const override { return reserve_bytes_; }
  void forward(const SegmentPoolForward& args, Stream stream) const override;
  void backward(const SegmentPoolBackward& args, Stream stream) const override;

 private:
  static constexpr std::int64_t chunk_items = 512;
  static constexpr std::int64_t segments_a_task = 16;

  struct Reserve {
    T* coefficients = nullptr;             // [M] all modes but max
    std::int32_t* sources = nullptr;       // [S, E] max: item, -1 for none
    std::int32_t* slot_count = nullptr;    // [1] attention from here on
    std::int32_t* slot_of_item = nullptr;  // [M], -1 for an absent item
    std::int32_t* code_of_slot = nullptr;  // [U]
    T* activations = nullptr;              // [U, A] tanh(W1 e + b1)
  };

  struct Workspace {
    Reserve inference;                        // when there is no reserve
    std::int32_t* slot_of_code = nullptr;     // [V]
    std::int32_t* slot_of_item = nullptr;     // [M] backward, modes without slots in the reserve
    std::int32_t* code_of_slot = nullptr;     // [U]
    std::int32_t* slot_begin = nullptr;       // [U+1] items sorted by slot
    std::int32_t* sorted_items = nullptr;     // [M]
    std::int32_t* segment_of_item = nullptr;  // [M]
    T* partial_sums = nullptr;                // [chunks, E]
    T* rows = nullptr;                        // [U, E] the slots' values, where they are gathered
    T* scores = nullptr;                      // [U] or their gradients
    T* d_activations = nullptr;               // [U, A]
    T* d_rows = nullptr;                      // [U, E]
    T* packed_w1 = nullptr;
    T* packed_rows = nullptr;
  };

  Reserve carve_reserve(Carver& carver) const;
  Workspace carve_workspace(Carver& carver) const;
  bool has_table() const { return desc_.vocab_size > 0; }
  bool gathers() const { return has_table() || desc_.weighted; }
  bool attends() const { return desc_.mode == PoolMode::attention; }

  // Slots of codes in order of first appearance; returns how many. Without a table every item is its own
  // slot, and its index stands for the code. An item that does not count, by code or weight, has none: what
  // it holds must not meet a gradient, not even one of 0.
  std::int32_t assign_slots(const std::int32_t* codes, const float* weights, std::int64_t items,
                            std::int32_t* slot_of_code, std::int32_t* slot_of_item,
                            std::int32_t* code_of_slot) const;
  const T* gather_slots(const void* values, const std::int32_t* code_of_slot, std::int64_t slots,
                        T* rows) const;
  void score(const SegmentPoolForward& args, const Workspace& work, const Reserve& reserve) const;
  void pool_segment(const SegmentPoolForward& args, const Workspace& work, const Reserve& reserve,
                    std::int64_t s) const;
  void max_segment(const SegmentPoolForward& args, const Reserve& reserve, std::int64_t s) const;
  void check_fits_plan(const std::int32_t* segments, const std::int32_t* offsets) const;
  // The weight of an item, 0 for one that is absent.
  T weight_of(const SegmentPoolForward& args, std::int64_t item) const;
  const T* value_of(const void* values, const std::int32_t* codes, std::int64_t item) const;

  void score_gradients(const SegmentPoolBackward& args, const Workspace& work, const Reserve& reserve) const;
  void row_gradients(const SegmentPoolBackward& args, const Workspace& work, const Reserve& reserve) const;
  void table_gradients(const SegmentPoolBackward& args, const Workspace& work, const Reserve& reserve) const;
  // d += what item contributes.
  void add_item(const SegmentPoolBackward& args, const Reserve& reserve, std::int64_t item,
                std::int64_t segment, T* d) const;

  SegmentPoolDesc desc_;
  std::int64_t slots_;  // capacity U
  std::size_t workspace_bytes_ = 0, reserve_bytes_ = 0;
};

}  // namespace ragtime::cpu
