#pragma once

// The subcommands of the tool: each adds its options and says what to run once they are parsed.

#include <CLI/CLI.hpp>
#include <functional>
#include <stdexcept>

namespace ragtime::cli {

// What the command line asks for can never be right, whatever the files hold: exit status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Options that stand in no order of their own (seeds, sizes) are checked by the library; its Error about them
// is one of usage.
void check_usage(const std::function<void()>& checks);

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
