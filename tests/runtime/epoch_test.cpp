// The batches of an epoch: every sequence exactly once, no batch beyond its budget, the same batches for the
// same seed and epoch and others for others, and sequences of like length together.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "tests/support/operation_test.hpp"

namespace ragtime {
namespace {

using Batches = std::vector<std::vector<std::int32_t>>;

// Mostly short, a few long, some empty: what a cohort looks like.
std::vector<std::int32_t> cohort_lengths(std::int64_t count, std::uint64_t seed = 3) {
  test::Numbers numbers(seed);
  std::vector<std::int32_t> lengths;
  for (std::int64_t i = 0; i < count; ++i)
    lengths.push_back(static_cast<std::int32_t>(numbers.integer(0, numbers.integer(0, 9) == 0 ? 200 : 12)));
  return lengths;
}

std::int64_t rows_of(const std::vector<std::int32_t>& batch, const std::vector<std::int32_t>& lengths) {
  return std::accumulate(batch.begin(), batch.end(), std::int64_t{0},
                         [&](std::int64_t rows, std::int32_t index) { return rows + lengths[index]; });
}

void expect_each_once(const Batches& batches, std::size_t count) {
  std::vector<int> seen(count, 0);
  for (const auto& batch : batches) {
    EXPECT_FALSE(batch.empty());
    for (const std::int32_t index : batch) {
      ASSERT_GE(index, 0);
      ASSERT_LT(static_cast<std::size_t>(index), count);
      ++seen[index];
    }
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), static_cast<std::ptrdiff_t>(count));
}

TEST(Epoch, TakesEverySequenceOnceWithinItsBudget) {
  for (const std::int64_t count : {0, 1, 2, 33, 1000, 5000}) {
    const auto lengths = cohort_lengths(count);
    for (const bool shuffle : {false, true})
      for (const std::int64_t budget : {1, 7, 64, 500}) {
        SCOPED_TRACE(testing::Message() << count << " sequences, budget " << budget);
        const Batches by_size = plan_epoch(lengths, {.batch_size = budget, .shuffle = shuffle});
        expect_each_once(by_size, lengths.size());
        for (const auto& batch : by_size) EXPECT_LE(batch.size(), static_cast<std::size_t>(budget));
        const Batches by_rows = plan_epoch(lengths, {.batch_rows = budget, .shuffle = shuffle});
        expect_each_once(by_rows, lengths.size());
        for (const auto& batch : by_rows)
          EXPECT_TRUE(rows_of(batch, lengths) <= budget || batch.size() == 1)
              << rows_of(batch, lengths) << " rows in " << batch.size() << " sequences";
      }
  }
}

TEST(Epoch, TakesBudgetsLargerThanAnyCohort) {
  const auto lengths = cohort_lengths(100);
  for (const std::int64_t budget : {std::int64_t{INT32_MAX}, INT64_MAX}) {
    const Batches by_size = plan_epoch(lengths, {.batch_size = budget});
    ASSERT_EQ(by_size.size(), 1u);
    expect_each_once(by_size, lengths.size());
    ASSERT_EQ(plan_epoch(lengths, {.batch_rows = budget}).size(), 1u);
  }
  // Rows are counted in 64 bits.
  const std::vector<std::int32_t> huge(5, INT32_MAX);
  EXPECT_EQ(plan_epoch(huge, {.batch_rows = 2 * std::int64_t{INT32_MAX}}).size(), 3u);
}

TEST(Epoch, FillsItsBatches) {
  const auto lengths = cohort_lengths(1000);
  EXPECT_EQ(plan_epoch(lengths, {.batch_size = 64, .shuffle = false}).size(), 16u);
  EXPECT_EQ(plan_epoch(lengths, {.batch_size = 64}).size(), 16u);
  const Batches by_rows = plan_epoch(lengths, {.batch_rows = 800});
  // Each batch is closed by a sequence of at most 200 rows that did not fit, except at a window's end.
  const std::int64_t rows = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  EXPECT_LE(static_cast<std::int64_t>(by_rows.size()), rows / 600 + 2);
}

TEST(Epoch, WithoutShuffleKeepsTheGivenOrder) {
  const auto lengths = cohort_lengths(300);
  for (const EpochOptions& options :
       {EpochOptions{.batch_size = 7, .shuffle = false}, EpochOptions{.batch_rows = 90, .shuffle = false}}) {
    std::vector<std::int32_t> flat;
    for (const auto& batch : plan_epoch(lengths, options))
      flat.insert(flat.end(), batch.begin(), batch.end());
    std::vector<std::int32_t> expected(lengths.size());
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(flat, expected);
  }
}

TEST(Epoch, DependsOnSeedAndEpochAlone) {
  const auto lengths = cohort_lengths(500);
  const auto plan = [&](std::uint64_t seed, std::uint64_t epoch) {
    return plan_epoch(lengths, {.batch_rows = 300, .seed = seed, .epoch = epoch});
  };
  const Batches first = plan(11, 0);
  EXPECT_EQ(first, plan(11, 0));
  EXPECT_NE(first, plan(12, 0));
  EXPECT_NE(first, plan(11, 1));
  EXPECT_NE(first, plan(11, std::uint64_t{1} << 32));
  EXPECT_NE(first, plan(11 + (std::uint64_t{1} << 32), 0));
}

// Over many epochs each sequence is to be found in every part of the epoch equally often. 40 sequences of one
// length in 10 batches, 2,000 epochs: 200 visits to each place expected, standard deviation 13.4.
TEST(Epoch, ShufflesEvenly) {
  const std::vector<std::int32_t> lengths(40, 3);
  std::map<std::pair<std::int32_t, std::size_t>, int> visits;
  for (std::uint64_t epoch = 0; epoch < 2000; ++epoch) {
    const Batches batches = plan_epoch(lengths, {.batch_size = 4, .seed = 5, .epoch = epoch});
    ASSERT_EQ(batches.size(), 10u);
    for (std::size_t place = 0; place < batches.size(); ++place)
      for (const std::int32_t index : batches[place]) ++visits[{index, place}];
  }
  ASSERT_EQ(visits.size(), 400u);
  double chi_squared = 0;
  for (const auto& [place, count] : visits) {
    EXPECT_NEAR(count, 200, 5 * 13.4);
    chi_squared += (count - 200.0) * (count - 200.0) / 200;
  }
  // 39 x 9 degrees of freedom: mean 351, standard deviation 26.5.
  EXPECT_LT(chi_squared, 351 + 5 * 26.5);
  EXPECT_GT(chi_squared, 351 - 5 * 26.5);
}

// What a batch would hold if it were padded is close to what it holds; in the order of the cohort it is not.
TEST(Epoch, PutsLikeLengthsTogether) {
  const auto lengths = cohort_lengths(5000);
  const auto share_real = [&](const Batches& batches) {
    std::int64_t real = 0, padded = 0;
    for (const auto& batch : batches) {
      std::int32_t longest = 0;
      for (const std::int32_t index : batch) longest = std::max(longest, lengths[index]);
      real += rows_of(batch, lengths);
      padded += longest * static_cast<std::int64_t>(batch.size());
    }
    return static_cast<double>(real) / static_cast<double>(padded);
  };
  EXPECT_LT(share_real(plan_epoch(lengths, {.batch_size = 32, .shuffle = false})), 0.2);
  EXPECT_GT(share_real(plan_epoch(lengths, {.batch_size = 32})), 0.8);
  EXPECT_GT(share_real(plan_epoch(lengths, {.batch_rows = 500})), 0.8);
}

TEST(Epoch, RefusesBadOptions) {
  const std::vector<std::int32_t> lengths = {3, 1, -2};
  const auto refused = [&](std::initializer_list<std::string> parts, const EpochOptions& options) {
    expect_error(ErrorCode::invalid_argument, parts, [&] { plan_epoch(lengths, options); });
  };
  refused({"batch_rows is 0", "batch_size is 0", "exactly one"}, {});
  refused({"batch_rows is 5", "batch_size is 6", "exactly one"}, {.batch_rows = 5, .batch_size = 6});
  refused({"batch_rows is -5", "at least 1"}, {.batch_rows = -5, .batch_size = 6});
  refused({"batch_size is -1", "at least 1"}, {.batch_rows = 5, .batch_size = -1});
  refused({"lengths[2] = -2", "0 or more"}, {.batch_rows = 5});
}

}  // namespace
}  // namespace ragtime
