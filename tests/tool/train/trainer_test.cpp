// A training run: the files it leaves hold the best epoch's model and its history, the loss falls for every
// task, progress adds up, patience ends it, and one that diverges says so and leaves the best model whole.

#include "host/tool/train/trainer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "host/tool/train/evaluate.hpp"
#include "tests/model/support.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/tool/train/support.hpp"

namespace ragtime {
namespace {

using test::content_of;
using test::same_files;
using test::small_data;
using test::small_run;
using testing::ElementsAre;

class TrainerTest : public test::OnBackend {
 protected:
  History train(const TrainOptions& options, TrainEnd expected = TrainEnd::finished) {
    TrainObserver observer;
    const auto data = small_data(options);
    Trainer trainer(backend, *data, options);
    EXPECT_EQ(trainer.run(observer), expected);
    return trainer.history();
  }

  const TemporaryFolder folder_;
};

RAGTIME_TEST_ON_BACKENDS(TrainerTest);

const EpochRecord& best_of(const History& history) {
  return *std::min_element(
      history.epochs.begin(), history.epochs.end(),
      [](const EpochRecord& a, const EpochRecord& b) { return a.validation_loss < b.validation_loss; });
}

TEST_P(TrainerTest, LeavesTheModelOfTheBestEpochAndTheHistory) {
  TrainOptions options = small_run(folder_.path());
  options.epochs = 6;
  options.optimizer.learning_rate = 0.3;  // coarse, so that the last epoch is not the best
  const History history = train(options);
  ASSERT_EQ(history.epochs.size(), 6u);
  const EpochRecord& best = best_of(history);
  EXPECT_EQ(history.best_epoch, best.epoch);
  ASSERT_NE(best.epoch, 6);

  std::vector<std::string> names;
  for (const auto& [name, bytes] : content_of(folder_.path())) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("checkpoint.safetensors", "config.json", "history.json", "history.svg",
                                 "model.safetensors", "splits.csv", "training.json", "vocabulary.txt"));
  EXPECT_EQ(history_from_json(read_file(folder_.path() / "history.json"), "history.json"), history);
  EXPECT_EQ(read_training_file(folder_.path() / "training.json").task, options.task);

  const auto data = small_data(options);
  VisitLstm model = read_model(folder_.path(), backend);
  EXPECT_EQ(model.config(), data->config);
  BatchFeed feed(backend, data->encoded, data->examples);
  const Evaluation evaluation = evaluate(model, feed, backend, {&data->split.validation, 1});
  EXPECT_NEAR(evaluation.loss, best.validation_loss, 1e-6);
  ASSERT_EQ(evaluation.metrics.size(), best.metrics.size());
  for (std::size_t i = 0; i < best.metrics.size(); ++i)
    EXPECT_NEAR(evaluation.metrics[i].value.value(), best.metrics[i].value.value(), 1e-6);
}

TEST_P(TrainerTest, LearnsEveryTask) {
  for (const Task task : test::all_tasks) {
    SCOPED_TRACE(name_of(task));
    TrainOptions options = small_run(folder_.path() / name_of(task), task);
    std::filesystem::create_directory(options.out);
    options.epochs = 8;
    options.model.dropout = 0;
    const History history = train(options);
    EXPECT_EQ(history.task, name_of(task));
    EXPECT_LT(history.epochs.back().train_loss, 0.97 * history.epochs.front().train_loss);
  }
}

// Who has code A gets code X: what there is to learn is learned, and holds for patients never seen.
TEST_P(TrainerTest, LearnsWhatTheCohortHolds) {
  TrainOptions options = small_run(folder_.path());
  options.epochs = 10;
  options.model.hidden_dim = 8;
  options.optimizer.learning_rate = 0.05;
  const auto data = small_data(options, 200);
  TrainObserver observer;
  Trainer trainer(backend, *data, options);
  trainer.run(observer);
  const EpochRecord best = best_of(trainer.history());
  EXPECT_LT(best.validation_loss, 0.1) << "0.69 is a coin's";
  EXPECT_EQ(best.metrics.front().name, "auroc");
  EXPECT_GT(best.metrics.front().value.value(), 0.99);
}

TEST_P(TrainerTest, TheSameOptionsGiveTheSameBytesAndAnotherSeedOthers) {
  const auto run_in = [&](const char* name, std::uint64_t seed) {
    TrainOptions options = small_run(folder_.path() / name);
    std::filesystem::create_directory(options.out);
    options.seed = seed;
    train(options);
    return content_of(options.out);
  };
  const test::FolderContent first = run_in("first", 4);
  EXPECT_TRUE(same_files(run_in("again", 4), first));
  EXPECT_NE(run_in("other", 5).at("model.safetensors"), first.at("model.safetensors"));
}

class Recorder : public TrainObserver {
 public:
  void on_batch(const TrainProgress& progress) override { batches.push_back(progress); }
  void on_validation() override { ++validations; }
  void on_epoch(const EpochRecord& record, double rows_per_second, bool best) override {
    EXPECT_GT(rows_per_second, 0);
    records.push_back(record);
    bests.push_back(best);
  }

