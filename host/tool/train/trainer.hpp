#pragma once

// The training loop: epochs of batches, validation after each, the best parameters and the run's state on
// disk.

#include <cstdint>
#include <memory>
#include <string>

#include "host/tool/train/checkpoint.hpp"
#include "host/tool/train/split.hpp"
#include "host/tool/train/train_options.hpp"

namespace ragtime {

// What a run trains on: derived from the options and the files alone, so that a resumed run derives it again.
struct TrainingData {
  Cohort cohort;
  ExampleSet examples;
  Split split;
  Vocabulary vocabulary = Vocabulary::from_codes({});
  std::int64_t rare_codes = 0;  // codes of training patients that min_code_count keeps out of the vocabulary
  EncodedCohort encoded;
  ModelConfig config;             // of the model, complete
  TrainingFile training;          // training.json
  std::uint64_t fingerprint = 0;  // of everything a run computes on

  TrainingData() = default;
  TrainingData(const TrainingData&) = delete;  // encoded points to cohort
  TrainingData& operator=(const TrainingData&) = delete;
};

// What the files that the options name hold, beside the data.
struct TrainingFiles {
  TaskFiles task = {};
  std::vector<PatientPart> parts = {};  // of split.file
};

// Throws as read_task_files and read_patient_parts.
TrainingFiles read_training_files(const TrainOptions& options);

// Reads nothing: the cohort comes from read_cohort, the rest from read_training_files.
std::unique_ptr<TrainingData> prepare_training(Cohort cohort, const TrainingFiles& files,
                                               const TrainOptions& options);

// A step of a run, for a progress bar.
struct TrainProgress {
  std::int64_t epoch = 0;  // from 1
  std::int64_t epochs = 0;
  std::int64_t batch = 0;  // done
  std::int64_t batches = 0;
  std::int64_t rows = 0;  // done in this epoch
  std::int64_t total_rows = 0;
  double rows_per_second = 0;  // of this epoch's training so far
};

// Hears how a run goes on.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  virtual void on_batch(const TrainProgress&) {}
  virtual void on_validation() {}
  virtual void on_epoch(const EpochRecord&, double /*rows_per_second*/, bool /*best*/) {}
  // Asked between batches; true: keep where it stands and end.
  virtual bool stop_requested() { return false; }
};

enum class TrainEnd { finished, stopped_early, interrupted };

// Trains, or goes on from the checkpoint in options.out when options.resume is set and there is one. Writes
// into options.out: checkpoint.safetensors, history.json and history.svg as it goes; config.json,
// model.safetensors, vocabulary.txt and training.json whenever an epoch is the best so far.
class Trainer {
 public:
  Trainer(std::shared_ptr<Backend> backend, const TrainingData& data, const TrainOptions& options);
  ~Trainer();

  bool resumed() const;  // going on from a checkpoint
  const History& history() const;
  std::uint64_t skipped_steps() const;  // for a gradient that was not finite, since the run began
  TrainEnd run(TrainObserver& observer);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace ragtime
