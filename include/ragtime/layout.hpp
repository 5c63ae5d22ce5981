#pragma once

// Conversions between the three layouts, forward and backward (the backward of a conversion is the conversion
// back, with zeros where the padding was).

#include <memory>

#include "ragtime/backend.hpp"

namespace ragtime {

// How rows stand in memory.
enum class Layout : std::uint8_t {
  ragged,  // [N, W] row = visit_offsets[b] + t
  packed,  // [N, W] PyTorch's PackedSequence.data: all rows of step t together, sequences in `order`
  padded,  // [B, T_pad, W], batch first
};

const char* name_of(Layout layout);  // "ragged", "packed" or "padded"

// A conversion between two layouts.
struct LayoutDesc {
  DType dtype = DType::f32;       // of both sides
  std::int64_t width = 0;         // W, at least 1
  Layout from = Layout::padded;   // what forward reads
  Layout to = Layout::ragged;     // what forward writes; another one than `from`
  std::int64_t padded_steps = 0;  // T_pad, when one side is padded; at least 1 and the capacity's steps
  double padding_value = 0;       // written to padding when `to` is padded; padding is never read
  Capacity capacity;              // sequences, rows, steps
};

struct LayoutOperation;

// Converts rows, forward, and their gradients, backward. It needs no workspace.
class LayoutPlan {
 public:
  // Throws Error(invalid_argument) when `from` is `to`, T_pad is below the capacity's steps or a size cannot
  // be right, Error(unsupported) on a dtype the backend does not compute in.
  LayoutPlan(std::shared_ptr<Backend> backend, const LayoutDesc& desc);
  ~LayoutPlan();
  LayoutPlan(LayoutPlan&&) noexcept;
  LayoutPlan& operator=(LayoutPlan&&) noexcept;

  // from, to: device, in the layouts of the description, not the same memory. Padding of `to` gets
  // padding_value, up to T_pad. Throws Error(invalid_argument) on a null pointer and on one piece of memory
  // for both, on the CPU also Error(out_of_range) on sequences or rows beyond the capacity; on CUDA those are
  // reported to batch.status and left alone. Rows that have no place in T_pad are left out.
  void forward(const RaggedView& batch, const void* from, void* to, Stream stream = {}) const;
  // d_to -> d_from, as forward. Gradients that arrive at padding are dropped; padding of d_from is set to 0.
  void backward(const RaggedView& batch, const void* d_to, void* d_from, Stream stream = {}) const;

 private:
  LayoutDesc desc_;
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<LayoutOperation> operation_;
};

}  // namespace ragtime