  std::vector<TrainProgress> batches;
  std::vector<EpochRecord> records;
  std::vector<bool> bests;
  int validations = 0;
};

TEST_P(TrainerTest, ProgressAddsUp) {
  for (const std::int64_t batch_rows : {0, 20}) {
    TrainOptions options = small_run(folder_.path() / std::to_string(batch_rows), Task::next_visit);
    std::filesystem::create_directory(options.out);
    options.epochs = 2;
    options.batch_rows = batch_rows;
    options.batch_size = batch_rows == 0 ? 8 : 0;
    const auto data = small_data(options);
    std::int64_t rows = 0;
    for (const std::int32_t index : data->split.training) rows += data->examples.examples[index].visits;
    Recorder recorder;
    Trainer trainer(backend, *data, options);
    trainer.run(recorder);

    ASSERT_FALSE(recorder.batches.empty());
    const std::int64_t batches = recorder.batches.front().batches;
    if (batch_rows == 0) {
      EXPECT_EQ(batches, static_cast<std::int64_t>(data->split.training.size() + 7) / 8);
    }
    ASSERT_EQ(recorder.batches.size(), static_cast<std::size_t>(2 * batches));
    std::int64_t done = 0;
    for (std::size_t i = 0; i < recorder.batches.size(); ++i) {
      const TrainProgress& progress = recorder.batches[i];
      const auto place = static_cast<std::int64_t>(i);
      if (place % batches == 0) done = 0;
      EXPECT_EQ(progress.epoch, place / batches + 1);
      EXPECT_EQ(progress.epochs, 2);
      EXPECT_EQ(progress.batch, place % batches + 1);
      EXPECT_EQ(progress.batches, batches);
      EXPECT_EQ(progress.total_rows, rows);
      EXPECT_GT(progress.rows, done);
      if (batch_rows > 0) {
        EXPECT_LE(progress.rows - done, batch_rows);
      }
      EXPECT_GT(progress.rows_per_second, 0);
      done = progress.rows;
      if (progress.batch == batches) {
        EXPECT_EQ(progress.rows, rows);
      }
    }
    EXPECT_EQ(recorder.validations, 2);
    EXPECT_EQ(recorder.records, trainer.history().epochs);
    EXPECT_THAT(recorder.bests, testing::Contains(true));
    EXPECT_EQ(trainer.skipped_steps(), 0u);
  }
}

TEST_P(TrainerTest, PatienceEndsIt) {
  TrainOptions options = small_run(folder_.path());
  options.optimizer.learning_rate = 0.3;
  options.epochs = 100;
  options.patience = 2;
  const History history = train(options, TrainEnd::stopped_early);
  EXPECT_EQ(static_cast<std::int64_t>(history.epochs.size()), history.best_epoch + 2);
  EXPECT_EQ(best_of(history).epoch, history.best_epoch);

  // Resumed it has nothing to do; with more patience it goes on as if it had had it from the start.
  const test::FolderContent before = content_of(folder_.path());
  options.resume = true;
  train(options, TrainEnd::stopped_early);
  EXPECT_TRUE(same_files(content_of(folder_.path()), before));
  options.patience = 0;
  options.epochs = static_cast<std::int64_t>(history.epochs.size()) + 2;
  train(options);
  TrainOptions through = options;
  through.out = folder_.path() / "through";
  through.resume = false;
  std::filesystem::create_directory(through.out);
  train(through);
  const test::FolderContent expected = content_of(through.out);
  std::filesystem::remove_all(through.out);
  EXPECT_TRUE(same_files(content_of(folder_.path()), expected));
}

TEST_P(TrainerTest, TheLargestClassMayOccurInValidationOnly) {
  TrainOptions options = small_run(folder_.path(), Task::multi_class);
  options.epochs = 2;
  Cohort cohort = test::learnable_cohort();
  std::vector<PatientLabel> labels = test::labels_of(cohort);
  for (PatientLabel& label : labels)
    if (split_position(label.patient_id, options.seed) < options.split.validation) label.label = 4;
  const auto data = prepare_training(std::move(cohort), test::files_of(labels), options);
  EXPECT_EQ(data->config.output_dim, 5);
  TrainObserver observer;
  Trainer trainer(backend, *data, options);
  EXPECT_EQ(trainer.run(observer), TrainEnd::finished);
  EXPECT_EQ(trainer.history().epochs.back().metrics, (std::vector<Metric>{{"accuracy", 0.0}}));
}

// A run that goes well for an epoch and then, its checkpoint changed to say so, with a rate that throws every
// parameter out of range.
TEST_P(TrainerTest, DivergenceIsSaidAndLeavesTheBestModelWhole) {
  TrainOptions options = small_run(folder_.path(), Task::regression);
  options.epochs = 1;
  train(options);
  options.optimizer.learning_rate = 1e30;
  const std::filesystem::path file = options.out / "checkpoint.safetensors";
  Checkpoint checkpoint = read_checkpoint(file);
  checkpoint.settings = settings_json(options);
  write_checkpoint(file, checkpoint);
  const test::FolderContent good = content_of(options.out);

  options.resume = true;
  options.epochs = 50;
  const auto data = small_data(options);
  Trainer trainer(backend, *data, options);
  // Asked to stop when it is too late: a loss that is not finite must not reach the checkpoint either.
  test::StopAfter observer(2);
  expect_error(ErrorCode::out_of_range, {"training loss of epoch 2", "diverged", "--lr"},
               [&] { trainer.run(observer); });
  EXPECT_TRUE(same_files(content_of(options.out), good));
  EXPECT_NO_THROW(Trainer(backend, *data, options)) << "what it left can be gone on with";
}

}  // namespace
}  // namespace ragtime
