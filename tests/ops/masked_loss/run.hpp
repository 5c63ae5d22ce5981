#pragma once

// The double reference of the masked losses, and one run of the operation on a problem.

#include "ragtime/status.hpp"
#include "tests/ops/masked_loss/problems.hpp"

namespace ragtime::test {

struct LossResult {
  std::vector<double> loss, d_logits;
  double weight_sum = 0;
};

// One unit, from the definitions in masked_loss.hpp: l of each of its elements, dl/dlogits of each of its
// logits, and what a weight of 1 adds to the denominator of the mean.
struct UnitLoss {
  std::vector<double> losses, slopes;
  double share = 1;
};

inline double log_sigmoid(double z) {
  return z < 0 ? z - std::log1p(std::exp(z)) : -std::log1p(std::exp(-z));
}

inline UnitLoss element_losses(const LossProblem& problem, std::int64_t row) {
  const LossVariant& variant = problem.variant;
  UnitLoss result;
  result.share = static_cast<double>(variant.outputs);
  for (std::int64_t k = 0; k < variant.outputs; ++k) {
    const double z = problem.logits[row * variant.outputs + k];
    double y = 0;
    if (variant.hot)
      for (std::int32_t i = problem.target_offsets[row]; i < problem.target_offsets[row + 1]; ++i)
        y += problem.target_ids[i] == k ? 1 : 0;
    else
      y = problem.targets[row * variant.outputs + k];
    if (variant.kind == LossKind::mse) {
      result.losses.push_back((z - y) * (z - y));
      result.slopes.push_back(2 * (z - y));
      continue;
    }
    const double w = variant.pos_weighted ? problem.pos_weight[k] : 1;
    result.losses.push_back(-(w * y * log_sigmoid(z) + (1 - y) * log_sigmoid(-z)));
    result.slopes.push_back(-w * y * std::exp(log_sigmoid(-z)) + (1 - y) * std::exp(log_sigmoid(z)));
  }
  return result;
}

// -sum_k q_k log p_k, where q_k = w_k ((1 - s) [k = label] + s / K).
inline UnitLoss cross_entropy_of(const LossProblem& problem, std::int64_t row) {
  const std::int64_t outputs = problem.variant.outputs;
  const double* z = &problem.logits[row * outputs];
  double sum = 0, loss = 0, mass = 0;
  for (std::int64_t k = 0; k < outputs; ++k) sum += std::exp(z[k]);
  UnitLoss result;
  std::vector<double> q;
  for (std::int64_t k = 0; k < outputs; ++k) {
    const double w = problem.variant.class_weighted ? problem.class_weight[k] : 1,
                 s = problem.variant.smoothing;
    const bool labelled = problem.labels[row] == k;
    if (labelled) result.share = w;
    q.push_back(w * ((labelled ? 1 - s : 0) + s / static_cast<double>(outputs)));
    loss -= q[k] * (z[k] - std::log(sum));
    mass += q[k];
  }
  for (std::int64_t k = 0; k < outputs; ++k) result.slopes.push_back(mass * std::exp(z[k]) / sum - q[k]);
  result.losses = {loss};
  return result;
}

inline UnitLoss survival_of(const LossProblem& problem, std::int64_t b) {
  UnitLoss result;
  double loss = 0;
  for (std::int64_t t = 0; t < problem.lengths[b]; ++t) {
    if (t > problem.event_time[b]) {
      result.slopes.push_back(0);
      continue;
    }
    const double x = problem.logits[problem.first(b) + t];
    const bool event = t == problem.event_time[b] && problem.observed[b] == 1;
    if (problem.variant.hazards_are_logits) {
      loss -= log_sigmoid(event ? x : -x);
      result.slopes.push_back(event ? -std::exp(log_sigmoid(-x)) : std::exp(log_sigmoid(x)));
    } else {
      loss -= event ? std::log(x) : std::log(1 - x);
      result.slopes.push_back(event ? -1 / x : 1 / (1 - x));
    }
  }
  result.losses = {loss};
  return result;
}

inline LossResult reference_loss(const LossProblem& problem) {
  const bool survival = problem.variant.survival(), per_element = problem.variant.per_element();
  const std::int64_t outputs = problem.variant.outputs;
  LossResult result;
  result.loss.assign(static_cast<std::size_t>(problem.losses()), 0);
  result.d_logits.assign(static_cast<std::size_t>(problem.rows() * outputs), 0);
  const auto unit_loss = [&](std::int64_t unit) {
    if (survival) return survival_of(problem, unit);
    return per_element ? element_losses(problem, unit) : cross_entropy_of(problem, unit);
  };
  // visit(sequence, unit, its weight, its losses) for every unit that counts.
  const auto for_each_unit = [&](auto&& visit) {
    for (std::int64_t b = 0; b < problem.sequences(); ++b) {
      const std::int64_t first = survival ? b : problem.first(b), count = survival ? 1 : problem.count(b);
      for (std::int64_t unit = first; unit < first + count; ++unit)
        if (counts(problem, unit)) visit(b, unit, weight_of(problem, unit), unit_loss(unit));
    }
  };

  double total = 0;
  std::vector<double> sums(problem.lengths.size());
  for_each_unit([&](std::int64_t b, std::int64_t, double weight, const UnitLoss& one) {
    sums[b] += weight * one.share;
    total += weight * one.share;
  });
  double counted = 0;  // sequences
  for (const double sum : sums) counted += sum > 0 ? 1 : 0;

  for_each_unit([&](std::int64_t b, std::int64_t unit, double weight, const UnitLoss& one) {
    double factor = weight;
    if (problem.reduction == Reduction::mean) factor = total == 0 ? 0 : weight / total;
    if (problem.reduction == Reduction::mean_per_sequence)
      factor = sums[b] == 0 ? 0 : weight / sums[b] / counted;
    for (std::size_t k = 0; k < one.losses.size(); ++k) {
      const std::int64_t place =
          unit * static_cast<std::int64_t>(one.losses.size()) + static_cast<std::int64_t>(k);
      result.loss[problem.reduction == Reduction::none ? place : 0] += factor * one.losses[k];
    }
    const std::int64_t begin = survival ? problem.first(b) : unit * outputs;
    for (std::size_t k = 0; k < one.slopes.size(); ++k)
      result.d_logits[begin + static_cast<std::int64_t>(k)] += factor * one.slopes[k];
  });
  result.weight_sum = problem.reduction == Reduction::mean_per_sequence ? counted : total;
  return result;
}

// What a loss and its denominator are kept in.
template <class T>
using LossNumber = std::conditional_t<sizeof(T) == 2, float, T>;

// Losses without a reduction are in T, which a LossNumber holds exactly.
template <class T>
struct LossOutputs {
  std::vector<LossNumber<T>> loss;
  std::vector<T> d_logits;
  std::vector<LossNumber<T>> weight_sum;
};

template <class T>
void expect_same_bits(const LossOutputs<T>& a, const LossOutputs<T>& b) {
  EXPECT_TRUE(same_bits(a.loss, b.loss)) << "loss";
  EXPECT_TRUE(same_bits(a.d_logits, b.d_logits)) << "d_logits";
  EXPECT_TRUE(same_bits(a.weight_sum, b.weight_sum)) << "weight_sum";
}

template <class T>
MaskedLossDesc description(const LossProblem& problem) {
  const RaggedLayout layout = layout_of(problem.lengths);
  MaskedLossDesc desc;
  desc.dtype = dtype_of<T>;
  desc.kind = problem.variant.kind;
  desc.reduction = problem.reduction;
  desc.layout = problem.layout;
  desc.outputs = problem.variant.outputs;
  desc.padded_steps = problem.padded_steps;
  desc.label_smoothing = problem.variant.smoothing;
  desc.ignore_index = problem.ignore_index;
  desc.hazards_are_logits = problem.variant.hazards_are_logits;
  desc.capacity = {.sequences = layout.sequences() + 2, .rows = layout.rows() + 5, .codes = 0, .steps = 0};
  return desc;
}

// All memory of a run; `args` may be changed before it.
template <class T>
struct LossRun {
  LossRun(const std::shared_ptr<Backend>& device, const LossProblem& problem)
      : backend(device),
        loss_count(problem.losses()),
        logit_count(problem.rows() * problem.variant.outputs),
        batch(backend),
        plan(backend, description<T>(problem)),
        logits(backend, cast<T>(problem.logits)),
        targets(backend, cast<T>(problem.targets)),
        pos_weight(backend, cast<T>(problem.pos_weight)),
        class_weight(backend, cast<T>(problem.class_weight)),
        row_weight(backend, cast<float>(problem.row_weight)),
        labels(backend, problem.labels),
        target_offsets(backend, problem.target_offsets),
        target_ids(backend, problem.target_ids),
        event_time(backend, problem.event_time),
        observed(backend, problem.observed),
        reduces(problem.reduction != Reduction::none),
        losses(DeviceArray<T>::poisoned(backend, loss_count + loss_tail)),
        reduced(DeviceArray<LossNumber<T>>::poisoned(backend, loss_count + loss_tail)),
        d_logits(DeviceArray<T>::poisoned(backend, logit_count + loss_tail)),
        weight_sum(DeviceArray<LossNumber<T>>::poisoned(backend, 1)),
        workspace(poisoned_workspace(backend, plan.workspace_bytes())),
        status(backend) {
    batch.load(layout_of(problem.lengths));
    args.batch = batch.view();
    args.logits = logits.data();
    args.targets = targets.data();
    args.target_offsets = target_offsets.data();
    args.target_ids = target_ids.data();
    args.labels = labels.data();
    args.event_time = event_time.data();
    args.observed = observed.data();
    args.row_weight = row_weight.data();
    args.pos_weight = pos_weight.data();
    args.class_weight = class_weight.data();
    args.loss = reduces ? static_cast<void*>(reduced.data()) : losses.data();
    args.weight_sum = weight_sum.data();
    args.d_logits = d_logits.data();
    args.workspace = workspace.data();
    args.status = status.word();
  }

