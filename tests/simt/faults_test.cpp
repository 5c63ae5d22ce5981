// Every fault that the emulation reports: found under each schedule, and the report says what and where. And
// launches: what is refused, and that a launch after a failed one is as good as new.

#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "tests/simt/fault_kernels.cuh"
#include "tests/simt/primitive_kernels.cuh"
#include "tests/simt/support.hpp"

namespace ragtime::test {
namespace {

using testing::HasSubstr;

// A launch that writes to a scratch array.
template <class T>
std::function<void()> launching(void (*kernel)(T*), unsigned threads = 32, unsigned cluster = 1,
                                std::size_t shared = 0) {
  return [=] {
    alignas(16) std::remove_const_t<T> scratch[128] = {};
    run({.name = "faulty", .grid = {cluster}, .block = {threads}, .cluster = cluster, .shared_bytes = shared},
        kernel, static_cast<T*>(scratch));
  };
}

TEST(FaultsTest, DivergentWarps) {
  expect_fault(launching(shuffle_in_a_branch), "shfl", "fault_kernels.cuh:");
  expect_fault(launching(different_warp_operations), "divergence", "shfl", "ballot");
  expect_fault(launching(mask_with_exited_lanes), "shfl", "fault_kernels.cuh:");
  expect_fault(launching(mask_without_the_caller), "shfl: the calling lane is not in its mask");
  expect_fault(launching(product_at_two_places), "mma_bf16 at two places at once");
}

TEST(FaultsTest, DivergentBarriers) {
  expect_fault(launching(barrier_in_half_of_the_block, 64), "block_sync");
  expect_fault(launching(barrier_at_two_places, 64), "block_sync at two places at once");
  expect_fault(launching(named_barriers_that_disagree, 64), "named_sync");
  expect_fault(launching(named_barrier_nobody_completes, 64), "DEADLOCK", "threads 0-31",
               "exited: threads 32-63", "waiting in named_sync at fault_kernels.cuh:");
  expect_fault(launching(named_barrier_nobody_completes, 32), "named_sync(2, 64): expected");
  expect_fault(launching(cluster_barrier_that_one_misses, 64, 2), "block (");
  expect_fault(launching(cluster_wait_alone, 64, 2), "cluster_wait without cluster_arrive");
  expect_fault(launching(cluster_arrive_twice, 64, 2), "cluster_arrive twice");
}

TEST(FaultsTest, SharedMemoryThatIsNotThere) {
  expect_fault(launching(takes_too_much, 32, 1, 128),
               "takes shared memory up to byte 400, but the launch has 128");
  expect_fault(launching(takes_differently, 32, 1, 128), "where another thread took");
  expect_fault(launching(reaches_another_rank, 32, 2), "map_rank: rank 2 in a cluster of 2");
  expect_fault(launching(maps_what_is_not_shared, 32, 2), "not this block's shared memory");
}

TEST(FaultsTest, WritesBehindASharedArray) {
#ifdef RAGTIME_SIMT_ASAN
  EXPECT_DEATH(launching(writes_behind_an_array, 32, 1, 256)(), "use-after-poison");
#else
  expect_fault(launching(writes_behind_an_array, 32, 1, 256),
               "wrote 0 bytes behind the end of the shared array of 128 bytes", "fault_kernels.cuh:");
#endif
}

TEST(FaultsTest, BlocksThatHaveExited) {
  // Only where the other block is done first.
  int found = 0;
  for (std::uint64_t seed = 1; seed < 40; ++seed) {
    simt::set_seed(seed);
    const std::string fault = fault_of(launching(reaches_an_exited_block, 32, 2));
    EXPECT_THAT(fault,
                testing::AnyOf("", HasSubstr("block 1 of the cluster has exited"), HasSubstr("data race")));
    found += !fault.empty();
  }
  simt::set_seed(0);
  forgive_races();
  EXPECT_GT(found, 5);
}

TEST(FaultsTest, MisalignedAccess) {
  const auto misaligned_at = [](void (*kernel)(unsigned char*)) { return launching(kernel, 32, 1, 2048); };
  expect_fault(misaligned_at(misaligned<Misaligned::load>), "load: the address is not a multiple of 16");
  expect_fault(misaligned_at(misaligned<Misaligned::store>), "store: the address is not a multiple of 8");
  expect_fault(misaligned_at(misaligned<Misaligned::copy_to>), "cp_async to shared memory", "16");
  expect_fault(misaligned_at(misaligned<Misaligned::copy_from>), "cp_async from global memory", "8");
  expect_fault(misaligned_at(misaligned<Misaligned::matrix>),
               "ldmatrix_x4: the address is not a multiple of 16");
  expect_fault(misaligned_at(misaligned<Misaligned::message>),
               "st_async: the address is not a multiple of 16");
}

TEST(FaultsTest, AsynchronousCopies) {
  expect_fault(launching(copy_never_waited_for, 32, 1, 128), "exits with 1 cp_async under way");
  expect_fault(launching(copy_behind_an_array, 32, 1, 128),
               "cp_async: reaches 132 bytes into the shared array of 128");
}

TEST(FaultsTest, Mbarriers) {
  const auto wrong = [](void (*kernel)(int*)) { return launching(kernel, 32, 2, 64); };
  expect_fault(wrong(wrong_mbarrier<Wrong::uninitialised>), "the mbarrier is not initialised");
  expect_fault(wrong(wrong_mbarrier<Wrong::twice>), "mbarrier_init: it is in use since fault_kernels.cuh:");
  expect_fault(wrong(wrong_mbarrier<Wrong::overwritten>), "the mbarrier has been overwritten");
  expect_fault(wrong(wrong_mbarrier<Wrong::arrivals>), "one arrival too many",
               "8 bytes expected and not received");
  expect_fault(wrong(wrong_mbarrier<Wrong::expects_more>), "DEADLOCK", "waiting in mbarrier_wait",
               "4 bytes expected and not received");
  expect_fault(wrong(wrong_mbarrier<Wrong::mismatched>), "st_async: the mbarrier is not initialised");
}

TEST(FaultsTest, MoreBytesThanExpected) {
  // Which report depends on whether the receiver still waits when the second store comes.
  for_seeds([] {
    EXPECT_THAT(
        fault_of(launching(wrong_mbarrier<Wrong::expects_less>, 32, 2, 64)),
        testing::AnyOf(HasSubstr("4 bytes received and not expected"), HasSubstr("exits while a st_async")));
  });
}

TEST(FaultsTest, StoresToABlockThatExits) {
  int found = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    simt::set_seed(seed);
    const std::string fault = fault_of(launching(wrong_mbarrier<Wrong::receiver_gone>, 32, 2, 64));
    EXPECT_THAT(fault, testing::AnyOf("", HasSubstr("exits while a st_async"), HasSubstr("exited")));
    found += !fault.empty();
  }
  simt::set_seed(0);
  EXPECT_GT(found, 10);
}

TEST(FaultsTest, LostSignals) {
  expect_fault(launching(lost_signal), "LIVELOCK",
               "waiting in a spin loop at fault_kernels.cuh:", "threads 0 of block");
}

TEST(FaultsTest, WaitingForBlocksThatCannotRun) {
  const auto meeting = [](bool cooperative) {
    return [=] {
      unsigned counter = 0;
      run({.name = "meeting", .grid = {6}, .block = {32}, .cooperative = cooperative}, meet_in_the_grid,
          &counter);
    };
  };
  expect_fault(meeting(false), "LIVELOCK", "clusters have not begun", "cooperative launch");
  for_seeds([&] { EXPECT_EQ(fault_of(meeting(true)), ""); });
}

TEST(FaultsTest, ReportsNameKernelSeedAndThread) {
  simt::set_seed(3);
  EXPECT_THAT(fault_of(launching(cluster_wait_alone, 64, 2)),
              testing::MatchesRegex(
                  "kernel 'faulty' \\(seed 3, launch 0, [a-z]+\\): block \\([01], 0, 0\\) thread .*"));
  EXPECT_THAT(fault_of(launching(cluster_wait_alone, 64, 2)), HasSubstr("launch 1"));
  simt::set_seed(0);
}

// ----------------------------------------------------------------------------------------------------
// launches

void nothing() {}

std::string refusal(const arch::LaunchConfig& config) {
  const arch::LaunchResult result = arch::launch(config, nothing);
  return result.ok() ? "" : result.text;
}

TEST(LaunchTest, RefusesWhatAGpuWould) {
  EXPECT_EQ(refusal({.name = "k", .grid = {4}, .block = {1024}, .cluster = 4, .shared_bytes = 227 * 1024}),
            "");
  EXPECT_EQ(refusal({.name = "k", .block = {1025}}), "kernel 'k': a block of 1025 threads");
  EXPECT_EQ(refusal({.name = "k", .grid = {0}}), "kernel 'k': a grid of 0 blocks");
  EXPECT_THAT(refusal({.name = "k", .grid = {6}, .cluster = 4}), HasSubstr("6 blocks along x"));
  EXPECT_THAT(refusal({.name = "k", .grid = {32}, .cluster = 32}), HasSubstr("a cluster of 32"));
  EXPECT_THAT(refusal({.name = "k", .shared_bytes = 227 * 1024 + 1}), HasSubstr("shared memory"));
}

RAGTIME_KERNEL(32, 1) launch_again(int* out) {
  (void)arch::launch({.name = "inner"}, nothing).ok();
  finish(out);
}
RAGTIME_KERNEL(32, 1) throw_something(int* out) {
  arch::block_sync();
  if (arch::lane() == 9) throw std::runtime_error("no such thing");
  arch::block_sync();
  finish(out);
}

TEST(LaunchTest, ComesFromTheHostOnly) {
  expect_fault(launching(launch_again), "launched from within a kernel");
  EXPECT_THROW(arch::lane(), simt::Error);
  EXPECT_THROW(arch::block_sync(), simt::Error);
}

TEST(LaunchTest, ExceptionsOfAKernelEndIt) {
  expect_fault(launching(throw_something), "thread (9, 0, 0) throws: no such thing");
}

// What a kernel's frames own when its launch fails.
class Owned {
 public:
  explicit Owned(std::atomic<int>* count) : count_(count) { ++*count_; }
  ~Owned() { --*count_; }

