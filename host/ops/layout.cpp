#include "ragtime/layout.hpp"

#include <algorithm>

#include "host/ops/validate.hpp"

namespace ragtime {

const char* name_of(Layout layout) {
  switch (layout) {
    case Layout::ragged:
      return "ragged";
    case Layout::packed:
      return "packed";
    case Layout::padded:
      return "padded";
  }
  return "?";
}

LayoutPlan::LayoutPlan(std::shared_ptr<Backend> backend, const LayoutDesc& desc)
    : desc_(desc), backend_(std::move(backend)) {
  check_size(desc.width, 1, "width");
  check_count(desc.capacity.sequences, "capacity.sequences");
  check_count(desc.capacity.rows, "capacity.rows");
  check_count(desc.capacity.steps, "capacity.steps");
  check(desc.from != desc.to, ErrorCode::invalid_argument, "from and to are both ", name_of(desc.from),
        ": expected two different layouts");
  if (desc.from == Layout::padded || desc.to == Layout::padded)
    check(desc.padded_steps >= std::max<std::int64_t>(desc.capacity.steps, 1), ErrorCode::invalid_argument,
          "padded_steps is ", desc.padded_steps, ": expected at least the longest sequence, ",
          desc.capacity.steps);
  operation_ = operations_for(backend_, desc.dtype).layout(desc);
}

LayoutPlan::~LayoutPlan() = default;
LayoutPlan::LayoutPlan(LayoutPlan&&) noexcept = default;
LayoutPlan& LayoutPlan::operator=(LayoutPlan&&) noexcept = default;

void LayoutPlan::forward(const RaggedView& batch, const void* from, void* to, Stream stream) const {
  check_batch(batch);
  check_given(from, "from");
  check_given(to, "to");
  check(from != to, ErrorCode::invalid_argument, "from and to are the same memory: expected two pieces");
  operation_->run(batch, desc_.from, from, desc_.to, to, desc_.padding_value, stream);
}

void LayoutPlan::backward(const RaggedView& batch, const void* d_to, void* d_from, Stream stream) const {
  check_batch(batch);
  check_given(d_to, "d_to");
  check_given(d_from, "d_from");
  check(d_to != d_from, ErrorCode::invalid_argument,
        "d_to and d_from are the same memory: expected two pieces");
  operation_->run(batch, desc_.to, d_to, desc_.from, d_from, 0, stream);
}

}  // namespace ragtime
