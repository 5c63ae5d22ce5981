#include "host/train/run_folder.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "host/core/atomic_file.hpp"
#include "host/core/check.hpp"

namespace ragtime {
namespace {

constexpr std::array<std::string_view, 7> run_files = {
    "checkpoint.safetensors", "history.json",   "history.svg",      "config.json",
    "training.json",          "vocabulary.txt", "model.safetensors"};

bool is_left_over(const std::string& name) {
  return std::any_of(run_files.begin(), run_files.end(),
                     [&](std::string_view file) { return is_temporary_of(file, name); });
}

}  // namespace

RunFolder::RunFolder(const TrainOptions& options) : path_(options.out) {
  namespace fs = std::filesystem;
  if (!fs::exists(path_)) return;
  check(fs::is_directory(path_), ErrorCode::invalid_argument, "--out is ", path_.string(),
        ", which is no folder: expected a folder, or a path where there is nothing yet");
  const bool has_run = fs::exists(path_ / "checkpoint.safetensors");
  const bool has_model = fs::exists(path_ / "model.safetensors") || fs::exists(path_ / "config.json");
  if (options.resume) {
    check(has_run || !has_model, ErrorCode::invalid_argument, "--resume: ", path_.string(),
          " holds a model, but no checkpoint.safetensors to go on from");
  } else {
    check(!has_run && !has_model, ErrorCode::invalid_argument, "--out is ", path_.string(),
          ", which holds a ", has_model ? "model" : "run",
          " already: expected another folder, or --resume to go on with it");
  }
}

void RunFolder::create() const {
  std::error_code error;
  std::filesystem::create_directories(path_, error);
  check(!error, ErrorCode::io_error, "creating ", path_.string(), " failed: ", error.message());
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    std::error_code ignored;
    if (is_left_over(entry.path().filename().string())) std::filesystem::remove(entry.path(), ignored);
  }
  check(!error, ErrorCode::io_error, "reading ", path_.string(), " failed: ", error.message());
}

}  // namespace ragtime
