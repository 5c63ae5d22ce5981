// A run that was interrupted, wherever and however often, and resumed ends with the same bytes in every file
// as one that went through, whatever the number of threads; and it is resumed only as the run it was.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

#include "tests/support/temporary_folder.hpp"
#include "tests/tool/train/support.hpp"

namespace ragtime {
namespace {

using test::content_of;
using test::FolderContent;
using test::same_files;
using test::small_data;
using test::small_run;
using test::StopAfter;

class TrainerResume : public test::OnBackend {
 protected:
  std::filesystem::path fresh_folder() {
    const std::filesystem::path folder = folder_.path() / std::to_string(folders_++);
    std::filesystem::create_directory(folder);
    return folder;
  }
  // A part of a run, as a process of its own would do it.
  TrainEnd part(TrainOptions options, TrainObserver& observer, bool resume = true) {
    options.resume = resume;
    const auto data = small_data(options);
    Trainer trainer(backend, *data, options);
    EXPECT_EQ(trainer.resumed(), resume);
    return trainer.run(observer);
  }
  FolderContent through(TrainOptions options) {
    options.out = fresh_folder();
    TrainObserver observer;
    EXPECT_EQ(part(options, observer, false), TrainEnd::finished);
    return content_of(options.out);
  }
  std::int64_t batches_of(const TrainOptions& options) {
    struct Count : TrainObserver {
      std::int64_t batches = 0;
      void on_batch(const TrainProgress& progress) override { batches = progress.batches; }
    } count;
    TrainOptions once = options;
    once.out = fresh_folder();
    once.epochs = 1;
    part(once, count, false);
    return count.batches;
  }

