// ragtime-bench calibrate: what steps of an LSTM cost on a device, as a text for LstmDesc::tuning and
// `ragtime train --lstm-tuning`.

#include <cstdio>

#include "benchmarks/tool/commands.hpp"
#include "benchmarks/tool/options.hpp"
#include "host/base/atomic_file.hpp"
#include "ragtime/lstm_tuning.hpp"

namespace ragtime::benchmarks {
namespace {

struct CalibrateOptions {
  std::string device = "auto", out;
  LstmMeasurement measurement;
};

int calibrate(const CalibrateOptions& options) {
  const auto backend = make_backend(options.device);
  AtomicFile file(options.out);  // before the measurement: a place that cannot be written to is known by then
  std::fprintf(stderr, "%s\n", backend->description().c_str());
  const auto tuning = measure_lstm(backend, options.measurement, [](const std::string& what) {
    std::fprintf(stderr, "measuring %s\n", what.c_str());
  });
  file.write(tuning->to_text());
  file.commit();
  return 0;
}

}  // namespace

Command add_calibrate(CLI::App& tool) {
  const auto options = std::make_shared<CalibrateOptions>();
  CLI::App* command = tool.add_subcommand(
      "calibrate", "Measure what steps of an LSTM cost on the GPU, for the choice of its algorithm");
  add_device(*command, options->device);
  command->add_option("--out", options->out, "Where the text goes; - is standard output")
      ->type_name("FILE")
      ->required();
  add_number(*command, "--max-hidden", "H", "Leave larger kernels out", 1 << 20,
             [options](std::int64_t number) { options->measurement.max_hidden = number; });
  add_number(*command, "--max-cells", "N", "Rows x hidden units of a run, 40 bytes of memory each (33554432)",
             std::int64_t{1} << 34, [options](std::int64_t number) { options->measurement.max_cells = number; });
  command->footer(
      "Takes seconds, in which nothing else should use the device. Plans that are given the text choose by it;\n"
      "without it they choose by built-in estimates.");
  return {command, [options](const std::string&) { return calibrate(*options); }};
}

}  // namespace ragtime::benchmarks
