#include "cuda/masked_loss/masked_loss.cuh"

#include <algorithm>

#include "cuda/masked_loss/kinds.cuh"
#include "cuda/operations.hpp"
#include "cuda/support/element.hpp"
#include "cuda/support/enqueue.cuh"
#include "host/runtime/carve.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

// How many threads take a unit, and how many units a chunk has.
struct LossTeamSize {
  bool is_block;
  unsigned lanes;

  // For so many accesses.
  static LossTeamSize of(std::int64_t accesses, bool is_block) {
    unsigned lanes = 1;
    while (lanes < arch::warp_size && lanes < accesses) lanes *= 2;
    return {is_block, lanes};
  }
  std::int64_t a_chunk() const {
    return is_block ? 1 : std::int64_t{MaskedLossTuning::threads / lanes} * MaskedLossTuning::rounds;
  }
};

template <class T>
class MaskedLossCuda final : public MaskedLossOperation {
 public:
  explicit MaskedLossCuda(const MaskedLossDesc& desc)
      : desc_(desc),
        is_grouped_(desc.outputs % MaskedLossTuning::group == 0),
        rows_(LossTeamSize::of(is_grouped_ ? desc.outputs / MaskedLossTuning::group : desc.outputs,
                               desc.outputs >= MaskedLossTuning::block_width)) {
    if (desc.kind == LossKind::survival) rows_ = a_warp;
    Carver carver(nullptr);
    MaskedLossKernelArgs<T> args;
    carve(carver, args);
    workspace_bytes_ = carver.bytes();
  }

  std::size_t workspace_bytes() const override { return workspace_bytes_; }
  void run(const MaskedLossArgs& given, Stream stream) const override {
    MaskedLossKernelArgs<T> args = arguments(given);
    const Reduction reduction = desc_.reduction;
    const bool per_sequence = reduction == Reduction::mean_per_sequence;
    const bool has_total = per_sequence || reduction == Reduction::mean || given.weight_sum != nullptr;
    // Targets are looked at by the team that will take the row; else there is nothing to share.
    const LossTeamSize weighing = args.targets != nullptr ? rows_ : a_lane;

    weigh(args, weighing, has_total && !per_sequence, stream);
    if (per_sequence)
      enqueue(config("masked_loss_sequences", desc_.capacity.sequences, a_warp, stream),
              masked_loss_sequences<T>, args);
    if (has_total)
      total(args, per_sequence, per_sequence ? a_warp : weighing, args.total, given.weight_sum, stream);
    losses(args, stream);
    if (reduction != Reduction::none) total(args, false, rows_, nullptr, given.loss, stream);
  }

 private:
  static constexpr LossTeamSize a_lane{false, 1}, a_warp{false, arch::warp_size};

  // Capacity.
  std::int64_t units() const {
    if (desc_.kind == LossKind::survival || desc_.layout == LossLayout::sequences)
      return desc_.capacity.sequences;
    if (desc_.layout == LossLayout::padded) return desc_.capacity.sequences * desc_.padded_steps;
    return desc_.capacity.rows;
  }

  void carve(Carver& carver, MaskedLossKernelArgs<T>& args) const {
    args.weights = carver.take<float>(units());
    args.sequences =
        carver.take<double>(desc_.reduction == Reduction::mean_per_sequence ? desc_.capacity.sequences : 0);
    const auto chunks = [](std::int64_t items, LossTeamSize team) {
      return (items + team.a_chunk() - 1) / team.a_chunk();
    };
    args.partials = carver.take<double>(std::max(
        {chunks(units(), rows_), chunks(units(), a_lane), chunks(desc_.capacity.sequences, a_warp)}));
    args.total = carver.take<double>(1);
  }

