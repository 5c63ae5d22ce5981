// The room that is made for batches before they are: exactly the largest of given ones, and never too little
// for any epoch's.

#include "host/tool/train/batch_capacity.hpp"

#include <gtest/gtest.h>

#include "tests/tool/train/support.hpp"

namespace ragtime::test {
namespace {

class BatchCapacity : public testing::Test {
 protected:
  BatchCapacity() {
    for (int patient = 0; patient < cohort_.patients(); ++patient) {
      const auto visits = cohort_.visit_offsets[patient + 1] - cohort_.visit_offsets[patient];
      set_.examples.push_back({.patient = patient, .visits = static_cast<std::int32_t>(visits)});
    }
    set_.examples[3].visits = 1;  // cut short, as a causal task does
  }
  Capacity largest(const std::vector<std::vector<std::int32_t>>& batches) const {
    Capacity most;
    for (const auto& batch : batches) {
      const RaggedBatch made = make_batch(encoded_, set_, batch);
      const Capacity size = made.size();
      most = {std::max(most.sequences, size.sequences), std::max(most.rows, size.rows),
              std::max(most.codes, size.codes), std::max(most.steps, size.steps)};
    }
    return most;
  }

  Cohort cohort_ = learnable_cohort(150);
  EncodedCohort encoded_ = encode(cohort_, Vocabulary::from_codes(cohort_.code_names));
  ExampleSet set_;
};

TEST_F(BatchCapacity, OfGivenBatchesIsThatOfTheLargest) {
  const std::vector<std::vector<std::int32_t>> batches = {{0, 1, 2}, {3}, {9, 8}, {3, 4, 5, 6, 7, 30}};
  const Capacity expected = largest(batches), capacity = capacity_of(encoded_, set_, batches);
  EXPECT_EQ(capacity.sequences, expected.sequences);
  EXPECT_EQ(capacity.rows, expected.rows);
  EXPECT_EQ(capacity.codes, expected.codes);
  EXPECT_EQ(capacity.steps, expected.steps);
  EXPECT_EQ(capacity_of(encoded_, set_, {}).sequences, 0);
}

TEST_F(BatchCapacity, OfAnEpochHoldsEveryBatchOfAnyEpochAndNotMuchMore) {
  const std::vector<std::int32_t> lengths = example_lengths(set_);
  std::vector<std::int32_t> all(lengths.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int32_t>(i);
  for (const std::int64_t size : {1, 3, 8, 1000})
    for (const bool by_rows : {false, true}) {
      EpochOptions options;
      (by_rows ? options.batch_rows : options.batch_size) = size;
      const Capacity room = epoch_capacity(encoded_, set_, all, options);
      Capacity met;
      for (options.epoch = 0; options.epoch < 20; ++options.epoch) {
        const Capacity own = largest(plan_epoch(lengths, options));
        EXPECT_GE(room.sequences, own.sequences) << size << by_rows;
        EXPECT_GE(room.rows, own.rows) << size << by_rows;
        EXPECT_GE(room.codes, own.codes) << size << by_rows;
        EXPECT_GE(room.steps, own.steps) << size << by_rows;
        met.rows = std::max(met.rows, own.rows);
        met.codes = std::max(met.codes, own.codes);
      }
      EXPECT_LE(room.rows, 2 * met.rows) << size << by_rows;
      EXPECT_LE(room.codes, 3 * met.codes) << size << by_rows;
    }
  EXPECT_EQ(epoch_capacity(encoded_, set_, {}, {.batch_size = 4}).rows, 0);
}

}  // namespace
}  // namespace ragtime::test
