#include "host/tool/train/evaluate.hpp"

#include <algorithm>
#include <cmath>

#include "host/tool/train/readback.hpp"
#include "ragtime/status.hpp"

namespace ragtime {
namespace {

constexpr std::int64_t recall_places = 10;

std::optional<double> ratio(double sum, double count) {
  if (count == 0 || !std::isfinite(sum)) return std::nullopt;
  return sum / count;
}

// -log(1 - sigmoid(logit))
double softplus(double logit) {
  return std::max(logit, 0.0) + std::log1p(std::exp(-std::abs(logit)));
}

}  // namespace

void MetricCollector::add(const RaggedBatch& batch, const HostTargets& targets,
                          std::span<const float> logits) {
  switch (task_) {
    case Task::binary_classification:
    case Task::visit_binary:
      return add_binary(targets, logits);
    case Task::multi_class:
      return add_multi_class(targets, logits);
    case Task::regression:
      return add_regression(targets, logits);
    case Task::next_visit:
      return add_next_visit(batch, logits);
    case Task::survival:
      return add_survival(batch, targets, logits);
  }
}

void MetricCollector::add_binary(const HostTargets& targets, std::span<const float> logits) {
  for (std::size_t row = 0; row < logits.size(); ++row) {
    if (!targets.row_weight.empty() && targets.row_weight[row] == 0) continue;
    const bool positive = targets.values[row] > 0.5f;
    scores_.push_back(logits[row]);
    labels_.push_back(positive ? 1 : 0);
    agreeing_ += (logits[row] > 0) == positive;
    ++count_;
  }
}

void MetricCollector::add_multi_class(const HostTargets& targets, std::span<const float> logits) {
  const std::size_t classes = logits.size() / std::max<std::size_t>(targets.labels.size(), 1);
  for (std::size_t row = 0; row < targets.labels.size(); ++row) {
    const auto scores = logits.subspan(row * classes, classes);
    const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();
    agreeing_ += best == targets.labels[row];
    ++count_;
  }
}

void MetricCollector::add_regression(const HostTargets& targets, std::span<const float> logits) {
  for (std::size_t row = 0; row < logits.size(); ++row) {
    const double error =
        (static_cast<double>(logits[row]) - static_cast<double>(targets.values[row])) * scale_.deviation;
    squared_ += error * error;
    absolute_ += std::abs(error);
    ++count_;
  }
}

void MetricCollector::add_next_visit(const RaggedBatch& batch, std::span<const float> logits) {
  const std::size_t rows = batch.code_offsets.size() - 1;
  const std::size_t codes = logits.size() / std::max<std::size_t>(rows, 1);
  for (std::int32_t b = 0; b < batch.layout.sequences(); ++b) {
    for (std::int32_t row = batch.layout.visit_offsets[b]; row + 1 < batch.layout.visit_offsets[b + 1];
         ++row) {
      const std::span<const std::int32_t> next(batch.codes.data() + batch.code_offsets[row + 1],
                                               batch.codes.data() + batch.code_offsets[row + 2]);
      const auto recall =
          recall_at(recall_places, logits.subspan(static_cast<std::size_t>(row) * codes, codes), next);
      if (!recall) continue;
      recall_ += *recall;
      ++count_;
    }
  }
}

void MetricCollector::add_survival(const RaggedBatch& batch, const HostTargets& targets,
                                   std::span<const float> logits) {
  for (std::int32_t b = 0; b < batch.layout.sequences(); ++b) {
    double hazard = 0;
    for (std::int32_t row = batch.layout.visit_offsets[b]; row < batch.layout.visit_offsets[b + 1]; ++row)
      survival_.risk.push_back(hazard += softplus(logits[row]));
    survival_.offsets.push_back(static_cast<std::int64_t>(survival_.risk.size()));
    survival_.event_time.push_back(targets.event_time[b]);
    survival_.observed.push_back(targets.observed[b]);
  }
}

std::vector<Metric> MetricCollector::finish() const {
  switch (task_) {
    case Task::binary_classification:
    case Task::visit_binary:
      return {{"auroc", auroc(scores_, labels_)},
              {"average_precision", average_precision(scores_, labels_)},
              {"accuracy", ratio(agreeing_, count_)}};
    case Task::multi_class:
      return {{"accuracy", ratio(agreeing_, count_)}};
    case Task::regression: {
      const std::optional<double> mean_square = ratio(squared_, count_);
      return {{"rmse", mean_square ? std::optional(std::sqrt(*mean_square)) : std::nullopt},
              {"mae", ratio(absolute_, count_)}};
    }
    case Task::next_visit:
      return {{"recall@10", ratio(recall_, count_)}};
    case Task::survival:
      return {{"concordance", concordance(survival_)}};
  }
  return {};
}

Evaluation evaluate(VisitLstm& model, BatchFeed& feed, std::shared_ptr<Backend> backend,
                    std::span<const std::vector<std::int32_t>> batches, const TargetScale& scale) {
  LossPair loss(backend);
  Logits logits(backend, model.dtype());
  Status status(backend);
  MetricCollector metrics(model.config().task, scale);
  double sum = 0, weight = 0;
  feed.start(batches);
  while (const BatchLoader* loaded = feed.next()) {
    const void* on_device =
        model.evaluate(loaded->batch(), loaded->targets(), loss.loss(), loss.weight(), {}, status.word());
    const Capacity& size = loaded->batch().size();
    const std::int64_t rows = is_patient_level(model.config().task) ? size.sequences : size.rows;
    loss.queue();
    logits.queue(on_device, rows * model.config().output_dim);
    feed.load_ahead();
    status.check();  // waits
    const LossPair::Values values = loss.values();
    if (values.weight > 0) sum += values.loss * values.weight;
    weight += values.weight;
    metrics.add(loaded->host_batch(), loaded->host_targets(), logits.values());
  }
  return {weight > 0 ? sum / weight : 0, metrics.finish()};
}

}  // namespace ragtime
