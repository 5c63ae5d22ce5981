#pragma once

// What a test does again under other schedules of the emulated backend; on the others, once.

#include <cstdlib>
#include <functional>
#include <string>

#include "tests/support/operation_test.hpp"
#ifdef RAGTIME_ON_SIMT
#include "cuda/arch/simt/simt.hpp"
#endif

namespace ragtime::test {

// The schedules are counted from RAGTIME_SIMT_SEED, which is in force again afterwards. The first is the one
// that RAGTIME_SIMT_SEED gives; without it, sequential.
inline void for_schedules([[maybe_unused]] const std::string& backend, [[maybe_unused]] std::uint64_t count,
                          const std::function<void()>& body) {
#ifdef RAGTIME_ON_SIMT
  if (backend == "cuda_on_simt") {
    const char* const given = std::getenv("RAGTIME_SIMT_SEED");
    const std::uint64_t first = given == nullptr ? 0 : std::strtoull(given, nullptr, 10);
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
      SCOPED_TRACE(testing::Message() << "seed " << seed);
      simt::set_seed(seed);
      body();
    }
    simt::set_seed(first);
    return;
  }
#endif
  body();
}

}  // namespace ragtime::test
