#include <cstdio>
#include <cstring>

#include "ragtime/lstm_step.hpp"
#include "reference.hpp"

using namespace ragtime;

int main() {
  const auto backend =
      make_backend("cpu");  // where host memory is device memory; the plan's calls are the same on CUDA
  constexpr std::int64_t E = 3, H = 4, patients = 5, at_once = 4;
  const Weights weights = some_weights(E, H);
  const LstmWeights layer = {weights.weight_ih.data(), weights.weight_hh.data(), weights.bias_ih.data(),
                             weights.bias_hh.data(), nullptr};

  // What is kept of a patient between visits: h and c, whatever the history before was.
  std::vector<float> h(patients * H), c(patients * H);

  // A step for up to four patients; places without one run on zeros, and are left alone.
  const LstmStepPlan step(backend, {.input_size = E, .hidden_size = H, .sequences = at_once});
  std::vector<float> x(at_once * E), step_h(at_once * H), step_c(at_once * H);
  const Buffer workspace(backend, step.workspace_bytes());

  const auto visit = [](std::int32_t patient, std::int32_t day, std::int64_t e) {  // a feature of a visit
    return static_cast<float>(std::sin(1.0 + patient + 2.0 * day + 0.5 * static_cast<double>(e)));
  };
  // Who comes on which day. Nobody's history is ever run again.
  const std::vector<std::vector<std::int32_t>> days = {{0, 1, 2}, {1, 3}, {0, 1, 4, 3}, {1}};
  std::vector<std::vector<float>> histories(patients);  // only to compare with, in the end
  for (std::int32_t day = 0; day < static_cast<std::int32_t>(days.size()); ++day) {
    const auto& today = days[static_cast<std::size_t>(day)];
    for (std::size_t i = 0; i < today.size(); ++i) {
      std::copy_n(&h[static_cast<std::size_t>(today[i]) * H], H, &step_h[i * H]);
      std::copy_n(&c[static_cast<std::size_t>(today[i]) * H], H, &step_c[i * H]);
      for (std::int64_t e = 0; e < E; ++e) x[i * E + static_cast<std::size_t>(e)] = visit(today[i], day, e);
      auto& history = histories[static_cast<std::size_t>(today[i])];
      history.insert(history.end(), &x[i * E], &x[i * E] + E);
    }
    LstmStepForward run;
    run.x = x.data();
    run.weights = &layer;
    run.h = run.h_next = step_h.data();  // in place
    run.c = run.c_next = step_c.data();
    run.workspace = workspace.data();
    step.forward(run);
    for (std::size_t i = 0; i < today.size(); ++i) {
      std::copy_n(&step_h[i * H], H, &h[static_cast<std::size_t>(today[i]) * H]);
      std::copy_n(&step_c[i * H], H, &c[static_cast<std::size_t>(today[i]) * H]);
    }
  }

  // The same as every history at once, in double.
  std::vector<double> expected;
  for (const std::vector<float>& history : histories) {
    const auto visits = static_cast<std::int32_t>(history.size() / E);
    const std::vector<double> states = states_in_double(weights, {visits}, history);
    expected.insert(expected.end(), states.end() - H, states.end());
    std::printf("%d visits, h = [%6.3f, ...]\n", visits, static_cast<double>(expected[expected.size() - H]));
  }
  const bool right = largest_difference(h, expected) < 1e-6;
  std::printf("step by step %s all at once in double loops\n", right ? "as" : "NOT as");
  return right ? 0 : 1;
}
