#pragma once

// Files that are never half-written.

#include <filesystem>
#include <string>
#include <string_view>

#include "host/base/file_lock.hpp"

namespace ragtime {

// Writes beside `path` and renames on commit; without commit the temporary is removed and `path` is as it
// was. An existing file keeps its permissions and the links that lead to it; one without the right to write
// is refused. An existing path that is no regular file (a pipe, a device) is written directly, and so is an
// open descriptor (/dev/stdout, /dev/fd/3, /proc/self/fd/3 and links to them), from where it stands. Every
// failing call of the operating system throws Error(io_error) with the path and the reason.
//
// A process killed in between leaves `path` as it was and the temporary, `path`.tmp<process>-<number>,
// behind. The next AtomicFile for `path` removes it: a writer holds a lock on its temporary until it has
// renamed it, and only what nobody has locked is removed.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view bytes);  // buffered
  void commit();                       // flush, fsync, rename, close

 private:
  void create_temporary();
  void discard() noexcept;
  void flush();
  [[noreturn]] void fail_with_errno(const char* action) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty when written directly
  Descriptor descriptor_;
  std::string buffer_;
};

// Whether an AtomicFile for `file` may have left a temporary of this name; both without their folder.
bool is_temporary_of(std::string_view file, std::string_view name);

// Removes the temporaries that killed processes left of `path`, but none that a process still writes. What
// cannot be removed, or not be locked, stays.
void remove_leftovers(const std::filesystem::path& path) noexcept;

void write_file_atomically(const std::filesystem::path& path, std::string_view content);

// The whole file. Throws Error(io_error) with the path and the reason; a directory is refused.
std::string read_file(const std::filesystem::path& path);

}  // namespace ragtime
