// What a step of the LSTM costs on a device. Every number is a difference between runs of two lengths, so
// that what a run takes once does not count. Inputs are one wide, and gradients of inputs and weights are not
// asked for: of what is not the recurrence there is only the x side's product, of 16 bytes a unit and row.

#include <algorithm>
#include <chrono>
#include <cmath>

#include "host/base/atomic_file.hpp"
#include "host/base/check.hpp"
#include "host/ops/lstm_costs.hpp"
#include "ragtime/lstm_choice.hpp"
#include "ragtime/ragged_batch.hpp"

namespace ragtime {
namespace {

// The fastest of some rows of runs, in ns a run.
template <class Run>
double fastest_ns(Backend& backend, const LstmMeasurement& how, Run&& run) {
  const int queued = std::max(how.queued, 1);
  run();
  backend.synchronize();
  double fastest = INFINITY;
  for (int i = 0; i < std::max(how.repeats, 1); ++i) {
    const auto begin = std::chrono::steady_clock::now();
    for (int j = 0; j < queued; ++j) run();
    backend.synchronize();
    const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - begin;
    fastest = std::min(fastest, taken.count() / queued);
  }
  return fastest;
}

struct PassTimes {
  double forward = 0, backward = 0;  // ns
};

// One layer and direction over zeros.
PassTimes time_lstm(const std::shared_ptr<Backend>& backend, LstmDesc desc,
                    const std::vector<std::int32_t>& lengths, const LstmMeasurement& how) {
  DeviceBatch batch(backend);
  batch.load(RaggedLayout::from_lengths(lengths));
  desc.capacity = batch.size();
  const LstmPlan plan(backend, desc);

  std::vector<Buffer> memory;
  const auto zeros = [&](std::size_t bytes) {
    memory.emplace_back(backend, bytes);
    backend->zero(memory.back().data(), bytes);
    return memory.back().data();
  };
  const std::size_t element = size_of(desc.dtype), rows = static_cast<std::size_t>(desc.capacity.rows),
                    hidden = static_cast<std::size_t>(desc.hidden_size);
  LstmWeights weights;
  weights.weight_ih = zeros(4 * hidden * element);
  weights.weight_hh = zeros(4 * hidden * hidden * element);
  LstmForward forward;
  forward.batch = batch.view();
  forward.x = zeros(rows * element);
  forward.weights = &weights;
  forward.y = zeros(rows * hidden * element);
  forward.workspace = zeros(plan.workspace_bytes());
  forward.reserve = zeros(plan.reserve_bytes());
  PassTimes times;
  times.forward = fastest_ns(*backend, how, [&] { plan.forward(forward); });
  if (!desc.training) return times;
  LstmBackward backward;
  backward.batch = forward.batch;
  backward.x = forward.x;
  backward.weights = &weights;
  backward.y = forward.y;
  backward.d_y = zeros(rows * hidden * element);
  backward.workspace = forward.workspace;
  backward.reserve = forward.reserve;
  times.backward = fastest_ns(*backend, how, [&] { plan.backward(backward); });
  return times;
}

// From two runs: ns of a step, and of all that is not a step.
struct Line {
  double step = 0, fixed = 0;
};
Line line_through(double short_ns, double long_ns, std::int32_t short_steps, std::int32_t long_steps) {
  const double step = (long_ns - short_ns) / (long_steps - short_steps);
  return {step, short_ns - step * short_steps};
}

struct PassLines {
  Line forward, backward;
};

class Measurer {
 public:
  Measurer(std::shared_ptr<Backend> backend, const LstmMeasurement& how,
           const std::function<void(const std::string&)>& progress)
      : backend_(std::move(backend)), how_(how), progress_(progress) {}

  LstmCosts run() {
    measure_copies();
    measure_stepwise();
    for (const DType dtype : how_.dtypes) measure_kernels(dtype);
    return costs_;
  }

 private:
  void say(const std::string& what) const {
    if (progress_) progress_(what);
  }

