#include "cuda/arch/simt/machine/fiber.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "cuda/arch/simt/simt.hpp"

#ifndef RAGTIME_SIMT_PORTABLE_SWITCH
// Saves what a called function must preserve, stores the stack pointer to *saved, and goes on where `next`
// left off. 5 to 10 ns; swapcontext takes some 300, for it asks the kernel for the signal mask.
extern "C" void ragtime_simt_switch(void** saved, void* next);
asm(R"(
.text
.globl ragtime_simt_switch
.type ragtime_simt_switch,@function
ragtime_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rdx
  jmp *%rdx
.size ragtime_simt_switch, .-ragtime_simt_switch
)");
#endif

namespace ragtime::simt {
namespace {

#if defined(RAGTIME_SIMT_ASAN) || defined(RAGTIME_SIMT_TSAN)
constexpr std::size_t stack_bytes = 256 << 10;  // instrumented frames are wide
#else
constexpr std::size_t stack_bytes = 64 << 10;
#endif

std::size_t page_bytes() {
  static const std::size_t bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace

void Fiber::allocate_stack() {
  void* const memory = mmap(nullptr, stack_bytes + page_bytes(), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw Error("no memory for the stack of one more thread (vm.max_map_count?)");
  // Two maps a stack. When the system grants no more of them, the stacks without a guard page still work.
  (void)mprotect(memory, page_bytes(), PROT_NONE);
  stack_ = static_cast<char*>(memory) + page_bytes();
  bytes_ = stack_bytes;
}

Fiber::~Fiber() {
#ifdef RAGTIME_SIMT_TSAN
  if (watched_ != nullptr) __tsan_destroy_fiber(watched_);
#endif
  if (stack_ == nullptr) return;
  unpoison(stack_, bytes_);
  munmap(stack_ - page_bytes(), bytes_ + page_bytes());
}

void Fiber::prepare(void (*entry)()) {
  unpoison(stack_, bytes_);
  fake_stack_ = nullptr;
#ifdef RAGTIME_SIMT_PORTABLE_SWITCH
  getcontext(context_.get());
  context_->uc_stack.ss_sp = stack_;
  context_->uc_stack.ss_size = bytes_;
  context_->uc_link = nullptr;
  makecontext(context_.get(), entry, 0);
#else
  // Tops of stacks at different places within a page, so that they do not all fall into the same cache set.
  static unsigned color = 0;
  char* const top = stack_ + bytes_ - 64 * (color++ * 7 % 61) - 64;
  void** frame = reinterpret_cast<void**>(top);
  *--frame = nullptr;  // where `entry` would return to; keeps the stack aligned as after a call
  *--frame = reinterpret_cast<void*>(entry);
  for (int preserved = 0; preserved < 6; ++preserved) *--frame = nullptr;
  saved_ = frame;
#endif
}

void Fiber::switch_between(Fiber& from, Fiber& to) {
#ifdef RAGTIME_SIMT_ASAN
  __sanitizer_start_switch_fiber(&from.fake_stack_, to.stack_, to.bytes_);
#endif
#ifdef RAGTIME_SIMT_TSAN
  __tsan_switch_to_fiber(to.watched_, 1);  // 1: a switch orders nothing
#endif
#ifdef RAGTIME_SIMT_PORTABLE_SWITCH
  swapcontext(from.context_.get(), to.context_.get());
#else
  ragtime_simt_switch(&from.saved_, to.saved_);
#endif
#ifdef RAGTIME_SIMT_ASAN
  __sanitizer_finish_switch_fiber(from.fake_stack_, nullptr, nullptr);
#endif
}

void Fiber::finish_to(Fiber& from, Fiber& to) {
#ifdef RAGTIME_SIMT_ASAN
  __sanitizer_start_switch_fiber(nullptr, to.stack_, to.bytes_);  // null: frees the fake stack
#endif
#ifdef RAGTIME_SIMT_TSAN
  __tsan_switch_to_fiber(to.watched_, 1);
#endif
#ifdef RAGTIME_SIMT_PORTABLE_SWITCH
  (void)from;
  setcontext(to.context_.get());
#else
  ragtime_simt_switch(&from.saved_, to.saved_);
#endif
  std::abort();
}

void Fiber::entered([[maybe_unused]] Fiber& launcher) {
#ifdef RAGTIME_SIMT_ASAN
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
  if (launcher.stack_ == nullptr) {
    launcher.stack_ = static_cast<char*>(const_cast<void*>(bottom));
    launcher.bytes_ = bytes;
  }
#endif
}

void Fiber::adopt_current() {
#ifdef RAGTIME_SIMT_TSAN
  watched_ = __tsan_get_current_fiber();
#endif
}

void Fiber::forget_current() {
  stack_ = nullptr;
  bytes_ = 0;
  watched_ = nullptr;
}

void Fiber::watch() {
#ifdef RAGTIME_SIMT_TSAN
  if (watched_ == nullptr) watched_ = __tsan_create_fiber(0);
#endif
}

void Fiber::name([[maybe_unused]] const char* name) {
#ifdef RAGTIME_SIMT_TSAN
  __tsan_set_fiber_name(watched_, name);
#endif
}

}  // namespace ragtime::simt
