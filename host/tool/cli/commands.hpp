#pragma once

// The subcommands of the tool: each adds its options and says what to run once they are parsed.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace ragtime::cli {

// What the command line asks for can never be right, whatever the files hold: exit status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Runs checks of options, before any file is touched: an Error they throw becomes a UsageError.
void check_usage(const std::function<void()>& checks);

// The arguments of this process, without its name.
const std::vector<std::string>& command_line();

// Adds --seed S. CLI11 by itself would take -1, and anything beyond 2^64, for 2^64 - 1.
void add_seed_option(CLI::App& command, std::uint64_t& seed, const std::string& description);

// The set-up of a command: `run` is called when it is the one that was given, and returns the exit status.
struct Command {
  CLI::App* app = nullptr;
  std::function<int()> run;
};

Command add_info(CLI::App& tool);
Command add_predict(CLI::App& tool);
Command add_synth(CLI::App& tool);
Command add_train(CLI::App& tool);

}  // namespace ragtime::cli
