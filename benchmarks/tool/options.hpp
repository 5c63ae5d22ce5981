#pragma once

// Options that commands of ragtime-bench share, and those of `run`.

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "benchmarks/tool/report.hpp"
#include "benchmarks/tool/selection.hpp"

namespace ragtime::benchmarks {

void add_operation(CLI::App& command, std::string& operation);  // positional, may be left out
void add_device(CLI::App& command, std::string& device);
// An integer from 1 to `max`.
CLI::Option* add_number(CLI::App& command, const std::string& name, const std::string& type, const std::string& help,
                        std::int64_t max, const std::function<void(std::int64_t)>& set);

struct RunOptions {
  std::string operation;  // empty: all
  std::string device = "auto";
  std::string probe, out, commit, driver;
  std::string cases;   // "all", "quick" or empty: of one workload
  std::string filter;  // a regular expression; empty: all
  bool json = false;
  Timing timing;
  Choice choice;
};

// Adds the options; they are read when the tool parses. What does not make sense by itself is then a
// CLI::ParseError, and what does not together an Error(invalid_argument) where it is used.
void add_run_options(CLI::App& command, RunOptions& options);

}  // namespace ragtime::benchmarks
