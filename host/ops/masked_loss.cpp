#include "ragtime/masked_loss.hpp"

#include <algorithm>

#include "host/ops/validate.hpp"

namespace ragtime {

const char* name_of(LossKind kind) {
  switch (kind) {
    case LossKind::bce_with_logits:
      return "bce_with_logits";
    case LossKind::cross_entropy:
      return "cross_entropy";
    case LossKind::mse:
      return "mse";
    case LossKind::survival:
      return "survival";
  }
  return "?";
}

const char* name_of(Reduction reduction) {
  switch (reduction) {
    case Reduction::none:
      return "none";
    case Reduction::sum:
      return "sum";
    case Reduction::mean:
      return "mean";
    case Reduction::mean_per_sequence:
      return "mean_per_sequence";
  }
  return "?";
}

MaskedLossPlan::MaskedLossPlan(std::shared_ptr<Backend> backend, const MaskedLossDesc& desc)
    : desc_(desc), backend_(std::move(backend)) {
  check_size(desc.outputs, 1, "outputs");
  check_count(desc.outputs, "outputs");
  check_count(desc.capacity.sequences, "capacity.sequences");
  check_count(desc.capacity.rows, "capacity.rows");
  check(desc.label_smoothing >= 0 && desc.label_smoothing <= 1, ErrorCode::invalid_argument,
        "label_smoothing is ", desc.label_smoothing, ": expected a number in [0, 1]");
  if (desc.layout == LossLayout::padded) {
    check_count(desc.padded_steps, "padded_steps");
    check(desc.padded_steps >= std::max<std::int64_t>(desc.capacity.steps, 1), ErrorCode::invalid_argument,
          "padded_steps is ", desc.padded_steps, ": expected at least the longest sequence, ",
          desc.capacity.steps);
  }
  if (desc.kind == LossKind::survival) {
    check(desc.layout != LossLayout::sequences, ErrorCode::invalid_argument,
          "layout is sequences, but survival needs a hazard a visit: expected rows or padded");
    check(desc.outputs == 1, ErrorCode::invalid_argument, "outputs is ", desc.outputs,
          ": expected 1 with survival");
  }
  operation_ = operations_for(backend_, desc.dtype).masked_loss(desc);
}

MaskedLossPlan::~MaskedLossPlan() = default;
MaskedLossPlan::MaskedLossPlan(MaskedLossPlan&&) noexcept = default;
MaskedLossPlan& MaskedLossPlan::operator=(MaskedLossPlan&&) noexcept = default;

std::size_t MaskedLossPlan::workspace_bytes() const {
  return operation_->workspace_bytes();
}

void MaskedLossPlan::run(const MaskedLossArgs& args, Stream stream) const {
  check_batch(args.batch);
  check_given(args.loss, "loss");
  if (desc_.layout == LossLayout::rows ? desc_.capacity.rows > 0 : desc_.capacity.sequences > 0)
    check_given(args.logits, "logits");
  switch (desc_.kind) {
    case LossKind::bce_with_logits:
      check((args.targets != nullptr) != (args.target_offsets != nullptr), ErrorCode::invalid_argument,
            "targets and target_offsets are both ", args.targets == nullptr ? "null" : "given",
            ": expected exactly one of them");
      if (args.target_offsets != nullptr) check_given(args.target_ids, "target_ids");
      break;
    case LossKind::mse:
      check_given(args.targets, "targets");
      break;
    case LossKind::cross_entropy:
      check_given(args.labels, "labels");
      break;
    case LossKind::survival:
      check_given(args.event_time, "event_time");
      check_given(args.observed, "observed");
      break;
  }
  check_memory(args.workspace, workspace_bytes(), "workspace");
  operation_->run(args, stream);
}

}  // namespace ragtime
