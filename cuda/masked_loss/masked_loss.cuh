#pragma once

// Losses that never see padding: which units count, what their weights add up to, and the sum of their
// losses. The loss and gradient of a unit are in kinds.cuh.
//
// A unit is a row, or for survival a sequence. One after the other, as the reduction needs them:
//
//   weigh      weights[unit] = its row weight, or `masked`; partials[chunk] = what the chunk's units add to
//              the denominator of the mean
//   sequences  of mean_per_sequence: the same sum for each sequence; partials = how many have one
//   total      the sum of partials: the denominator, and weight_sum
//   losses     of every unit: loss and gradient, or zeros; partials[chunk] = the sum over the chunk's units
//   total      the sum of partials: the loss
//
// Units are numbered through in the layout's order, padding included (which is masked), and taken in chunks
// whose size depends on the description alone, so that no sum depends on the number of blocks. A team takes a
// unit: a power of two of lanes, as many as a row has accesses, or the whole block where rows are long. Sums
// are in double, and so are those within a row. Within a launch the threads of a block wait for each other
// alone.
//
// Bytes moved, with t of a storage type: losses 2 t an element of logits (their gradient included) and t of
// targets, cross entropy t more, from the first-level cache where a row fits; weigh t an element of targets;
// 8 a unit. What a masked row holds is not read.

#include <cmath>
#include <limits>

#include "cuda/arch/arch.cuh"
#include "cuda/support/elements.cuh"
#include "cuda/support/sequence_of.cuh"
#include "cuda/support/status_word.cuh"
#include "ragtime/masked_loss.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct MaskedLossTuning {
  static constexpr unsigned threads = 256;
  static constexpr unsigned warps = threads / arch::warp_size;
  static constexpr unsigned blocks_per_sm = 4;       // of losses, which leaves a thread 64 registers
  static constexpr int group = 4;                    // elements of an access, of widths that are a multiple
  static constexpr std::int64_t block_width = 2048;  // from here on a block takes a row
  static constexpr int rounds = 4;                   // units of a team in a chunk, unless it is a block
};

inline constexpr float masked_unit = -1;

template <class T>
struct MaskedLossKernelArgs {
  // As in MaskedLossArgs.
  RaggedView batch;
  const T *logits, *targets;
  const std::int32_t *target_offsets, *target_ids, *labels, *event_time;
  const std::uint8_t* observed;
  const float* row_weight;
  const T *pos_weight, *class_weight;
  T *loss, *d_logits;  // loss: with Reduction::none
  std::uint64_t* status;
  // As in MaskedLossDesc.
  LossKind kind;
  Reduction reduction;
  LossLayout layout;
  bool hazards_are_logits;
  std::int32_t ignore_index;
  std::int64_t outputs, padded_steps;
  double label_smoothing;
  std::int64_t most_sequences, most_rows;
  // Workspace.
  float* weights;     // [units]
  double* sequences;  // [B] of mean_per_sequence
  double* partials;   // [chunks]
  double* total;      // [1]
  bool aligned;       // all arrays of T, to a group
};

// What of the batch fits the capacity, and where it lies.
struct LossExtent {
  const std::int32_t* visit_offsets;
  LossLayout layout;
  std::int64_t sequences, rows, padded_steps, units;

  RAGTIME_DEVICE std::int64_t length(std::int64_t b) const {
    const std::int64_t first = visit_offsets[b], end = visit_offsets[b + 1];
    if (layout == LossLayout::padded) return end - first < padded_steps ? end - first : padded_steps;
    return layout == LossLayout::rows && end > rows ? (first < rows ? rows - first : 0) : end - first;
  }
  RAGTIME_DEVICE std::int64_t first_row(std::int64_t b) const {
    return layout == LossLayout::padded ? b * padded_steps : visit_offsets[b];
  }
};

