#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "ragtime/adamw.hpp"
#include "ragtime/layout.hpp"
#include "ragtime/linear.hpp"
#include "ragtime/lstm.hpp"
#include "ragtime/masked_loss.hpp"
#include "ragtime/ragged_batch.hpp"

using namespace ragtime;

int main() {
  const auto backend = make_backend("cpu");
  const auto floats = [&](std::int64_t count) { return Buffer(backend, count * sizeof(float)); };
  const auto to_device = [&](const std::vector<float>& values) {
    Buffer memory(backend, values.size() * sizeof(float));
    backend->copy(memory.data(), values.data(), memory.bytes(), CopyKind::to_device);
    return memory;
  };

  // Three patients with 2, 1 and 3 visits, padded to 3; a label for each visit and one for each patient.
  constexpr std::int64_t B = 3, T = 3, E = 4, H = 5, D = 2, gates = 4 * H;
  const std::vector<std::uint8_t> sequence_mask = {1, 1, 0, 1, 0, 0, 1, 1, 1};  // [B, T]
  std::vector<float> numbers(B * T * E);                                        // [B, T, E]
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = sequence_mask[i / E] == 1 ? static_cast<float>(std::sin(0.7 * static_cast<double>(i))) : NAN;
  const Buffer visits = to_device(numbers);
  const Buffer visit_labels = to_device({0, 1, NAN, 1, NAN, NAN, 0, 1, 0});  // [B, T]
  const Buffer patient_labels = to_device({0, 1, 1});                        // [B]

  // Parameters one after the other, in the order of parameters() in PyTorch, and their gradients likewise.
  constexpr std::int64_t direction = gates * E + gates * H + 2 * gates, head = D * H + 1;
  constexpr std::int64_t count = D * direction + 2 * head;
  numbers.resize(count);
  for (std::size_t i = 0; i < numbers.size(); ++i)  // any numbers, the same in both programs
    numbers[i] = static_cast<float>(0.4 * std::sin(1.3 * static_cast<double>(i)));
  const Buffer parameters = to_device(numbers), gradients = floats(count);
  LstmWeights weights[D];      // forward, reverse
  LstmGradients d_weights[D];  // likewise
  for (std::int64_t d = 0; d < D; ++d) {
    float* w = parameters.as<float>() + d * direction;
    float* g = gradients.as<float>() + d * direction;
    weights[d] = {w, w + gates * E, w + gates * (E + H), w + gates * (E + H + 1), nullptr};
    d_weights[d] = {g, g + gates * E, g + gates * (E + H), g + gates * (E + H + 1), nullptr};
  }
  float* visit_head = parameters.as<float>() + D * direction;  // [1, D*H], and its bias [1]
  float* d_visit_head = gradients.as<float>() + D * direction;
  float *patient_head = visit_head + head, *d_patient_head = d_visit_head + head;

  // Plans and memory for the largest batch there will be. What a batch holds is read when a plan runs.
  const Capacity most = {.sequences = B, .rows = B * T, .steps = T};
  const LayoutPlan pack(backend, {.width = E, .padded_steps = T, .capacity = most});  // padded to ragged
  const LayoutPlan pack_labels(backend, {.width = 1, .padded_steps = T, .capacity = most});
  const LstmPlan lstm(backend, {.input_size = E, .hidden_size = H, .bidirectional = true, .capacity = most});
  const LinearPlan visit_linear(backend, {.rows = most.rows, .input_size = D * H, .output_size = 1});
  const LinearPlan patient_linear(backend, {.rows = B, .input_size = D * H, .output_size = 1});
  const MaskedLossPlan visit_bce(backend, {.kind = LossKind::bce_with_logits, .capacity = most});
  const MaskedLossPlan patient_bce(
      backend, {.kind = LossKind::bce_with_logits, .layout = LossLayout::sequences, .capacity = most});
  AdamW adamw(backend, count, {.learning_rate = 0.01, .clip_norm = 0.1});
  const Buffer reserve(backend, lstm.reserve_bytes());
  const Buffer workspace(backend, std::max({lstm.workspace_bytes(), visit_linear.workspace_bytes(),
                                            patient_linear.workspace_bytes(), visit_bce.workspace_bytes(),
                                            patient_bce.workspace_bytes()}));
  const Buffer x = floats(most.rows * E), labels = floats(most.rows);
  const Buffer y = floats(most.rows * D * H), d_y = floats(most.rows * D * H);
  const Buffer final_state = floats(B * D * H), d_final_state = floats(B * D * H);
  const Buffer visit_logits = floats(most.rows), d_visit_logits = floats(most.rows);
  const Buffer patient_logits = floats(B), d_patient_logits = floats(B), losses = floats(2);
  DeviceBatch batch(backend);

  for (int step = 0; step < 3; ++step) {
    // lengths = sequence_mask.sum(dim=1).cpu()
    batch.load(RaggedLayout::from_mask(sequence_mask, B, T));
    const RaggedView& view = batch.view();
    const std::int32_t *sequences = view.counts, *rows = view.counts + 1;

    // pack_padded_sequence(visits, lengths, batch_first=True, enforce_sorted=False); visit_labels[mask]
    pack.forward(view, visits.data(), x.data());
    pack_labels.forward(view, visit_labels.data(), labels.data());

    // lstm(packed); pad_packed_sequence; torch.cat([hidden[-2], hidden[-1]], dim=1)
    lstm.forward({.batch = view,
                  .x = x.data(),
                  .weights = weights,
                  .y = y.data(),
                  .final_state = final_state.data(),
                  .workspace = workspace.data(),
                  .reserve = reserve.data()});

    // visit_head(output), patient_head(final)
    visit_linear.forward({.rows = rows,
                          .x = y.data(),
                          .weight = visit_head,
                          .bias = visit_head + D * H,
                          .y = visit_logits.data(),
                          .workspace = workspace.data()});
    patient_linear.forward({.rows = sequences,
                            .x = final_state.data(),
                            .weight = patient_head,
                            .bias = patient_head + D * H,
                            .y = patient_logits.data(),
                            .workspace = workspace.data()});

    // binary_cross_entropy_with_logits over what is real, and its gradient with respect to the logits
    visit_bce.run({.batch = view,
                   .logits = visit_logits.data(),
                   .targets = labels.data(),
                   .loss = losses.as<float>(),
                   .d_logits = d_visit_logits.data(),
                   .workspace = workspace.data()});
    patient_bce.run({.batch = view,
                     .logits = patient_logits.data(),
                     .targets = patient_labels.data(),
                     .loss = losses.as<float>() + 1,
                     .d_logits = d_patient_logits.data(),
                     .workspace = workspace.data()});

    // (visit_loss + patient_loss).backward(); gradients are overwritten, so there is no zero_grad()
    visit_linear.backward({.rows = rows,
                           .x = y.data(),
                           .weight = visit_head,
                           .d_y = d_visit_logits.data(),
                           .d_x = d_y.data(),
                           .d_weight = d_visit_head,
                           .d_bias = d_visit_head + D * H,
                           .workspace = workspace.data()});
    patient_linear.backward({.rows = sequences,
                             .x = final_state.data(),
                             .weight = patient_head,
                             .d_y = d_patient_logits.data(),
                             .d_x = d_final_state.data(),
                             .d_weight = d_patient_head,
                             .d_bias = d_patient_head + D * H,
                             .workspace = workspace.data()});
    lstm.backward({.batch = view,
                   .x = x.data(),
                   .weights = weights,
                   .y = y.data(),
                   .d_y = d_y.data(),
                   .d_final_state = d_final_state.data(),
                   .gradients = d_weights,
                   .workspace = workspace.data(),
                   .reserve = reserve.data()});

    // clip_grad_norm_(parameters, 0.1); adamw.step()
    adamw.step(parameters.data(), gradients.data());

    float loss[2];
    AdamWState state;
    backend->copy(loss, losses.data(), sizeof loss, CopyKind::to_host);
    backend->copy(&state, adamw.state(), sizeof state, CopyKind::to_host);
    backend->synchronize();
    std::printf("step %d: visits %.4f, patients %.4f, gradient norm %.4f\n", step, loss[0], loss[1],
                state.gradient_norm);
  }
}
