#pragma once

// The bytes of one run as a file that lies in memory alone, for readers that take a path; and what to do when
// a property does not hold.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

namespace ragtime::fuzz {

inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

class FuzzedFile {
 public:
  explicit FuzzedFile(std::string_view content) : descriptor_(::memfd_create("fuzzed", MFD_CLOEXEC)) {
    require(descriptor_ >= 0, "memfd_create works");
    while (!content.empty()) {
      const ssize_t written = ::write(descriptor_, content.data(), content.size());
      require(written > 0, "writing to memory works");
      content.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  ~FuzzedFile() { ::close(descriptor_); }
  FuzzedFile(const FuzzedFile&) = delete;
  FuzzedFile& operator=(const FuzzedFile&) = delete;

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace ragtime::fuzz
