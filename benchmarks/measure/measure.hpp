#pragma once

// Cases and how they are measured: prepared in several sets that together are larger than the second-level
// cache and take turns, verified, warmed up, and only then timed, as launches on a stream or as CUDA graphs,
// by events; on the CPU by the clock.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "benchmarks/measure/ceilings.hpp"
#include "benchmarks/measure/device.hpp"
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

// What came of measuring a case.
struct Record {
  std::vector<double> milliseconds;  // a repetition
  std::string reason;                // why there is no number
  bool unsupported = false;          // that is because there is no such thing
  std::size_t sets = 0;
  nlohmann::ordered_json about;  // what the work tells of itself

  bool failed() const { return !reason.empty() && !unsupported; }
};

struct Measurement {
  std::string operation;
  Case what;
  bool graph = false;
  Record record = {};

  std::string name() const;  // operation/workload/size/type/algorithm/pass/launch
};

// Each case as launches on a stream, and on a GPU as graphs too.
std::vector<Measurement> measurements_of(const std::string& operation, const std::vector<Case>& cases,
                                         const Backend& backend);

// The sets of a case, each of which has been run and found right.
class Prepared {
 public:
  // Throws what making, capturing or verifying a set throws. second_level: bytes of the last cache.
  Prepared(Measurement& measurement, const std::shared_ptr<Backend>& backend, std::size_t second_level);
  ~Prepared();
  std::int64_t batch() const;       // launches that together take long enough to be timed
  double time(std::int64_t count);  // seconds that so many launches take

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Runs it; what it throws becomes the reason why the measurement has no number.
void note_failure(Measurement& measurement, const std::function<void()>& run);

// Prepares the case, and times it: so many repetitions, each of at least so many seconds. What is not right
// is not timed.
void measure(Measurement& measurement, const std::shared_ptr<Backend>& backend, std::size_t second_level,
             int repetitions, double seconds);

// Where rows come from, for each of them to say.
struct Origin {
  DeviceFacts facts;
  std::string commit;  // or empty
  std::string command;
};

nlohmann::ordered_json row_of(const Measurement& measurement, const Ceilings& ceilings, const Origin& origin);

}  // namespace ragtime::benchmarks