 private:
  std::atomic<int>* count_;
};
RAGTIME_KERNEL(32, 1) own_something(std::atomic<int>* count) {
  const Owned owned(count);
  arch::block_sync();
  if (arch::lane() == 3) arch::cluster_wait();
  arch::block_sync();
}

TEST(LaunchTest, AFailedLaunchLeavesNothingBehind) {
  for_seeds([] {
    std::atomic<int> owned = 0;
    EXPECT_NE(
        fault_of([&] { run({.name = "own_something", .grid = {3}, .block = {32}}, own_something, &owned); }),
        "");
    EXPECT_EQ(owned, 0);
    std::vector<int> sums(33);
    run({.name = "rotate_and_sum", .block = {33}}, rotate_and_sum, sums.data());
    EXPECT_THAT(sums, testing::Each(33 * 34 / 2));
  });
}

// order [64]: when each thread passed
RAGTIME_KERNEL(64, 1) pass_one_by_one(unsigned* next, unsigned* order) {
  order[arch::thread_rank()] = arch::atomic_add(next, 1u);
}
std::vector<unsigned> order_of(std::uint64_t seed) {
  simt::set_seed(seed);
  unsigned next = 0;
  std::vector<unsigned> order(64);
  run({.name = "pass_one_by_one", .block = {64}}, pass_one_by_one, &next, order.data());
  simt::set_seed(0);
  return order;
}

TEST(LaunchTest, SchedulesDifferBySeedAndRepeat) {
  std::vector<std::vector<unsigned>> orders;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    orders.push_back(order_of(seed));
    EXPECT_EQ(order_of(seed), orders.back()) << "seed " << seed;
  }
  std::sort(orders.begin(), orders.end());
  EXPECT_GT(std::unique(orders.begin(), orders.end()) - orders.begin(), 8);
}

}  // namespace
}  // namespace ragtime::test
