#include "host/tool/train/run_folder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "host/base/atomic_file.hpp"
#include "host/base/check.hpp"
#include "host/base/printable.hpp"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 8> run_files = {
    "splits.csv",  "checkpoint.safetensors", "history.json",   "history.svg",
    "config.json", "training.json",          "vocabulary.txt", "model.safetensors"};
constexpr std::string_view lock_file = ".lock";
constexpr int most_attempts = 100;

// "process 12 on host", for people; the lock itself is the operating system's.
std::string this_process() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return concat("process ", ::getpid(), " on ", host);
}

// What the holder of the lock wrote, in brackets, or nothing.
std::string holder(int descriptor) {
  char text[300];
  const ssize_t length = ::pread(descriptor, text, sizeof text, 0);
  return length <= 0 ? "" : concat(" (", printable({text, static_cast<std::size_t>(length)}, 200), ")");
}

}  // namespace

RunFolder::RunFolder(const TrainOptions& options) : path_(options.out), resume_(options.resume) {
  if (!fs::exists(path_)) return;
  check(fs::is_directory(path_), ErrorCode::invalid_argument, "--out is ", path_.string(),
        ", which is no folder: expected a folder, or a path where there is nothing yet");
  lock();
  try {
    refuse_other_content();
  } catch (...) {
    unlock();
    throw;
  }
}

RunFolder::~RunFolder() {
  unlock();
}

void RunFolder::unlock() noexcept {
  if (lock_.is_open()) {
    const fs::path file = path_ / lock_file;
    if (is_name_of(file, lock_.number())) ::unlink(file.c_str());
    lock_.close();
  }
  for (; !made_.empty(); made_.pop_back())
    if (::rmdir(made_.back().c_str()) != 0) break;
  made_.clear();
}

void RunFolder::refuse_other_content() const {
  const bool has_run = fs::exists(path_ / "checkpoint.safetensors");
  const bool has_model = fs::exists(path_ / "model.safetensors") || fs::exists(path_ / "config.json");
  if (resume_) {
    check(has_run || !has_model, ErrorCode::invalid_argument, "--resume: ", path_.string(),
          " holds a model, but no checkpoint.safetensors to go on from");
  } else {
    check(!has_run && !has_model, ErrorCode::invalid_argument, "--out is ", path_.string(),
          ", which holds a ", has_model ? "model" : "run",
          " already: expected another folder, or --resume to go on with it");
  }
}

void RunFolder::make_folders() {
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path folder = path_ / ""; !folder.empty() && !fs::exists(folder, error);) {
    folder = folder.has_filename() ? folder : folder.parent_path();  // "a/" is a
    missing.push_back(folder);
    folder = folder.parent_path();
  }
  for (; !missing.empty(); missing.pop_back()) {
    if (fs::create_directory(missing.back(), error)) made_.push_back(missing.back());
    check(!error, ErrorCode::io_error, "creating ", missing.back().string(), " failed: ", error.message());
  }
}

bool RunFolder::lock() {
  const fs::path file = path_ / lock_file;
  for (int attempt = 1;; ++attempt) {
    Descriptor opened(::open(file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666));
    if (!opened.is_open()) {
      const int reason = errno;
      if (reason == ENOENT) return false;
      refuse_other_content();  // says more than that the folder cannot be written
      fail(ErrorCode::io_error, "opening ", file.string(), " failed: ", std::strerror(reason));
    }
    check(try_lock(opened.number()) != LockResult::held, ErrorCode::io_error, "another run",
          holder(opened.number()), " is writing to ", path_.string(),
          ": expected another --out, or to wait until that run has ended");
    // A run that ended just now took the file along, and with it the lock's meaning. Not so again and again:
    // then it is the file system, which shows another inode number each time.
    if (!is_name_of(file, opened.number()) && attempt < most_attempts) continue;
    lock_ = std::move(opened);
    const std::string text = this_process();
    // On a full disk the run fails for reasons that matter more.
    static_cast<void>(::ftruncate(lock_.number(), 0) == 0 &&
                      ::pwrite(lock_.number(), text.data(), text.size(), 0) > 0);
    return true;
  }
}

void RunFolder::create() {
  try {
    if (!lock_.is_open()) {
      int attempt = 0;
      do {
        make_folders();
        check(++attempt < most_attempts, ErrorCode::io_error, "creating ", path_.string(), " failed");
      } while (!lock());
      refuse_other_content();
    }
  } catch (...) {
    unlock();
    throw;
  }
  for (const std::string_view file : run_files) remove_leftovers(path_ / file);
}

}  // namespace ragtime
