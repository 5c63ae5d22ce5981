#pragma once

// Folders that are never half-written.

#include <filesystem>
#include <span>
#include <string_view>

#include "host/base/file_lock.hpp"

namespace ragtime {

// A folder that takes its name when it is whole, and is gone otherwise. A process killed in between leaves
// `path`.tmp<process>-<number> behind, and the next AtomicFolder for `path` removes it, if nobody holds the
// lock that its writer had on it and it holds nothing but `files` and what AtomicFile leaves of them.
class AtomicFolder {
 public:
  // Throws Error(io_error) when `path` is there and is no empty folder.
  AtomicFolder(const std::filesystem::path& path, std::span<const std::string_view> files);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const std::filesystem::path& path() const { return temporary_; }  // to write into
  void commit();

 private:
  void create_temporary();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  Descriptor lock_;
};

}  // namespace ragtime
