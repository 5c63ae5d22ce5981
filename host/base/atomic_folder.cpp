#include "host/base/atomic_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>

#include "host/base/atomic_file.hpp"
#include "host/base/check.hpp"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

void refuse(const std::error_code& error, const char* action, const fs::path& path) {
  check(!error, ErrorCode::io_error, action, " ", path.string(), " failed: ", error.message());
}

Descriptor open_folder(const fs::path& folder) {
  return Descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool holds_only(const fs::path& folder, std::span<const std::string_view> files) {
  const auto is_one = [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    return entry.is_regular_file() && !entry.is_symlink() &&
           std::any_of(files.begin(), files.end(),
                       [&](std::string_view file) { return name == file || is_temporary_of(file, name); });
  };
  return std::all_of(fs::directory_iterator(folder), fs::directory_iterator(), is_one);
}

void remove_left_folders(const fs::path& path, std::span<const std::string_view> files) noexcept try {
  const std::string file = path.filename().string();
  for (const auto& entry : fs::directory_iterator(path.has_parent_path() ? path.parent_path() : ".")) {
    const std::string name = entry.path().filename().string();
    // Without a number, as they were once called.
    if (!is_temporary_of(file, name) && !is_temporary_of(file, name + "-0")) continue;
    const Descriptor folder = open_folder(entry.path());
    if (folder.is_open() && try_lock(folder.number()) == LockResult::taken &&
        is_name_of(entry.path(), folder.number()) && holds_only(entry.path(), files))
      fs::remove_all(entry.path());
  }
} catch (...) {
  // What cannot be read or removed stays.
}

}  // namespace

AtomicFolder::AtomicFolder(const fs::path& path, std::span<const std::string_view> files) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (fs::exists(status)) {
    check(fs::is_directory(status), ErrorCode::io_error, "out is ", path.string(),
          ", which is no folder: expected a folder that is not there yet, or is empty");
    const bool empty = fs::is_empty(path, error);
    refuse(error, "reading", path);
    check(empty, ErrorCode::io_error, "out is ", path.string(),
          ", which is not empty: expected a folder that is not there yet, or is empty");
  }
  path_ = fs::weakly_canonical((path / "").parent_path(), error);  // "a/" is a
  refuse(error, "finding", path);
  if (path_.has_parent_path()) fs::create_directories(path_.parent_path(), error);
  refuse(error, "creating", path_.parent_path());
  remove_left_folders(path_, files);
  create_temporary();
}

// As AtomicFile does it: a name that nobody has, then the lock, which another run has that took the folder
// for a leftover in between.
void AtomicFolder::create_temporary() {
  static std::atomic<unsigned> folders_made = 0;
  for (;;) {
    fs::path name = path_;
    name += concat(".tmp", ::getpid(), "-", folders_made++);
    if (::mkdir(name.c_str(), 0777) != 0) {
      if (errno == EEXIST) continue;
      refuse(std::error_code(errno, std::generic_category()), "creating", name);
    }
    Descriptor folder = open_folder(name);
    if (!folder.is_open() && errno != ENOENT) {
      const std::error_code reason(errno, std::generic_category());
      ::rmdir(name.c_str());
      refuse(reason, "opening", name);
    }
    if (!folder.is_open() || try_lock(folder.number()) == LockResult::held ||
        was_removed(name, folder.number()))
      continue;
    temporary_ = std::move(name);
    lock_ = std::move(folder);
    return;
  }
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

void AtomicFolder::commit() {
  std::error_code error;
  fs::rename(temporary_, path_, error);
  refuse(error, "renaming to", path_);
  temporary_.clear();
}

}  // namespace ragtime
