// ragtime-bench: measures one operation on a named workload or a shape of one's own.

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "benchmarks/tool/options.hpp"
#include "ragtime/error.hpp"

namespace ragtime::benchmarks {
namespace {

constexpr int failed = 1, misused = 2;

int report(int status, const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return status;
}

int misuse(const std::string& message) {
  return report(misused, message + "\n'ragtime-bench --help' says what it takes");
}

std::string joined(const nlohmann::ordered_json& values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ", ") + value.get<std::string>();
  return text.empty() ? "-" : text;
}

void list(const Options& options, const std::shared_ptr<Backend>& backend) {
  if (!options.json) std::printf("on %s\n", backend->description().c_str());
  for (const Operation& operation : operations()) {
    if (!options.operation.empty() && operation.name != options.operation) continue;
    const nlohmann::ordered_json choices = choices_of(operation, backend);
    if (options.json) {
      std::printf("%s\n", choices.dump().c_str());
      continue;
    }
    std::printf("\n%s: %s\n", operation.name.c_str(), operation.about.c_str());
    for (const auto& [name, sizes] : choices["workloads"].items())
      std::printf("  workload    %s: %s\n", name.c_str(), joined(sizes).c_str());
    for (const auto& [title, key] :
         {std::pair{"dtype", "dtypes"}, {"algorithm", "algorithms"}, {"pass", "passes"}, {"peer", "peers"}})
      std::printf("  %-10s  %s\n", title, joined(choices[key]).c_str());
    const std::string shape = choices["shape"].get<std::string>();
    std::printf("  shape       %s\n", shape.c_str());
  }
}

// Every case is chosen before any is measured, so that a command line that makes no sense measures nothing.
std::vector<Measurement> measurements_for(const Options& options, const std::shared_ptr<Backend>& backend) {
  if (!options.operation.empty()) {
    const Operation& operation = operation_named(options.operation);
    return measurements_of(operation.name, chosen_cases(operation, backend, options.choice), *backend);
  }
  const Choice& choice = options.choice;
  if (choice.shape.is_given() || choice.cut || choice.sweep || !choice.size.empty() ||
      !choice.dtype.empty() || !choice.algorithm.empty() || !choice.pass.empty() || !choice.peer.empty())
    throw Error(ErrorCode::invalid_argument,
                "an OPERATION is missing: expected one to choose among its cases or to give a shape to");
  std::vector<Measurement> all;
  for (const Operation& operation : operations()) {
    if (!has_workload(operation, backend, choice)) continue;
    for (Measurement& measurement :
         measurements_of(operation.name, chosen_cases(operation, backend, choice), *backend))
      all.push_back(std::move(measurement));
  }
  return all;
}

int run(int argc, char** argv) {
  CLI::App tool("Measures the operations of Ragtime, each against a result that is known to be right.",
                "ragtime-bench");
  tool.set_version_flag("--version", "ragtime-bench " RAGTIME_VERSION);
  tool.footer(
      "As:\n"
      "  ragtime-bench --list\n"
      "  ragtime-bench lstm --workload claims --size medium --dtype bf16\n"
      "  ragtime-bench lstm --sequences 128 --length 40 --skew 0.7 --hidden 512 --peer cudnn\n"
      "  ragtime-bench segment_pool --lengths 3,5,9 --width 64 --vocabulary 1000 --codes 4\n"
      "\n"
      "Exit status: 0 done, 1 something was wrong or nothing could be timed, 2 the command line makes no "
      "sense.");
  Options options;
  add_options(tool, options);
  for (CLI::Option* option : tool.get_options())
    if (option->get_items_expected_max() > 0)
      option->check(CLI::Validator(
          [](std::string& text) {
            return text.empty() ? "expected a value, not an empty text" : std::string();
          },
          ""));
  try {
    tool.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    if (problem.get_exit_code() == 0) return tool.exit(problem);  // --help, --version
    return misuse(problem.what());
  }

  const auto backend = make_backend(options.device);
  if (options.list) {
    list(options, backend);
    return 0;
  }
  Report report;
  report.json = options.json;
  report.origin.facts = facts_of(*backend);
  if (const char* commit = std::getenv("RAGTIME_COMMIT")) report.origin.commit = commit;
  for (int i = 0; i < argc; ++i) report.origin.command += (i > 0 ? " " : "") + std::string(argv[i]);
  if (!options.probe.empty()) report.ceilings = Ceilings::read(options.probe);
  std::vector<Measurement> measurements;
  try {
    measurements = measurements_for(options, backend);
  } catch (const Error& problem) {
    if (problem.code() != ErrorCode::invalid_argument) throw;
    return misuse(problem.what());
  }
  return measure_all(measurements, backend, options.timing, report, stdout, stderr) ? 0 : failed;
}

}  // namespace
}  // namespace ragtime::benchmarks

int main(int argc, char** argv) {
  using namespace ragtime::benchmarks;
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an error of write, with a text
  int status = 0;
  try {
    status = run(argc, argv);
  } catch (const std::bad_alloc&) {
    status = report(failed, "out of memory");
  } catch (const std::exception& problem) {
    status = report(failed, problem.what());
  }
  // What an earlier write said is gone by now; the last may say it again.
  errno = 0;
  if ((std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && status == 0)
    status = report(failed, std::string("writing to standard output failed") +
                                (errno == 0 ? "" : std::string(": ") + std::strerror(errno)));
  return status;
}
