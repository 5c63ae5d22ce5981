#pragma once

// What ragtime train says while it runs: a bar on the terminal, a line a epoch on standard output.

#include "host/cli/interrupt.hpp"
#include "host/train/trainer.hpp"

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

// About the data, before it starts.
void say_what_is_learned(const TrainingData& data, const TrainOptions& options);

}  // namespace ragtime::cli
