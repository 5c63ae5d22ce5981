// The thread pool under the CPU backend: every item once, from one thread or several, nested or not.

#include "host/cpu/parallel.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "ragtime/backend.hpp"

namespace ragtime::cpu {
namespace {

class Parallel : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_cpu_threads(GetParam()); }
  void TearDown() override { set_cpu_threads(0); }
};

TEST_P(Parallel, RunsEveryItemOnce) {
  EXPECT_EQ(cpu_threads(), GetParam());
  for (const std::int64_t count : {0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> runs(count);
    parallel_for(count, [&](std::int64_t i) { ++runs[i]; });
    for (const auto& run : runs) EXPECT_EQ(run, 1);
  }
}

TEST_P(Parallel, BlocksCoverTheRangeWithoutOverlap) {
  std::vector<std::atomic<int>> runs(1003);
  parallel_blocks(1003, 64, [&](std::int64_t begin, std::int64_t end) {
    EXPECT_LE(end - begin, 64);
    for (std::int64_t i = begin; i < end; ++i) ++runs[i];
  });
  for (const auto& run : runs) EXPECT_EQ(run, 1);
}

TEST_P(Parallel, NestedAndConcurrentCallsFinish) {
  std::atomic<int> total = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller)
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 50; ++repeat)
        parallel_for(4, [&](std::int64_t) { parallel_for(5, [&](std::int64_t) { ++total; }); });
    });
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(total, 3 * 50 * 4 * 5);
}

TEST(ParallelResize, WhileOthersRunLosesNothing) {
  std::atomic<int> total = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller)
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 100; ++repeat) parallel_for(9, [&](std::int64_t) { ++total; });
    });
  for (int repeat = 0; repeat < 40; ++repeat) set_cpu_threads(1 + repeat % 4);
  for (auto& caller : callers) caller.join();
  set_cpu_threads(0);
  EXPECT_EQ(total, 3 * 100 * 9);
}

// A child has none of its parent's threads, and starts its own: Python's multiprocessing does this.
TEST(ParallelFork, AChildRunsEveryItem) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer ends a child that starts threads";
#endif
  set_cpu_threads(3);
  std::atomic<int> total = 0;
  parallel_for(9, [&](std::int64_t) { ++total; });
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(30);  // a child that hangs is ended
    std::atomic<int> own = 0;
    for (int repeat = 0; repeat < 20; ++repeat) parallel_for(9, [&](std::int64_t) { ++own; });
    _exit(own == 20 * 9 && cpu_threads() == 3 ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child ended with " << status;
  parallel_for(9, [&](std::int64_t) { ++total; });
  EXPECT_EQ(total, 18);
  set_cpu_threads(0);
}

INSTANTIATE_TEST_SUITE_P(Threads, Parallel, testing::Values(1, 2, 5));

}  // namespace
}  // namespace ragtime::cpu
