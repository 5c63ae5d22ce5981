#include "cuda/lstm/choice/model.hpp"

#include <algorithm>

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {
namespace {

constexpr int row_tile = 16, slot_tile = 8, k_bytes = 32;  // of one mma
constexpr double bytes_of_a_fragment = 512;                // weights of one mma

std::int64_t divide_up(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

// What a batch at capacity really has.
struct Load {
  explicit Load(const LstmDesc& desc)
      : sequences(desc.capacity.sequences),
        rows(sequences > 0 ? desc.capacity.rows : 0),
        steps(std::min(desc.capacity.steps, rows)) {}
  std::int64_t sequences, rows, steps;
};

double exchange_ns(const LstmCosts& costs, int cluster) {
  return cluster >= 16  ? costs.exchange_ns_16
         : cluster >= 8 ? costs.exchange_ns_8
         : cluster >= 4 ? costs.exchange_ns_4
         : cluster >= 2 ? costs.exchange_ns_2
                        : costs.exchange_ns_1;
}

// Without what device memory takes.
// running: clusters or groups at work at once.
double modelled_step_ns(const LstmDesc& desc, LstmPass pass, const LstmCandidate& candidate, double running,
                        const LstmCosts& costs) {
  const LstmTile& tile = candidate.tile;
  const bool backward = pass == LstmPass::backward;
  const double element = static_cast<double>(size_of(desc.dtype));
  const double hidden = tile.hidden, cluster = tile.cluster, slots = tile.slots, units = hidden / cluster;
  const double warps = candidate.threads / static_cast<double>(arch::warp_size);
  const double k = backward ? 4 * units : hidden, tiles = (backward ? hidden : 4 * units) / row_tile;
  const double k_steps = k * element / k_bytes;

  const double mmas = tiles * k_steps * slots / slot_tile;
  const double weights = tiles * std::max(k_steps - tile.register_steps, 0.0) * bytes_of_a_fragment;
  const double shared =
      weights + warps * slots * k * element + (backward ? slots * hidden * sizeof(float) : 0);
  const double product =
      std::max({k_steps * costs.mma_latency_ns, mmas * costs.mma_ns, shared / costs.shared_bytes_per_ns});

  const double sent = backward ? sizeof(float) : element;
  const double received = slots * units * sent * (cluster - 1);
  const double before_exchange = costs.step_ns + (backward ? costs.backward_step_ns : 0) + product;
  double exchange = exchange_ns(costs, tile.cluster) + received / costs.network_bytes_per_ns;
  if (tile.grid) {
    // Parts of dh are as many as are received when they are written; of h there is but one writer.
    const double through_cache = slots * hidden * sent * (backward ? 2 : 1);
    exchange =
        costs.group_exchange_ns + std::max(through_cache / costs.group_block_bytes_per_ns,
                                           running * cluster * through_cache / costs.group_bytes_per_ns);
  }
  return before_exchange + exchange;
}

}  // namespace

LstmPassChoice predict_persistent(const LstmDesc& desc, LstmPass pass, const LstmCandidate& candidate,
                                  const LstmCosts& costs) {
  const LstmTile& tile = candidate.tile;
  const Load load(desc);
  const std::int64_t directions = desc.directions(), resident = std::max(candidate.resident_clusters, 1);
  const std::int64_t of_a_direction = std::clamp<std::int64_t>(
      divide_up(load.sequences, tile.slots), 1, std::max<std::int64_t>(resident / directions, 1));
  const std::int64_t clusters = of_a_direction * directions;

  LstmPassChoice choice;
  choice.algorithm = LstmAlgorithm::persistent;
  choice.hidden = tile.hidden;
  choice.cluster = tile.cluster;
  choice.slots = tile.slots;
  choice.grid = tile.grid;
  choice.clusters = static_cast<int>(clusters);
  choice.threads = static_cast<int>(candidate.threads);
  choice.shared_bytes = candidate.shared_bytes;
  // Where not even a cluster a direction is resident, one waits for the other.
  choice.steps =
      std::max(load.steps, divide_up(load.rows, of_a_direction * tile.slots)) * divide_up(clusters, resident);

  const auto measured = costs.measured_step_ns.find(
      {pass == LstmPass::backward, desc.dtype, tile.hidden, tile.cluster, tile.slots});
  const double running = static_cast<double>(std::min(clusters, resident)), blocks = running * tile.cluster;
  const double moved = tile.slots * (tile.hidden / tile.cluster) *
                       lstm_row_bytes(desc.dtype, pass == LstmPass::backward, desc.training);  // by a block
  const double step_ns = std::max(
      {measured != costs.measured_step_ns.end() ? measured->second
                                                : modelled_step_ns(desc, pass, candidate, running, costs),
       moved / costs.block_bytes_per_ns, blocks * moved / costs.device_bytes_per_ns});
  choice.us_per_step = step_ns * 1e-3;
  choice.us = static_cast<double>(desc.num_layers) *
              (costs.launch_us + static_cast<double>(choice.steps) * choice.us_per_step);
  return choice;
}

LstmPassChoice predict_stepwise(const LstmDesc& desc, LstmPass pass, const LstmCosts& costs) {
  const Load load(desc);
  const double element = static_cast<double>(size_of(desc.dtype)),
               directions = static_cast<double>(desc.directions());
  const double hidden = static_cast<double>(desc.hidden_size),
               width = static_cast<double>(desc.output_size());
  const double steps = static_cast<double>(load.steps), rows = static_cast<double>(load.rows) * directions;
  const double products = desc.proj_size > 0 ? 2 : 1;  // a direction and step
  const double weights = 4 * hidden * width + (desc.proj_size > 0 ? hidden * width : 0);
  const double moved = lstm_stepwise_row_bytes(desc.dtype, pass == LstmPass::backward, desc.training);

  const double ns = steps * (products * directions + 1) * costs.stepwise_launch_us * 1e3 +
                    rows * 2 * weights / costs.stepwise_flops_per_ns +
                    steps * directions * weights * element / costs.stepwise_weight_bytes_per_ns +
                    rows * hidden * moved / costs.device_bytes_per_ns;
  LstmPassChoice choice;
  choice.algorithm = LstmAlgorithm::stepwise;
  choice.steps = load.steps;
  choice.us_per_step = load.steps > 0 ? ns * 1e-3 / steps : 0;
  choice.us = static_cast<double>(desc.num_layers) * ns * 1e-3;
  return choice;
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
