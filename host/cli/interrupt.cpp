#include "host/cli/interrupt.hpp"

#include <csignal>

namespace ragtime::cli {
namespace {

volatile std::sig_atomic_t was_noted = 0;

void note(int signal) {
  was_noted = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

InterruptNote::InterruptNote() {
  was_noted = 0;
  std::signal(SIGINT, note);
  std::signal(SIGTERM, note);
}

InterruptNote::~InterruptNote() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

bool InterruptNote::noted() const {
  return was_noted != 0;
}

}  // namespace ragtime::cli
