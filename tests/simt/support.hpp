#pragma once

// What the tests of the emulation share: running a kernel over schedules, and what it was caught at.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "cuda/arch/arch.cuh"
#include "cuda/arch/simt/machine/sanitizers.hpp"
#include "cuda/arch/simt/simt.hpp"

namespace ragtime::test {

inline constexpr std::uint64_t seeds = 12;

// Data races that ThreadSanitizer has reported so far; always 0 in a build without it. A test that plants one
// forgives it, any other fails (race_counter.cpp).
int races_reported();
void forgive_races();

// The body under every schedule.
inline void for_seeds(const std::function<void()>& body, std::uint64_t count = seeds) {
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    simt::set_seed(seed);
    body();
  }
  simt::set_seed(0);
}

// Launches, and fails the test unless the launch is accepted.
template <class... Parameters, class... Arguments>
void run(const arch::LaunchConfig& config, void (*kernel)(Parameters...), Arguments... arguments) {
  const arch::LaunchResult result = arch::launch(config, kernel, arguments...);
  ASSERT_TRUE(result.ok()) << result.text;
}

// What the emulation says of it; empty when it finds nothing.
inline std::string fault_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const simt::Error& error) {
    return error.what();
  }
  return "";
}

// A fault with these words in its report, under each of the first schedules.
template <class... Words>
void expect_fault(const std::function<void()>& body, Words... words) {
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    simt::set_seed(seed);
    EXPECT_THAT(fault_of(body), testing::AllOf(testing::HasSubstr(words)...)) << "seed " << seed;
  }
  simt::set_seed(0);
}

// In how many of the schedules a body is caught: by the emulation, by ThreadSanitizer, or by returning false.
inline int schedules_that_catch(const std::function<bool()>& right) {
  int caught = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    simt::set_seed(seed);
    const int before = races_reported();
    bool good = false;
    fault_of([&] { good = right(); });
    caught += !good || races_reported() != before;
  }
  simt::set_seed(0);
  return caught;
}

// 0xFF everywhere: NaN, -1.
template <class T>
std::vector<T> unwritten(std::size_t count) {
  std::vector<T> values(count);
  if (count != 0) std::memset(static_cast<void*>(values.data()), 0xFF, count * sizeof(T));
  return values;
}

}  // namespace ragtime::test
