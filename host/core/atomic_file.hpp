#pragma once

// Files that are never half-written.

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace ragtime {

// Writes beside `path` and renames on commit; without commit the temporary is removed and `path` is as it
// was. An existing file keeps its permissions and the links that lead to it; one without the right to write
// is refused. An existing path that is no regular file (a pipe, /dev/stdout) is written directly. Every
// failing call of the operating system throws Error(io_error) with the path and the reason. A process killed
// in between leaves `path` as it was and the temporary, `path`.tmp<process>-<number>, behind.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view bytes);  // buffered
  void commit();                       // flush, fsync, close, rename

 private:
  void create_temporary();
  void discard() noexcept;
  void flush();
  [[noreturn]] void fail_with_errno(const char* action) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty when written directly
  int descriptor_ = -1;
  std::string buffer_;
};

// Whether an AtomicFile for `file` may have left a temporary of this name; both without their folder.
bool is_temporary_of(std::string_view file, std::string_view name);

void write_file_atomically(const std::filesystem::path& path, std::string_view content);

// The whole file. Throws Error(io_error) with the path and the reason; a directory is refused.
std::string read_file(const std::filesystem::path& path);

}  // namespace ragtime
