// The C API's operations beside the LSTM: each gives the bits of the C++ plan it stands for (which is held
// against references of its own elsewhere), refuses every tensor that is wrong in any way, and every null and
// dead handle.

#include "tests/c_api/operations.hpp"
#include "ragtime/final_state.hpp"
#include "ragtime/layout.hpp"
#include "ragtime/lstm_step.hpp"

namespace ragtime::test {
namespace {

TEST_P(CApiOperations, FinalState) {
  auto desc = sized<ragtime_final_state_desc>();
  desc.width = 4;
  desc.bidirectional = 1;
  desc.capacity = capacity;
  expect_handles_are_found_out<ragtime_final_state, ragtime_final_state_desc>(
      {ragtime_final_state_create, ragtime_final_state_destroy, nullptr, nullptr}, desc, "final_state");
  ragtime_final_state gather = nullptr;
  EXPECT_DONE(ragtime_final_state_create(opened, &desc, &gather));
  const ragtime_tensor *y = drawn({rows, 8}), *out = poisoned({sequences, 8}), *d_y = drawn({rows, 8});
  const auto before = host(d_y);
  EXPECT_DONE(ragtime_final_state_forward(gather, batch, y, out, nullptr, nullptr));
  EXPECT_DONE(ragtime_final_state_backward(gather, batch, out, d_y, 1, nullptr, nullptr));

  const FinalStatePlan plan(backend, {DType::f32, 4, true, room});
  const DeviceArray<float> expected(backend, std::vector<float>(sequences * 8)), d_expected(backend, before);
  plan.forward(own->view(), y->data, expected.data());
  plan.backward(own->view(), expected.data(), d_expected.data(), true);
  EXPECT_TRUE(same_bits(host(out), expected.host()));
  EXPECT_TRUE(same_bits(host(d_y), d_expected.host()));

  const auto run = [&] { return ragtime_final_state_forward(gather, batch, y, out, nullptr, nullptr); };
  expect_refused_when_spoilt(*backend, {{&y, "y", Place::or_more}, {&out, "out", Place::or_more}}, run);
  const ragtime_tensor* d_out = out;
  const auto back = [&] {
    return ragtime_final_state_backward(gather, batch, d_out, d_y, 0, nullptr, nullptr);
  };
  expect_refused_when_spoilt(*backend, {{&d_out, "d_out", Place::or_more}, {&d_y, "d_y", Place::or_more}},
                             back);
  EXPECT_REFUSED(ragtime_final_state_forward(nullptr, batch, y, out, nullptr, nullptr), invalid,
                 "final_state is null");
  EXPECT_REFUSED(ragtime_final_state_forward(gather, nullptr, y, out, nullptr, nullptr), invalid,
                 "batch is null");
  EXPECT_REFUSED(ragtime_final_state_forward(gather, batch, nullptr, out, nullptr, nullptr), invalid,
                 "y is null");
  EXPECT_REFUSED(ragtime_final_state_forward(gather, batch, y, nullptr, nullptr, nullptr), invalid,
                 "out is null");
  EXPECT_REFUSED(ragtime_final_state_backward(nullptr, batch, out, d_y, 0, nullptr, nullptr), invalid,
                 "final_state is null");
  EXPECT_REFUSED(ragtime_final_state_backward(gather, batch, nullptr, d_y, 0, nullptr, nullptr), invalid,
                 "d_out is null");
  EXPECT_REFUSED(ragtime_final_state_backward(gather, batch, out, nullptr, 0, nullptr, nullptr), invalid,
                 "d_y is null");
  EXPECT_REFUSED(ragtime_final_state_backward(gather, batch, out, d_y, 2, nullptr, nullptr), invalid,
                 "accumulate is 2");
  EXPECT_DONE(ragtime_final_state_destroy(gather));
}

TEST_P(CApiOperations, Layout) {
  auto desc = sized<ragtime_layout_desc>();
  desc.from = RAGTIME_PADDED;
  desc.to = RAGTIME_PACKED;
  desc.width = 2;
  desc.padded_steps = steps + 1;
  desc.capacity = capacity;
  expect_handles_are_found_out<ragtime_layout, ragtime_layout_desc>(
      {ragtime_layout_create, ragtime_layout_destroy, nullptr, nullptr}, desc, "layout");
  ragtime_layout conversion = nullptr;
  EXPECT_DONE(ragtime_layout_create(opened, &desc, &conversion));
  const ragtime_tensor *from = drawn({sequences, steps + 1, 2}), *to = poisoned({rows, 2}),
                       *d_from = poisoned({sequences, steps + 1, 2});
  EXPECT_DONE(ragtime_layout_forward(conversion, batch, from, to, nullptr, nullptr));
  EXPECT_DONE(ragtime_layout_backward(conversion, batch, to, d_from, nullptr, nullptr));
  // In `order` 1, 0, 2: of every step the rows that are alive; and back, with zeros for padding.
  const auto padded = host(from), packed = host(to), back = host(d_from);
  const std::vector<std::pair<int, int>> places = {{1, 0}, {0, 0}, {2, 0}, {1, 1}, {0, 1}, {1, 2}};
  std::vector<float> zeros(padded.size());
  for (std::size_t row = 0; row < places.size(); ++row)
    for (std::size_t k = 0; k < 2; ++k) {
      const std::size_t at =
          static_cast<std::size_t>(places[row].first * (steps + 1) + places[row].second) * 2 + k;
      EXPECT_EQ(packed[row * 2 + k], padded[at]);
      zeros[at] = padded[at];
    }
  EXPECT_EQ(back, zeros);

  const auto run = [&] { return ragtime_layout_forward(conversion, batch, from, to, nullptr, nullptr); };
  expect_refused_when_spoilt(*backend, {{&from, "from", Place::or_more}, {&to, "to", Place::or_more}}, run);
  const auto run_back = [&] {
    return ragtime_layout_backward(conversion, batch, to, d_from, nullptr, nullptr);
  };
  expect_refused_when_spoilt(*backend, {{&to, "d_to", Place::or_more}, {&d_from, "d_from", Place::or_more}},
                             run_back);
  EXPECT_REFUSED(ragtime_layout_forward(nullptr, batch, from, to, nullptr, nullptr), invalid,
                 "layout is null");
  EXPECT_REFUSED(ragtime_layout_forward(conversion, nullptr, from, to, nullptr, nullptr), invalid,
                 "batch is null");
  EXPECT_REFUSED(ragtime_layout_forward(conversion, batch, nullptr, to, nullptr, nullptr), invalid,
                 "from is null");
  EXPECT_REFUSED(ragtime_layout_forward(conversion, batch, from, nullptr, nullptr, nullptr), invalid,
                 "to is null");
  EXPECT_REFUSED(ragtime_layout_backward(nullptr, batch, to, d_from, nullptr, nullptr), invalid,
                 "layout is null");
  EXPECT_REFUSED(ragtime_layout_backward(conversion, batch, nullptr, d_from, nullptr, nullptr), invalid,
                 "d_to is null");
  EXPECT_REFUSED(ragtime_layout_backward(conversion, batch, to, nullptr, nullptr, nullptr), invalid,
                 "d_from is null");
  EXPECT_DONE(ragtime_layout_destroy(conversion));

  ragtime_layout made = nullptr;
  const auto refused = [&](auto change, const char* text) {
    ragtime_layout_desc bad = desc;
    change(bad);
    EXPECT_REFUSED(ragtime_layout_create(opened, &bad, &made), invalid, text);
  };
  refused([](auto& bad) { bad.to = bad.from; }, "from and to are both padded");
  refused([](auto& bad) { bad.to = static_cast<ragtime_layout_kind>(3); }, "desc.to is 3");
  refused([](auto& bad) { bad.padded_steps = 1; }, "padded_steps is 1");
  refused([](auto& bad) { bad.width = 0; }, "width is 0");
  refused([](auto& bad) { bad.capacity.rows = -1; }, "capacity.rows is -1");
}

TEST_P(CApiOperations, LstmStep) {
  constexpr std::int64_t input = 3, hidden = 4, layers = 2;
  auto desc = sized<ragtime_lstm_step_desc>();
  desc.training = 1;
  desc.sequences = sequences;
  desc.input_size = input;
  desc.hidden_size = hidden;
  desc.num_layers = layers;
  expect_handles_are_found_out<ragtime_lstm_step, ragtime_lstm_step_desc>(
      {ragtime_lstm_step_create, ragtime_lstm_step_destroy, ragtime_lstm_step_workspace_bytes,
       ragtime_lstm_step_reserve_bytes},
      desc, "step");
  ragtime_lstm_step step = nullptr;
  EXPECT_DONE(ragtime_lstm_step_create(opened, &desc, &step));
  auto forward = sized<ragtime_lstm_step_forward_args>();
  auto backward = sized<ragtime_lstm_step_backward_args>();
  ragtime_lstm_weights weights[layers] = {}, gradients[layers] = {};
  LstmWeights own_weights[layers];
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const std::int64_t in = layer == 0 ? input : hidden;
    weights[layer] = {drawn({4 * hidden, in}), drawn({4 * hidden, hidden}), drawn({4 * hidden}),
                      drawn({4 * hidden}), nullptr};
    gradients[layer] = {poisoned({4 * hidden, in}), poisoned({4 * hidden, hidden}), poisoned({4 * hidden}),
                        poisoned({4 * hidden}), nullptr};
    own_weights[layer].weight_ih = weights[layer].weight_ih->data;
    own_weights[layer].weight_hh = weights[layer].weight_hh->data;
    own_weights[layer].bias_ih = weights[layer].bias_ih->data;
    own_weights[layer].bias_hh = weights[layer].bias_hh->data;
  }
  const std::vector<std::int64_t> states = {layers, sequences, hidden};
  forward.x = backward.x = drawn({sequences, input});
  forward.weights = backward.weights = weights;
  forward.h = backward.h = drawn(states);
  forward.c = backward.c = drawn(states);
  forward.h_next = poisoned(states);
  forward.c_next = poisoned(states);
  backward.d_h_next = drawn(states);
  backward.d_c_next = drawn(states);
  backward.d_x = poisoned({sequences, input});
  backward.d_h = poisoned(states);
  backward.d_c = poisoned(states);
  backward.gradients = gradients;
  EXPECT_DONE(ragtime_lstm_step_workspace_bytes(step, &forward.workspace_bytes));
  EXPECT_DONE(ragtime_lstm_step_reserve_bytes(step, &forward.reserve_bytes));
  backward.workspace_bytes = forward.workspace_bytes;
  backward.reserve_bytes = forward.reserve_bytes;
  forward.workspace = backward.workspace = space(forward.workspace_bytes);
  forward.reserve = space(forward.reserve_bytes);
  backward.reserve = forward.reserve;
  const auto run = [&] { return ragtime_lstm_step_forward(step, &forward, nullptr); };
  const auto run_back = [&] { return ragtime_lstm_step_backward(step, &backward, nullptr); };
  EXPECT_DONE(run());
  EXPECT_DONE(run_back());

