#pragma once

// What ragtime train says while it runs: a bar on the terminal, a line per epoch on standard output.

#include "host/tool/cli/interrupt.hpp"
#include "host/tool/train/prediction_rules.hpp"
#include "host/tool/train/trainer.hpp"

namespace ragtime::cli {

class TrainReport final : public TrainObserver {
 public:
  void on_batch(const TrainProgress& progress) override;
  void on_validation() override;
  void on_epoch(const EpochRecord& record, double rows_per_second, bool best) override;
  bool stop_requested() override { return interrupt_.noted(); }

 private:
  InterruptNote interrupt_;
  TrainProgress progress_;
  bool has_header_ = false;
};

// About the data, before it starts: who is used for what, and how many are positive.
void say_what_is_learned(const TrainingData& data, const TrainingFiles& files, const TrainOptions& options);

// The rules for the prediction time as a table on standard error, and the command line for each.
void print_rules(const std::vector<RuleSummary>& rules, const TaskOptions& options);

// What the best model's metrics are to be compared with, and what it reaches on the test part.
void print_results(const EpochRecord& best, const TrainingData& data, const TrainOptions& options,
                   const std::shared_ptr<Backend>& backend);

}  // namespace ragtime::cli
