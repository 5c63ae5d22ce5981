#include "host/tool/cli/interrupt.hpp"

#include <time.h>

#include <atomic>
#include <cstdint>

#include "host/base/interrupt.hpp"

namespace ragtime::cli {
namespace {

// One interrupt may come as two signals: timeout sends one to its child and one to its group.
constexpr std::int64_t one_interrupt_ns = 100'000'000;

std::atomic<std::int64_t> first_ns = 0;
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{1'000'000'000} * now.tv_sec + now.tv_nsec;
}

void note(int signal) {
  if (!interrupt_is_noted) {
    first_ns = now_ns();
    interrupt_is_noted = true;
  } else if (now_ns() - first_ns > one_interrupt_ns) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);  // ends the process when this handler returns
  }
}

}  // namespace

InterruptNote::InterruptNote() {
  interrupt_is_noted = false;
  struct sigaction action {};
  action.sa_handler = note;  // without SA_RESTART: a write to a pipe that nobody reads ends
  ::sigemptyset(&action.sa_mask);
  for (const int signal : signals) ::sigaddset(&action.sa_mask, signal);
  for (std::size_t i = 0; i < signals.size(); ++i) {
    ::sigaction(signals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler != SIG_IGN) ::sigaction(signals[i], &action, nullptr);
  }
}

InterruptNote::~InterruptNote() {
  for (std::size_t i = 0; i < signals.size(); ++i) ::sigaction(signals[i], &before_[i], nullptr);
  interrupt_is_noted = false;
}

bool InterruptNote::noted() const {
  return interrupt_is_noted;
}

void InterruptNote::check() const {
  if (noted()) throw Interrupted();
}

}  // namespace ragtime::cli
