#include "ragtime/dropout.hpp"

#include "host/ops/validate.hpp"

namespace ragtime {

DropoutPlan::DropoutPlan(std::shared_ptr<Backend> backend, const DropoutDesc& desc)
    : backend_(std::move(backend)) {
  check_size(desc.width, 1, "width");
  check_probability(desc.probability, "probability");
  check_count(desc.capacity.sequences, "capacity.sequences");
  check_count(desc.capacity.rows, "capacity.rows");
  operation_ = operations_for(backend_, desc.dtype).dropout(desc);
}

DropoutPlan::~DropoutPlan() = default;
DropoutPlan::DropoutPlan(DropoutPlan&&) noexcept = default;
DropoutPlan& DropoutPlan::operator=(DropoutPlan&&) noexcept = default;

void DropoutPlan::run(const RaggedView& batch, const DropoutKey& key, const void* x, void* y,
                      Stream stream) const {
  check_batch(batch);
  check_given(x, "x");
  check_given(y, "y");
  check(key.site < 1 << 16, ErrorCode::invalid_argument, "key.site is ", key.site,
        ": expected less than 65536");
  operation_->run(batch, key, x, y, stream);
}

}  // namespace ragtime