  // Of the batch; what lies behind it must be as it was.
  LossOutputs<T> outputs() const {
    const auto in_use = [&]<class Number>(const DeviceArray<Number>& array, std::int64_t count) {
      const std::vector<Number> all = array.host();
      const auto untouched = DeviceArray<Number>::poisoned(backend, loss_tail).host();
      EXPECT_TRUE(same_bits(std::vector<Number>(all.begin() + count, all.end()), untouched));
      return std::vector<Number>(all.begin(), all.begin() + count);
    };
    return {reduces ? in_use(reduced, loss_count) : cast<LossNumber<T>>(in_use(losses, loss_count)),
            in_use(d_logits, logit_count), weight_sum.host()};
  }

  std::shared_ptr<Backend> backend;
  std::int64_t loss_count, logit_count;
  DeviceBatch batch;
  MaskedLossPlan plan;
  DeviceArray<T> logits, targets, pos_weight, class_weight;
  DeviceArray<float> row_weight;
  DeviceArray<std::int32_t> labels, target_offsets, target_ids, event_time;
  DeviceArray<std::uint8_t> observed;
  bool reduces;
  DeviceArray<T> losses;
  DeviceArray<LossNumber<T>> reduced;
  DeviceArray<T> d_logits;
  DeviceArray<LossNumber<T>> weight_sum;
  DeviceArray<std::byte> workspace;
  Status status;
  MaskedLossArgs args;
};

// One run, without a fault.
template <class T>
LossOutputs<T> run_loss(const std::shared_ptr<Backend>& backend, const LossProblem& problem) {
  LossRun<T> run(backend, problem);
  run.plan.run(run.args);
  EXPECT_NO_THROW(run.status.check());
  return run.outputs();
}

}  // namespace ragtime::test