template <class T>
RAGTIME_DEVICE LossExtent loss_extent(const MaskedLossKernelArgs<T>& args) {
  const auto smaller = [](std::int64_t a, std::int64_t b) { return a < b ? a : b; };
  LossExtent extent{args.batch.visit_offsets, args.layout, 0, 0, args.padded_steps, 0};
  extent.sequences = smaller(args.batch.counts[0], args.most_sequences);
  extent.rows = smaller(args.batch.visit_offsets[extent.sequences], args.most_rows);
  extent.units = extent.sequences;
  if (args.kind != LossKind::survival && args.layout == LossLayout::rows) extent.units = extent.rows;
  if (args.kind != LossKind::survival && args.layout == LossLayout::padded)
    extent.units = extent.sequences * args.padded_steps;
  return extent;
}

// Of all threads of the block, which each of them gets.
template <class V, class Combine>
RAGTIME_DEVICE V loss_block_reduce(V value, Combine combine) {
  RAGTIME_SHARED(V, of_warps, MaskedLossTuning::warps);
  for (unsigned flip = arch::warp_size / 2; flip > 0; flip /= 2)
    value = combine(value, arch::shfl_xor(value, flip));
  if (arch::lane() == 0) of_warps[arch::warp()] = value;
  arch::block_sync();
  value = of_warps[0];
  for (unsigned warp = 1; warp < MaskedLossTuning::warps; ++warp) value = combine(value, of_warps[warp]);
  arch::block_sync();  // before the next values overwrite them
  return value;
}
RAGTIME_DEVICE double loss_block_sum(double value) {
  return loss_block_reduce(value, [](double a, double b) { return a + b; });
}

// The threads that take a unit together. All threads of the block make the same calls, those of a team that
// has nothing to do included.
template <bool Block>
struct LossTeam {
  unsigned lanes;  // of a warp, unless Block
  RAGTIME_DEVICE unsigned size() const { return Block ? MaskedLossTuning::threads : lanes; }
  RAGTIME_DEVICE unsigned rank() const { return Block ? arch::thread_rank() : arch::lane() % lanes; }
  RAGTIME_DEVICE unsigned count() const { return Block ? 1 : MaskedLossTuning::threads / lanes; }
  RAGTIME_DEVICE unsigned index() const { return Block ? 0 : arch::thread_rank() / lanes; }
  RAGTIME_DEVICE int rounds() const { return Block ? 1 : MaskedLossTuning::rounds; }

  template <class V, class Combine>
  RAGTIME_DEVICE V reduce(V value, Combine combine) const {
    if constexpr (Block) {
      return loss_block_reduce(value, combine);
    } else {
      for (unsigned flip = lanes / 2; flip > 0; flip /= 2)
        value = combine(value, arch::shfl_xor(value, flip));
      return value;
    }
  }
  RAGTIME_DEVICE double sum(double value) const {
    return reduce(value, [](double a, double b) { return a + b; });
  }
  RAGTIME_DEVICE float max(float value) const {
    return reduce(value, [](float a, float b) { return fmaxf(a, b); });
  }
  RAGTIME_DEVICE bool any(bool value) const {
    return reduce(value ? 1u : 0u, [](unsigned a, unsigned b) { return a | b; }) != 0;
  }
  // What the team wrote before is there for all of it after.
  RAGTIME_DEVICE void sync() const {
    if constexpr (Block)
      arch::block_sync();
    else
      arch::warp_sync();
  }
};

// W elements from memory that is aligned to them only if it says so.
template <int W, class T>
RAGTIME_DEVICE void load_row(const T* from, bool aligned, float (&to)[W]) {
  if (W == 1 || aligned) {
    load_floats(from, to);
  } else {
    RAGTIME_UNROLL
    for (int i = 0; i < W; ++i) to[i] = arch::to_float(from[i]);
  }
}
template <int W, class T>
RAGTIME_DEVICE void store_row(T* to, bool aligned, const float (&from)[W]) {
  if (W == 1 || aligned) {
    store_floats(to, from);
  } else {
    RAGTIME_UNROLL
    for (int i = 0; i < W; ++i) to[i] = arch::from_float<T>(from[i]);
  }
}

