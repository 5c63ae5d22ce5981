#pragma once

// What tests see of the emulation: which schedule to run next, what was counted, how a fault is reported.
// Kernels run through arch::launch, see cuda/arch/arch.cuh; docs/testing.md says what is caught and how.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>

namespace ragtime::simt {

// What a kernel did wrong, or that it can never end. Names the kernel, the schedule, the block, the thread
// and the line of source. The launch is over; the next one starts from a clean slate.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Who runs next when more than one thread could.
enum class Policy : std::uint8_t {
  sequential,  // the first block and warp that can
  reverse,     // the last
  random,      // anyone, with switches at atomics too
  priority,    // one warp runs far ahead of the others, and now and then another takes its place
};

struct Options {
  std::optional<Policy> policy;              // in place of the one drawn from the seed
  unsigned resident_clusters = 4;            // at most that many at once, unless the launch is cooperative
  unsigned idle_rounds = 256;                // how often spinning threads look again when nobody else can run
  std::uint64_t switch_limit = 200'000'000;  // a launch with more switches than this never ends
  bool allow_exited = false;  // barriers may be passed by blocks some threads of which have left
};
Options& options();

// Every launch that follows draws its schedule from the seed and from how many came before it, so that a
// failing test repeats. Seed 0, the default, is sequential, with asynchronous copies done at once.
void set_seed(std::uint64_t seed);

// Of all launches so far.
struct Statistics {
  std::uint64_t launches = 0;
  std::uint64_t switches = 0;         // from one thread to another
  std::uint64_t warp_operations = 0;  // shuffles, votes, matrix products
  std::uint64_t block_barriers = 0;
  std::uint64_t messages = 0;  // st_async delivered
};
const Statistics& statistics();

// Ends the launch that is running, at its next scheduling point, with an Error that says why. Only notes the
// reason, so that a sanitizer's hook may call it.
void stop_launch(const char* why);

// Whether this build tells of data races.
bool detects_races();

}  // namespace ragtime::simt
