#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>

#include "host/tool/cli/commands.hpp"
#include "host/tool/cli/progress.hpp"
#include "ragtime/error.hpp"

namespace ragtime::cli {

namespace {

std::vector<std::string> arguments;

}  // namespace

const std::vector<std::string>& command_line() {
  return arguments;
}

void check_usage(const std::function<void()>& checks) {
  try {
    checks();
  } catch (const Error& problem) {
    throw UsageError(problem.what());
  }
}

void add_seed_option(CLI::App& command, std::uint64_t& seed, const std::string& description) {
  const auto is_seed = [](std::string& text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool fits = error == std::errc() && end == text.data() + text.size();
    return fits ? std::string() : text + " is no integer from 0 to 2^64 - 1";
  };
  command.add_option("--seed", seed, description)
      ->check(CLI::Validator(is_seed, ""))
      ->type_name("S")
      ->capture_default_str();
}

namespace {

constexpr int failed = 1, misused = 2;

int report(int status, const std::string& message) {
  clear_progress();
  std::fflush(stdout);
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return status;
}

int misuse(const std::string& message, const CLI::App* command) {
  const std::string name = command == nullptr ? "ragtime" : "ragtime " + command->get_name();
  return report(misused, message + "\n'" + name + " --help' says what it takes");
}

// An empty text is a shell variable that was not set. CLI11 would take it for 0, or for no option at all.
void refuse_empty_values(CLI::App& command) {
  const CLI::Validator not_empty(
      [](std::string& text) { return text.empty() ? "expected a value, not an empty text" : std::string(); },
      "");
  for (CLI::Option* option : command.get_options())
    if (option->get_items_expected_max() > 0) option->check(not_empty);
}

int run(int argc, char** argv) {
  arguments.assign(argv + 1, argv + argc);
  CLI::App tool(
      "LSTMs on sequences of different lengths, without padding: train and predict on patient histories.",
      "ragtime");
  tool.set_version_flag("--version", "ragtime " RAGTIME_VERSION);
  tool.require_subcommand(1);
  tool.footer(
      "A first run:\n"
      "  ragtime synth --patients 2000 --out cohort\n"
      "  ragtime info --data cohort\n"
      "  ragtime train --data cohort --task visit_binary --label-code 44054006 --out model\n"
      "  ragtime predict --model model --data cohort --out predictions.csv\n"
      "\n"
      "RAGTIME_THREADS sets the number of threads (one a core); results do not depend on it.\n"
      "Exit status: 0 done, 1 failed or interrupted, 2 the command line makes no sense.");
  const Command commands[] = {add_synth(tool), add_info(tool), add_train(tool), add_predict(tool)};
  for (const Command& command : commands) refuse_empty_values(*command.app);
  const CLI::App* given = nullptr;
  try {
    tool.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    if (problem.get_exit_code() == 0) return tool.exit(problem);  // --help, --version
    for (const Command& command : commands)
      if (command.app->parsed()) given = command.app;
    // CLI11 would only miss a subcommand where it met a word that is none.
    const std::vector<std::string> unknown = tool.remaining();
    if (given == nullptr && !unknown.empty())
      return misuse(unknown.front() + " is no command and no option: expected synth, info, train or predict",
                    nullptr);
    return misuse(problem.what(), given);
  }
  for (const Command& command : commands) {
    if (!command.app->parsed()) continue;
    try {
      return command.run();
    } catch (const UsageError& problem) {
      return misuse(problem.what(), command.app);
    }
  }
  return misused;
}

// A standard stream that is closed stays unusable: else the next file opened would take its number, and what
// is written to the stream would go there.
void occupy_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) < 0)
      static_cast<void>(::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY));
}

}  // namespace
}  // namespace ragtime::cli

int main(int argc, char** argv) {
  using namespace ragtime::cli;
  occupy_closed_streams();
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an error of write, with a text
  int status = 0;
  try {
    status = run(argc, argv);
  } catch (const std::bad_alloc&) {
    status = report(failed, "out of memory");
  } catch (const std::exception& problem) {
    status = report(failed, problem.what());
  }
  errno = 0;
  if ((std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && status == 0)
    status = report(failed, std::string("writing to standard output failed: ") + std::strerror(errno));
  return status;
}
