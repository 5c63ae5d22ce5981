#include "ragtime/masked_loss.hpp"

#include <array>

#include "host/c_api/objects.hpp"

using namespace ragtime;
using namespace ragtime::c_api;

namespace {

using Loss = Planned<MaskedLossPlan, MaskedLossDesc, Kind::masked_loss>;

LossKind kind_of(ragtime_loss_kind kind) {
  switch (static_cast<int>(kind)) {
    case RAGTIME_LOSS_BCE_WITH_LOGITS:
      return LossKind::bce_with_logits;
    case RAGTIME_LOSS_CROSS_ENTROPY:
      return LossKind::cross_entropy;
    case RAGTIME_LOSS_MSE:
      return LossKind::mse;
    case RAGTIME_LOSS_SURVIVAL:
      return LossKind::survival;
  }
  fail(ErrorCode::invalid_argument, "desc.kind is ", static_cast<int>(kind),
       ": expected one of ragtime_loss_kind");
}

Reduction reduction_of(ragtime_reduction reduction) {
  switch (static_cast<int>(reduction)) {
    case RAGTIME_REDUCTION_NONE:
      return Reduction::none;
    case RAGTIME_REDUCTION_SUM:
      return Reduction::sum;
    case RAGTIME_REDUCTION_MEAN:
      return Reduction::mean;
    case RAGTIME_REDUCTION_MEAN_PER_SEQUENCE:
      return Reduction::mean_per_sequence;
  }
  fail(ErrorCode::invalid_argument, "desc.reduction is ", static_cast<int>(reduction),
       ": expected one of ragtime_reduction");
}

LossLayout layout_of(ragtime_loss_layout layout) {
  switch (static_cast<int>(layout)) {
    case RAGTIME_LOSS_ROWS:
      return LossLayout::rows;
    case RAGTIME_LOSS_SEQUENCES:
      return LossLayout::sequences;
    case RAGTIME_LOSS_PADDED:
      return LossLayout::padded;
  }
  fail(ErrorCode::invalid_argument, "desc.layout is ", static_cast<int>(layout),
       ": expected one of ragtime_loss_layout");
}

MaskedLossDesc desc_of(const ragtime_masked_loss_desc& given) {
  MaskedLossDesc desc;
  desc.dtype = dtype_of(given.dtype, "desc.dtype");
  desc.kind = kind_of(given.kind);
  desc.reduction = reduction_of(given.reduction);
  desc.layout = layout_of(given.layout);
  desc.outputs = given.outputs;
  desc.padded_steps = given.padded_steps;
  desc.label_smoothing = given.label_smoothing;
  if (flag(given.has_ignore_index, "desc.has_ignore_index")) desc.ignore_index = given.ignore_index;
  desc.hazards_are_logits = !flag(given.hazards, "desc.hazards");
  desc.capacity = capacity_of(given.capacity);
  return desc;
}

// What of a batch counts against the capacity.
Capacity room_of(const MaskedLossDesc& desc) {
  Capacity room = {desc.capacity.sequences, any_number, any_number, any_number};
  if (desc.layout == LossLayout::rows) room.rows = desc.capacity.rows;
  if (desc.layout == LossLayout::padded) room.steps = desc.padded_steps;
  return room;
}

struct Shape {
  std::array<Extent, 3> sizes{};
  std::size_t count = 0;
  void add(Extent size) { sizes[count++] = size; }
  operator std::span<const Extent>() const { return {sizes.data(), count}; }
};

// The shapes of one run.
struct Shapes {
  Shapes(const MaskedLossDesc& desc, const Batch& batch) {
    sequence.add({batch.sequences().size, true});
    if (desc.layout == LossLayout::rows)
      row.add(batch.rows());
    else
      row = sequence;
    if (desc.layout == LossLayout::padded) row.add({desc.padded_steps});
    element = row;
    const bool survival = desc.kind == LossKind::survival;
    if (!survival) element.add({desc.outputs});
    weight = survival ? sequence : row;
    one.add({1});
    loss = desc.reduction != Reduction::none      ? one
           : survival                             ? sequence
           : desc.kind == LossKind::cross_entropy ? row
                                                  : element;
    offsets.add({row.sizes[0].size * (row.count == 2 ? desc.padded_steps : 1) + 1, true});
  }
  Shape row, element, sequence, weight, one, loss, offsets;
};

// Where the host can look: the labels of every row that may count are among the `ids` there are.
void check_target_offsets(const MaskedLossDesc& desc, const MaskedLossArgs& run, std::int64_t ids) {
  const std::int32_t* const begins = run.batch.visit_offsets;
  for (std::int32_t b = 0; b < run.batch.counts[0]; ++b) {
    const std::int64_t length = begins[b + 1] - begins[b];
    const std::int64_t first = desc.layout == LossLayout::rows     ? begins[b]
                               : desc.layout == LossLayout::padded ? b * desc.padded_steps
                                                                   : b;
    const std::int64_t count = desc.layout == LossLayout::sequences
                                   ? (length > 0 ? 1 : 0)
                                   : std::min(length, std::int64_t{INT32_MAX});
    for (std::int64_t row = first; row < first + count; ++row) {
      if (run.row_weight != nullptr && run.row_weight[row] == 0) continue;
      const std::int32_t begin = run.target_offsets[row], end = run.target_offsets[row + 1];
      check(begin >= 0 && begin <= end && end <= ids, ErrorCode::out_of_range, "args.target_offsets[", row,
            "] and [", row + 1, "] are ", begin, " and ", end, ": expected two in order, in [0, ", ids,
            "], the number of args.target_ids");
    }
  }
}

}  // namespace

