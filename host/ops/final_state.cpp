#include "ragtime/final_state.hpp"

#include "host/ops/validate.hpp"

namespace ragtime {

FinalStatePlan::FinalStatePlan(std::shared_ptr<Backend> backend, const FinalStateDesc& desc)
    : backend_(std::move(backend)) {
  check_size(desc.width, 1, "width");
  check_count(desc.capacity.sequences, "capacity.sequences");
  check_count(desc.capacity.rows, "capacity.rows");
  operation_ = operations_for(backend_, desc.dtype).final_state(desc);
}

FinalStatePlan::~FinalStatePlan() = default;
FinalStatePlan::FinalStatePlan(FinalStatePlan&&) noexcept = default;
FinalStatePlan& FinalStatePlan::operator=(FinalStatePlan&&) noexcept = default;

void FinalStatePlan::forward(const RaggedView& batch, const void* y, void* out, Stream stream) const {
  check_batch(batch);
  check_given(y, "y");
  check_given(out, "out");
  operation_->forward(batch, y, out, stream);
}

void FinalStatePlan::backward(const RaggedView& batch, const void* d_out, void* d_y, bool accumulate,
                              Stream stream) const {
  check_batch(batch);
  check_given(d_out, "d_out");
  check_given(d_y, "d_y");
  operation_->backward(batch, d_out, d_y, accumulate, stream);
}

}  // namespace ragtime