// Calls visit(unit) for the units of all chunks in turn, of which the last may be beyond the batch. Then
// partials[chunk] is what the visits of the chunk returned, added up.
template <bool Block, class Visit>
RAGTIME_DEVICE void for_each_unit(LossTeam<Block> team, std::int64_t units, double* partials, Visit visit) {
  const std::int64_t a_chunk = std::int64_t{team.count()} * team.rounds();
  for (std::int64_t chunk = arch::block_index().x; chunk * a_chunk < units; chunk += arch::grid_extent().x) {
    double sum = 0;
    for (int round = 0; round < team.rounds(); ++round)
      sum += visit(chunk * a_chunk + round * std::int64_t{team.count()} + team.index());
    if (partials == nullptr) continue;
    sum = loss_block_sum(sum);
    if (arch::thread_rank() == 0) partials[chunk] = sum;
  }
}

// The row weight of a unit, or `masked`: by its place, its weight, or a label or event time.
template <class T>
RAGTIME_DEVICE float weight_before_targets(const MaskedLossKernelArgs<T>& args, const LossExtent& extent,
                                           std::int64_t unit) {
  if (args.layout == LossLayout::sequences && extent.length(unit) == 0) return masked_unit;
  if (args.kind != LossKind::survival && args.layout == LossLayout::padded) {
    const std::int64_t b = unit / args.padded_steps;
    if (unit - b * args.padded_steps >= extent.length(b)) return masked_unit;
  }
  const float weight = args.row_weight == nullptr ? 1.0f : args.row_weight[unit];
  if (weight == 0) return masked_unit;
  if (!(weight > 0 && weight <= std::numeric_limits<float>::max())) {
    report(args.status, Fault::bad_row_weight, unit);
    return masked_unit;
  }
  if (args.kind == LossKind::cross_entropy) {
    const std::int32_t label = args.labels[unit];
    if (label == args.ignore_index) return masked_unit;
    if (label < 0 || label >= args.outputs) {
      report(args.status, Fault::label_out_of_range, unit);
      return masked_unit;
    }
  }
  if (args.kind == LossKind::survival) {
    const std::int32_t time = args.event_time[unit];
    if (time == -1) return masked_unit;
    if (time < 0 || time >= extent.visit_offsets[unit + 1] - extent.visit_offsets[unit]) {
      report(args.status, Fault::bad_event_time, unit);
      return masked_unit;
    }
    if (time >= extent.length(unit)) return masked_unit;  // beyond the capacity, which is reported as that
  }
  return weight;
}

// Whether one of the team's share of a row's targets is none; reports each of those.
template <int W, class T, class Team>
RAGTIME_DEVICE bool has_bad_target(const MaskedLossKernelArgs<T>& args, Team team, std::int64_t unit) {
  bool bad = false;
  for (std::int64_t k = team.rank() * W; k < args.outputs; k += team.size() * W) {
    float targets[W];
    const std::int64_t element = unit * args.outputs + k;
    load_row(args.targets + element, args.aligned, targets);
    RAGTIME_UNROLL
    for (int i = 0; i < W; ++i) {
      const bool good = args.kind == LossKind::mse ? fabsf(targets[i]) <= std::numeric_limits<float>::max()
                                                   : targets[i] >= 0 && targets[i] <= 1;
      if (good) continue;
      report(args.status, Fault::bad_target, element + i);
      bad = true;
    }
  }
  return bad;
}

// What a unit that counts adds to the denominator of the mean.
template <class T>
RAGTIME_DEVICE double denominator_share(const MaskedLossKernelArgs<T>& args, std::int64_t unit,
                                        float weight) {
  if (weight == masked_unit) return 0;
  double share = 1;
  if (args.kind == LossKind::bce_with_logits || args.kind == LossKind::mse)
    share = static_cast<double>(args.outputs);
  if (args.kind == LossKind::cross_entropy && args.class_weight != nullptr)
    share = static_cast<double>(arch::to_float(args.class_weight[args.labels[unit]]));
  return static_cast<double>(weight) * share;
}

