#include "host/core/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "host/core/check.hpp"

namespace ragtime {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 20;

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  struct stat existing {};
  if (::stat(path_.c_str(), &existing) == 0) {
    check(!S_ISDIR(existing.st_mode), ErrorCode::io_error, path_.string(),
          " is a directory: expected a file to write");
    if (!S_ISREG(existing.st_mode)) {
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
      if (descriptor_ < 0) fail_with_errno("opening");
      return;
    }
    // Write through a link to the file it names, and keep the link.
    std::error_code unresolved;
    if (const auto real = std::filesystem::canonical(path_, unresolved); !unresolved) path_ = real;
  }
  temporary_ = path_;
  temporary_ += concat(".tmp", ::getpid());
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    const int reason = errno;
    temporary_.clear();
    errno = reason;
    fail_with_errno("creating");
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
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
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_with_errno("writing");
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  buffer_.clear();
}

void AtomicFile::commit() {
  flush();
  if (!temporary_.empty() && ::fsync(descriptor_) != 0) fail_with_errno("writing");
  const int descriptor = descriptor_;
  descriptor_ = -1;
  if (::close(descriptor) != 0) fail_with_errno("closing");
  if (temporary_.empty()) return;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_with_errno("renaming to");
  temporary_.clear();
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

std::string read_file(const std::filesystem::path& path) {
  const auto refuse = [&](int reason) {
    fail(ErrorCode::io_error, "reading ", path.string(), " failed: ", std::strerror(reason));
  };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) refuse(errno);
  std::string content;
  struct stat status {};
  if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode))
    content.reserve(static_cast<std::size_t>(status.st_size) + 1);
  std::size_t used = 0;
  for (;;) {
    if (content.capacity() - used < 4096) content.reserve(2 * content.capacity() + 4096);
    content.resize(content.capacity());
    const ssize_t got = ::read(descriptor, content.data() + used, content.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int reason = errno;
      ::close(descriptor);
      refuse(reason);
    }
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  ::close(descriptor);
  content.resize(used);
  return content;
}

}  // namespace ragtime
