#pragma once

// Where a training run stands, exactly: from here it goes on to the same bits as one that was never
// interrupted.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/tool/train/history.hpp"
#include "ragtime/adamw.hpp"

namespace ragtime {

// The next batch to train on, and what the epoch's batches before it summed up to.
struct EpochPosition {
  std::int64_t epoch = 1;  // from 1
  std::int64_t batch = 0;
  double loss_sum = 0;
  double weight_sum = 0;
};

struct Checkpoint {
  std::string settings;           // settings_json of the run
  std::uint64_t fingerprint = 0;  // of the data it trains on
  EpochPosition position;
  History history;
  AdamWState optimizer;
  std::vector<float> parameters;
  std::vector<float> first_moment;
  std::vector<float> second_moment;
};

// One safetensors file, written beside its place and renamed.
void write_checkpoint(const std::filesystem::path& file, const Checkpoint& checkpoint);

// Throws Error(parse_error) on anything write_checkpoint does not write.
Checkpoint read_checkpoint(const std::filesystem::path& file);

}  // namespace ragtime
