#pragma once

// The loss and gradient of one unit of each kind, and the launches over all of them.
//
//   bce_with_logits  l = (1 - y) softplus(z) + w y softplus(-z)
//                    d = (1 - y) sigmoid(z) - w y sigmoid(-z)
//   mse              l = (z - y)^2,  d = 2 (z - y)
//   cross_entropy    l = (1 - s) w_y (lse - z_y) + s / K sum_k w_k (lse - z_k)
//                    d_k = mass exp(z_k - lse) - s / K w_k - [k = y] (1 - s) w_y,
//                    mass the sum of the weights in l; lse from a running maximum, so the logits are read
//                    once for the loss and once for the gradient
//   survival         l = softplus(z) before the event and where censored, softplus(-z) at the event; with
//                    hazards -log(1 - h) and -log h
//
// Everything is a sum of terms that are not negative, so that small losses keep their digits.

#include "cuda/masked_loss/masked_loss.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// Of one logit: sigmoid and softplus of z and -z, from one exponential and one division.
struct LossSigmoid {
  float up, down;                    // sigmoid(z), sigmoid(-z)
  float softplus_up, softplus_down;  // softplus(z), softplus(-z)
};
RAGTIME_DEVICE LossSigmoid loss_sigmoid(float z) {
  const float e = arch::exp(-fabsf(z));
  const float inverse = 1 / ((1 + e) * (2 + e));
  const float large = inverse * (2 + e), small = e * large;
  // log(1 + e) = 2 artanh(s) with s = e / (2 + e), at most 1/3: eight terms are exact to f32.
  const float s = e * inverse * (1 + e), square = s * s;
  float series = 1.0f / 15;
  series = arch::fma(series, square, 1.0f / 13);
  series = arch::fma(series, square, 1.0f / 11);
  series = arch::fma(series, square, 1.0f / 9);
  series = arch::fma(series, square, 1.0f / 7);
  series = arch::fma(series, square, 1.0f / 5);
  series = arch::fma(series, square, 1.0f / 3);
  series = arch::fma(series, square, 1.0f);
  const float logarithm = 2 * s * series;
  return {z < 0 ? small : large, z < 0 ? large : small, fmaxf(z, 0) + logarithm, fmaxf(-z, 0) + logarithm};
}

// A row that counts: `weight` its row weight, `factor` that over the denominator, for the gradient.
template <class T>
struct LossRow {
  std::int64_t unit;
  const T* logits;
  T* d;       // or null
  T* losses;  // of none, else null
  float weight, factor;
};

// Those below give this thread's share of the row's loss, without its weight. All threads of the block make
// the same calls; those whose team has no row that counts, with is_active false.

// Calls element(k, z, y, loss, d) for the elements of a row, by reference for what it gives.
template <int W, class T, class Team, class Element>
RAGTIME_DEVICE double loss_of_elements(const MaskedLossKernelArgs<T>& args, Team team, const LossRow<T>& row,
                                       Element element) {
  double sum = 0;
  for (std::int64_t k = team.rank() * W; k < args.outputs; k += team.size() * W) {
    float z[W], y[W] = {}, loss[W], d[W];
    load_row(row.logits + k, args.aligned, z);
    if (args.targets != nullptr) load_row(args.targets + row.unit * args.outputs + k, args.aligned, y);
    element(k, z, y, loss, d);
    RAGTIME_UNROLL
    for (int i = 0; i < W; ++i) {
      sum += static_cast<double>(loss[i]);
      loss[i] *= row.weight;
      d[i] *= row.factor;
    }
    if (row.d != nullptr) store_row(row.d + k, args.aligned, d);
    if (row.losses != nullptr) store_row(row.losses + k, args.aligned, loss);
  }
  return sum;
}

template <int W, class T, class Team>
RAGTIME_DEVICE double mse_row(const MaskedLossKernelArgs<T>& args, Team team, const LossRow<T>& row,
                              bool is_active) {
  if (!is_active) return 0;
  return loss_of_elements<W>(
      args, team, row,
      [](std::int64_t, const float(&z)[W], const float(&y)[W], float(&loss)[W], float(&d)[W]) {
        RAGTIME_UNROLL
        for (int i = 0; i < W; ++i) {
          const float difference = z[i] - y[i];
          loss[i] = difference * difference;
          d[i] = 2 * difference;
        }
      });
}

