// Reading a cohort from CSV: bytes of the tables read / wall time of read_cohort, the file's text to visits
// in memory. RAGTIME_COHORT names the folder or MEDS file to read; without it a synthetic cohort is written
// first.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "host/tool/data/cohort.hpp"
#include "host/tool/data/synth.hpp"

namespace ragtime {
namespace {

constexpr std::int64_t synthetic_patients = 10'000;

// Where the cohort is; a synthetic one goes away with this.
class CohortOnDisk {
 public:
  CohortOnDisk() {
    if (const char* given = std::getenv("RAGTIME_COHORT")) {
      path_ = given;
      return;
    }
    std::string name = (std::filesystem::temp_directory_path() / "ragtime_bench_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    path_ = temporary_ = name;
    write_synthetic_cohort({.patients = synthetic_patients, .out = path_, .seed = 1});
  }
  ~CohortOnDisk() {
    std::error_code ignored;
    if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
  }
  CohortOnDisk(const CohortOnDisk&) = delete;
  CohortOnDisk& operator=(const CohortOnDisk&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
};

void read_cohort_from_disk(benchmark::State& state) {
  const CohortOnDisk disk;
  ReadReport report;
  for (auto _ : state) benchmark::DoNotOptimize(read_cohort(disk.path(), {}, &report));
  state.SetBytesProcessed(state.iterations() * report.bytes);
  state.SetItemsProcessed(state.iterations() * report.rows);
}

BENCHMARK(read_cohort_from_disk)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ragtime