  LstmDesc desc_of(DType dtype, std::int64_t hidden, bool training) const {
    LstmDesc desc;
    desc.dtype = dtype;
    desc.tf32 = dtype == DType::f32;
    desc.input_size = 1;
    desc.hidden_size = hidden;
    desc.bias = false;
    desc.training = training;
    desc.rows_on_host = true;
    return desc;
  }

  // `busy` sequences of as many steps as there is memory for, and of a quarter; beside each of them
  // `short_ones` of one step.
  PassLines measure(const LstmDesc& desc, std::int64_t busy, std::int64_t short_ones,
                    std::int64_t longest) const {
    const auto most = static_cast<std::int32_t>(std::clamp<std::int64_t>(
        how_.most_cells / (busy * desc.hidden_size), 8, std::max<std::int64_t>(longest, 8)));
    const auto few = most / 4;
    const auto time = [&](std::int32_t steps) {
      std::vector<std::int32_t> lengths(static_cast<std::size_t>(busy * (1 + short_ones)), 1);
      std::fill_n(lengths.begin(), busy, steps);
      return time_lstm(backend_, desc, lengths, how_);
    };
    const PassTimes at_few = time(few), at_most = time(most);
    return {line_through(at_few.forward, at_most.forward, few, most),
            line_through(at_few.backward, at_most.backward, few, most)};
  }

  void measure_copies() {
    say("copies in device memory");
    const std::size_t large = static_cast<std::size_t>(how_.most_cells) * 4, small = large / 4;
    const Buffer from(backend_, large), to(backend_, large);
    backend_->zero(from.data(), large);
    const auto time = [&](std::size_t bytes) {
      return fastest_ns(*backend_, how_,
                        [&] { backend_->copy(to.data(), from.data(), bytes, CopyKind::on_device); });
    };
    const double ns = time(large) - time(small);
    keep(costs_.device_bytes_per_ns, 2 * static_cast<double>(large - small) / ns);
  }

  // Launches from a sequence that is alone, the rate of products from many in few steps.
  void measure_stepwise() {
    say("stepwise");
    const DType dtype = how_.dtypes.empty() ? DType::bf16 : how_.dtypes.front();
    LstmDesc desc = desc_of(dtype, 64, false);
    desc.algorithm = LstmAlgorithm::stepwise;
    const Line alone = measure(desc, 1, 0, how_.longest).forward;
    keep(costs_.stepwise_launch_us, alone.step * 1e-3 / launches_a_step);
    stepwise_fixed_ns_ = alone.fixed;

    desc.hidden_size = how_.largest_hidden > 0 ? std::min<std::int64_t>(how_.largest_hidden, 1024) : 1024;
    constexpr std::int64_t steps = 16;
    const std::int64_t many = std::max<std::int64_t>(how_.most_cells / desc.hidden_size / steps, 1);
    const double ns = measure(desc, many, 0, steps).forward.step;
    const double hidden = static_cast<double>(desc.hidden_size), rows = static_cast<double>(many);
    const double others =
        launches_a_step * costs_.stepwise_launch_us * 1e3 +
        4 * hidden * hidden * static_cast<double>(size_of(dtype)) / costs_.stepwise_weight_bytes_per_ns +
        rows * hidden * lstm_stepwise_row_bytes(dtype, false, false) / costs_.device_bytes_per_ns;
    keep(costs_.stepwise_flops_per_ns, rows * 8 * hidden * hidden / (ns - others));
  }

  // Every size that the persistent algorithm has kernels for, each in all its cuts.
  void measure_kernels(DType dtype) {
    std::int64_t hidden = 1;
    while (how_.largest_hidden == 0 || hidden <= how_.largest_hidden) {
      const std::vector<LstmPassChoice> options = options_of(desc_of(dtype, hidden, false));
      if (options.empty()) return;
      hidden = options.front().hidden;
      if (how_.largest_hidden > 0 && hidden > how_.largest_hidden) return;
      const std::vector<LstmCut> trained = cuts_of(desc_of(dtype, hidden, true));
      for (const LstmPassChoice& option : options) {
        const LstmCut cut = {option.cluster, option.slots};
        measure_kernel(dtype, option, std::find(trained.begin(), trained.end(), cut) != trained.end());
      }
      ++hidden;
    }
  }