template <int W, class T, class Team>
RAGTIME_DEVICE double bce_row(const MaskedLossKernelArgs<T>& args, Team team, const LossRow<T>& row,
                              bool is_active) {
  double sum = 0;
  const bool weighs = args.pos_weight != nullptr && args.targets != nullptr;
  if (is_active)
    sum = loss_of_elements<W>(
        args, team, row,
        [&](std::int64_t k, const float(&z)[W], const float(&y)[W], float(&loss)[W], float(&d)[W]) {
          float w[W] = {};
          if (weighs) load_row(args.pos_weight + k, args.aligned, w);
          RAGTIME_UNROLL
          for (int i = 0; i < W; ++i) {
            const LossSigmoid at = loss_sigmoid(z[i]);
            const float positive = weighs ? w[i] * y[i] : y[i];
            loss[i] = (1 - y[i]) * at.softplus_up + positive * at.softplus_down;
            d[i] = (1 - y[i]) * at.up - positive * at.down;
          }
        });
  if (args.targets != nullptr) return sum;
  // All of that as if every target were 0; the few that are 1 are mended, each by one thread.
  team.sync();
  if (!is_active) return 0;
  const std::int64_t end = args.target_offsets[row.unit + 1];
  for (std::int64_t i = args.target_offsets[row.unit] + std::int64_t{team.rank()}; i < end;
       i += team.size()) {
    const std::int32_t k = args.target_ids[i];
    if (k < 0 || k >= args.outputs) {
      report(args.status, Fault::label_out_of_range, row.unit);
      continue;
    }
    const LossSigmoid at = loss_sigmoid(arch::to_float(row.logits[k]));
    const float positive = args.pos_weight == nullptr ? 1.0f : arch::to_float(args.pos_weight[k]);
    const float loss = positive * at.softplus_down;
    sum += static_cast<double>(loss) - static_cast<double>(at.softplus_up);
    if (row.d != nullptr) row.d[k] = arch::from_float<T>(-row.factor * positive * at.down);
    if (row.losses != nullptr) row.losses[k] = arch::from_float<T>(row.weight * loss);
  }
  return sum;
}

template <int W, class T, class Team>
RAGTIME_DEVICE double cross_entropy_row(const MaskedLossKernelArgs<T>& args, Team team, const LossRow<T>& row,
                                        bool is_active) {
  constexpr float lowest = -std::numeric_limits<float>::infinity();
  const bool is_smooth = args.label_smoothing > 0;
  const std::int64_t outputs = is_active ? args.outputs : 0, stride = std::int64_t{team.size()} * W;
  const auto class_weights = [&](std::int64_t k, float(&w)[W]) {
    if (args.class_weight != nullptr) return load_row(args.class_weight + k, args.aligned, w);
    for (int i = 0; i < W; ++i) w[i] = 1;
  };

  float highest = lowest;
  double exponentials = 0;           // sum of exp(z - highest)
  double weights = 0, weighted = 0;  // sums of w and w z
  for (std::int64_t k = std::int64_t{team.rank()} * W; k < outputs; k += stride) {
    float z[W];
    load_row(row.logits + k, args.aligned, z);
    float higher = highest;
    RAGTIME_UNROLL
    for (int i = 0; i < W; ++i) higher = fmaxf(higher, z[i]);
    if (higher > highest) {
      exponentials *= static_cast<double>(arch::exp(highest - higher));
      highest = higher;
    }
    // Of infinitely low logits alone there is nothing to add yet.
    RAGTIME_UNROLL
    for (int i = 0; i < W; ++i)
      if (z[i] != lowest) exponentials += static_cast<double>(arch::exp(z[i] - highest));
    if (!is_smooth) continue;
    float w[W] = {};
    class_weights(k, w);
    RAGTIME_UNROLL
    for (int i = 0; i < W; ++i) {
      weights += static_cast<double>(w[i]);
      weighted += static_cast<double>(w[i]) * static_cast<double>(z[i]);
    }
  }
  const float own = highest;
  highest = team.max(highest);
  if (own != lowest) exponentials *= static_cast<double>(arch::exp(own - highest));
  exponentials = team.sum(exponentials);
  if (is_smooth) {
    weights = team.sum(weights);
    weighted = team.sum(weighted);
  }
  if (!is_active) return 0;

  const std::int32_t label = args.labels[row.unit];
  const double logarithm = static_cast<double>(log1pf(static_cast<float>(exponentials - 1)));
  const double lse = static_cast<double>(highest) + logarithm;
  const double of_label =
      args.class_weight == nullptr ? 1.0 : static_cast<double>(arch::to_float(args.class_weight[label]));
  const double sharp = (1 - args.label_smoothing) * of_label;
  const double smooth = args.label_smoothing / static_cast<double>(args.outputs);
  const double to_label =
      static_cast<double>(highest) - static_cast<double>(arch::to_float(row.logits[label]));
  const double loss =
      sharp * (to_label + logarithm) + (is_smooth ? smooth * (weights * lse - weighted) : 0.0);
  if (row.losses != nullptr && team.rank() == 0)
    *row.losses = arch::from_float<T>(row.weight * static_cast<float>(loss));

  if (row.d != nullptr) {
    const float of_exponential =
        row.factor * static_cast<float>((sharp + smooth * (is_smooth ? weights : 0.0)) / exponentials);
    const float of_weight = row.factor * static_cast<float>(smooth);
    const float at_label = row.factor * static_cast<float>(sharp);
    for (std::int64_t k = std::int64_t{team.rank()} * W; k < outputs; k += stride) {
      float z[W], w[W] = {}, d[W];
      load_row(row.logits + k, args.aligned, z);
      if (is_smooth) class_weights(k, w);
      RAGTIME_UNROLL
      for (int i = 0; i < W; ++i) {
        d[i] = arch::exp(z[i] - highest) * of_exponential;
        if (is_smooth) d[i] -= of_weight * w[i];
        if (k + i == label) d[i] -= at_label;
      }
      store_row(row.d + k, args.aligned, d);
    }
  }
  return team.rank() == 0 ? loss : 0.0;
}

