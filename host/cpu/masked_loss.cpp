#include "host/cpu/masked_loss.hpp"

#include <algorithm>
#include <limits>

#include "host/cpu/parallel.hpp"
#include "host/cpu/status_word.hpp"
#include "host/runtime/capacity.hpp"

namespace ragtime::cpu {

template <class T>
MaskedLossCpu<T>::MaskedLossCpu(const MaskedLossDesc& desc) : desc_(desc) {
  Carver carver(nullptr);
  carve(carver);
  workspace_bytes_ = carver.bytes();
}

template <class T>
std::int64_t MaskedLossCpu<T>::row_units() const {
  if (desc_.kind == LossKind::survival || desc_.layout == LossLayout::sequences)
    return desc_.capacity.sequences;
  if (desc_.layout == LossLayout::padded) return desc_.capacity.sequences * desc_.padded_steps;
  return desc_.capacity.rows;
}

template <class T>
typename MaskedLossCpu<T>::Workspace MaskedLossCpu<T>::carve(Carver& carver) const {
  Workspace work;
  work.weights = carver.take<double>(row_units());
  work.losses = carver.take<double>(row_units());
  work.sequences = carver.take<double>(desc_.capacity.sequences);
  return work;
}

template <class T>
std::int64_t MaskedLossCpu<T>::first_row(const RaggedView& batch, std::int64_t b) const {
  return desc_.layout == LossLayout::padded ? b * desc_.padded_steps : batch.visit_offsets[b];
}

template <class T>
typename MaskedLossCpu<T>::Units MaskedLossCpu<T>::units_of(const RaggedView& batch, std::int64_t b) const {
  if (desc_.kind == LossKind::survival || desc_.layout == LossLayout::sequences) return {b, 1};
  return {first_row(batch, b), std::int64_t{batch.visit_offsets[b + 1]} - batch.visit_offsets[b]};
}

template <class T>
double MaskedLossCpu<T>::row_weight(const MaskedLossArgs& args, std::int64_t unit) const {
  return args.row_weight == nullptr ? 1.0 : static_cast<double>(args.row_weight[unit]);
}

template <class T>
double MaskedLossCpu<T>::unit_weight(const MaskedLossArgs& args, std::int64_t b, std::int64_t unit) const {
  // Who has no visit has no prediction to be judged by.
  if (desc_.layout == LossLayout::sequences && args.batch.visit_offsets[b] == args.batch.visit_offsets[b + 1])
    return masked;
  const double weight = row_weight(args, unit);
  if (weight == 0) return masked;
  if (!(weight > 0 && weight <= std::numeric_limits<float>::max())) {
    report(args.status, Fault::bad_row_weight, unit);
    return masked;
  }
  const double share = target_weight(args, b, unit);
  return share == masked ? masked : weight * share;
}

// `masked` where the target masks the unit, by rule or because it is wrong.
template <class T>
double MaskedLossCpu<T>::target_weight(const MaskedLossArgs& args, std::int64_t b, std::int64_t unit) const {
  const std::int64_t outputs = desc_.outputs;
  switch (desc_.kind) {
    case LossKind::bce_with_logits:
    case LossKind::mse: {
      const T* targets = static_cast<const T*>(args.targets);
      if (targets != nullptr)
        for (std::int64_t k = unit * outputs; k < (unit + 1) * outputs; ++k) {
          const bool good =
              desc_.kind == LossKind::mse ? std::isfinite(targets[k]) : targets[k] >= 0 && targets[k] <= 1;
          if (good) continue;
          report(args.status, Fault::bad_target, k);
          return masked;
        }
      return static_cast<double>(outputs);
    }
    case LossKind::cross_entropy: {
      const std::int32_t label = args.labels[unit];
      if (label == desc_.ignore_index) return masked;
      if (label < 0 || label >= outputs) {
        report(args.status, Fault::label_out_of_range, unit);
        return masked;
      }
      return args.class_weight == nullptr
                 ? 1.0
                 : static_cast<double>(static_cast<const T*>(args.class_weight)[label]);
    }
    case LossKind::survival: {
      const std::int32_t time = args.event_time[b];
      if (time == -1) return masked;
      if (time < 0 || time >= args.batch.visit_offsets[b + 1] - args.batch.visit_offsets[b]) {
        report(args.status, Fault::bad_event_time, b);
        return masked;
      }
      return 1;
    }
  }
  return masked;
}

template <class T>
double MaskedLossCpu<T>::unit_loss(const MaskedLossArgs& args, std::int64_t b, std::int64_t unit,
                                   double scale) const {
  const double weight = row_weight(args, unit);
  switch (desc_.kind) {
    case LossKind::bce_with_logits:
      return bce_loss(args, unit, weight, scale);
    case LossKind::cross_entropy:
      return cross_entropy_loss(args, unit, weight, scale);
    case LossKind::mse:
      return mse_loss(args, unit, weight, scale);
    case LossKind::survival:
      return survival_loss(args, b, weight, scale);
  }
  return 0;
}

template <class T>
void MaskedLossCpu<T>::clear_unit(const MaskedLossArgs& args, std::int64_t b, std::int64_t unit) const {
  if (T* loss = static_cast<T*>(args.loss); desc_.reduction == Reduction::none) {
    const std::int64_t elements = per_element() ? desc_.outputs : 1;
    std::fill_n(loss + unit * elements, elements, T(0));
  }
  if (args.d_logits == nullptr) return;
  if (desc_.kind == LossKind::survival) {
    const std::int64_t length = std::int64_t{args.batch.visit_offsets[b + 1]} - args.batch.visit_offsets[b];
    std::fill_n(static_cast<T*>(args.d_logits) + first_row(args.batch, b), length, T(0));
  } else {
    std::fill_n(d_row(args, unit), desc_.outputs, T(0));
  }
}

template <class T>
void MaskedLossCpu<T>::clear_padding(const MaskedLossArgs& args, std::int64_t b) const {
  const std::int64_t length = std::int64_t{args.batch.visit_offsets[b + 1]} - args.batch.visit_offsets[b];
  const std::int64_t padding = desc_.padded_steps - length, first = b * desc_.padded_steps + length;
  if (args.d_logits != nullptr) std::fill_n(d_row(args, first), padding * desc_.outputs, T(0));
  if (desc_.reduction == Reduction::none && desc_.kind != LossKind::survival) {
    const std::int64_t elements = per_element() ? desc_.outputs : 1;
    std::fill_n(static_cast<T*>(args.loss) + first * elements, padding * elements, T(0));
  }
}

template <class T>
void MaskedLossCpu<T>::run(const MaskedLossArgs& args, Stream) const {
  check_fits(args.batch.counts[0], desc_.capacity.sequences, "sequences");
  if (desc_.layout == LossLayout::rows) check_fits(args.batch.counts[1], desc_.capacity.rows, "rows");
  if (desc_.layout == LossLayout::padded) check_fits(args.batch.counts[3], desc_.padded_steps, "steps");
  Carver carver(args.workspace);
  const Workspace work = carve(carver);
  const std::int64_t sequences = args.batch.counts[0];

  parallel_blocks(sequences, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const Units units = units_of(args.batch, b);
      double sum = 0;
      for (std::int64_t unit = units.first; unit < units.first + units.count; ++unit)
        if ((work.weights[unit] = unit_weight(args, b, unit)) != masked) sum += work.weights[unit];
      work.sequences[b] = sum;
    }
  });
  double total = 0;
  for (std::int64_t b = 0; b < sequences; ++b)
    total += desc_.reduction == Reduction::mean_per_sequence ? (work.sequences[b] != 0 ? 1.0 : 0.0)
                                                             : work.sequences[b];

  // One task a sequence, long ones apart: a row may have tens of thousands of outputs.
  parallel_for(sequences, [&](std::int64_t b) {
    const Units units = units_of(args.batch, b);
    double denominator = 1;
    if (desc_.reduction == Reduction::mean) denominator = total;
    if (desc_.reduction == Reduction::mean_per_sequence) denominator = total * work.sequences[b];
    const double scale = 1 / denominator;
    for (std::int64_t unit = units.first; unit < units.first + units.count; ++unit) {
      work.losses[unit] = 0;
      if (work.weights[unit] != masked && denominator != 0)
        work.losses[unit] = scale * unit_loss(args, b, unit, scale);
      else
        clear_unit(args, b, unit);
    }
    if (desc_.layout == LossLayout::padded) clear_padding(args, b);
  });

  if (args.weight_sum != nullptr) *static_cast<T*>(args.weight_sum) = static_cast<T>(total);
  if (desc_.reduction == Reduction::none) return;
  double loss = 0;
  for (std::int64_t b = 0; b < sequences; ++b) {
    const Units units = units_of(args.batch, b);
    for (std::int64_t unit = units.first; unit < units.first + units.count; ++unit) loss += work.losses[unit];
  }
  *static_cast<T*>(args.loss) = static_cast<T>(loss);
}

template class MaskedLossCpu<float>;
template class MaskedLossCpu<double>;

std::unique_ptr<MaskedLossOperation> make_masked_loss(const MaskedLossDesc& desc) {
  return with_dtype(desc.dtype, [&]<class T>() -> std::unique_ptr<MaskedLossOperation> {
    return std::make_unique<MaskedLossCpu<T>>(desc);
  });
}

}  // namespace ragtime::cpu