  // In every cluster one sequence is long; it is as busy as with all slots in use, since idle slots multiply
  // and send zeros.
  void measure_kernel(DType dtype, const LstmPassChoice& option, bool training) {
    LstmDesc desc = desc_of(dtype, option.hidden, training);
    desc.algorithm = LstmAlgorithm::persistent;
    desc.cluster = option.cluster;
    desc.slots = option.slots;
    say(concat(name_of(dtype), ", ", option.hidden, " units, clusters of ", option.cluster, ", ",
               option.slots, " slots"));
    const PassLines lines = measure(desc, option.clusters, option.slots - 1, how_.longest);
    const auto keep_step = [&](bool backward, double ns) {
      if (ns > 0)
        costs_.measured_step_ns[{backward, dtype, option.hidden, option.cluster, option.slots}] = ns;
    };
    keep_step(false, lines.forward.step);
    if (training) keep_step(true, lines.backward.step);
    // What a run takes besides, more than a stepwise one: of the smallest kernel.
    if (!launch_is_known_) keep(costs_.launch_us, (lines.forward.fixed - stepwise_fixed_ns_) * 1e-3);
    launch_is_known_ = true;
  }

  // With so many sequences that all clusters are in use.
  std::vector<LstmPassChoice> options_of(LstmDesc desc) const {
    desc.capacity = {std::int64_t{1} << 16, std::int64_t{1} << 16, 0, 1};
    std::vector<LstmPassChoice> options = LstmPlan(backend_, desc).choice().forward_options;
    std::erase_if(options,
                  [](const LstmPassChoice& option) { return option.algorithm != LstmAlgorithm::persistent; });
    return options;
  }
  std::vector<LstmCut> cuts_of(LstmDesc desc) const {
    desc.capacity = {1, 1, 0, 1};
    const LstmChoice choice = LstmPlan(backend_, desc).choice();
    for (const LstmPassChoice& option : choice.forward_options)
      if (option.hidden == desc.hidden_size) return choice.cuts;
    return {};  // this size has no kernel for backward; that of a larger one serves
  }

  // A clock that stood still, or ran backwards between two runs, tells nothing: the estimate stays.
  static void keep(double& constant, double measured) {
    if (measured > 0 && std::isfinite(measured)) constant = measured;
  }

  static constexpr double launches_a_step = 2;  // a product and a kernel, in one direction

  std::shared_ptr<Backend> backend_;
  LstmMeasurement how_;
  const std::function<void(const std::string&)>& progress_;
  LstmCosts costs_;
  double stepwise_fixed_ns_ = 0;
  bool launch_is_known_ = false;
};

}  // namespace

std::filesystem::path measure_lstm(const std::shared_ptr<Backend>& backend,
                                   const LstmMeasurement& measurement,
                                   const std::function<void(const std::string&)>& progress) {
  check(backend != nullptr, ErrorCode::invalid_argument, "backend is null: expected one from make_backend");
  check(backend->device() == DeviceType::cuda, ErrorCode::unsupported,
        "the LSTM of the cpu backend has one algorithm: there is nothing to measure for a choice");
  check(measurement.most_cells > 0, ErrorCode::invalid_argument, "most_cells is ", measurement.most_cells,
        ": expected 1 or more");
  const std::string device = backend->description();
  const std::filesystem::path path = lstm_costs_file(device);
  std::error_code problem;
  std::filesystem::create_directories(path.parent_path(), problem);
  check(!problem, ErrorCode::io_error, "creating the folder ", path.parent_path().string(),
        " failed: ", problem.message());
  AtomicFile file(path);
  file.write(lstm_costs_to_text(Measurer(backend, measurement, progress).run(), device));
  file.commit();
  return path;
}

}  // namespace ragtime