// Zeros, to `count` elements.
template <int W, class T, class Team>
RAGTIME_DEVICE void clear_row(const MaskedLossKernelArgs<T>& args, Team team, T* row, std::int64_t count) {
  constexpr float zeros[W] = {};
  for (std::int64_t k = std::int64_t{team.rank()} * W; k < count; k += std::int64_t{team.size()} * W)
    store_row(row + k, args.aligned, zeros);
}

// Units that are rows, a team each.
template <class T, int W, bool Block, LossKind Kind>
RAGTIME_KERNEL(MaskedLossTuning::threads, MaskedLossTuning::blocks_per_sm)
masked_loss_rows(MaskedLossKernelArgs<T> args, unsigned lanes) {
  const LossTeam<Block> team{lanes};
  const LossExtent extent = loss_extent(args);
  constexpr bool per_element = Kind != LossKind::cross_entropy;
  const bool none = args.reduction == Reduction::none;
  for_each_unit(team, extent.units, none ? nullptr : args.partials, [&](std::int64_t unit) {
    const bool exists = unit < extent.units;
    const float weight = exists ? args.weights[unit] : masked_unit;
    const double denominator = weight != masked_unit ? loss_denominator(args, extent, unit) : 0.0;
    const bool is_active = denominator != 0;
    LossRow<T> row{.unit = unit,
                   .logits = args.logits + unit * args.outputs,
                   .d = args.d_logits == nullptr ? nullptr : args.d_logits + unit * args.outputs,
                   .losses = !none ? nullptr : args.loss + unit * (per_element ? args.outputs : 1),
                   .weight = weight,
                   .factor = is_active ? static_cast<float>(static_cast<double>(weight) / denominator) : 0};
    double loss = 0;
    if constexpr (Kind == LossKind::bce_with_logits) loss = bce_row<W>(args, team, row, is_active);
    if constexpr (Kind == LossKind::mse) loss = mse_row<W>(args, team, row, is_active);
    if constexpr (Kind == LossKind::cross_entropy) loss = cross_entropy_row<W>(args, team, row, is_active);
    if (is_active) return loss * static_cast<double>(weight) / denominator;
    if (exists && row.d != nullptr) clear_row<W>(args, team, row.d, args.outputs);
    if (exists && row.losses != nullptr) {
      if constexpr (per_element)
        clear_row<W>(args, team, row.losses, args.outputs);
      else if (team.rank() == 0)
        *row.losses = arch::from_float<T>(0);
    }
    return 0.0;
  });
}

// Units that are sequences, a warp each.
template <class T>
RAGTIME_KERNEL(MaskedLossTuning::threads, 1)
masked_loss_survival(MaskedLossKernelArgs<T> args) {
  const LossTeam<false> team{arch::warp_size};
  const LossExtent extent = loss_extent(args);
  const bool none = args.reduction == Reduction::none;
  for_each_unit(team, extent.units, none ? nullptr : args.partials, [&](std::int64_t b) {
    const bool exists = b < extent.units;
    const float weight = exists ? args.weights[b] : masked_unit;
    const double denominator = weight != masked_unit ? loss_denominator(args, extent, b) : 0.0;
    const bool is_active = denominator != 0;
    const float factor = is_active ? static_cast<float>(static_cast<double>(weight) / denominator) : 0.0f;
    const std::int64_t first = exists ? extent.first_row(b) : 0;
    const std::int64_t last = is_active ? args.event_time[b] : -1;
    std::int64_t rows = exists ? extent.length(b) : 0;
    if (exists && args.layout == LossLayout::padded) rows = args.padded_steps;
    const bool happened = is_active && args.observed[b] != 0;
    double sum = 0;
    for (std::int64_t t = arch::lane(); t < rows; t += arch::warp_size) {
      float d = 0;
      if (t <= last) {
        const float value = arch::to_float(args.logits[first + t]);
        const bool is_event = happened && t == last;
        float loss;
        if (args.hazards_are_logits) {
          const LossSigmoid at = loss_sigmoid(value);
          loss = is_event ? at.softplus_down : at.softplus_up;
          d = factor * (is_event ? -at.down : at.up);
        } else {
          loss = is_event ? -logf(value) : -log1pf(-value);
          d = factor * (is_event ? -1 / value : 1 / (1 - value));
        }
        sum += static_cast<double>(loss);
      } else if (args.d_logits == nullptr) {
        break;
      }
      if (args.d_logits != nullptr) args.d_logits[first + t] = arch::from_float<T>(d);
    }
    if (none) {
      sum = team.sum(sum) * (is_active ? static_cast<double>(weight) : 0.0);
      if (exists && team.rank() == 0) args.loss[b] = arch::from_float<T>(static_cast<float>(sum));
      return 0.0;
    }
    return is_active ? sum * static_cast<double>(weight) / denominator : 0.0;
  });
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
