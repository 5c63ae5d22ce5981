#pragma once

// Locks on files and folders that other processes see and that do not outlive the process that holds them.

#include <filesystem>

namespace ragtime {

// Owns a descriptor; -1 is none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;

  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  int release();
  bool close();  // false, with errno, when the operating system reports a late error of a write

 private:
  int number_ = -1;
};

enum class LockResult {
  taken,
  held,         // through another descriptor, of this process or of another one
  unsupported,  // by the file system
};

// flock: the lock ends with the last descriptor of this opening, however its process ends. It works across
// containers, where a process id says nothing.
LockResult try_lock(int descriptor);

// Whether this name leads, without following a link, to what the descriptor is open on.
bool is_name_of(const std::filesystem::path& path, int descriptor);

// Whether the name that the descriptor was opened under has been removed since. In doubt it has not: some
// network file systems show another inode number each time.
bool was_removed(const std::filesystem::path& path, int descriptor);

}  // namespace ragtime
