#pragma once

#include <signal.h>

#include <array>
#include <exception>
#include <stdexcept>

namespace ragtime::cli {

// Ends a command so that destructors remove what is half-written.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

// While one lives, the first SIGINT, SIGTERM or SIGHUP is only noted; a second one ends the process as ever.
// A signal that the process was told to ignore, as nohup does, stays ignored. One at a time.
class InterruptNote {
 public:
  InterruptNote();
  ~InterruptNote();
  InterruptNote(const InterruptNote&) = delete;
  InterruptNote& operator=(const InterruptNote&) = delete;

  bool noted() const;
  void check() const;  // throws Interrupted when one is noted

 private:
  static constexpr std::array<int, 3> signals = {SIGINT, SIGTERM, SIGHUP};
  std::array<struct sigaction, 3> before_{};
};

// work(note), which asks note.check() now and then. An interrupt may also end a call of the operating system
// that waits; what work throws then is Interrupted too.
template <class Work>
auto interruptible(const Work& work) {
  const InterruptNote note;
  try {
    return work(note);
  } catch (const std::exception&) {
    note.check();
    throw;
  }
}

}  // namespace ragtime::cli
