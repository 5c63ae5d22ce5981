// Mistakes as they are made in real kernels, planted into kernels that are right without them: in how many
// schedules each is caught, by a report, by a wrong result or, in a build with ThreadSanitizer, as a race.
// The kernels without a mistake pass in all of them. What no schedule can show, for the processor this runs
// on orders more than a GPU does, is caught by ThreadSanitizer alone and skipped without it.

#include <numeric>

#include "tests/simt/planted_kernels.cuh"
#include "tests/simt/support.hpp"

namespace ragtime::test {
namespace {

constexpr int all = static_cast<int>(seeds);

// Whether the kernel computes what a plain loop does.
template <Bug bug>
bool adds_neighbours() {
  constexpr int rounds = 3;
  std::vector<int> values(4 * 32);
  std::iota(values.begin(), values.end(), 1);
  auto expected = values;
  for (int round = 0; round < rounds; ++round) {
    const auto before = expected;
    for (std::size_t row = 0; row < 4; ++row)
      for (std::size_t lane = 0; lane < 32; ++lane)
        expected[row * 32 + lane] += before[(row + 3) % 4 * 32 + lane];
  }
  run({.name = "add_neighbours", .block = {128}, .shared_bytes = 512}, add_neighbours<bug>, rounds,
      values.data());
  return values == expected;
}

template <Bug bug>
bool streams_tiles() {
  constexpr int tiles = 5;
  alignas(16) int in[tiles * 128];
  std::iota(std::begin(in), std::end(in), 10);
  auto out = unwritten<int>(tiles * 128);
  run({.name = "stream_tiles", .block = {32}, .shared_bytes = 1024}, stream_tiles<bug>, tiles, in,
      out.data());
  for (std::size_t i = 0; i < out.size(); ++i)
    if (out[i] != in[i] + 1) return false;
  return true;
}

template <Bug bug>
bool recurs() {
  constexpr unsigned size = 4;
  constexpr int steps = 9;
  std::vector<unsigned> state = {3, 1, 4, 1, 5, 9, 2, 6}, expected = state;  // two clusters
  for (int step = 0; step < steps; ++step)
    for (unsigned first = 0; first < state.size(); first += size) {
      unsigned sum = 0;
      for (unsigned rank = 0; rank < size; ++rank) sum += (rank + 1) * expected[first + rank];
      for (unsigned rank = 0; rank < size; ++rank) expected[first + rank] = sum % 1009;
    }
  run({.name = "recur", .grid = {8}, .block = {32}, .cluster = size, .shared_bytes = 128},
      recur_in_a_cluster<bug>, steps, state.data());
  return state == expected;
}

TEST(PlantedBugsTest, NothingIsFoundWhereNothingIsWrong) {
  EXPECT_EQ(schedules_that_catch(adds_neighbours<Bug::none>), 0);
  EXPECT_EQ(schedules_that_catch(streams_tiles<Bug::none>), 0);
  EXPECT_EQ(schedules_that_catch(recurs<Bug::none>), 0);
}

TEST(PlantedBugsTest, MissingBlockBarrier) {
  EXPECT_EQ(schedules_that_catch(adds_neighbours<Bug::no_barrier>), all);
  // A thread must run ahead by a round for this one to show in a result. As a race it always shows.
  EXPECT_GE(schedules_that_catch(adds_neighbours<Bug::no_second_barrier>),
            simt::detects_races() ? all : all / 2);
  forgive_races();
}

TEST(PlantedBugsTest, RowTooFar) {
#ifdef RAGTIME_SIMT_ASAN
  EXPECT_DEATH(adds_neighbours<Bug::row_too_far>(), "use-after-poison");
#else
  EXPECT_EQ(schedules_that_catch(adds_neighbours<Bug::row_too_far>), all);
  forgive_races();
#endif
}

TEST(PlantedBugsTest, MissingWaitForACopy) {
  EXPECT_EQ(schedules_that_catch(streams_tiles<Bug::no_wait>), all);
}

TEST(PlantedBugsTest, WrongRank) {
  EXPECT_EQ(schedules_that_catch(recurs<Bug::wrong_rank>), all);
  forgive_races();
}

TEST(PlantedBugsTest, WrongTransactionCount) {
  EXPECT_EQ(schedules_that_catch(recurs<Bug::too_few_bytes>), all);
  EXPECT_EQ(schedules_that_catch(recurs<Bug::too_many_bytes>), all);
  forgive_races();
}

TEST(PlantedBugsTest, OneBufferWhereTwoAreNeeded) {
  EXPECT_GE(schedules_that_catch(recurs<Bug::one_buffer>), simt::detects_races() ? all : all / 2);
  forgive_races();
}

TEST(PlantedBugsTest, MissingClusterBarrierAfterInitialisation) {
  EXPECT_GE(schedules_that_catch(recurs<Bug::no_cluster_barrier>), all / 2);
  forgive_races();
}

// ------------------------------------------------------------------------------------------ memory order

template <Signal signal>
bool delivers_the_letter() {
  int letter = 0, received = 0;
  unsigned flag = 0;
  run({.name = "send_a_letter", .grid = {2}, .block = {32}, .cooperative = true}, send_a_letter<signal>,
      Mail{&letter, &flag, &received});
  return received == 42;
}

template <bool second_barrier>
bool sums_over_the_grid() {
  constexpr int rounds = 4, blocks = 4;
  unsigned counter = 0;
  std::vector<int> numbers(blocks), sums(blocks);
  run({.name = "sum_over_the_grid", .grid = {blocks}, .block = {32}, .cooperative = true},
      sum_over_the_grid<second_barrier>, rounds, &counter, numbers.data(), sums.data());
  return sums == std::vector<int>(blocks, 600 * blocks + 6 * rounds);
}

TEST(PlantedRacesTest, NothingIsFoundWhereNothingIsWrong) {
  EXPECT_EQ(schedules_that_catch(delivers_the_letter<Signal::release>), 0);
  EXPECT_EQ(schedules_that_catch(sums_over_the_grid<true>), 0);
}

TEST(PlantedRacesTest, RelaxedWhereReleaseIsNeeded) {
  if (!simt::detects_races())
    GTEST_SKIP() << "needs a build with ThreadSanitizer (-DRAGTIME_SANITIZE=thread)";
  EXPECT_EQ(schedules_that_catch(delivers_the_letter<Signal::relaxed>), all);
  forgive_races();
}

TEST(PlantedRacesTest, MissingSecondGridBarrier) {
  if (!simt::detects_races())
    GTEST_SKIP() << "needs a build with ThreadSanitizer (-DRAGTIME_SANITIZE=thread)";
  EXPECT_EQ(schedules_that_catch(sums_over_the_grid<false>), all);
  forgive_races();
}

}  // namespace
}  // namespace ragtime::test
