// The loss and gradient of one row of each kind; of one sequence for survival.

#include <algorithm>
#include <limits>

#include "host/cpu/kernels.hpp"
#include "host/cpu/masked_loss.hpp"
#include "host/cpu/status_word.hpp"

namespace ragtime::cpu {

template <class T>
double MaskedLossCpu<T>::bce_loss(const MaskedLossArgs& args, std::int64_t row, double weight,
                                  double scale) const {
  const std::int64_t outputs = desc_.outputs;
  const T* logits = static_cast<const T*>(args.logits) + row * outputs;
  const T* pos_weight = static_cast<const T*>(args.pos_weight);
  T* d = d_row(args, row);
  T* losses = loss_row(args, row);
  const double factor = weight * scale;
  double sum = 0;
  if (args.targets != nullptr) {
    sum = kernels<T>().bce_row(outputs, logits, static_cast<const T*>(args.targets) + row * outputs,
                               pos_weight, static_cast<T>(factor), losses, d);
  } else {
    // As if every target were 0, then the few that are 1 are mended.
    sum = kernels<T>().bce_row(outputs, logits, nullptr, nullptr, static_cast<T>(factor), losses, d);
    for (std::int32_t i = args.target_offsets[row]; i < args.target_offsets[row + 1]; ++i) {
      const std::int32_t k = args.target_ids[i];
      if (k < 0 || k >= outputs) {
        report(args.status, Fault::label_out_of_range, row);
        continue;
      }
      const double z = static_cast<double>(logits[k]);
      const double positive = (pos_weight == nullptr ? 1.0 : static_cast<double>(pos_weight[k]));
      sum += positive * softplus(-z) - softplus(z);
      if (losses != nullptr) losses[k] = static_cast<T>(positive * softplus(-z));
      if (d != nullptr) d[k] = static_cast<T>(-factor * positive * sigmoid(-z));
    }
  }
  if (losses != nullptr && weight != 1)
    for (std::int64_t k = 0; k < outputs; ++k) losses[k] *= static_cast<T>(weight);
  return weight * sum;
}

// (1 - s) w_y (lse - z_y) + s / K sum_k w_k (lse - z_k), with lse the log of the sum of exponentials.
template <class T>
double MaskedLossCpu<T>::cross_entropy_loss(const MaskedLossArgs& args, std::int64_t row, double weight,
                                            double scale) const {
  const std::int64_t outputs = desc_.outputs;
  const T* logits = static_cast<const T*>(args.logits) + row * outputs;
  const T* class_weight = static_cast<const T*>(args.class_weight);
  const auto weight_of_class = [&](std::int64_t k) {
    return class_weight == nullptr ? 1.0 : static_cast<double>(class_weight[k]);
  };
  const std::int32_t label = args.labels[row];
  const double highest = static_cast<double>(*std::max_element(logits, logits + outputs));
  double exponentials = 0;
  for (std::int64_t k = 0; k < outputs; ++k)
    exponentials += std::exp(static_cast<double>(logits[k]) - highest);
  const double lse = highest + std::log(exponentials);

  const double sharp = (1 - desc_.label_smoothing) * weight_of_class(label);
  const double smooth = desc_.label_smoothing / static_cast<double>(outputs);
  double loss = sharp * (lse - static_cast<double>(logits[label])), mass = sharp;
  if (smooth > 0)
    for (std::int64_t k = 0; k < outputs; ++k) {
      loss += smooth * weight_of_class(k) * (lse - static_cast<double>(logits[k]));
      mass += smooth * weight_of_class(k);
    }
  if (T* d = d_row(args, row); d != nullptr)
    for (std::int64_t k = 0; k < outputs; ++k) {
      const double p = std::exp(static_cast<double>(logits[k]) - lse);
      d[k] = static_cast<T>(weight * scale *
                            (p * mass - smooth * weight_of_class(k) - (k == label ? sharp : 0.0)));
    }
  if (desc_.reduction == Reduction::none) static_cast<T*>(args.loss)[row] = static_cast<T>(weight * loss);
  return weight * loss;
}

template <class T>
double MaskedLossCpu<T>::mse_loss(const MaskedLossArgs& args, std::int64_t row, double weight,
                                  double scale) const {
  const std::int64_t outputs = desc_.outputs;
  const T* logits = static_cast<const T*>(args.logits) + row * outputs;
  const T* targets = static_cast<const T*>(args.targets) + row * outputs;
  T* d = d_row(args, row);
  T* losses = loss_row(args, row);
  double sum = 0;
  for (std::int64_t k = 0; k < outputs; ++k) {
    const double difference = static_cast<double>(logits[k]) - static_cast<double>(targets[k]);
    sum += difference * difference;
    if (d != nullptr) d[k] = static_cast<T>(2 * weight * scale * difference);
    if (losses != nullptr) losses[k] = static_cast<T>(weight * difference * difference);
  }
  return weight * sum;
}

// Before the event, or up to censoring, each visit adds -log(1 - h); the event's adds -log h. With logits
// -log(1 - h) = softplus(z) and -log h = softplus(-z).
template <class T>
double MaskedLossCpu<T>::survival_loss(const MaskedLossArgs& args, std::int64_t b, double weight,
                                       double scale) const {
  const std::int64_t first = first_row(args.batch, b), end = args.event_time[b];
  const std::int64_t length = std::int64_t{args.batch.visit_offsets[b + 1]} - args.batch.visit_offsets[b];
  const T* input = static_cast<const T*>(args.logits) + first;
  T* d = d_row(args, first);
  double loss = 0;
  for (std::int64_t t = 0; t <= end; ++t) {
    const double value = static_cast<double>(input[t]);
    const bool event = t == end && args.observed[b] != 0;
    double slope;
    if (desc_.hazards_are_logits) {
      loss += softplus(event ? -value : value);
      slope = event ? -sigmoid(-value) : sigmoid(value);
    } else {
      loss -= event ? std::log(value) : std::log1p(-value);
      slope = event ? -1 / value : 1 / (1 - value);
    }
    if (d != nullptr) d[t] = static_cast<T>(weight * scale * slope);
  }
  if (d != nullptr) std::fill(d + end + 1, d + length, T(0));
  if (desc_.reduction == Reduction::none) static_cast<T*>(args.loss)[b] = static_cast<T>(weight * loss);
  return weight * loss;
}

#define RAGTIME_INSTANTIATE(T)                                                                              \
  template double MaskedLossCpu<T>::bce_loss(const MaskedLossArgs&, std::int64_t, double, double) const;    \
  template double MaskedLossCpu<T>::cross_entropy_loss(const MaskedLossArgs&, std::int64_t, double, double) \
      const;                                                                                                \
  template double MaskedLossCpu<T>::mse_loss(const MaskedLossArgs&, std::int64_t, double, double) const;    \
  template double MaskedLossCpu<T>::survival_loss(const MaskedLossArgs&, std::int64_t, double, double) const;
RAGTIME_INSTANTIATE(float)
RAGTIME_INSTANTIATE(double)

}  // namespace ragtime::cpu
