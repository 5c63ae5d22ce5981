// Counts ThreadSanitizer's reports, and fails every test with one that it did not plant. The reports still go
// to the error output, where a person looks for the reason of such a failure.

#include <atomic>

#include "tests/simt/support.hpp"

namespace {

std::atomic<int> reported{0};
int forgiven = 0;

class NoUnplannedRaces final : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo&) override {
    if (reported != forgiven)
      ADD_FAILURE() << reported - forgiven << " data races reported by ThreadSanitizer";
    forgiven = reported;
  }
};
const bool listening = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new NoUnplannedRaces);
  return true;
}();

}  // namespace

namespace ragtime::test {

int races_reported() {
  return reported;
}
void forgive_races() {
  forgiven = reported;
}

}  // namespace ragtime::test

#ifdef RAGTIME_SIMT_TSAN
// The sanitizer is a shared library, and finds these in the program only where they can be seen.
#pragma GCC visibility push(default)
extern "C" {
void __tsan_on_report(const void*) {
  ++reported;
  ragtime::simt::stop_launch("data race, reported by ThreadSanitizer");  // one tells enough
}
// A race counts each time it happens, and is the test's business, not the exit status's.
const char* __tsan_default_options() {
  return "exitcode=0:suppress_equal_stacks=0:suppress_equal_addresses=0";
}
}
#pragma GCC visibility pop
#endif
