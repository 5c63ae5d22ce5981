// ragtime-bench run: measures operations on named workloads or on a shape of one's own.

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <regex>

#include "benchmarks/tool/commands.hpp"
#include "benchmarks/tool/options.hpp"
#include "host/base/check.hpp"

namespace ragtime::benchmarks {
namespace {

bool is_narrowed(const Choice& choice) {
  return choice.shape.is_given() || choice.config || !choice.size.empty() || !choice.dtype.empty() ||
         !choice.algorithm.empty() || !choice.pass.empty() || !choice.peer.empty();
}

std::vector<Case> cases_of(const Operation& operation, const RunOptions& options,
                           const std::shared_ptr<Backend>& backend) {
  if (options.cases.empty()) return chosen_cases(operation, backend, options.choice);
  Request request;
  request.sweep = options.choice.sweep;
  std::vector<Case> cases = operation.cases(backend, request);
  if (options.cases == "quick") std::erase_if(cases, [](const Case& each) { return !each.quick; });
  return cases;
}

// Every case is chosen before any is measured, so that a command line that makes no sense measures nothing.
std::vector<Measurement> measurements_for(const RunOptions& options, const std::shared_ptr<Backend>& backend) {
  const Choice& choice = options.choice;
  if (!options.cases.empty() && (is_narrowed(choice) || !choice.shape.workload.empty()))
    throw Misuse("--cases beside a workload, a shape or a choice of its cases: expected --filter alone");
  if (options.operation.empty() && (is_narrowed(choice) || choice.sweep))
    throw Misuse("an OPERATION is missing: expected one to choose among its cases or to give a shape to");
  std::regex filter;
  try {
    filter = options.filter;
  } catch (const std::regex_error&) {
    throw Misuse("--filter is \"" + options.filter + "\": expected a regular expression");
  }
  std::vector<Measurement> all;
  for (const Operation& operation : operations()) {
    if (options.operation.empty() ? options.cases.empty() && !has_workload(operation, backend, choice)
                                  : options.operation != operation.name)
      continue;
    if (!options.cases.empty() && choice.sweep && !operation.sweeps)
      throw Misuse("--sweep: " + operation.name + " has nothing to sweep");
    for (Measurement& measurement :
         measurements_of(operation.name, cases_of(operation, options, backend), *backend))
      if (std::regex_search(measurement.name(), filter)) all.push_back(std::move(measurement));
  }
  if (all.empty()) throw Misuse("--filter is \"" + options.filter + "\": no case has such a name");
  return all;
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

int run(const RunOptions& options, const std::string& line) {
  const auto backend = make_backend(options.device);
  Report report;
  report.json = options.json;
  report.origin.facts = facts_of(*backend);
  if (!options.driver.empty()) report.origin.facts.driver = options.driver;
  if (const char* commit = std::getenv("RAGTIME_COMMIT")) report.origin.commit = commit;
  if (!options.commit.empty()) report.origin.commit = options.commit;
  report.origin.command = line;
  if (!options.probe.empty()) report.ceilings = Ceilings::read(options.probe);
  std::vector<Measurement> measurements;
  try {
    measurements = measurements_for(options, backend);
  } catch (const Error& problem) {
    if (problem.code() != ErrorCode::invalid_argument) throw;
    throw Misuse(problem.what());
  }
  std::unique_ptr<std::FILE, CloseFile> rows;
  if (!options.out.empty()) {
    rows.reset(std::fopen(options.out.c_str(), "w"));
    check(rows != nullptr, ErrorCode::io_error, "opening ", options.out, " failed: ", std::strerror(errno));
    report.rows = rows.get();
  }
  const bool right = measure_all(measurements, backend, options.timing, report, stdout, stderr);
  check(rows == nullptr || (std::fflush(rows.get()) == 0 && std::ferror(rows.get()) == 0), ErrorCode::io_error,
        "writing ", options.out, " failed");
  return right ? 0 : 1;
}

}  // namespace

Command add_run(CLI::App& tool) {
  const auto options = std::make_shared<RunOptions>();
  CLI::App* command = tool.add_subcommand("run", "Verify and measure operations");
  add_run_options(*command, *options);
  return {command, [options](const std::string& line) { return run(*options, line); }};
}

}  // namespace ragtime::benchmarks
