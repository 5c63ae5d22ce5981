#pragma once

// The command line of ragtime-bench.

#include <CLI/CLI.hpp>
#include <string>

#include "benchmarks/tool/report.hpp"
#include "benchmarks/tool/selection.hpp"

namespace ragtime::benchmarks {

struct Options {
  std::string operation;  // empty: all
  std::string device = "auto";
  std::string probe;
  bool list = false, json = false;
  Timing timing;
  Choice choice;
};

// Adds the options; they are read when the tool parses. What does not make sense by itself is then a
// CLI::ParseError, and what does not together an Error(invalid_argument) where it is used.
void add_options(CLI::App& tool, Options& options);

}  // namespace ragtime::benchmarks
