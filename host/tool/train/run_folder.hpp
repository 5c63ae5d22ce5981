#pragma once

// The folder a run writes into, asked about before the work begins, and its own until the run ends.

#include <vector>

#include "host/base/file_lock.hpp"
#include "host/tool/train/train_options.hpp"

namespace ragtime {

// Holds a lock on the file .lock in the folder, which the lock does not outlive. Where the file system has no
// locks it does without.
class RunFolder {
 public:
  // Throws Error(invalid_argument) when options.out is no folder, holds a model or a run already and
  // options.resume is not set, or holds a model that no run left there and it is; Error(io_error) when
  // another run is writing to it. A folder that is there is locked from here on; nothing is made.
  explicit RunFolder(const TrainOptions& options);
  // Unlocks. A folder that create() made and nothing was written to is removed.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  // Makes the folder where there is none, locks it, asks again what the constructor asked, and removes the
  // temporaries that a killed run left in it.
  void create();

 private:
  void unlock() noexcept;
  void make_folders();
  bool lock();  // false when the folder is not there (any more)
  void refuse_other_content() const;

  std::filesystem::path path_;
  bool resume_;
  Descriptor lock_;
  std::vector<std::filesystem::path> made_;  // folders, the outer ones first
};

}  // namespace ragtime
