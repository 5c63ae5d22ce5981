// LSTM forward and forward + backward on the `synthea` workload, sizes small and medium, f32.
// The peer on the same machine and threads: scripts/bench_lstm_torch.py.

#include <benchmark/benchmark.h>

#include <vector>

#include "benchmarks/cases/workloads.hpp"
#include "ragtime/lstm.hpp"
#include "ragtime/ragged_batch.hpp"

namespace ragtime {
namespace {

// As weights of a trained layer are.
std::vector<float> small_values(std::int64_t count, std::uint32_t stream) {
  return benchmarks::random_values(count, stream, 1.0f / 8);
}

void lstm(benchmark::State& state, std::int64_t input, std::int64_t hidden, std::int64_t layers,
          bool backward) {
  const auto backend = make_backend("cpu");
  DeviceBatch batch(backend);
  batch.load(RaggedLayout::from_lengths(benchmarks::synthea_lengths()));
  LstmDesc desc;
  desc.input_size = input;
  desc.hidden_size = hidden;
  desc.num_layers = layers;
  desc.training = backward;
  desc.capacity = batch.size();
  const LstmPlan plan(backend, desc);

  std::vector<std::vector<float>> values, gradients;
  std::vector<LstmWeights> weights;
  std::vector<LstmGradients> weight_gradients;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    for (const std::int64_t count :
         {4 * hidden * desc.layer_input(layer), 4 * hidden * hidden, 4 * hidden, 4 * hidden}) {
      values.push_back(small_values(count, static_cast<std::uint32_t>(values.size())));
      gradients.emplace_back(static_cast<std::size_t>(count));
    }
    const auto* v = &values[values.size() - 4];
    auto* g = &gradients[gradients.size() - 4];
    weights.push_back({v[0].data(), v[1].data(), v[2].data(), v[3].data(), nullptr});
    weight_gradients.push_back({g[0].data(), g[1].data(), g[2].data(), g[3].data(), nullptr});
  }
  const std::int64_t rows = batch.size().rows;
  const auto x = small_values(rows * input, 100), d_y = small_values(rows * hidden, 101);
  std::vector<float> y(d_y.size()), d_x(x.size());
  const Buffer workspace(backend, plan.workspace_bytes()), reserve(backend, plan.reserve_bytes());

  LstmForward forward;
  forward.batch = batch.view();
  forward.x = x.data();
  forward.weights = weights.data();
  forward.y = y.data();
  forward.workspace = workspace.data();
  forward.reserve = reserve.data();
  LstmBackward back;
  back.batch = batch.view();
  back.x = x.data();
  back.weights = weights.data();
  back.y = y.data();
  back.d_y = d_y.data();
  back.d_x = d_x.data();
  back.gradients = weight_gradients.data();
  back.workspace = workspace.data();
  back.reserve = reserve.data();
  for (auto _ : state) {
    plan.forward(forward);
    if (backward) plan.backward(back);
  }
  state.counters["rows/s"] =
      benchmark::Counter(static_cast<double>(rows), benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(backend->description());
}

BENCHMARK_CAPTURE(lstm, forward_small, 128, 256, 1, false)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(lstm, forward_backward_small, 128, 256, 1, true)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(lstm, forward_medium, 256, 512, 2, false)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(lstm, forward_backward_medium, 256, 512, 2, true)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ragtime
