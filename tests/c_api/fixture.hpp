#pragma once

// An LSTM of the C API on each backend, in f32, with everything that its runs can have.

#include <vector>

#include "tests/c_api/tensors.hpp"

namespace ragtime::test {

// An LSTM in f32 with everything that a run can have, in order.
class CApi : public CApiBackend {
 protected:
  static constexpr std::int64_t input = 3, hidden = 4, rows = 6, sequences = 3, steps = 3;

  void SetUp() override {
    CApiBackend::SetUp();
    if (IsSkipped()) return;
    const std::vector<std::int32_t> lengths = {2, 3, 1};
    ASSERT_EQ(ragtime_batch_create(opened, &batch), RAGTIME_OK);
    ASSERT_EQ(ragtime_batch_load_lengths(batch, lengths.data(), sequences, 0, nullptr), RAGTIME_OK);
    desc.struct_size = sizeof(desc);
    desc.input_size = input;
    desc.hidden_size = hidden;
    desc.algorithm = RAGTIME_LSTM_AUTOMATIC;
    desc.capacity = {sequences, rows, 0, steps};
    ASSERT_EQ(ragtime_lstm_create(opened, &desc, &lstm), RAGTIME_OK) << ragtime_last_error();
    std::size_t workspace_bytes = 0, reserve_bytes = 0;
    ASSERT_EQ(ragtime_lstm_workspace_bytes(lstm, &workspace_bytes), RAGTIME_OK);
    ASSERT_EQ(ragtime_lstm_reserve_bytes(lstm, &reserve_bytes), RAGTIME_OK);
    workspace = Buffer(backend, workspace_bytes);
    reserve = Buffer(backend, reserve_bytes);

    const auto add = [&](const std::vector<std::int64_t>& shape) { return drawn(shape); };
    weights = {add({4 * hidden, input}), add({4 * hidden, hidden}), add({4 * hidden}), add({4 * hidden}),
               nullptr};
    gradients = {add({4 * hidden, input}), add({4 * hidden, hidden}), add({4 * hidden}), add({4 * hidden}),
                 nullptr};
    const std::vector<std::int64_t> states = {1, sequences, hidden};
    forward.struct_size = sizeof(forward);
    forward.batch = batch;
    forward.x = add({rows, input});
    forward.weights = &weights;
    forward.h0 = add(states);
    forward.c0 = add(states);
    forward.y = add({rows, hidden});
    forward.h_n = add(states);
    forward.c_n = add(states);
    forward.final_state = add({sequences, hidden});
    forward.c_seq = add({rows, hidden});
    forward.workspace = workspace.data();
    forward.workspace_bytes = workspace.bytes();
    forward.reserve = reserve.data();
    forward.reserve_bytes = reserve.bytes();
    backward.struct_size = sizeof(backward);
    backward.batch = batch;
    backward.x = forward.x;
    backward.weights = &weights;
    backward.h0 = forward.h0;
    backward.c0 = forward.c0;
    backward.y = forward.y;
    backward.d_y = add({rows, hidden});
    backward.d_h_n = add(states);
    backward.d_c_n = add(states);
    backward.d_final_state = add({sequences, hidden});
    backward.d_x = add({rows, input});
    backward.d_h0 = add(states);
    backward.d_c0 = add(states);
    backward.gradients = &gradients;
    backward.workspace = workspace.data();
    backward.workspace_bytes = workspace.bytes();
    backward.reserve = reserve.data();
    backward.reserve_bytes = reserve.bytes();
  }
  void TearDown() override {
    EXPECT_EQ(ragtime_lstm_destroy(lstm), RAGTIME_OK);
    EXPECT_EQ(ragtime_batch_destroy(batch), RAGTIME_OK);
    CApiBackend::TearDown();
  }

  ragtime_status run_forward() { return ragtime_lstm_forward(lstm, &forward, nullptr); }
  ragtime_status run_backward() { return ragtime_lstm_backward(lstm, &backward, nullptr); }
  std::vector<float> y() const { return host(forward.y); }
  void poison_y() {
    const std::vector<float> values(static_cast<std::size_t>(rows * hidden), nan<float>);
    backend->copy(forward.y->data, values.data(), values.size() * sizeof(float), CopyKind::to_device);
    backend->synchronize();
  }

  ragtime_batch batch = nullptr;
  ragtime_lstm lstm = nullptr;
  ragtime_lstm_desc desc = {};
  ragtime_lstm_weights weights = {}, gradients = {};
  ragtime_lstm_forward_args forward = {};
  ragtime_lstm_backward_args backward = {};
  Buffer workspace, reserve;
};

}  // namespace ragtime::test