  LstmStepDesc own_desc;
  own_desc.input_size = input;
  own_desc.hidden_size = hidden;
  own_desc.num_layers = layers;
  own_desc.training = true;
  own_desc.sequences = sequences;
  const LstmStepPlan plan(backend, own_desc);
  const auto workspace = poisoned_workspace(backend, plan.workspace_bytes()),
             reserve = poisoned_workspace(backend, plan.reserve_bytes());
  const std::int64_t count = layers * sequences * hidden;
  const auto h = DeviceArray<float>::poisoned(backend, count),
             c = DeviceArray<float>::poisoned(backend, count),
             d_h = DeviceArray<float>::poisoned(backend, count),
             d_c = DeviceArray<float>::poisoned(backend, count),
             d_x = DeviceArray<float>::poisoned(backend, sequences * input),
             d_weight = DeviceArray<float>::poisoned(backend, 4 * hidden * hidden);
  LstmStepForward own_forward;
  own_forward.x = forward.x->data;
  own_forward.weights = own_weights;
  own_forward.h = forward.h->data;
  own_forward.c = forward.c->data;
  own_forward.h_next = h.data();
  own_forward.c_next = c.data();
  own_forward.workspace = workspace.data();
  own_forward.reserve = reserve.data();
  plan.forward(own_forward);
  LstmGradients own_gradients[layers];
  own_gradients[1].weight_ih = d_weight.data();
  LstmStepBackward own_backward;
  own_backward.x = forward.x->data;
  own_backward.weights = own_weights;
  own_backward.h = forward.h->data;
  own_backward.c = forward.c->data;
  own_backward.d_h_next = backward.d_h_next->data;
  own_backward.d_c_next = backward.d_c_next->data;
  own_backward.d_x = d_x.data();
  own_backward.d_h = d_h.data();
  own_backward.d_c = d_c.data();
  own_backward.gradients = own_gradients;
  own_backward.workspace = workspace.data();
  own_backward.reserve = reserve.data();
  plan.backward(own_backward);
  EXPECT_TRUE(same_bits(host(forward.h_next), h.host()));
  EXPECT_TRUE(same_bits(host(forward.c_next), c.host()));
  EXPECT_TRUE(same_bits(host(backward.d_x), d_x.host()));
  EXPECT_TRUE(same_bits(host(backward.d_h), d_h.host()));
  EXPECT_TRUE(same_bits(host(backward.d_c), d_c.host()));
  EXPECT_TRUE(same_bits(host(gradients[1].weight_ih), d_weight.host()));

