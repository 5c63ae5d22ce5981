#include "benchmarks/gpu/harness.hpp"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>

namespace ragtime::benchmarks {
namespace {

struct Options {
  std::string device = "cuda", probe, out, commit, driver, command;
  bool quick = false, sweep = false;
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

int run(int argc, char** argv, const Operation& operation) {
  std::vector<std::string> rest;
  const Options options = take_options(argc, argv, rest);
  if (options.sweep && !operation.sweeps) throw std::invalid_argument("--sweep: there is nothing to sweep");
  std::vector<char*> arguments;
  for (std::string& argument : rest) arguments.push_back(argument.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  const Ceilings ceilings = options.probe.empty() ? Ceilings{} : Ceilings::read(options.probe);
  const auto backend = make_backend(options.device);
  Origin origin{facts_of(*backend), options.commit, options.command};
  if (!options.driver.empty()) origin.facts.driver = options.driver;

  Request request;
  request.sweep = options.sweep;
  std::vector<Case> cases = operation.cases(backend, request);
  if (options.quick) std::erase_if(cases, [](const Case& what) { return !what.quick; });
  std::vector<Measurement> measurements = measurements_of(operation.name, cases, *backend);
  std::map<std::string, Measurement*> by_name;
  for (Measurement& measurement : measurements) by_name[measurement.name()] = &measurement;

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
    out << row_of(*owner, ceilings, origin).dump() << std::endl;
    failed = failed || (owner->record.failed() && !owner->what.peer);
  };
  for (Measurement& each : measurements)
    benchmark::RegisterBenchmark(
        each.name().c_str(),
        [&](benchmark::State& state, Measurement* measurement) {
          note_failure(*measurement, [&] {
            if (owner != measurement) {
              finish();
              owner = measurement;
              if (measurement->record.reason.empty())
                prepared = std::make_unique<Prepared>(*measurement, backend, origin.facts.second_level);
            }
            if (prepared)
              while (state.KeepRunningBatch(prepared->batch()))
                state.SetIterationTime(prepared->time(prepared->batch()));
          });
          if (!measurement->record.reason.empty()) state.SkipWithError(measurement->record.reason.c_str());
        },
        &each)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);

  Reporter reporter(by_name);
  benchmark::RunSpecifiedBenchmarks(&reporter);
  finish();
  if (!out) throw std::runtime_error("writing " + options.out + " failed");
  return failed ? 1 : 0;
}

}  // namespace

int run_benchmarks(int argc, char** argv, const Operation& operation) {
  try {
    return run(argc, argv, operation);
  } catch (const std::exception& error) {
    std::cerr << operation.name << ": error: " << error.what() << '\n';
    return 2;
  }
}

}  // namespace ragtime::benchmarks
