#pragma once

// Everything `ragtime train` can be told, checked before any data is read.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/tool/train/precision.hpp"
#include "host/tool/train/split.hpp"
#include "host/tool/train/tasks.hpp"
#include "ragtime/adamw.hpp"
#include "ragtime/visit_lstm.hpp"

namespace ragtime {

inline constexpr std::int64_t default_min_code_count = 5;
inline constexpr double default_code_dropout = 0.05;

struct TrainOptions {
  std::filesystem::path data;
  std::filesystem::path out;
  std::vector<std::string> tables;               // as given; empty: those that are there
  std::vector<std::string> tables_read;          // of a folder, those that are read
  Encounters encounters = Encounters::if_there;  // of a folder: read, or not there
  VisitBy visit_by = VisitBy::day;
  CodePatterns exclude_codes;  // no input
  TaskOptions task;
  ModelConfig model;  // sizes, aggregation, dropout; vocab_size, output_dim and task follow from the data
  AdamWOptions optimizer = {.clip_norm = 5};
  std::int64_t epochs = 20;
  std::int64_t batch_size = 64;  // patients a batch, or
  std::int64_t batch_rows = 0;   // visits a batch; exactly one of the two is above 0
  std::int64_t patience = 5;     // epochs without a better validation loss before it ends; 0: never
  SplitOptions split;
  // A code that fewer training patients have is [UNK]; 0 or 1: none is for that reason.
  std::int64_t min_code_count = default_min_code_count;
  double code_dropout = default_code_dropout;  // probability that a code of a training batch becomes [UNK]
  std::uint64_t seed = 0;
  Precision precision = Precision::f32;
  bool resume = false;
};

// Throws Error(invalid_argument) naming the option, its value and what was expected.
void validate(const TrainOptions& options);

// What decides a run's bits, as JSON text with one member an option: equal for two runs that must end with
// the same bits on the same data. How long to go on (epochs, patience), where files are and on which device
// it runs are no part of it.
std::string settings_json(const TrainOptions& options);

// Throws Error(invalid_argument) naming the first option that is not as in a run's settings.
void check_same_settings(const TrainOptions& options, const std::string& settings);

// training.json: what predict must repeat, and where the parameters came from.
struct TrainingFile {
  TaskOptions task;
  std::vector<std::string> class_names;          // of categorical labels: output k is class k
  std::vector<std::string> tables;               // of a folder, those that were read; empty: any
  Encounters encounters = Encounters::if_there;  // of a folder: read, or not there
  VisitBy visit_by = VisitBy::day;
  CodePatterns exclude_codes;
  SplitOptions split;
  std::int64_t min_code_count = 0;
  double code_dropout = 0;
  std::uint64_t seed = 0;
  Precision precision = Precision::f32;  // of training; whoever reads the model is free to take another
};
TrainingFile training_file(const TrainOptions& options);
void write_training_file(const std::filesystem::path& file, const TrainingFile& training);
TrainingFile read_training_file(const std::filesystem::path& file);

}  // namespace ragtime