  expect_refused_when_spoilt(*backend,
                             {{&forward.x, "args.x"},
                              {&forward.h, "args.h"},
                              {&forward.c, "args.c"},
                              {&forward.h_next, "args.h_next"},
                              {&forward.c_next, "args.c_next"},
                              {&weights[1].weight_ih, "args.weights[1].weight_ih"},
                              {&weights[1].bias_hh, "args.weights[1].bias_hh"}},
                             run);
  expect_refused_when_spoilt(*backend,
                             {{&backward.x, "args.x"},
                              {&backward.h, "args.h"},
                              {&backward.c, "args.c"},
                              {&backward.d_h_next, "args.d_h_next"},
                              {&backward.d_c_next, "args.d_c_next"},
                              {&backward.d_x, "args.d_x"},
                              {&backward.d_h, "args.d_h"},
                              {&backward.d_c, "args.d_c"},
                              {&gradients[0].weight_hh, "args.gradients[0].weight_hh"}},
                             run_back);
  EXPECT_REFUSED(ragtime_lstm_step_forward(nullptr, &forward, nullptr), invalid, "step is null");
  EXPECT_REFUSED(ragtime_lstm_step_forward(step, nullptr, nullptr), invalid, "args is null");
  EXPECT_REFUSED(ragtime_lstm_step_backward(nullptr, &backward, nullptr), invalid, "step is null");
  EXPECT_REFUSED(ragtime_lstm_step_backward(step, nullptr, nullptr), invalid, "args is null");
  forward.workspace_bytes -= 1;
  EXPECT_REFUSED(run(), beyond, "args.workspace_bytes is ");
  forward.workspace_bytes += 1;
  backward.reserve_bytes -= 1;
  EXPECT_REFUSED(run_back(), beyond, "args.reserve_bytes is ");
  forward.reserve = nullptr;
  EXPECT_REFUSED(run(), invalid, "args.reserve is null");
  EXPECT_DONE(ragtime_lstm_step_destroy(step));

  desc.training = 0;
  EXPECT_DONE(ragtime_lstm_step_create(opened, &desc, &step));
  EXPECT_DONE(ragtime_lstm_step_workspace_bytes(step, &backward.workspace_bytes));
  backward.workspace = space(backward.workspace_bytes);
  EXPECT_REFUSED(run_back(), RAGTIME_UNSUPPORTED, "training");
  EXPECT_DONE(ragtime_lstm_step_destroy(step));
  desc.sequences = 0;
  EXPECT_REFUSED(ragtime_lstm_step_create(opened, &desc, &step), invalid, "sequences is 0");
}

}  // namespace
}  // namespace ragtime::test
