// Batches that are loaded ahead, on a device whose copies happen as late as they may: the work on a batch
// sees that batch, host memory is not written again before a copy has read it, and no copy overwrites what
// work that may still run reads. Starting again, in the middle of what was loaded ahead too, goes on at the
// right batch.

#include "host/tool/train/batch_feed.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "tests/tool/train/support.hpp"

namespace ragtime::test {
namespace {

// The CPU, but a copy to the device happens when its stream is waited for, by the host or by another stream.
class LateBackend final : public Backend {
 public:
  DeviceType device() const override { return inner_->device(); }
  std::string description() const override { return "late " + inner_->description(); }
  void* allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  void deallocate(void* memory, std::size_t bytes) noexcept override { inner_->deallocate(memory, bytes); }
  void copy(void* to, const void* from, std::size_t bytes, CopyKind kind, Stream stream) override {
    if (kind != CopyKind::to_device) return inner_->copy(to, from, bytes, kind, stream);
    ++copies;
    // Work on this piece of memory must be ordered before the stream by now.
    if (const auto reader = read_at_.find(to); reader != read_at_.end()) {
      EXPECT_GT(ordered_after_work_[stream.handle], reader->second) << "a copy may overwrite what is read";
    }
    const auto* bytes_now = static_cast<const std::byte*>(from);
    queues_[stream.handle].push_back([=, this, then = std::vector(bytes_now, bytes_now + bytes)] {
      EXPECT_EQ(std::memcmp(then.data(), from, bytes), 0) << "host memory changed before it was copied";
      inner_->copy(to, from, bytes, kind, stream);
    });
  }
  void zero(void* memory, std::size_t bytes, Stream stream) override { inner_->zero(memory, bytes, stream); }
  void synchronize(Stream stream) override {
    for (const auto& copy : queues_[stream.handle]) copy();
    queues_[stream.handle].clear();
  }
  Stream make_stream() override { return {&handles_[streams_++]}; }
  void free_stream(Stream stream) noexcept override {
    EXPECT_TRUE(queues_[stream.handle].empty());
    ++freed;
  }
  void order(Stream earlier, Stream later) override {
    synchronize(earlier);
    if (earlier.handle == nullptr) ordered_after_work_[later.handle] = ++now_;
  }
  const OperationFactory& operations() const override { return inner_->operations(); }

  // What is queued on the default stream now reads this memory.
  void works_on(const void* memory) { read_at_[memory] = ++now_; }

  int copies = 0, freed = 0;

 private:
  std::shared_ptr<Backend> inner_ = make_backend("cpu");
  std::map<void*, std::vector<std::function<void()>>> queues_;
  std::map<const void*, int> read_at_;
  std::map<void*, int> ordered_after_work_;
  int now_ = 0;
  int streams_ = 0;
  char handles_[8] = {};
};

class BatchFeedTest : public testing::Test {
 protected:
  BatchFeedTest() {
    options_ = small_run({}, Task::visit_binary);
    data_ = small_data(options_);
  }
  void expect_batch(const BatchLoader* loaded, const std::vector<std::int32_t>& indices) {
    ASSERT_NE(loaded, nullptr);
    const RaggedBatch expected = make_batch(data_->encoded, data_->examples, indices);
    const HostTargets targets = make_targets(data_->examples, indices);
    const auto& size = loaded->batch().size();
    ASSERT_EQ(size.rows, expected.layout.rows());
    EXPECT_EQ(copied<std::int32_t>(loaded->batch().codes(), size.codes), expected.codes);
    EXPECT_EQ(copied<float>(loaded->targets().values, size.rows), targets.values);
    EXPECT_EQ(copied<float>(loaded->targets().row_weight, size.rows), targets.row_weight);
    EXPECT_EQ(loaded->host_batch().codes, expected.codes);
    EXPECT_EQ(loaded->host_targets().values, targets.values);
    backend_->works_on(loaded->batch().view().counts);
    backend_->works_on(loaded->targets().values);
  }

  std::shared_ptr<LateBackend> backend_ = std::make_shared<LateBackend>();
  TrainOptions options_;
  std::unique_ptr<TrainingData> data_;
  // Large and small ones, so that the memory of some is used again and that of others grows.
  const std::vector<std::vector<std::int32_t>> batches_ = {
      {0, 1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}, {13}, {14, 15, 16}, {0, 2, 4}, {1}, {3, 5}};

 private:
  template <class T>
  std::vector<T> copied(const void* from, std::int64_t elements) {
    const T* first = static_cast<const T*>(from);
    return std::vector<T>(first, first + elements);
  }
};

TEST_F(BatchFeedTest, GivesEveryBatchWhetherLoadedAheadOrNot) {
  for (const int ahead : {0, 1, 2}) {
    {
      BatchFeed feed(backend_, data_->encoded, data_->examples);
      for (const std::size_t first : {std::size_t{0}, std::size_t{3}, batches_.size()}) {
        feed.start(batches_, first);
        for (std::size_t i = first; i < batches_.size(); ++i) {
          expect_batch(feed.next(), batches_[i]);
          if (ahead == 1 || (ahead == 2 && i % 3 == 0)) feed.load_ahead();
        }
        EXPECT_EQ(feed.next(), nullptr);
        feed.load_ahead();
        EXPECT_EQ(feed.next(), nullptr);
      }
    }
    EXPECT_EQ(backend_->freed, 2 * (ahead + 1));
  }
}

TEST_F(BatchFeedTest, WhatWasLoadedAheadIsForgottenByAStart) {
  BatchFeed feed(backend_, data_->encoded, data_->examples);
  feed.start(batches_);
  expect_batch(feed.next(), batches_[0]);
  feed.load_ahead();
  feed.start(batches_, 1);
  expect_batch(feed.next(), batches_[1]);
  feed.load_ahead();
  feed.start(batches_, 5);
  expect_batch(feed.next(), batches_[5]);
  feed.load_ahead();
  feed.load_ahead();
  expect_batch(feed.next(), batches_[6]);
}

TEST_F(BatchFeedTest, WithoutTargetsCopiesTheBatchesAlone) {
  BatchFeed feed(backend_, data_->encoded, data_->examples, DType::f32, BatchFeed::Targets::none);
  feed.start(batches_);
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    const BatchLoader* loaded = feed.next();
    EXPECT_EQ(loaded->batch().size().sequences, static_cast<std::int64_t>(batches_[i].size()));
    EXPECT_EQ(loaded->targets().values, nullptr);
    feed.load_ahead();
  }
  EXPECT_EQ(backend_->copies, static_cast<int>(batches_.size()));
}

TEST_F(BatchFeedTest, TargetsHaveTheDtypeOfTheModel) {
  BatchLoader loader(backend_, data_->encoded, data_->examples, DType::bf16);
  loader.load_with_targets(batches_[0]);
  backend_->synchronize({});
  const auto& values = loader.host_targets().values;
  const auto* on_device = static_cast<const bf16*>(loader.targets().values);
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(+on_device[i], static_cast<double>(values[i]));
}

}  // namespace
}  // namespace ragtime::test
