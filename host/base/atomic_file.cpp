#include "host/base/atomic_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "host/base/check.hpp"
#include "host/base/interrupt.hpp"
#include "host/base/open_descriptor.hpp"

namespace ragtime {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 20;
constexpr mode_t permission_bits = 07777;
constexpr std::string_view temporary_mark = ".tmp";  // then the process, "-" and a number

// The file that a chain of symbolic links names, which need not exist yet.
std::filesystem::path follow_links(const std::filesystem::path& path) {
  constexpr int longest_chain = 40;  // as Linux has it
  std::filesystem::path target = path;
  for (int link = 0; link < longest_chain; ++link) {
    std::error_code not_a_link;
    const auto next = std::filesystem::read_symlink(target, not_a_link);
    if (not_a_link) return target;
    target = target.parent_path() / next;
  }
  return path;
}

// Waits until a pipe that does not wait by itself takes more; false, with errno, when it was interrupted.
bool wait_for_room(int descriptor) {
  pollfd stream = {descriptor, POLLOUT, 0};
  return ::poll(&stream, 1, -1) >= 0 || (errno == EINTR && !interrupt_is_noted);
}

bool synchronize(int descriptor) {
  int result = 0;
  do {
    result = ::fsync(descriptor);
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

void remove_leftover(const std::filesystem::path& file) {
  // For writing where that is possible: a lock over NFS asks for it.
  constexpr int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  Descriptor leftover(::open(file.c_str(), O_RDWR | flags));
  if (!leftover.is_open()) leftover = Descriptor(::open(file.c_str(), O_RDONLY | flags));
  struct stat status {};
  if (!leftover.is_open() || ::fstat(leftover.number(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  // With the lock nobody else removes or renames it. Its writer may have done so before.
  if (try_lock(leftover.number()) == LockResult::taken && is_name_of(file, leftover.number()))
    ::unlink(file.c_str());
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  if (auto open = duplicate_named_descriptor(path_)) {
    descriptor_ = std::move(*open);
    return;
  }
  struct stat existing {};
  const bool exists = ::stat(path_.c_str(), &existing) == 0;
  if (exists) {
    check(!S_ISDIR(existing.st_mode), ErrorCode::io_error, path_.string(),
          " is a directory: expected a file to write");
    if (!S_ISREG(existing.st_mode)) {
      descriptor_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
      if (!descriptor_.is_open()) fail_with_errno("opening");
      return;
    }
    // Renaming over a file asks only for the right to write its folder, so ask for the file's here.
    if (::faccessat(AT_FDCWD, path_.c_str(), W_OK, AT_EACCESS) != 0) fail_with_errno("opening");
  } else if (errno != ENOENT) {
    fail_with_errno("opening");
  }
  path_ = follow_links(path_);
  remove_leftovers(path_);
  create_temporary();
  if (!exists) return;
  // The new file takes the old one's place, so it takes its permissions too, and its owner where that is
  // allowed. Owner first: a change of owner clears the set-id bits.
  static_cast<void>(::fchown(descriptor_.number(), existing.st_uid, existing.st_gid) == 0);
  if (::fchmod(descriptor_.number(), existing.st_mode & permission_bits) != 0) {
    const int reason = errno;
    discard();
    errno = reason;
    fail_with_errno("setting the permissions of");
  }
}

// A name of its own for each file being written, in this process and beside others, and never a file that
// somebody else put there. Between its creation and its lock somebody may take it for a leftover; then it is
// theirs, and another name is tried.
void AtomicFile::create_temporary() {
  static std::atomic<unsigned> files_opened = 0;
  for (;;) {
    std::filesystem::path name = path_;
    name += concat(temporary_mark, ::getpid(), "-", files_opened++);
    Descriptor file(::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (!file.is_open() && errno == EEXIST) continue;
    if (!file.is_open()) fail_with_errno("creating");
    if (try_lock(file.number()) == LockResult::held || was_removed(name, file.number())) continue;
    temporary_ = std::move(name);
    descriptor_ = std::move(file);
    return;
  }
}

AtomicFile::~AtomicFile() {
  discard();
}

void AtomicFile::discard() noexcept {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  temporary_.clear();
  descriptor_.close();
}

void AtomicFile::fail_with_errno(const char* action) const {
  const int reason = errno;
  fail(ErrorCode::io_error, action, " ", path_.string(), " failed: ", std::strerror(reason));
}

void AtomicFile::write(std::string_view bytes) {
  buffer_.append(bytes);
  if (buffer_.size() >= buffer_bytes) flush();
}

void AtomicFile::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    // The reader of a pipe may never come, so an interrupt ends that wait.
    const bool gives_up = temporary_.empty() && interrupt_is_noted;
    if (gives_up) errno = EINTR;
    const ssize_t written = gives_up ? -1 : ::write(descriptor_.number(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR && !gives_up) continue;
    if (written < 0 && errno == EAGAIN && wait_for_room(descriptor_.number())) continue;
    if (written < 0) fail_with_errno("writing");
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  buffer_.clear();
}

void AtomicFile::commit() {
  flush();
  if (temporary_.empty()) {
    if (!descriptor_.close()) fail_with_errno("closing");
    return;
  }
  if (!synchronize(descriptor_.number())) fail_with_errno("writing");
  // Before the descriptor is closed, and with it the lock: what has no lock is a leftover.
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_with_errno("renaming to");
  temporary_.clear();
  descriptor_.close();  // fsync has reported what there was to report
}

bool is_temporary_of(std::string_view file, std::string_view name) {
  if (!name.starts_with(file)) return false;
  name.remove_prefix(file.size());
  if (!name.starts_with(temporary_mark)) return false;
  name.remove_prefix(temporary_mark.size());
  const auto is_number = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
  };
  const std::size_t dash = name.find('-');
  return dash != name.npos && is_number(name.substr(0, dash)) && is_number(name.substr(dash + 1));
}

void remove_leftovers(const std::filesystem::path& path) noexcept try {
  const std::string file = path.filename().string();
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (is_temporary_of(file, entry.path().filename().string())) remove_leftover(entry.path());
} catch (...) {
  // A folder that cannot be read keeps what is in it.
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

std::string read_file(const std::filesystem::path& path) {
  const auto refuse = [&](const char* action) {
    const int reason = errno;
    fail(ErrorCode::io_error, action, " ", path.string(), " failed: ", std::strerror(reason));
  };
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) refuse("opening");
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) refuse("reading");

  // One byte more than the size, so that the read that finds the end needs no more room. The size is only a
  // hint: pipes and /proc have none, and a file may grow.
  std::string content(S_ISREG(status.st_mode) ? static_cast<std::size_t>(status.st_size) + 1 : 0, '\0');
  std::size_t used = 0;
  for (;;) {
    if (used == content.size()) content.resize(2 * used + 4096);
    const ssize_t got = ::read(file.number(), content.data() + used, content.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse("reading");
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  content.resize(used);
  return content;
}

}  // namespace ragtime
