#include "host/base/open_descriptor.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

#include "host/base/check.hpp"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

constexpr int longest_chain = 40;  // of links, as Linux has it

struct OpenDescriptor {
  int process;  // 0: this one
  int number;
};

std::optional<int> as_number(const std::string& text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size() && number >= 0;
  return whole ? std::optional(number) : std::nullopt;
}

// The names that need no /proc: there may be none in a container.
std::optional<OpenDescriptor> by_name(const fs::path& path) {
  const std::string text = path.lexically_normal().string();
  if (text == "/dev/stdin") return OpenDescriptor{0, STDIN_FILENO};
  if (text == "/dev/stdout") return OpenDescriptor{0, STDOUT_FILENO};
  if (text == "/dev/stderr") return OpenDescriptor{0, STDERR_FILENO};
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/"})
    if (text.starts_with(folder))
      if (const auto number = as_number(text.substr(folder.size()))) return OpenDescriptor{0, *number};
  return std::nullopt;
}

// <proc>/<process>/fd/<number> or <proc>/<process>/task/<thread>/fd/<number>, whatever links lead to its
// folder.
std::optional<OpenDescriptor> by_proc(const fs::path& path) {
  const auto number = as_number(path.filename().string());
  if (!number) return std::nullopt;
  std::error_code error;
  const fs::path folder = fs::canonical(path.has_parent_path() ? path.parent_path() : ".", error);
  struct statfs system {};
  constexpr auto proc_file_system = 0x9fa0;  // PROC_SUPER_MAGIC of linux/magic.h
  if (error || folder.filename() != "fd" || ::statfs(folder.c_str(), &system) != 0 ||
      system.f_type != proc_file_system)
    return std::nullopt;
  fs::path owner = folder.parent_path();
  if (owner.parent_path().filename() == "task") owner = owner.parent_path().parent_path();
  const auto process = as_number(owner.filename().string());
  if (!process) return std::nullopt;
  const bool own = fs::read_symlink(owner.parent_path() / "self", error) == owner.filename();
  return OpenDescriptor{own ? 0 : *process, *number};
}

std::optional<OpenDescriptor> find(fs::path path) {
  for (int link = 0; link < longest_chain; ++link) {
    if (const auto named = by_name(path)) return named;
    if (const auto named = by_proc(path)) return named;
    std::error_code not_a_link;
    const fs::path next = fs::read_symlink(path, not_a_link);
    if (not_a_link) return std::nullopt;
    path = path.parent_path() / next;
  }
  return std::nullopt;
}

// Of another process, as far as the system allows; else the file it has open, to write behind its end.
Descriptor duplicate_of(const OpenDescriptor& open, const fs::path& path) {
  if (open.process == 0) return Descriptor(::fcntl(open.number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
#if defined(SYS_pidfd_open) && defined(SYS_pidfd_getfd)
  const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, open.process, 0)));
  if (process.is_open()) {
    Descriptor duplicate(static_cast<int>(::syscall(SYS_pidfd_getfd, process.number(), open.number, 0)));
    if (duplicate.is_open()) return duplicate;
  }
#endif
  return Descriptor(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
}

}  // namespace

std::optional<Descriptor> duplicate_named_descriptor(const fs::path& path) {
  const auto open = find(path);
  if (!open) return std::nullopt;
  Descriptor duplicate = duplicate_of(*open, path);
  const int reason = errno;
  check(duplicate.is_open() || reason == EBADF || reason == ENOENT, ErrorCode::io_error, "opening ",
        path.string(), " failed: ", std::strerror(reason));
  check(duplicate.is_open(), ErrorCode::io_error, "opening ", path.string(), " failed: descriptor ",
        open->number, " is not open");
  const int flags = ::fcntl(duplicate.number(), F_GETFL);
  check(flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && (flags & O_PATH) == 0, ErrorCode::io_error,
        "opening ", path.string(), " failed: descriptor ", open->number, " is not open for writing");
  return duplicate;
}

}  // namespace ragtime
