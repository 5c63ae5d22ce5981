#include "benchmarks/gpu/harness.hpp"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>

#include "benchmarks/gpu/device.hpp"
#include "ragtime/error.hpp"

namespace ragtime::benchmarks {
namespace {

constexpr double batch_seconds = 2e-3;  // launches between two events: at least so long together
constexpr std::size_t most_sets = 16;

struct Options {
  std::string device = "cuda", probe, out, commit, driver, command;
  bool quick = false, sweep = false;
};

// One measured, or not.
struct Record {
  std::vector<double> milliseconds;  // a repetition
  std::string reason;                // why there is no number
  bool unsupported = false;
  std::size_t sets = 0;
  nlohmann::ordered_json about;  // what the work tells of itself
};

struct Measurement {
  Case what;
  bool graph;
  std::string name;
  Record record;
};

class OwnStream {
 public:
  explicit OwnStream(std::shared_ptr<Backend> backend)
      : backend_(std::move(backend)), stream_(backend_->make_stream()) {}
  ~OwnStream() { backend_->free_stream(stream_); }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;
  operator Stream() const { return stream_; }

 private:
  std::shared_ptr<Backend> backend_;
  Stream stream_;
};

// The sets of the case under way.
class Prepared {
 public:
  Prepared(Measurement& measurement, const std::shared_ptr<Backend>& backend, std::size_t second_level)
      : backend_(backend), stream_(backend), timer_(backend->device()) {
    works_.push_back(measurement.what.make());
    measurement.record.about = works_[0]->about();
    const std::size_t bytes = std::max<std::size_t>(works_[0]->bytes(), 1);
    const std::size_t sets = std::min(most_sets, 2 * second_level / bytes + 1);
    while (works_.size() < sets) works_.push_back(measurement.what.make());
    if (measurement.graph)
      for (const auto& work : works_) {
        // The first run of something loads and chooses what a capture cannot.
        work->run(stream_);
        backend_->synchronize(stream_);
        graphs_.emplace_back(stream_, [&] { work->run(stream_); });
      }
    for (std::size_t i = 0; i < works_.size(); ++i) {
      works_[i]->clear();
      launch();
      backend_->synchronize(stream_);
      works_[i]->verify();
    }
    measurement.record.sets = works_.size();
    while (time(batch_) < batch_seconds && batch_ < (1 << 20)) batch_ *= 2;
  }
  std::int64_t batch() const { return batch_; }

  double time(std::int64_t count) {
    timer_.start(stream_);
    for (std::int64_t i = 0; i < count; ++i) launch();
    timer_.stop(stream_);
    return timer_.seconds();
  }

 private:
  void launch() {
    const std::size_t turn = turn_++ % works_.size();
    if (graphs_.empty())
      works_[turn]->run(stream_);
    else
      graphs_[turn].launch(stream_);
  }

  std::shared_ptr<Backend> backend_;
  OwnStream stream_;
  Timer timer_;
  std::vector<std::unique_ptr<Work>> works_;
  std::vector<Graph> graphs_;
  std::size_t turn_ = 0;
  std::int64_t batch_ = 1;
};

// The table for a person, and the repetitions for the records.
class Reporter : public benchmark::ConsoleReporter {
 public:
  explicit Reporter(std::map<std::string, Measurement*>& measurements)
      : ConsoleReporter(OO_Tabular), measurements_(measurements) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const auto found = measurements_.find(run.run_name.function_name);
      if (run.run_type == Run::RT_Iteration && found != measurements_.end() &&
          found->second->record.reason.empty())
        found->second->record.milliseconds.push_back(run.GetAdjustedRealTime() /
                                                     benchmark::GetTimeUnitMultiplier(run.time_unit) * 1e3);
    }
    ConsoleReporter::ReportRuns(runs);
  }

