#pragma once

// Stacks and the switch between them. Knows nothing of GPUs.

#include <cstddef>

#include "cuda/arch/simt/machine/sanitizers.hpp"

#if !defined(__x86_64__) || defined(RAGTIME_SIMT_UCONTEXT)
#define RAGTIME_SIMT_PORTABLE_SWITCH
#include <ucontext.h>

#include <memory>
#endif

namespace ragtime::simt {

// A stack with its own flow of control. The thread that launches is one too, without a stack of ours.
class Fiber {
 public:
  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  void allocate_stack();  // once; throws Error when the system has no more memory maps
  // The next switch to this fiber calls `entry`, which must never return: it ends by finish_to.
  void prepare(void (*entry)());

  static void switch_between(Fiber& from, Fiber& to);
  // The same, for the last time: `from` runs again only after another prepare.
  [[noreturn]] static void finish_to(Fiber& from, Fiber& to);
  // First thing in `entry`. `launcher` is where the switch came from, if this is the first fiber of a launch.
  static void entered(Fiber& launcher);

  // The launcher's: before its first switch, and after its last.
  void adopt_current();
  void forget_current();

  // ThreadSanitizer's view of the flow of control, apart from the stack. Costs a millisecond and a megabyte,
  // so it is made once and stays with the fiber. Nothing in a build without it.
  void watch();
  void name(const char* name);  // in its reports

 private:
  char* stack_ = nullptr;  // lowest address, above the guard page
  std::size_t bytes_ = 0;
  void* watched_ = nullptr;
  void* fake_stack_ = nullptr;  // AddressSanitizer's
#ifdef RAGTIME_SIMT_PORTABLE_SWITCH
  std::unique_ptr<ucontext_t> context_ = std::make_unique<ucontext_t>();
#else
  void* saved_ = nullptr;  // stack pointer while not running
#endif
};

}  // namespace ragtime::simt
