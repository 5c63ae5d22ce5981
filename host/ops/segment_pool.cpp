#include "ragtime/segment_pool.hpp"

#include "host/ops/validate.hpp"

namespace ragtime {

const char* name_of(PoolMode mode) {
  switch (mode) {
    case PoolMode::sum:
      return "sum";
    case PoolMode::mean:
      return "mean";
    case PoolMode::max:
      return "max";
    case PoolMode::attention:
      return "attention";
    case PoolMode::last:
      return "last";
  }
  return "?";
}

namespace {

void check_attention(const AttentionWeights& attention) {
  check_given(attention.w1, "attention.w1");
  check_given(attention.b1, "attention.b1");
  check_given(attention.w2, "attention.w2");
  check_given(attention.b2, "attention.b2");
}

template <class Args>
void check_inputs(const SegmentPoolDesc& desc, const Args& args) {
  check_given(args.segments, "segments");
  check_given(args.offsets, "offsets");
  if (desc.items > 0) {
    check_given(args.values, "values");
    if (desc.vocab_size > 0) check_given(args.codes, "codes");
    if (desc.weighted) check_given(args.weights, "weights");
  }
  if (desc.mode == PoolMode::attention) check_attention(args.attention);
}

}  // namespace

SegmentPoolPlan::SegmentPoolPlan(std::shared_ptr<Backend> backend, const SegmentPoolDesc& desc)
    : desc_(desc), backend_(std::move(backend)) {
  check_size(desc.width, 1, "width");
  check_count(desc.width, "width");
  check_count(desc.segments, "segments");
  check_count(desc.items, "items");
  check_count(desc.vocab_size, "vocab_size");
  check(desc.padding_idx >= -1 && (desc.padding_idx == -1 || desc.padding_idx < desc.vocab_size),
        ErrorCode::invalid_argument, "padding_idx is ", desc.padding_idx,
        ": expected -1 or a row of the table, in [0, ", desc.vocab_size, ")");
  if (desc.mode == PoolMode::attention) {
    check_size(desc.attention_width, 1, "attention_width");
    check_count(desc.attention_width, "attention_width");
  }
  check(!desc.weighted || desc.mode != PoolMode::last, ErrorCode::invalid_argument,
        "weighted is true with mode last: expected sum, mean, max or attention");
  operation_ = operations_for(backend_, desc.dtype).segment_pool(desc);
}

SegmentPoolPlan::~SegmentPoolPlan() = default;
SegmentPoolPlan::SegmentPoolPlan(SegmentPoolPlan&&) noexcept = default;
SegmentPoolPlan& SegmentPoolPlan::operator=(SegmentPoolPlan&&) noexcept = default;

std::size_t SegmentPoolPlan::workspace_bytes() const {
  return operation_->workspace_bytes();
}
std::size_t SegmentPoolPlan::reserve_bytes() const {
  return operation_->reserve_bytes();
}

void SegmentPoolPlan::forward(const SegmentPoolForward& args, Stream stream) const {
  check_inputs(desc_, args);
  if (desc_.segments > 0) check_given(args.out, "out");
  check_memory(args.workspace, workspace_bytes(), "workspace");
  if (args.reserve != nullptr) check_memory(args.reserve, reserve_bytes(), "reserve");
  operation_->forward(args, stream);
}

void SegmentPoolPlan::backward(const SegmentPoolBackward& args, Stream stream) const {
  check_inputs(desc_, args);
  if (desc_.segments > 0) check_given(args.d_out, "d_out");
  if (desc_.items > 0 || desc_.vocab_size > 0) check_given(args.d_values, "d_values");
  if (desc_.mode == PoolMode::attention) {
    check_given(args.d_attention.w1, "d_attention.w1");
    check_given(args.d_attention.b1, "d_attention.b1");
    check_given(args.d_attention.w2, "d_attention.w2");
    check_given(args.d_attention.b2, "d_attention.b2");
  }
  check_memory(args.workspace, workspace_bytes(), "workspace");
  check_memory(args.reserve, reserve_bytes(), "reserve");
  operation_->backward(args, stream);
}

}  // namespace ragtime
