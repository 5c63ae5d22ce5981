#pragma once

// What the commands that read a cohort share.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "host/data/cohort.hpp"

namespace ragtime::cli {

// Adds --data and --tables.
void add_data_options(CLI::App& command, std::string& data, std::vector<std::string>& tables, bool required);

// Reads the cohort and says on standard error what was read, how fast, and what was skipped.
Cohort read_data(const std::filesystem::path& data, const ReadOptions& options);

// "warning: ..." on standard error.
void warn(const std::string& message);

}  // namespace ragtime::cli
