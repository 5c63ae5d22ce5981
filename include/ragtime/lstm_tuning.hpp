#pragma once

// How a plan's LSTM runs in detail, what its cost model compared, and costs that were measured on a device, as
// a value to give to plans by LstmDesc::tuning. Nothing is kept by the library: whoever measures keeps the text.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/lstm.hpp"

namespace ragtime {

// How one pass runs, or could run, and what the cost model expects of that at the plan's capacity. Times
// leave out what all algorithms do alike: the GEMMs over all rows, before and after the recurrence.
struct LstmPassChoice {
  LstmAlgorithm algorithm = LstmAlgorithm::automatic;  // that runs the pass
  // This and the next five are of the persistent algorithm, else 0.
  int hidden = 0;                // Hp, units of the kernel: H, and zeros behind them
  int cluster = 0;               // C, thread blocks of a cluster
  int slots = 0;                 // S, sequences that a cluster runs at once
  int clusters = 0;              // launched, of all directions together
  int threads = 0;               // of a block
  std::size_t shared_bytes = 0;  // of a block
  // Microseconds. This and the next two are 0 where nothing is known of the algorithm.
  double us_per_step = 0;
  std::int64_t steps = 0;  // of one layer, one after the other
  double us = 0;           // microseconds, of all layers
  // The blocks of a cluster are a group anywhere on the device, and exchange through memory; it needs no
  // clusters of the device, and holds more units than one of those.
  bool grid = false;
};

// A configuration of the persistent kernels, as LstmDesc::cluster and slots can ask for it.
struct LstmKernelConfig {
  int cluster = 0;  // C
  int slots = 0;    // S
  friend bool operator==(const LstmKernelConfig&, const LstmKernelConfig&) = default;
};

// What a plan runs, why, and what else it could run.
struct LstmChoiceDetails : LstmChoice {
  LstmPassChoice forward;   // how forward runs
  LstmPassChoice backward;  // as it was made, without training
  // All that was compared, the fastest first: every configuration of the persistent algorithm that this
  // description can have, and stepwise.
  std::vector<LstmPassChoice> forward_options;
  std::vector<LstmPassChoice> backward_options;  // empty without training
  std::vector<LstmKernelConfig> kernel_configs;  // that can be forced: those which every pass of the plan has
  std::string costs;  // where the predictions come from, one line; empty where there are none
};

LstmChoiceDetails choice_details(const LstmPlan& plan);

// The details for a person, with the alternatives of each pass: at most max_options of them, the fastest first; 0:
// all.
std::string to_text(const LstmChoiceDetails& details, std::size_t max_options = 0);

// Devices whose properties are known here: "h100", "h200", "a100".
std::vector<std::string> lstm_device_models();

// What a plan would choose on a device_model of lstm_device_models(), which need not be there, with desc.tuning or
// the built-in costs. Throws as LstmPlan does, Error(invalid_argument) on another name, and Error(unsupported) in a
// build without the CUDA backend.
LstmChoiceDetails lstm_choice_on(std::string_view device_model, const LstmDesc& desc);

struct LstmCosts;

// Costs measured on a device. Plans that are given the same one choose the same, on every run and machine with such
// a device. Never changes; may be shared by plans and threads.
class LstmTuning {
 public:
  // What to_text gave. Throws Error(parse_error) that names the line, on a text of another version of the library too:
  // its kernels may take other times.
  static std::shared_ptr<const LstmTuning> from_text(std::string_view text);
  // Lines for people to read and for from_text: the version, the device, constants, and what steps of kernels take.
  std::string to_text() const;

  // Backend::description() of the device that was measured. Plans on another one throw Error(invalid_argument).
  const std::string& device() const { return device_; }

  LstmTuning(std::string device, const LstmCosts& costs);  // for measure_lstm
  ~LstmTuning();
  const LstmCosts& costs() const { return *costs_; }  // for the library

 private:
  std::string device_;
  std::unique_ptr<const LstmCosts> costs_;
};

// What measure_lstm runs.
struct LstmMeasurement {
  std::vector<DType> dtypes = {DType::bf16, DType::f16, DType::f32};  // f32: in tf32
  std::int64_t max_hidden = 0;                     // larger kernels are left out; 0: none is
  std::int64_t max_cells = std::int64_t{1} << 25;  // N x H of a run: some 40 bytes of memory each
  std::int64_t max_steps = 4096;                   // of a run
  int queued = 3;   // runs in a row, before the device is waited for: so the host is ahead of it
  int repeats = 5;  // of which the fastest counts
};

// Measures what steps cost on the device: runs every kernel of the persistent algorithm over two numbers of
// steps each, and stepwise. Takes seconds, in which nothing else should use the device. progress, which may be
// empty, is told what comes next. Throws Error(unsupported) on the CPU backend, and Error(invalid_argument) on a
// measurement of no cells.
std::shared_ptr<const LstmTuning> measure_lstm(const std::shared_ptr<Backend>& backend,
                                               const LstmMeasurement& measurement = {},
                                               const std::function<void(const std::string&)>& progress = {});

}  // namespace ragtime
