#include "ragtime/linear.hpp"

#include "host/ops/validate.hpp"

namespace ragtime {
namespace {

void check_host_rows(const LinearDesc& desc, std::int64_t host_rows) {
  check(!desc.rows_on_host || host_rows >= 0, ErrorCode::invalid_argument, "host_rows is ", host_rows,
        ": expected 0 or more, the plan has rows_on_host = true");
}

}  // namespace

LinearPlan::LinearPlan(std::shared_ptr<Backend> backend, const LinearDesc& desc)
    : desc_(desc), backend_(std::move(backend)) {
  check_count(desc.rows, "rows");
  check_size(desc.input_size, 1, "input_size");
  check_size(desc.output_size, 1, "output_size");
  // So that the product of two of them does not overflow.
  check(desc.input_size < std::int64_t{1} << 31, ErrorCode::invalid_argument, "input_size is ",
        desc.input_size, ": expected less than 2^31");
  check(desc.output_size < std::int64_t{1} << 31, ErrorCode::invalid_argument, "output_size is ",
        desc.output_size, ": expected less than 2^31");
  operation_ = operations_for(backend_, desc.dtype).linear(desc);
}

LinearPlan::~LinearPlan() = default;
LinearPlan::LinearPlan(LinearPlan&&) noexcept = default;
LinearPlan& LinearPlan::operator=(LinearPlan&&) noexcept = default;

std::size_t LinearPlan::workspace_bytes() const {
  return operation_->workspace_bytes();
}

void LinearPlan::forward(const LinearForward& args, Stream stream) const {
  check_given(args.rows, "rows");
  check_host_rows(desc_, args.host_rows);
  check_given(args.x, "x");
  check_given(args.weight, "weight");
  if (desc_.bias) check_given(args.bias, "bias");
  check_given(args.y, "y");
  check_memory(args.workspace, workspace_bytes(), "workspace");
  operation_->forward(args, stream);
}

void LinearPlan::backward(const LinearBackward& args, Stream stream) const {
  check_given(args.rows, "rows");
  check_host_rows(desc_, args.host_rows);
  check_given(args.x, "x");
  check_given(args.weight, "weight");
  check_given(args.d_y, "d_y");
  check_memory(args.workspace, workspace_bytes(), "workspace");
  operation_->backward(args, stream);
}

}  // namespace ragtime
