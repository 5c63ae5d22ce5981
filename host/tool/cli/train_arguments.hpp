#pragma once

// The command line of `ragtime train`.

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/tool/cli/compute_options.hpp"
#include "host/tool/cli/read_data.hpp"
#include "host/tool/train/train_options.hpp"

namespace ragtime::cli {

// As they stand on the command line.
struct TrainArguments {
  TrainOptions options;
  DataOptions data;
  std::string task;
  std::string preset = "small";
  std::string aggregation = name_of(PoolMode::mean);
  ComputeOptions compute;
  std::optional<std::int64_t> embedding_dim, hidden_dim, num_layers, batch_size, batch_rows;
  std::optional<std::string> predict_at, observed_until, split_file;
  std::optional<double> horizon_days, gap_days, validation;
  std::vector<double> split;
  std::vector<std::string> exclude_codes;
};

void add_train_arguments(CLI::App& command, TrainArguments& arguments);

// What they mean. Throws Error(invalid_argument) naming the option, its value and what was expected. Where a
// prediction time is missing that only a look at the data can choose, options.task.predict_at.rule is none.
TrainOptions resolve(const TrainArguments& arguments);

// --exclude-codes, whose files are read. Throws Error.
void read_exclude_codes(const TrainArguments& arguments, TrainOptions& options);

}  // namespace ragtime::cli
