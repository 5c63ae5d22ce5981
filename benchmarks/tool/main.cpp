// ragtime-bench: measures operations, and shows by what algorithm an LSTM runs and what it costs on a device.

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>

#include "benchmarks/tool/commands.hpp"

namespace ragtime::benchmarks {
namespace {

constexpr int failed = 1, misused = 2;

int report(int status, const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return status;
}

int misuse(const std::string& message) {
  return report(misused, message + "\n'ragtime-bench COMMAND --help' says what it takes");
}

int run(int argc, char** argv) {
  CLI::App tool("Measures the operations of Ragtime, each against a result that is known to be right.",
                "ragtime-bench");
  tool.set_version_flag("--version", "ragtime-bench " RAGTIME_VERSION);
  tool.footer(
      "As:\n"
      "  ragtime-bench list\n"
      "  ragtime-bench run lstm --workload claims --size medium --dtype bf16\n"
      "  ragtime-bench run lstm --sequences 128 --length 40 --skew 0.7 --hidden 512 --peer cudnn\n"
      "  ragtime-bench run segment_pool --lengths 3,5,9 --width 64 --vocabulary 1000 --codes 4\n"
      "  ragtime-bench plan H=512,dtype=f16,L=2 --device-model h100\n"
      "  ragtime-bench calibrate --out tuning.txt\n"
      "\n"
      "Exit status: 0 done, 1 something was wrong or nothing could be timed, 2 the command line makes no "
      "sense.");
  tool.require_subcommand(1);
  const Command commands[] = {add_run(tool), add_list(tool), add_plan(tool), add_calibrate(tool)};
  for (const Command& command : commands)
    for (CLI::Option* option : command.app->get_options())
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
  std::string line;
  for (int i = 0; i < argc; ++i) line += (i > 0 ? " " : "") + std::string(argv[i]);
  for (const Command& command : commands)
    if (command.app->parsed()) return command.run(line);
  return misuse("expected a command");
}

}  // namespace
}  // namespace ragtime::benchmarks

int main(int argc, char** argv) {
  using namespace ragtime::benchmarks;
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an error of write, with a text
  int status = 0;
  try {
    status = run(argc, argv);
  } catch (const Misuse& problem) {
    status = misuse(problem.what());
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