ragtime_status ragtime_masked_loss_create(ragtime_backend backend, const ragtime_masked_loss_desc* desc,
                                          ragtime_masked_loss* loss) {
  return call("ragtime_masked_loss_create", [&] { create<Loss>(backend, desc, desc_of, loss, "loss"); });
}

ragtime_status ragtime_masked_loss_destroy(ragtime_masked_loss loss) {
  return call("ragtime_masked_loss_destroy", [&] { remove_handle(Kind::masked_loss, loss, "loss"); });
}

ragtime_status ragtime_masked_loss_workspace_bytes(ragtime_masked_loss loss, size_t* bytes) {
  return call("ragtime_masked_loss_workspace_bytes", [&] { workspace_bytes<Loss>(loss, "loss", bytes); });
}

ragtime_status ragtime_masked_loss_run(ragtime_masked_loss loss, const ragtime_masked_loss_args* args,
                                       ragtime_stream stream) {
  return call("ragtime_masked_loss_run", [&] {
    const auto object = object_of<Loss>(loss, "loss");
    const ragtime_masked_loss_args given = taken(args, "args");
    const MaskedLossDesc& desc = object->desc;
    const auto batch = batch_for_run(*object->backend, given.batch, "args.batch", room_of(desc));
    const FaultWord faults(*object->backend, given.faults);
    const TensorReader read = object->reader();
    const Shapes shapes(desc, *batch);
    // Sums are wider than what they are sums of.
    const bool narrow = desc.dtype == DType::bf16 || desc.dtype == DType::f16;
    const auto sum = [&](const ragtime_tensor* tensor, const char* name, const Shape& shape) {
      return narrow ? read.of<float>(tensor, name, shape) : read(tensor, name, shape);
    };

    MaskedLossArgs run;
    run.batch = batch->view();
    run.logits = read(given.logits, "args.logits", shapes.element);
    run.targets = read(given.targets, "args.targets", shapes.element);
    run.target_offsets = read.of<std::int32_t>(given.target_offsets, "args.target_offsets", shapes.offsets);
    run.target_ids = read.of<std::int32_t>(given.target_ids, "args.target_ids", {Extent{0, true}});
    run.labels = read.of<std::int32_t>(given.labels, "args.labels", shapes.row);
    run.event_time = read.of<std::int32_t>(given.event_time, "args.event_time", shapes.sequence);
    run.observed = read.of<std::uint8_t>(given.observed, "args.observed", shapes.sequence);
    run.row_weight = read.of<float>(given.row_weight, "args.row_weight", shapes.weight);
    run.pos_weight = read(given.pos_weight, "args.pos_weight", {Extent{desc.outputs}});
    run.class_weight = read(given.class_weight, "args.class_weight", {Extent{desc.outputs}});
    run.loss = desc.reduction == Reduction::none ? read(given.loss, "args.loss", shapes.loss)
                                                 : sum(given.loss, "args.loss", shapes.one);
    run.weight_sum = sum(given.weight_sum, "args.weight_sum", shapes.one);
    run.d_logits = read(given.d_logits, "args.d_logits", shapes.element);
    if (object->backend->device() == DeviceType::cpu && run.target_offsets != nullptr &&
        run.target_ids != nullptr)
      check_target_offsets(desc, run, first_size(given.target_ids, "args.target_ids"));
    check_space(*object->backend, given.workspace, given.workspace_bytes, object->plan.workspace_bytes(),
                "args.workspace");
    run.workspace = given.workspace;
    run.status = faults.word();
    object->plan.run(run, {stream});
  });
}
