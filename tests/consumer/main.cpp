// Pools two ragged visits and runs an LSTM over them, from an installed ragtime.

#include <cmath>
#include <cstdio>
#include <vector>

#include "ragtime/lstm.hpp"
#include "ragtime/ragged_batch.hpp"

int main() {
  using namespace ragtime;
  auto backend = make_backend("cpu");

  const std::vector<std::int32_t> lengths = {2, 3};
  DeviceBatch batch(backend);
  batch.load(RaggedLayout::from_lengths(lengths));

  LstmDesc desc;
  desc.input_size = 1;
  desc.hidden_size = 1;
  desc.training = false;
  desc.capacity = batch.size();
  const LstmPlan plan(backend, desc);

  const std::vector<float> x = {1, 2, 3, 4, 5}, weight_ih = {0, 0, 1, 0}, weight_hh = {0, 0, 0, 0},
                           bias = {0, 0, 0, 0};
  const LstmWeights weights = {weight_ih.data(), weight_hh.data(), bias.data(), bias.data(), nullptr};
  std::vector<float> y(5), final_state(2);
  Buffer workspace(backend, plan.workspace_bytes());

  LstmForward args;
  args.batch = batch.view();
  args.x = x.data();
  args.weights = &weights;
  args.y = y.data();
  args.final_state = final_state.data();
  args.workspace = workspace.data();
  plan.forward(args);

  // With i = f = o = 1/2 and g = tanh(x): c_1 = tanh(1)/2, c_2 = c_1/2 + tanh(2)/2.
  const double c = std::tanh(1.0) / 4 + std::tanh(2.0) / 2;
  const double expected = std::tanh(c) / 2;
  std::printf("final state of the first sequence: %.6f, expected %.6f\n", final_state[0], expected);
  return std::fabs(final_state[0] - expected) < 1e-6 ? 0 : 1;
}