 private:
  std::map<std::string, Measurement*>& measurements_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

nlohmann::ordered_json row_of(const Measurement& measurement, const std::string& operation,
                              const Ceilings& ceilings, const DeviceFacts& facts, const Options& options) {
  const Case& what = measurement.what;
  const Record& record = measurement.record;
  nlohmann::ordered_json row;
  row["operation"] = operation;
  row["workload"] = what.workload;
  row["size"] = what.size;
  row["shape"] = what.shape;
  row["dtype"] = what.type;
  row["algorithm"] = what.algorithm;
  row["pass"] = what.pass;
  row["launch"] = measurement.graph ? "graph" : "stream";
  if (!record.about.is_null()) row.update(record.about);
  if (!record.reason.empty() || record.milliseconds.empty()) {
    row["supported"] = !record.unsupported;
    row["reason"] = record.reason;
  } else {
    const double ms = median(record.milliseconds), seconds = ms * 1e-3;
    const auto [least, most] = std::minmax_element(record.milliseconds.begin(), record.milliseconds.end());
    row["supported"] = true;
    row["verified"] = true;
    row["ms"] = ms;
    row["ms_min"] = *least;
    row["ms_max"] = *most;
    row["repetitions"] = record.milliseconds.size();
    row["sets"] = record.sets;
    if (what.costs.longest > 0) row["us_per_step"] = seconds * 1e6 / what.costs.longest;
    if (what.costs.rows > 0) row["ns_per_row"] = seconds * 1e9 / what.costs.rows;
    if (what.costs.bytes > 0) row["gb_per_s"] = what.costs.bytes / seconds * 1e-9;
    if (what.costs.flops > 0) row["tflop_per_s"] = what.costs.flops / seconds * 1e-12;
    if (what.costs.bytes > 0 && ceilings.bytes_per_second)
      row["share_of_bandwidth"] = what.costs.bytes / seconds / *ceilings.bytes_per_second;
    if (const auto floor = floor_of(what.costs, ceilings, what.products)) {
      row["floor_ms"] = floor->seconds * 1e3;
      row["floor_from"] = floor->from;
      row["share_of_floor"] = floor->seconds / seconds;
    }
  }
  row["device"] = facts.name;
  if (!facts.driver.empty()) row["driver"] = facts.driver;
  if (!options.commit.empty()) row["commit"] = options.commit;
  row["command"] = options.command;
  return row;
}

std::string commit_of_source() {
  if (const char* given = std::getenv("RAGTIME_COMMIT")) return given;
  std::string text;
  if (FILE* git = popen("git -C '" RAGTIME_SOURCE_DIR
                        "' describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null",
                        "r")) {
    for (int c = std::fgetc(git); c != EOF && c != '\n'; c = std::fgetc(git))
      text.push_back(static_cast<char>(c));
    pclose(git);
  }
  return text;
}

// Takes our own options out of the arguments; the rest is Google Benchmark's.
Options take_options(int argc, char** argv, std::vector<std::string>& rest) {
  Options options;
  options.commit = commit_of_source();
  for (int i = 0; i < argc; ++i) options.command += (i > 0 ? " " : "") + std::string(argv[i]);
  const std::map<std::string, bool*> flags = {{"--quick", &options.quick}, {"--sweep", &options.sweep}};
  for (int i = 1; i < argc; ++i)
    if (const auto flag = flags.find(argv[i]); flag != flags.end()) *flag->second = true;
  // Behind these, so that they win.
  rest = {argv[0], options.quick ? "--benchmark_min_time=0.02" : "--benchmark_min_time=0.05",
          "--benchmark_repetitions=5"};
  const std::map<std::string, std::string*> known = {{"--device", &options.device},
                                                     {"--probe", &options.probe},
                                                     {"--out", &options.out},
                                                     {"--commit", &options.commit},
                                                     {"--driver", &options.driver}};
  for (int i = 1; i < argc; ++i) {
    const auto found = known.find(argv[i]);
    if (flags.contains(argv[i])) continue;
    if (found == known.end()) {
      rest.emplace_back(argv[i]);
    } else if (++i < argc) {
      *found->second = argv[i];
    } else {
      throw std::invalid_argument(found->first + " needs a value");
    }
  }
  return options;
}

// sweeps: whether the program has something to sweep.
int run(int argc, char** argv, const std::string& operation, const CasesWithSweep& cases, bool sweeps) {
  std::vector<std::string> rest;
  const Options options = take_options(argc, argv, rest);
  if (options.sweep && !sweeps) throw std::invalid_argument("--sweep: there is nothing to sweep");
  std::vector<char*> arguments;
  for (std::string& argument : rest) arguments.push_back(argument.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  const Ceilings ceilings = options.probe.empty() ? Ceilings{} : Ceilings::read(options.probe);
  const auto backend = make_backend(options.device);
  DeviceFacts facts = facts_of(*backend);
  if (!options.driver.empty()) facts.driver = options.driver;

  std::vector<std::unique_ptr<Measurement>> measurements;
  std::map<std::string, Measurement*> by_name;
  for (const Case& what : cases(backend, options.sweep))
    for (const bool graph : {false, true}) {
      if (options.quick && !what.quick) continue;
      if (graph && !is_gpu(*backend)) continue;
      std::string name = operation;
      for (const std::string& part : {what.workload, what.size, what.type, what.algorithm, what.pass,
                                      std::string(graph ? "graph" : "stream")})
        name += "/" + part;
      measurements.push_back(std::make_unique<Measurement>(Measurement{what, graph, name, {}}));
      by_name[name] = measurements.back().get();
    }

  std::ofstream file;
  if (!options.out.empty()) file.open(options.out);
  std::ostream& out = options.out.empty() ? std::cout : file;
  bool failed = false;
  std::unique_ptr<Prepared> prepared;
  const Measurement* owner = nullptr;
  // Line by line, so that a run that is cut off leaves what it has.
  const auto finish = [&] {
    prepared.reset();  // one case's memory at a time
    if (owner == nullptr) return;
    const Record& record = owner->record;
    out << row_of(*owner, operation, ceilings, facts, options).dump() << std::endl;
    failed = failed || !(record.reason.empty() || record.unsupported || owner->what.peer);
  };
  for (const auto& pointer : measurements)
    benchmark::RegisterBenchmark(
        pointer->name.c_str(),
        [&](benchmark::State& state, Measurement* measurement) {
          Record& record = measurement->record;
          try {
            if (owner != measurement) {
              finish();
              owner = measurement;
              if (record.reason.empty())
                prepared = std::make_unique<Prepared>(*measurement, backend, facts.second_level);
            }
            if (prepared)
              while (state.KeepRunningBatch(prepared->batch()))
                state.SetIterationTime(prepared->time(prepared->batch()));
          } catch (const Error& error) {
            record.reason = error.what();
            // cuDNN has several ways to refuse.
            record.unsupported = error.code() == ErrorCode::unsupported || measurement->what.peer;
          } catch (const std::exception& error) {
            record.reason = error.what();
          }
          if (!record.reason.empty()) state.SkipWithError(record.reason.c_str());
        },
        pointer.get())
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);

  Reporter reporter(by_name);
  benchmark::RunSpecifiedBenchmarks(&reporter);
  finish();
  if (!out) throw std::runtime_error("writing " + options.out + " failed");
  return failed ? 1 : 0;
}

int run_or_tell(int argc, char** argv, const std::string& operation, const CasesWithSweep& cases,
                bool sweeps) {
  try {
    return run(argc, argv, operation, cases, sweeps);
  } catch (const std::exception& error) {
    std::cerr << operation << ": error: " << error.what() << '\n';
    return 2;
  }
}

}  // namespace

int run_benchmarks(int argc, char** argv, const std::string& operation, const Cases& cases) {
  const auto all = [&](const std::shared_ptr<Backend>& backend, bool) { return cases(backend); };
  return run_or_tell(argc, argv, operation, all, false);
}
int run_benchmarks(int argc, char** argv, const std::string& operation, const CasesWithSweep& cases) {
  return run_or_tell(argc, argv, operation, cases, true);
}

}  // namespace ragtime::benchmarks
