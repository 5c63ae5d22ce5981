#pragma once

// The CUDA backend's operations, one factory function a file: cuda/<operation>.cu.

#include <memory>

#include "cuda/arch/types.cuh"
#include "host/ops/operations.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

std::unique_ptr<BatchBuilderOperation> make_batch_builder(const BatchBuilderDesc& desc);
std::unique_ptr<LayoutOperation> make_layout(const LayoutDesc& desc);
std::unique_ptr<SegmentPoolOperation> make_segment_pool(const SegmentPoolDesc& desc);
std::unique_ptr<LstmOperation> make_lstm(const LstmDesc& desc);
// By cuDNN's own RNN. Throws Error(unsupported) where cuDNN is missing.
std::unique_ptr<LstmOperation> make_lstm_cudnn(const LstmDesc& desc, LstmChoice choice);
std::unique_ptr<FinalStateOperation> make_final_state(const FinalStateDesc& desc);
std::unique_ptr<LinearOperation> make_linear(const LinearDesc& desc);
std::unique_ptr<DropoutOperation> make_dropout(const DropoutDesc& desc);
std::unique_ptr<MaskedLossOperation> make_masked_loss(const MaskedLossDesc& desc);
std::unique_ptr<AdamWOperation> make_adamw(const AdamWDesc& desc);

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
