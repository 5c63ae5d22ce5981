#pragma once

// The commands of ragtime-bench.

#include <CLI/CLI.hpp>
#include <functional>
#include <stdexcept>
#include <string>

namespace ragtime::benchmarks {

// A command line that makes no sense: the program ends with status 2.
struct Misuse : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Command {
  CLI::App* app;
  // line: the whole command line, for what repeats the command. Returns the exit status.
  std::function<int(const std::string& line)> run;
};

Command add_run(CLI::App& tool);
Command add_list(CLI::App& tool);
Command add_plan(CLI::App& tool);
Command add_calibrate(CLI::App& tool);

}  // namespace ragtime::benchmarks
