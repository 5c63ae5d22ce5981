#pragma once

// What a backend implements. The plans of include/ragtime validate (host/ops/<operation>.cpp); what arrives
// here is right, so far as the host can see. One interface per operation, one factory per backend.

#include <memory>

#include "ragtime/adamw.hpp"
#include "ragtime/batch_builder.hpp"
#include "ragtime/dropout.hpp"
#include "ragtime/final_state.hpp"
#include "ragtime/layout.hpp"
#include "ragtime/linear.hpp"
#include "ragtime/lstm.hpp"
#include "ragtime/masked_loss.hpp"
#include "ragtime/segment_pool.hpp"

namespace ragtime {

struct BatchBuilderOperation {
  virtual ~BatchBuilderOperation() = default;
  virtual std::size_t workspace_bytes() const = 0;
  virtual void from_lengths(const std::int32_t* lengths, const BatchBuild& args, Stream stream) const = 0;
  virtual void from_mask(const std::uint8_t* mask, std::int64_t padded_steps, const BatchBuild& args,
                         Stream stream) const = 0;
};

struct LayoutOperation {
  virtual ~LayoutOperation() = default;
  // Moves rows from one layout to the other; the adjoint is the same operation with the sides exchanged and
  // padding 0.
  virtual void run(const RaggedView& batch, Layout from, const void* source, Layout to, void* target,
                   double padding_value, Stream stream) const = 0;
};

struct SegmentPoolOperation {
  virtual ~SegmentPoolOperation() = default;
  virtual std::size_t workspace_bytes() const = 0;
  virtual std::size_t reserve_bytes() const = 0;
  virtual void forward(const SegmentPoolForward& args, Stream stream) const = 0;
  virtual void backward(const SegmentPoolBackward& args, Stream stream) const = 0;
};

struct LstmOperation {
  virtual ~LstmOperation() = default;
  virtual std::size_t workspace_bytes() const = 0;
  virtual std::size_t reserve_bytes() const = 0;
  virtual LstmChoice choice() const = 0;
  virtual void forward(const LstmForward& args, Stream stream) const = 0;
  virtual void backward(const LstmBackward& args, Stream stream) const = 0;
};

struct FinalStateOperation {
  virtual ~FinalStateOperation() = default;
  virtual void forward(const RaggedView& batch, const void* y, void* out, Stream stream) const = 0;
  virtual void backward(const RaggedView& batch, const void* d_out, void* d_y, bool accumulate,
                        Stream stream) const = 0;
};

struct LinearOperation {
  virtual ~LinearOperation() = default;
  virtual std::size_t workspace_bytes() const = 0;
  virtual void forward(const LinearForward& args, Stream stream) const = 0;
  virtual void backward(const LinearBackward& args, Stream stream) const = 0;
};

struct DropoutOperation {
  virtual ~DropoutOperation() = default;
  virtual void run(const RaggedView& batch, const DropoutKey& key, const void* x, void* y,
                   Stream stream) const = 0;
};

struct MaskedLossOperation {
  virtual ~MaskedLossOperation() = default;
  virtual std::size_t workspace_bytes() const = 0;
  virtual void run(const MaskedLossArgs& args, Stream stream) const = 0;
};

struct AdamWOperation {
  virtual ~AdamWOperation() = default;
  virtual std::size_t workspace_bytes() const = 0;
  virtual void step(const AdamWOptions& options, const AdamWArgs& args, Stream stream) const = 0;
  virtual void widen(const void* parameters, float* values, Stream stream) const = 0;
  virtual void round(const float* values, void* parameters, Stream stream) const = 0;
};

class OperationFactory {
 public:
  virtual ~OperationFactory() = default;
  virtual bool supports(DType dtype) const = 0;
  virtual std::unique_ptr<BatchBuilderOperation> batch_builder(const BatchBuilderDesc& desc) const = 0;
  virtual std::unique_ptr<LayoutOperation> layout(const LayoutDesc& desc) const = 0;
  virtual std::unique_ptr<SegmentPoolOperation> segment_pool(const SegmentPoolDesc& desc) const = 0;
  virtual std::unique_ptr<LstmOperation> lstm(const LstmDesc& desc) const = 0;
  virtual std::unique_ptr<FinalStateOperation> final_state(const FinalStateDesc& desc) const = 0;
  virtual std::unique_ptr<LinearOperation> linear(const LinearDesc& desc) const = 0;
  virtual std::unique_ptr<DropoutOperation> dropout(const DropoutDesc& desc) const = 0;
  virtual std::unique_ptr<MaskedLossOperation> masked_loss(const MaskedLossDesc& desc) const = 0;
  virtual std::unique_ptr<AdamWOperation> adamw(const AdamWDesc& desc) const = 0;
};

}  // namespace ragtime
