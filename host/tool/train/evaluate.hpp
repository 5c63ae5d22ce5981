#pragma once

// Loss and metrics of examples that take no part in training.

#include <memory>
#include <span>
#include <vector>

#include "host/tool/train/batch_feed.hpp"
#include "host/tool/train/history.hpp"
#include "host/tool/train/metrics.hpp"

namespace ragtime {

// Gathers what the metrics of a task need, batch by batch; for next_visit only their sums, so that memory
// does not grow with visits x vocabulary.
class MetricCollector {
 public:
  // scale is that of the targets and logits of regression, whose metrics are in the labels' unit.
  explicit MetricCollector(Task task, const TargetScale& scale = {}) : task_(task), scale_(scale) {}

  // logits [R, K] of the batch, in host memory.
  void add(const RaggedBatch& batch, const HostTargets& targets, std::span<const float> logits);

  // binary_classification, visit_binary: auroc, average_precision, accuracy; multi_class: accuracy;
  // regression: rmse, mae; next_visit: recall@10, the mean over visits; survival: concordance. Empty where
  // the data do not define one.
  std::vector<Metric> finish() const;

 private:
  void add_binary(const HostTargets& targets, std::span<const float> logits);
  void add_multi_class(const HostTargets& targets, std::span<const float> logits);
  void add_regression(const HostTargets& targets, std::span<const float> logits);
  void add_next_visit(const RaggedBatch& batch, std::span<const float> logits);
  void add_survival(const RaggedBatch& batch, const HostTargets& targets, std::span<const float> logits);

  Task task_;
  TargetScale scale_;
  std::vector<double> scores_;
  std::vector<std::uint8_t> labels_;
  SurvivalPredictions survival_;
  double count_ = 0;  // of what the sums below are over
  double agreeing_ = 0;
  double squared_ = 0;
  double absolute_ = 0;
  double recall_ = 0;
};

struct Evaluation {
  double loss = 0;  // mean over valid elements; of regression in the units of its scale
  std::vector<Metric> metrics;
};

// feed: with targets, of regression on this scale. batches: indices into its examples.
Evaluation evaluate(VisitLstm& model, BatchFeed& feed, std::shared_ptr<Backend> backend,
                    std::span<const std::vector<std::int32_t>> batches, const TargetScale& scale = {});

}  // namespace ragtime
