#pragma once

// The CPU backend's operations, one factory function a file: host/cpu/<operation>.cpp.

#include <memory>

#include "host/ops/operations.hpp"

namespace ragtime::cpu {

std::unique_ptr<BatchBuilderOperation> make_batch_builder(const BatchBuilderDesc& desc);
std::unique_ptr<LayoutOperation> make_layout(const LayoutDesc& desc);
std::unique_ptr<SegmentPoolOperation> make_segment_pool(const SegmentPoolDesc& desc);
std::unique_ptr<LstmOperation> make_lstm(const LstmDesc& desc);
std::unique_ptr<FinalStateOperation> make_final_state(const FinalStateDesc& desc);
std::unique_ptr<LinearOperation> make_linear(const LinearDesc& desc);
std::unique_ptr<DropoutOperation> make_dropout(const DropoutDesc& desc);
std::unique_ptr<MaskedLossOperation> make_masked_loss(const MaskedLossDesc& desc);
std::unique_ptr<AdamWOperation> make_adamw(const AdamWDesc& desc);

// Calls make.operator()<float>() or <double>(), as the dtype says. Plans have refused every other dtype
// before.
template <class Make>
auto with_dtype(DType dtype, Make&& make) {
  return dtype == DType::f64 ? make.template operator()<double>() : make.template operator()<float>();
}

}  // namespace ragtime::cpu
