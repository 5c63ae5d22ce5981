// Reading a cohort from CSV: bytes of the tables read / wall time of read_cohort, the file's text to visits
// in memory. The argument is the folder or MEDS file to read; without it a synthetic cohort is written first.

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "benchmarks/micro/timing.hpp"
#include "host/tool/data/cohort.hpp"
#include "host/tool/data/synth.hpp"

namespace ragtime {
namespace {

// A synthetic cohort, which goes away with this.
class SyntheticCohort {
 public:
  SyntheticCohort() {
    std::string name = (std::filesystem::temp_directory_path() / "ragtime_read_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    path_ = name;
    write_synthetic_cohort({.patients = 10'000, .out = path_, .seed = 1});
  }
  ~SyntheticCohort() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  SyntheticCohort(const SyntheticCohort&) = delete;
  SyntheticCohort& operator=(const SyntheticCohort&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void run(const std::filesystem::path& path) {
  ReadReport report;
  const double seconds = benchmarks::median_seconds([&] { read_cohort(path, {}, &report); });
  std::printf("%.1f ms, %.1f MB/s, %.2f million rows/s\n", 1e3 * seconds, 1e-6 * static_cast<double>(report.bytes) / seconds,
              1e-6 * static_cast<double>(report.rows) / seconds);
}

}  // namespace
}  // namespace ragtime

int main(int argc, char** argv) {
  try {
    if (argc > 1)
      ragtime::run(argv[1]);
    else
      ragtime::run(ragtime::SyntheticCohort().path());
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "error: %s\n", problem.what());
    return 1;
  }
}
