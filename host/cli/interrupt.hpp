#pragma once

namespace ragtime::cli {

// While one lives, the first SIGINT or SIGTERM is only noted; a second one ends the process as ever.
class InterruptNote {
 public:
  InterruptNote();
  ~InterruptNote();
  InterruptNote(const InterruptNote&) = delete;
  InterruptNote& operator=(const InterruptNote&) = delete;

  bool noted() const;
};

}  // namespace ragtime::cli
