#pragma once

// What the commands that read a cohort share.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "host/tool/data/cohort.hpp"

namespace ragtime::cli {

struct DataOptions {
  std::string data;
  std::vector<std::string> tables;
  VisitBy visit_by = VisitBy::day;
  bool strict = false;
};

// Adds --data, --tables, --visit-by and --strict.
void add_data_options(CLI::App& command, DataOptions& options, bool required);

// Reads the cohort and says on standard error what was read, how fast, and what was skipped.
Cohort read_data(const DataOptions& options, Encounters encounters = Encounters::if_there,
                 ReadReport* report = nullptr);

// "warning: ..." on standard error.
void warn(const std::string& message);

}  // namespace ragtime::cli
