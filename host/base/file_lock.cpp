#include "host/base/file_lock.hpp"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace ragtime {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    close();
    number_ = other.release();
  }
  return *this;
}

int Descriptor::release() {
  return std::exchange(number_, -1);
}

bool Descriptor::close() {
  const int number = release();
  return number < 0 || ::close(number) == 0;
}

LockResult try_lock(int descriptor) {
  for (;;) {
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return LockResult::taken;
    if (errno == EWOULDBLOCK) return LockResult::held;
    if (errno != EINTR) return LockResult::unsupported;
  }
}

bool is_name_of(const std::filesystem::path& path, int descriptor) {
  struct stat named {};
  struct stat opened {};
  return ::lstat(path.c_str(), &named) == 0 && ::fstat(descriptor, &opened) == 0 &&
         named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

bool was_removed(const std::filesystem::path& path, int descriptor) {
  struct stat named {};
  struct stat opened {};
  if (::lstat(path.c_str(), &named) != 0) return errno == ENOENT;
  return ::fstat(descriptor, &opened) == 0 && opened.st_nlink == 0 && !is_name_of(path, descriptor);
}

}  // namespace ragtime
