#pragma once

// Pooling of consecutive rows into one: codes of a visit (gathered from an embedding table), rows of a
// segment, visits of a patient. Empty segments pool to 0 with zero gradient, in every mode.

#include <memory>

#include "ragtime/backend.hpp"

namespace ragtime {

// How the rows of a segment become one.
enum class PoolMode : std::uint8_t {
  sum,        // their sum
  mean,       // their mean
  max,        // the largest, element by element, the first of equal ones; NaN is larger than all
  attention,  // their sum in shares that AttentionWeights gives
  last,       // the last row
};

const char* name_of(PoolMode mode);  // "sum", "mean", "max", "attention" or "last"

// What a SegmentPoolPlan pools. Sizes are below 2^31.
struct SegmentPoolDesc {
  DType dtype = DType::f32;        // of values, out and their gradients
  PoolMode mode = PoolMode::mean;  // how
  std::int64_t width = 0;          // E, at least 1
  std::int64_t segments = 0;       // capacity S
  std::int64_t items = 0;          // capacity M: rows or codes, all segments together
  std::int64_t vocab_size = 0;     // V > 0: items are codes gathered from a table; 0: items are rows
  std::int64_t padding_idx = -1;   // with a table: this row of it, in [0, V), gets no gradient; -1: none
  // A, at least 1, with attention only (the reference model has A = E / 2 rounded down)
  std::int64_t attention_width = 0;
  bool weighted = false;  // item weights are given (not with `last`)
  // CUDA, with a table: its gradient by atomic adds, in no fixed order, in place of sorting the codes first.
  // The one operation of the library whose bits may then differ from run to run.
  bool atomic_gradients = false;
  bool tf32 = false;  // CUDA, f32, attention: factors of products may be rounded to tf32
};

// score(e) = w2 . tanh(W1 e + b1) + b2, softmax over the segment, weighted sum of the rows.
// The scorer of the reference model's VisitEncoder (nn.Sequential(Linear, Tanh, Linear)).
struct AttentionWeights {
  const void* w1 = nullptr;  // [A, E]
  const void* b1 = nullptr;  // [A]
  const void* w2 = nullptr;  // [1, A]
  const void* b2 = nullptr;  // [1]
};

// Where the gradients of AttentionWeights go.
struct AttentionGradients {
  void* w1 = nullptr;  // [A, E]
  void* b1 = nullptr;  // [A]
  void* w2 = nullptr;  // [1, A]
  void* b2 = nullptr;  // [1]
};

// What a forward run reads and writes: device pointers, of the dtype unless a type is written.
struct SegmentPoolForward {
  const std::int32_t* segments = nullptr;  // [1] device: S in use
  const std::int32_t* offsets = nullptr;   // [S+1] from 0, never decreasing
  const std::int32_t* codes = nullptr;     // [M], with a table
  const void* values = nullptr;            // table [V, E], or rows [M, E]
  // When weighted: finite and not negative; data, without a gradient. An item of weight w counts like w
  // copies of it. sum: of w e. mean: sum of w e over sum of w. attention: shares in proportion to
  // w exp(score). max: over the items with w > 0.
  const float* weights = nullptr;   // [M]
  AttentionWeights attention = {};  // all four with attention
  void* out = nullptr;              // [S, E]
  void* workspace = nullptr;        // [workspace_bytes()]
  void* reserve = nullptr;          // [reserve_bytes()] kept for backward; null: inference
  std::uint64_t* status = nullptr;  // device status word or null; a code outside [0, V) counts as absent
};

// What a backward run reads and writes: as SegmentPoolForward.
struct SegmentPoolBackward {
  const std::int32_t* segments = nullptr;  // [1] device; this and the next five as in forward
  const std::int32_t* offsets = nullptr;   // [S+1]
  const std::int32_t* codes = nullptr;     // [M], with a table
  const void* values = nullptr;            // table [V, E], or rows [M, E]
  const float* weights = nullptr;          // [M], when weighted
  AttentionWeights attention = {};         // all four with attention

  const void* d_out = nullptr;          // [S, E]
  void* d_values = nullptr;             // table gradient [V, E] (padding_idx row 0), or [M, E]
  AttentionGradients d_attention = {};  // with attention
  bool accumulate = false;              // add to the gradients instead of overwriting them
  void* workspace = nullptr;            // [workspace_bytes()]
  const void* reserve = nullptr;        // [reserve_bytes()] as forward left it
};

struct SegmentPoolOperation;

// A pooling ready to run.
class SegmentPoolPlan {
 public:
  // Throws Error(invalid_argument) on a description that cannot be right, Error(unsupported) on a dtype the
  // backend does not compute in.
  SegmentPoolPlan(std::shared_ptr<Backend> backend, const SegmentPoolDesc& desc);
  ~SegmentPoolPlan();
  SegmentPoolPlan(SegmentPoolPlan&&) noexcept;
  SegmentPoolPlan& operator=(SegmentPoolPlan&&) noexcept;

  std::size_t workspace_bytes() const;  // enough for forward and for backward
  std::size_t reserve_bytes() const;    // from a forward run to its backward run
  // Queues a run. Throws Error(invalid_argument) when a pointer that is needed is null, on the CPU also
  // Error(out_of_range) on more segments or items than the plan has room for; elsewhere forward reports that
  // to its status word, and forward and backward go by what there is room for.
  void forward(const SegmentPoolForward& args, Stream stream = {}) const;
  // Queues all gradients of a forward run with the same arguments. Errors as forward.
  void backward(const SegmentPoolBackward& args, Stream stream = {}) const;

 private:
  SegmentPoolDesc desc_;
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<SegmentPoolOperation> operation_;
};

}  // namespace ragtime