  MaskedLossKernelArgs<T> arguments(const MaskedLossArgs& given) const {
    MaskedLossKernelArgs<T> args;
    args.batch = given.batch;
    args.logits = static_cast<const T*>(given.logits);
    const bool has_targets = desc_.kind == LossKind::bce_with_logits || desc_.kind == LossKind::mse;
    args.targets = has_targets ? static_cast<const T*>(given.targets) : nullptr;
    args.target_offsets = given.target_offsets;
    args.target_ids = given.target_ids;
    args.labels = given.labels;
    args.event_time = given.event_time;
    args.observed = given.observed;
    args.row_weight = given.row_weight;
    args.pos_weight = static_cast<const T*>(given.pos_weight);
    args.class_weight = static_cast<const T*>(given.class_weight);
    args.loss = desc_.reduction == Reduction::none ? static_cast<T*>(given.loss) : nullptr;
    args.d_logits = static_cast<T*>(given.d_logits);
    args.status = given.status;
    args.kind = desc_.kind;
    args.reduction = desc_.reduction;
    args.layout = desc_.layout;
    args.hazards_are_logits = desc_.hazards_are_logits;
    args.ignore_index = desc_.ignore_index;
    args.outputs = desc_.outputs;
    args.padded_steps = desc_.padded_steps;
    args.label_smoothing = desc_.label_smoothing;
    args.most_sequences = desc_.capacity.sequences;
    args.most_rows = desc_.layout == LossLayout::rows ? desc_.capacity.rows : INT32_MAX;
    std::uintptr_t addresses = 0;
    for (const void* array : {given.logits, given.targets, given.pos_weight, given.class_weight,
                              static_cast<const void*>(given.d_logits), static_cast<const void*>(args.loss)})
      addresses |= reinterpret_cast<std::uintptr_t>(array);
    args.aligned = addresses % (MaskedLossTuning::group * sizeof(T)) == 0;
    Carver carver(given.workspace);
    carve(carver, args);
    return args;
  }

  arch::LaunchConfig config(const char* name, std::int64_t items, LossTeamSize team, Stream stream) const {
    return {.name = name,
            .grid = {blocks_for(items, team.a_chunk())},
            .block = {MaskedLossTuning::threads},
            .stream = stream.handle};
  }

  // make.operator()<W, Block>(), for this width and team.
  template <class Make>
  void with_shape(LossTeamSize team, Make&& make) const {
    constexpr int group = MaskedLossTuning::group;
    if (team.is_block)
      is_grouped_ ? make.template operator()<group, true>() : make.template operator()<1, true>();
    else
      is_grouped_ ? make.template operator()<group, false>() : make.template operator()<1, false>();
  }

  void weigh(MaskedLossKernelArgs<T> args, LossTeamSize team, bool has_partials, Stream stream) const {
    if (!has_partials) args.partials = nullptr;
    with_shape(team, [&]<int W, bool Block>() {
      enqueue(config("masked_loss_weigh", units(), team, stream), masked_loss_weigh<T, W, Block>, args,
              team.lanes);
    });
  }
  void total(const MaskedLossKernelArgs<T>& args, bool of_sequences, LossTeamSize team, double* sum,
             void* rounded, Stream stream) const {
    enqueue(config("masked_loss_total", 1, a_lane, stream), masked_loss_total<T>, args, of_sequences,
            team.a_chunk(), sum, static_cast<float*>(rounded));
  }
  void losses(const MaskedLossKernelArgs<T>& args, Stream stream) const {
    if (desc_.kind == LossKind::survival)
      return enqueue(config("masked_loss_survival", units(), rows_, stream), masked_loss_survival<T>, args);
    with_shape(rows_, [&]<int W, bool Block>() {
      const auto launch = [&](auto kernel) {
        enqueue(config("masked_loss_rows", units(), rows_, stream), kernel, args, rows_.lanes);
      };
      if (desc_.kind == LossKind::bce_with_logits)
        launch(masked_loss_rows<T, W, Block, LossKind::bce_with_logits>);
      else if (desc_.kind == LossKind::mse)
        launch(masked_loss_rows<T, W, Block, LossKind::mse>);
      else
        launch(masked_loss_rows<T, W, Block, LossKind::cross_entropy>);
    });
  }

  MaskedLossDesc desc_;
  bool is_grouped_;    // outputs are a multiple of an access
  LossTeamSize rows_;  // that takes a unit for its loss
  std::size_t workspace_bytes_ = 0;
};

}  // namespace

std::unique_ptr<MaskedLossOperation> make_masked_loss(const MaskedLossDesc& desc) {
  return with_element(desc.dtype, [&]<class T>() -> std::unique_ptr<MaskedLossOperation> {
    return std::make_unique<MaskedLossCuda<T>>(desc);
  });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