  TemporaryFolder folder_;
  int folders_ = 0;
};

RAGTIME_TEST_ON_BACKENDS(TrainerResume);

// After none of the batches, after each one, and after the epoch's last, when validation is still to come.
TEST_P(TrainerResume, StoppedAfterAnyBatchItEndsWithTheSameBits) {
  for (const std::int64_t batch_rows : {0, 25}) {
    TrainOptions options = small_run({}, batch_rows == 0 ? Task::next_visit : Task::binary_classification);
    options.batch_rows = batch_rows;
    options.batch_size = batch_rows == 0 ? 8 : 0;
    options.model.num_layers = 2;
    options.epochs = 2;
    const FolderContent expected = through(options);
    const std::int64_t batches = batches_of(options);
    ASSERT_GT(batches, 2);
    for (std::int64_t stop = 0; stop <= batches + 1; ++stop) {
      options.out = fresh_folder();
      StopAfter first(stop);
      set_cpu_threads(static_cast<int>(stop % 3 + 1));
      EXPECT_EQ(part(options, first, false), TrainEnd::interrupted);
      TrainObserver rest;
      set_cpu_threads(static_cast<int>((stop + 1) % 3 + 1));
      EXPECT_EQ(part(options, rest), TrainEnd::finished);
      EXPECT_TRUE(same_files(content_of(options.out), expected)) << "stopped after " << stop;
    }
  }
}

TEST_P(TrainerResume, StoppedAgainAndAgainItEndsWithTheSameBits) {
  for (const Task task : {Task::survival, Task::visit_binary, Task::multi_class, Task::regression}) {
    TrainOptions options = small_run({}, task);
    const FolderContent expected = through(options);
    options.out = fresh_folder();
    StopAfter first(1);
    TrainEnd end = part(options, first, false);
    int parts = 1;
    for (; end == TrainEnd::interrupted && parts < 100; ++parts) {
      StopAfter next(parts % 3 + 1);
      set_cpu_threads(parts % 2 + 1);
      end = part(options, next);
    }
    EXPECT_EQ(end, TrainEnd::finished);
    EXPECT_GT(parts, 4);
    EXPECT_TRUE(same_files(content_of(options.out), expected)) << name_of(task);
  }
}

// Stopped before the first batch of a part, it has done nothing, and says so by the same bytes.
TEST_P(TrainerResume, APartWithoutABatchChangesNothing) {
  TrainOptions options = small_run(fresh_folder());
  StopAfter first(2), none(0);
  part(options, first, false);
  const FolderContent before = content_of(options.out);
  EXPECT_EQ(part(options, none), TrainEnd::interrupted);
  EXPECT_TRUE(same_files(content_of(options.out), before));
}

// A kill leaves no time to save: what stands in the folder then is the last checkpoint.
TEST_P(TrainerResume, KilledItEndsWithTheSameBits) {
  struct Killed : std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  struct Killer : TrainObserver {
    std::string where;
    std::int64_t epoch = 0, batch = 0;
    void on_batch(const TrainProgress& progress) override {
      batch = progress.batch;
      kill("batch", progress.epoch == 2 && progress.batch == 2);
    }
    void on_validation() override { kill("validation", ++epoch == 2); }
    void on_epoch(const EpochRecord& record, double, bool) override { kill("epoch", record.epoch == 2); }
    void kill(const std::string& here, bool now) const {
      if (now && here == where) throw Killed(here);
    }
  };
  TrainOptions options = small_run({});
  const FolderContent expected = through(options);
  for (const char* where : {"batch", "validation", "epoch"}) {
    options.out = fresh_folder();
    Killer killer;
    killer.where = where;
    EXPECT_THROW(part(options, killer, false), Killed);
    TrainObserver rest;
    EXPECT_EQ(part(options, rest), TrainEnd::finished);
    EXPECT_TRUE(same_files(content_of(options.out), expected)) << "killed in " << where;
  }
}

// Killed between the files of an epoch: some are of the epoch, the checkpoint is of the one before.
TEST_P(TrainerResume, AnOlderCheckpointEndsWithTheSameBits) {
  struct Keeper : TrainObserver {
    std::filesystem::path out;
    std::map<std::int64_t, std::string> checkpoints;
    void on_epoch(const EpochRecord& record, double, bool) override {
      checkpoints[record.epoch] = read_file(out / "checkpoint.safetensors");
    }
  } keeper;
  TrainOptions options = small_run(fresh_folder());
  keeper.out = options.out;
  part(options, keeper, false);
  const FolderContent expected = content_of(options.out);
  for (const std::int64_t epoch : {1, 2, 3}) {
    write_file_atomically(options.out / "checkpoint.safetensors", keeper.checkpoints.at(epoch));
    TrainObserver rest;
    part(options, rest);
    EXPECT_TRUE(same_files(content_of(options.out), expected)) << "checkpoint of epoch " << epoch;
  }
}

TEST_P(TrainerResume, MoreEpochsGoOnFromTheLastOne) {
  TrainOptions options = small_run({});
  options.epochs = 4;
  const FolderContent expected = through(options);
  options.out = fresh_folder();
  TrainObserver observer;
  for (const std::int64_t epochs : {1, 1, 3, 4}) {
    options.epochs = epochs;
    EXPECT_EQ(part(options, observer, std::filesystem::exists(options.out / "history.json")),
              TrainEnd::finished);
  }
  EXPECT_TRUE(same_files(content_of(options.out), expected));
}

TEST_P(TrainerResume, WithoutACheckpointItBegins) {
  TrainOptions options = small_run({});
  const FolderContent expected = through(options);
  options.out = fresh_folder();
  options.resume = true;
  const auto data = small_data(options);
  TrainObserver observer;
  Trainer trainer(backend, *data, options);
  EXPECT_FALSE(trainer.resumed());
  trainer.run(observer);
  EXPECT_TRUE(same_files(content_of(options.out), expected));
}

TEST_P(TrainerResume, OnlyAsTheRunItWas) {
  const TrainOptions options = small_run(fresh_folder());
  StopAfter observer(1);
  part(options, observer, false);
  const FolderContent before = content_of(options.out);
  const auto refused = [&](TrainOptions other, int patients) {
    other.resume = true;
    return error_of(ErrorCode::invalid_argument,
                    [&] { Trainer(backend, *small_data(other, patients), other); });
  };
  TrainOptions other = options;
  other.optimizer.learning_rate = 0.03;
  EXPECT_THAT(refused(other, 40), testing::HasSubstr("--resume with --lr 0.03"));
  EXPECT_THAT(refused(options, 41), testing::HasSubstr("--resume with other data"));
  EXPECT_TRUE(same_files(content_of(options.out), before));
}

// Checkpoints that are whole, but of no run: nothing in them may be used as an index or a size.
TEST_P(TrainerResume, NotFromACheckpointThatCannotBe) {
  TrainOptions options = small_run(fresh_folder());
  TrainObserver observer;
  part(options, observer, false);
  options.resume = true;
  const auto data = small_data(options);
  const std::filesystem::path file = options.out / "checkpoint.safetensors";
  const Checkpoint good = read_checkpoint(file);
  const std::pair<const char*, std::function<void(Checkpoint&)>> changes[] = {
      {"epochs missing", [](Checkpoint& c) { c.history.epochs.pop_back(), c.history.best_epoch = 1; }},
      {"epochs begin at 2",
       [](Checkpoint& c) {
         for (EpochRecord& record : c.history.epochs) ++record.epoch;
         c.history.best_epoch = 4;
       }},
      {"no best epoch", [](Checkpoint& c) { c.history.best_epoch = 0; }},
      {"another task", [](Checkpoint& c) { c.history.task = "survival"; }},
      {"beyond the epoch's batches", [](Checkpoint& c) { c.position.batch = 1'000'000; }},
      {"a far epoch", [](Checkpoint& c) { c.position.epoch = std::numeric_limits<std::int64_t>::max(); }},
      {"other parameters",
       [](Checkpoint& c) {
         c.parameters.resize(c.parameters.size() + 16);
         c.first_moment.resize(c.parameters.size());
         c.second_moment.resize(c.parameters.size());
       }},
  };
  for (const auto& [what, change] : changes) {
    SCOPED_TRACE(what);
    Checkpoint bad = good;
    change(bad);
    write_checkpoint(file, bad);
    const FolderContent before = content_of(options.out);
    try {
      Trainer trainer(backend, *data, options);
      ADD_FAILURE() << "it was taken";
    } catch (const Error& problem) {
      EXPECT_THAT(problem.what(), testing::HasSubstr(file.string()));
    }
    EXPECT_TRUE(same_files(content_of(options.out), before));
  }
}

}  // namespace
}  // namespace ragtime
