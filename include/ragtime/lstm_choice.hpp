#pragma once

// What the LSTM's cost model would choose, and how it learns what steps cost on a device. What a plan has
// chosen says LstmPlan::choice(); the choice itself can be forced by LstmDesc::algorithm, cluster and slots.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/lstm.hpp"

namespace ragtime {

// Devices whose properties are known here: "h100", "h200", "a100".
std::vector<std::string> lstm_device_models();

// What a plan would choose on a device_model of lstm_device_models(), which need not be there; costs are the
// library's estimates. Throws as LstmPlan does, Error(invalid_argument) on another name, and
// Error(unsupported) in a build without the CUDA backend.
LstmChoice lstm_choice_on(std::string_view device_model, const LstmDesc& desc);

// What measure_lstm runs.
struct LstmMeasurement {
  std::vector<DType> dtypes = {DType::bf16, DType::f16, DType::f32};  // f32: in tf32
  std::int64_t largest_hidden = 0;                  // kernels beyond are left out; 0: none is
  std::int64_t most_cells = std::int64_t{1} << 25;  // N x H of a run: some 40 bytes of memory each
  std::int64_t longest = 4096;                      // steps of a run
  int queued = 3;   // runs in a row, before the device is waited for: so the host is ahead of it
  int repeats = 5;  // of which the fastest counts
};

// Learns what steps cost on the device: runs every kernel of the persistent algorithm over two numbers of
// steps each, and stepwise, and writes what it found for the plans of later processes to a file under
// $RAGTIME_CACHE_DIR, else $XDG_CACHE_HOME/ragtime, else ~/.cache/ragtime. Nothing else ever writes there;
// without such a file there are the estimates. Takes seconds, in which nothing else should use the device.
// progress, which may be empty, is told what comes next. Returns the file's path. Throws Error(unsupported)
// on the CPU backend, Error(invalid_argument) on a measurement of no cells, and Error(io_error), before it
// measures, where the file cannot be written.
std::filesystem::path measure_lstm(const std::shared_ptr<Backend>& backend,
                                   const LstmMeasurement& measurement = {},
                                   const std::function<void(const std::string&)>& progress = {});

}  // namespace ragtime
