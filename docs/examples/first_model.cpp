#include <cstdio>

#include "ragtime/adamw.hpp"
#include "ragtime/visit_lstm.hpp"

int main() {
  using namespace ragtime;
  // Three patients with 2, 1 and 3 visits of 1 to 3 codes. Nothing is padded, so nothing needs a mask.
  const std::vector<PatientVisits> patients = {{{1, 2}, {3}}, {{4}}, {{2, 5, 6}, {1}, {3, 4}}};
  const std::vector<float> labels = {0, 1, 1, 0, 1, 0};  // [N] one a visit, six in all
  const std::vector<float> known = {1, 1, 1, 0, 1, 1};   // [N] 0: no label here, out of loss and gradient

  auto backend = make_backend("cpu");  // on which host memory is device memory
  DeviceBatch batch(backend);
  batch.load(RaggedBatch::from_patients(patients));
  VisitLstm model(backend, {.vocab_size = 7, .hidden_dim = 64, .task = Task::visit_binary});
  model.initialize(42);
  AdamW adamw(backend, model.parameter_count(), {.learning_rate = 0.001});

  const ModelTargets targets = {.values = labels.data(), .row_weight = known.data()};
  for (int step = 0; step <= 60; ++step) {
    float loss = 0, visits = 0;  // the mean over the labelled visits, and how many those are
    model.forward_backward(batch, targets, 0, nullptr, &loss, &visits);
    adamw.step(model.parameter_data(), model.gradient_data());
    if (step % 20 == 0) std::printf("step %2d: loss %.3f over %g visits\n", step, loss, visits);
  }
}
