// The LSTM and its single step give what nn.LSTM gives on packed sequences: outputs, last states, and the
// gradients of everything, over layers x directions x projection x bias.

#include <gtest/gtest.h>

#include "ragtime/final_state.hpp"
#include "ragtime/lstm.hpp"
#include "ragtime/lstm_step.hpp"
#include "tests/support/golden.hpp"

namespace ragtime::test {
namespace {

class GoldenLstm : public OnBackend {};
RAGTIME_TEST_ON_BACKENDS(GoldenLstm);

constexpr const char* parameter_names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"};

// The weights of all layers and directions on the device, or room for their gradients.
template <class T>
struct Parameters {
  Parameters(const std::shared_ptr<Backend>& backend, const GoldenCase& golden, const std::string& prefix,
             std::int64_t layers, std::int64_t directions) {
    for (std::int64_t layer = 0; layer < layers; ++layer)
      for (std::int64_t direction = 0; direction < directions; ++direction)
        for (const char* name : parameter_names) {
          names.push_back(prefix + name + "_l" + std::to_string(layer) + (direction == 1 ? "_reverse" : ""));
          arrays.push_back(prefix.empty() ? golden.device<T>(backend, names.back())
                                          : golden.room<T>(backend, names.back()));
        }
  }

  template <class Pointers>
  std::vector<Pointers> pointers() const {
    std::vector<Pointers> all;
    for (std::size_t i = 0; i < arrays.size(); i += 5)
      all.push_back({arrays[i].data(), arrays[i + 1].data(), arrays[i + 2].data(), arrays[i + 3].data(),
                     arrays[i + 4].data()});
    return all;
  }

  void expect(const GoldenCase& golden, double share) const {
    for (std::size_t i = 0; i < arrays.size(); ++i) golden.expect(arrays[i], names[i], share);
  }

