#pragma once

// Cases, measured by Google Benchmark with the time of events: prepared in several sets that together are
// larger than the second-level cache and take turns, verified, warmed up, and then timed, as launches on a
// stream and as CUDA graphs. One line of JSON a case, in a file (--out) or on standard output.
//
//   PROGRAM [--device cuda|cpu] [--probe device_probe.json] [--out FILE] [--commit TEXT] [--driver TEXT]
//           [--quick] [--sweep] [--benchmark_filter=REGEX] ...
//
// Names are operation/workload/size/type/algorithm/pass/launch. --quick: the cases that the aims speak of, in
// a shorter time each. --sweep, where the program has choices to make: each of them besides. The end is 1
// when a case of ragtime's own failed or was wrong, other than by not being offered; a peer's failure is a
// line like any other.
//
// In a build without CUDA "--device cuda_on_simt" runs the CUDA backend on the emulation: to try a program,
// its times mean nothing.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "benchmarks/gpu/ceilings.hpp"
#include "ragtime/backend.hpp"

namespace ragtime::benchmarks {

// One set of a case's arguments, with memory of its own.
class Work {
 public:
  virtual ~Work() = default;
  virtual void run(Stream stream) = 0;
  virtual void clear() = 0;   // zeroes what run writes, so that verify speaks of the last run
  virtual void verify() = 0;  // after a run that is done: throws std::runtime_error unless it is right
  virtual std::size_t bytes() const = 0;                       // of its memory
  virtual nlohmann::ordered_json about() const { return {}; }  // for its row: object, or null for nothing
};

struct Case {
  std::string workload, size, type, algorithm, pass;
  nlohmann::json shape;
  Costs costs;
  bool products = false;  // the measured rate of products is that of this type
  bool quick = true;      // measured with --quick
  bool peer = false;      // not ragtime's own
  // Throws ragtime::Error(unsupported) where there is no such thing.
  std::function<std::unique_ptr<Work>()> make;
};

using Cases = std::function<std::vector<Case>(const std::shared_ptr<Backend>&)>;
using CasesWithSweep = std::function<std::vector<Case>(const std::shared_ptr<Backend>&, bool sweep)>;

// The program: the cases of `operation`.
int run_benchmarks(int argc, char** argv, const std::string& operation, const Cases& cases);
int run_benchmarks(int argc, char** argv, const std::string& operation, const CasesWithSweep& cases);

}  // namespace ragtime::benchmarks