template <class T, int W, bool Block>
RAGTIME_KERNEL(MaskedLossTuning::threads, 1)
masked_loss_weigh(MaskedLossKernelArgs<T> args, unsigned lanes) {
  const LossTeam<Block> team{lanes};
  const LossExtent extent = loss_extent(args);
  if (arch::block_index().x == 0 && arch::thread_rank() == 0) {
    report_beyond(args.status, BatchPart::sequences, args.batch.counts[0], args.most_sequences);
    if (args.layout == LossLayout::rows)
      report_beyond(args.status, BatchPart::rows, args.batch.counts[1], args.most_rows);
    if (args.layout == LossLayout::padded)
      report_beyond(args.status, BatchPart::steps, args.batch.counts[3], args.padded_steps);
  }
  for_each_unit(team, extent.units, args.partials, [&](std::int64_t unit) {
    const bool exists = unit < extent.units;
    float weight = masked_unit;
    // A bad weight or label is reported once; that of a row which is masked already is nobody's concern.
    if (exists && team.rank() == 0) weight = weight_before_targets(args, extent, unit);
    weight = team.max(weight);
    if (args.targets != nullptr) {
      const bool bad = weight != masked_unit && has_bad_target<W>(args, team, unit);
      if (team.any(bad)) weight = masked_unit;
    }
    if (!exists || team.rank() != 0) return 0.0;
    args.weights[unit] = weight;
    return denominator_share(args, unit, weight);
  });
}

// A warp a sequence.
template <class T>
RAGTIME_KERNEL(MaskedLossTuning::threads, 1)
masked_loss_sequences(MaskedLossKernelArgs<T> args) {
  const LossTeam<false> team{arch::warp_size};
  const LossExtent extent = loss_extent(args);
  const bool is_unit = args.kind == LossKind::survival || args.layout == LossLayout::sequences;
  for_each_unit(team, extent.sequences, args.partials, [&](std::int64_t b) {
    double sum = 0;
    if (b < extent.sequences) {
      const std::int64_t first = is_unit ? b : extent.first_row(b);
      const std::int64_t count = is_unit ? 1 : extent.length(b);
      for (std::int64_t i = arch::lane(); i < count; i += arch::warp_size)
        sum += denominator_share(args, first + i, args.weights[first + i]);
    }
    sum = team.sum(sum);
    if (b >= extent.sequences || team.rank() != 0) return 0.0;
    args.sequences[b] = sum;
    return sum != 0 ? 1.0 : 0.0;
  });
}

// One block: the sum of the partials of `items` in chunks of `a_chunk`, to the double and to the float.
template <class T>
RAGTIME_KERNEL(MaskedLossTuning::threads, 1)
masked_loss_total(MaskedLossKernelArgs<T> args, bool of_sequences, std::int64_t a_chunk, double* total,
                  float* rounded) {
  const LossExtent extent = loss_extent(args);
  const std::int64_t items = of_sequences ? extent.sequences : extent.units;
  double sum = 0;
  for (std::int64_t i = arch::thread_rank(); i * a_chunk < items; i += MaskedLossTuning::threads)
    sum += args.partials[i];
  sum = loss_block_sum(sum);
  if (arch::thread_rank() != 0) return;
  if (total != nullptr) *total = sum;
  if (rounded != nullptr) *rounded = static_cast<float>(sum);
}

// What the loss of a unit is divided by.
template <class T>
RAGTIME_DEVICE double loss_denominator(const MaskedLossKernelArgs<T>& args, const LossExtent& extent,
                                       std::int64_t unit) {
  if (args.reduction == Reduction::none || args.reduction == Reduction::sum) return 1;
  if (args.reduction == Reduction::mean) return *args.total;
  std::int64_t b = unit;
  if (args.kind != LossKind::survival && args.layout == LossLayout::rows)
    b = sequence_of(args.batch.visit_offsets, 0, extent.sequences - 1, 1, unit);
  if (args.kind != LossKind::survival && args.layout == LossLayout::padded) b = unit / args.padded_steps;
  return *args.total * args.sequences[b];
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