  std::vector<std::string> names;
  std::vector<DeviceArray<T>> arrays;
};

template <class T>
LstmDesc description(const GoldenCase& golden, const Capacity& capacity) {
  LstmDesc desc;
  desc.dtype = dtype_of<T>;
  desc.input_size = golden.about<std::int64_t>("input_size");
  desc.hidden_size = golden.about<std::int64_t>("hidden_size");
  desc.num_layers = golden.about<std::int64_t>("num_layers");
  desc.bidirectional = golden.about<bool>("bidirectional");
  desc.bias = golden.about<bool>("bias");
  desc.proj_size = golden.about<std::int64_t>("proj_size");
  desc.capacity = capacity;
  return desc;
}

// [L*D, B, P] -> the last layer's [B, D*P]
template <class T>
std::vector<T> last_layer(const std::vector<T>& states, const LstmDesc& desc, std::int64_t sequences) {
  const std::int64_t directions = desc.directions(), width = desc.output_size();
  const std::int64_t first = (desc.num_layers - 1) * directions;
  std::vector<T> side_by_side;
  for (std::int64_t b = 0; b < sequences; ++b)
    for (std::int64_t d = 0; d < directions; ++d) {
      const auto row = states.begin() + ((first + d) * sequences + b) * width;
      side_by_side.insert(side_by_side.end(), row, row + width);
    }
  return side_by_side;
}

template <class T>
void check_lstm(const std::shared_ptr<Backend>& backend, const GoldenCase& golden,
                LstmAlgorithm algorithm = LstmAlgorithm::automatic, double share = tolerance<T>) {
  DeviceBatch batch(backend);
  batch.load(layout_of(golden.about<std::vector<std::int32_t>>("lengths")));
  LstmDesc desc = description<T>(golden, batch.size());
  desc.algorithm = algorithm;
  desc.tf32 = algorithm == LstmAlgorithm::persistent;
  const LstmPlan plan(backend, desc);
  const std::int64_t sequences = batch.size().sequences;

  const auto x = golden.device<T>(backend, "x");
  const auto h0 = golden.device<T>(backend, "h0"), c0 = golden.device<T>(backend, "c0");
  const Parameters<T> parameters(backend, golden, "", desc.num_layers, desc.directions());
  const auto weights = parameters.template pointers<LstmWeights>();
  const auto workspace = poisoned_workspace(backend, plan.workspace_bytes());
  const auto reserve = poisoned_workspace(backend, plan.reserve_bytes());
  const auto y = golden.room<T>(backend, "y"), c_seq = golden.room<T>(backend, "c_seq");
  const auto h_n = golden.room<T>(backend, "h_n"), c_n = golden.room<T>(backend, "c_n");
  const auto final_state =
      DeviceArray<T>::poisoned(backend, sequences * desc.directions() * desc.output_size());

  LstmForward forward;
  forward.batch = batch.view();
  forward.x = x.data();
  forward.weights = weights.data();
  forward.h0 = h0.data();
  forward.c0 = c0.data();
  forward.y = y.data();
  forward.h_n = h_n.data();
  forward.c_n = c_n.data();
  forward.final_state = final_state.data();
  forward.c_seq = c_seq.data();
  forward.workspace = workspace.data();
  forward.reserve = reserve.data();
  plan.forward(forward);
  golden.expect(y, "y", share);
  golden.expect(h_n, "h_n", share);
  golden.expect(c_n, "c_n", share);
  golden.expect(c_seq, "c_seq", share);
  const auto expected_final = last_layer(golden.values<double>("h_n"), desc, sequences);
  EXPECT_TRUE(close(final_state.host(), expected_final, share, desc.output_size()));

  const auto gathered = DeviceArray<T>::poisoned(backend, static_cast<std::int64_t>(expected_final.size()));
  FinalStatePlan(backend, {desc.dtype, desc.output_size(), desc.bidirectional, batch.size()})
      .forward(batch.view(), y.data(), gathered.data());
  EXPECT_TRUE(close(gathered.host(), expected_final, share, desc.output_size()));

  // The gradient of the last states comes in once as that of h_n alone, once with the last layer's share
  // given as that of final_state.
  const auto d_y = golden.device<T>(backend, "d_y"), d_c_n = golden.device<T>(backend, "d_c_n");
  const auto d_h_n = golden.values<T>("d_h_n");
  auto d_h_n_below = d_h_n;
  std::fill(d_h_n_below.end() - desc.directions() * sequences * desc.output_size(), d_h_n_below.end(), T(0));
  const DeviceArray<T> d_h_n_whole(backend, d_h_n), d_h_n_rest(backend, d_h_n_below);
  const DeviceArray<T> d_final(backend, last_layer(d_h_n, desc, sequences));
  for (const bool by_final_state : {false, true}) {
    SCOPED_TRACE(by_final_state ? "d_final_state" : "d_h_n");
    const auto d_x = golden.room<T>(backend, "d_x");
    const auto d_h0 = golden.room<T>(backend, "d_h0"), d_c0 = golden.room<T>(backend, "d_c0");
    const Parameters<T> d_parameters(backend, golden, "d_", desc.num_layers, desc.directions());
    const auto gradients = d_parameters.template pointers<LstmGradients>();
    LstmBackward backward;
    backward.batch = batch.view();
    backward.x = x.data();
    backward.weights = weights.data();
    backward.h0 = h0.data();
    backward.c0 = c0.data();
    backward.y = y.data();
    backward.d_y = d_y.data();
    backward.d_h_n = by_final_state ? d_h_n_rest.data() : d_h_n_whole.data();
    backward.d_c_n = d_c_n.data();
    backward.d_final_state = by_final_state ? d_final.data() : nullptr;
    backward.d_x = d_x.data();
    backward.d_h0 = d_h0.data();
    backward.d_c0 = d_c0.data();
    backward.gradients = gradients.data();
    backward.workspace = workspace.data();
    backward.reserve = reserve.data();
    plan.backward(backward);
    golden.expect(d_x, "d_x", share);
    golden.expect(d_h0, "d_h0", share);
    golden.expect(d_c0, "d_c0", share);
    d_parameters.expect(golden, share);
  }
}

template <class T>
void check_step(const std::shared_ptr<Backend>& backend, const GoldenCase& golden) {
  LstmStepDesc desc;
  desc.dtype = dtype_of<T>;
  desc.input_size = golden.about<std::int64_t>("input_size");
  desc.hidden_size = golden.about<std::int64_t>("hidden_size");
  desc.num_layers = golden.about<std::int64_t>("num_layers");
  desc.bias = golden.about<bool>("bias");
  desc.proj_size = golden.about<std::int64_t>("proj_size");
  desc.training = true;
  desc.sequences = golden.about<std::int64_t>("sequences");
  const LstmStepPlan plan(backend, desc);

  const auto x = golden.device<T>(backend, "x"), h = golden.device<T>(backend, "h"),
             c = golden.device<T>(backend, "c");
  const Parameters<T> parameters(backend, golden, "", desc.num_layers, 1);
  const auto weights = parameters.template pointers<LstmWeights>();
  const auto workspace = poisoned_workspace(backend, plan.workspace_bytes());
  const auto reserve = poisoned_workspace(backend, plan.reserve_bytes());
  const auto h_next = golden.room<T>(backend, "h_next"), c_next = golden.room<T>(backend, "c_next");
  plan.forward({x.data(), weights.data(), h.data(), c.data(), h_next.data(), c_next.data(), workspace.data(),
                reserve.data()});
  golden.expect(h_next, "h_next");
  golden.expect(c_next, "c_next");

  const auto d_h_next = golden.device<T>(backend, "d_h_next"),
             d_c_next = golden.device<T>(backend, "d_c_next");
  const auto d_x = golden.room<T>(backend, "d_x"), d_h = golden.room<T>(backend, "d_h"),
             d_c = golden.room<T>(backend, "d_c");
  const Parameters<T> d_parameters(backend, golden, "d_", desc.num_layers, 1);
  const auto gradients = d_parameters.template pointers<LstmGradients>();
  LstmStepBackward backward;
  backward.x = x.data();
  backward.weights = weights.data();
  backward.h = h.data();
  backward.c = c.data();
  backward.d_h_next = d_h_next.data();
  backward.d_c_next = d_c_next.data();
  backward.d_x = d_x.data();
  backward.d_h = d_h.data();
  backward.d_c = d_c.data();
  backward.gradients = gradients.data();
  backward.workspace = workspace.data();
  backward.reserve = reserve.data();
  plan.backward(backward);
  golden.expect(d_x, "d_x");
  golden.expect(d_h, "d_h");
  golden.expect(d_c, "d_c");
  d_parameters.expect(golden, tolerance<T>);
}

TEST_P(GoldenLstm, Double) {
  RAGTIME_NEEDS_DOUBLE();
  for_each_golden("lstm", [&](const GoldenCase& golden) { check_lstm<double>(backend, golden); });
}
TEST_P(GoldenLstm, Float) {
  for_each_golden("lstm", [&](const GoldenCase& golden) { check_lstm<float>(backend, golden); });
}
// In tf32, which may be off by 2^-11 for each of two factors, and twice that in gradients.
TEST_P(GoldenLstm, Persistent) {
  if (backend->device() == DeviceType::cpu) GTEST_SKIP() << "the cpu backend has an algorithm of its own";
  for_each_golden("lstm", [&](const GoldenCase& golden) {
    if (golden.about<std::int64_t>("proj_size") == 0)
      check_lstm<float>(backend, golden, LstmAlgorithm::persistent, 0x1p-8);
  });
}
TEST_P(GoldenLstm, StepDouble) {
  RAGTIME_NEEDS_DOUBLE();
  for_each_golden("lstm_step", [&](const GoldenCase& golden) { check_step<double>(backend, golden); });
}
TEST_P(GoldenLstm, StepFloat) {
  for_each_golden("lstm_step", [&](const GoldenCase& golden) { check_step<float>(backend, golden); });
}

}  // namespace
}  // namespace ragtime::test
