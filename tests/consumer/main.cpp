// An installed ragtime at work: an LSTM over ragged lengths against its formula, and a model that is trained,
// written and read back.

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "ragtime/adamw.hpp"
#include "ragtime/lstm.hpp"
#include "ragtime/model_directory.hpp"
#include "ragtime/ragged_batch.hpp"

namespace {

using namespace ragtime;

bool lstm_follows_its_formula(const std::shared_ptr<Backend>& backend) {
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
  return std::fabs(final_state[0] - expected) < 1e-6;
}

bool model_learns_and_survives_the_disk(const std::shared_ptr<Backend>& backend) {
  const std::vector<PatientVisits> patients = {{{1, 2}, {3}}, {{4}}, {{2, 5, 6}, {1}, {3, 4}}};
  const std::vector<float> values = {0, 1, 1};
  DeviceBatch batch(backend);
  batch.load(RaggedBatch::from_patients(patients));
  VisitLstm model(backend, {.vocab_size = 7, .embedding_dim = 16, .hidden_dim = 32});
  model.initialize(1);
  AdamW adamw(backend, model.parameter_count());
  float first = 0, last = 0, patients_seen = 0;
  for (int step = 0; step < 100; ++step) {
    model.forward_backward(batch, {.values = values.data()}, 0, nullptr, &last, &patients_seen);
    adamw.step(model.parameter_data(), model.gradient_data());
    if (step == 0) first = last;
  }
  std::printf("loss over %g patients: %.4f at first, %.4f at last\n", patients_seen, first, last);

  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "ragtime_consumer_model";
  std::filesystem::create_directories(folder);
  write_config(folder / "config.json", model.config());
  save_parameters(folder / "model.safetensors", model);
  VisitLstm read = read_model(folder, backend);
  std::filesystem::remove_all(folder);
  const auto* logits = static_cast<const float*>(read.forward(batch));
  const auto* expected = static_cast<const float*>(model.forward(batch));
  const bool same = logits[0] == expected[0] && logits[1] == expected[1] && logits[2] == expected[2];
  std::printf("logits after reading it back: %s\n", same ? "the same" : "different");
  return same && last < first / 4;
}

}  // namespace

int main() {
  const auto backend = make_backend("cpu");
  return lstm_follows_its_formula(backend) && model_learns_and_survives_the_disk(backend) ? 0 : 1;
}
