#pragma once

// Runs an LSTM problem on a backend, with every byte poisoned that the library is to write or is not to read:
// outputs, workspace, reserve, and a tail behind each array that must come back as it was.

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "ragtime/lstm.hpp"
#include "tests/ops/lstm/problems.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {

// Elements that a run may use, and a poisoned tail that it may not.
template <class T>
class Guarded {
 public:
  Guarded() = default;
  // A run reads these; none: null.
  Guarded(const std::shared_ptr<Backend>& backend, const Values& values) : size_(values.size()) {
    if (values.empty()) return;
    std::vector<T> all = cast<T>(values);
    all.resize(size_ + tail, poison());
    array_ = DeviceArray<T>(backend, all);
  }
  // A run writes these.
  static Guarded room(const std::shared_ptr<Backend>& backend, std::int64_t count) {
    Guarded guarded;
    guarded.size_ = static_cast<std::size_t>(count);
    guarded.array_ = DeviceArray<T>::poisoned(backend, count + static_cast<std::int64_t>(tail));
    return guarded;
  }

  T* data() const { return array_.data(); }
  std::vector<T> host() const {
    if (array_.data() == nullptr) return {};
    std::vector<T> all = array_.host();
    const std::vector<T> untouched(tail, poison());
    EXPECT_EQ(std::memcmp(all.data() + size_, untouched.data(), tail * sizeof(T)), 0)
        << "something was written behind the " << size_ << " elements of an array";
    all.resize(size_);
    return all;
  }

 private:
  static constexpr std::size_t tail = 40;
  static T poison() {
    T value;
    std::memset(static_cast<void*>(&value), 0xFF, sizeof(T));
    return value;
  }

  DeviceArray<T> array_;
  std::size_t size_ = 0;
};

struct LstmOptions {
  bool training = true;
  LstmAlgorithm algorithm = LstmAlgorithm::automatic;
  bool save_gates = true;
  bool tf32 = false;
  int cluster = 0, slots = 0;
  bool rows_on_host = true;     // the batch comes with the host's copies of its counts
  bool only_on_host = false;    // LstmDesc::rows_on_host, the plan relies on that
  Capacity slack;               // of the plan, beyond the batch
  std::vector<double> presets;  // one a weight gradient in turn: what it holds before it is added to
  std::uint8_t memory = 0xFF;   // workspace and reserve hold this in every byte
};

template <class T>
struct LstmOutputs {
  std::vector<T> y, h_n, c_n, final_state, c_seq;
  std::vector<T> d_x, d_h0, d_c0;
  std::vector<std::vector<T>> gradients;  // [L*D * 5], empty where the problem has no such weight
};

inline LstmDesc description(const LstmProblem& problem, DType dtype, const Capacity& capacity) {
  LstmDesc desc;
  desc.dtype = dtype;
  desc.input_size = problem.input;
  desc.hidden_size = problem.hidden;
  desc.num_layers = problem.layers;
  desc.bidirectional = problem.directions == 2;
  desc.bias = problem.bias;
  desc.proj_size = problem.projection;
  desc.dropout = problem.dropout;
  desc.capacity = capacity;
  return desc;
}

// The five of each layer and direction as the pointers that the library takes.
template <class Pointers, class T>
std::vector<Pointers> weight_pointers(const std::vector<Guarded<T>>& arrays) {
  std::vector<Pointers> pointers;
  for (std::size_t i = 0; i < arrays.size(); i += 5)
    pointers.push_back({arrays[i].data(), arrays[i + 1].data(), arrays[i + 2].data(), arrays[i + 3].data(),
                        arrays[i + 4].data()});
  return pointers;
}

// A plan, its memory and its arguments, for a test to change before it runs them.
template <class T>
struct LstmRun {
  LstmRun(const std::shared_ptr<Backend>& backend, const LstmProblem& problem, const LstmLoss& loss = {},
          const LstmOptions& options = {})
      : batch(backend),
        plan(backend, load(problem, options)),
        workspace(backend, std::vector<std::uint8_t>(plan.workspace_bytes(), options.memory)),
        other_workspace(backend, std::vector<std::uint8_t>(plan.workspace_bytes(), options.memory)),
        reserve(backend, std::vector<std::uint8_t>(plan.reserve_bytes(), options.memory)),
        step(backend, std::vector<std::uint64_t>{problem.step}) {
    const std::int64_t rows = problem.rows(), sequences = problem.sequences();
    const std::int64_t slots = problem.layers * problem.directions, width = problem.width();
    const auto given = [&](Guarded<T>& array, const Values& values) {
      array = Guarded<T>(backend, values);
      return array.data();
    };
    const auto room = [&](Guarded<T>& array, std::int64_t count) {
      array = Guarded<T>::room(backend, count);
      return array.data();
    };
    for (std::size_t slot = 0; slot < problem.weights.size(); ++slot)
      for (const Values& values : problem.weights[slot]) {
        const std::size_t index = weights.size();
        weights.emplace_back(backend, values);
        gradients.push_back(
            values.empty() ? Guarded<T>()
            : options.presets.empty()
                ? Guarded<T>::room(backend, static_cast<std::int64_t>(values.size()))
                : Guarded<T>(backend,
                             Values(values.size(), options.presets[index % options.presets.size()])));
      }
    weight_table = weight_pointers<LstmWeights>(weights);
    gradient_table = weight_pointers<LstmGradients>(gradients);

    forward.batch = batch.view();
    if (!options.rows_on_host) forward.batch.host_counts = forward.batch.host_batch_sizes = nullptr;
    forward.x = given(x, problem.x);
    forward.weights = weight_table.data();
    forward.h0 = given(h0, problem.h0);
    forward.c0 = given(c0, problem.c0);
    forward.y = room(y, rows * problem.directions * width);
    forward.h_n = room(h_n, slots * sequences * width);
    forward.c_n = room(c_n, slots * sequences * problem.hidden);
    forward.final_state = room(final_state, sequences * problem.directions * width);
    forward.c_seq = room(c_seq, rows * problem.directions * problem.hidden);
    forward.dropout = {problem.seed, step.data(), problem.site};
    forward.workspace = workspace.data();
    forward.reserve = reserve.data();
    if (forward.x == nullptr) forward.x = room(x, 0);

    backward.batch = forward.batch;
    backward.x = forward.x;
    backward.weights = forward.weights;
    backward.h0 = forward.h0;
    backward.c0 = forward.c0;
    backward.y = forward.y;
    backward.d_y = given(d_y, loss.d_y);
    backward.d_h_n = given(d_h_n, loss.d_h_n);
    backward.d_c_n = given(d_c_n, loss.d_c_n);
    backward.d_final_state = given(d_final_state, loss.d_final_state);
    backward.d_x = room(d_x, rows * problem.input);
    backward.d_h0 = room(d_h0, slots * sequences * width);
    backward.d_c0 = room(d_c0, slots * sequences * problem.hidden);
    backward.gradients = gradient_table.data();
    backward.accumulate = !options.presets.empty();
    backward.dropout = forward.dropout;
    backward.workspace = other_workspace.data();  // nothing lives on in the first one
    backward.reserve = reserve.data();
  }
  LstmRun(const LstmRun&) = delete;
  LstmRun& operator=(const LstmRun&) = delete;

  LstmOutputs<T> outputs() const {
    LstmOutputs<T> outputs{y.host(),    h_n.host(),  c_n.host(), final_state.host(), c_seq.host(), d_x.host(),
                           d_h0.host(), d_c0.host(), {}};
    for (const auto& gradient : gradients) outputs.gradients.push_back(gradient.host());
    return outputs;
  }

  LstmDesc load(const LstmProblem& problem, const LstmOptions& options) {
    RaggedBatch ragged;
    ragged.layout = layout_of(problem.lengths);
    ragged.code_offsets.assign(static_cast<std::size_t>(problem.rows() + 1), 0);
    ragged.sequence_ids = problem.ids;
    batch.load(ragged);
    Capacity capacity = batch.size();
    capacity.sequences += options.slack.sequences;
    capacity.rows += options.slack.rows;
    capacity.steps += options.slack.steps;
    LstmDesc desc = description(problem, dtype_of<T>, capacity);
    desc.training = options.training;
    desc.algorithm = options.algorithm;
    desc.save_gates = options.save_gates;
    desc.tf32 = options.tf32;
    desc.cluster = options.cluster;
    desc.slots = options.slots;
    desc.rows_on_host = options.only_on_host;
    return desc;
  }

  DeviceBatch batch;
  LstmPlan plan;
  LstmForward forward;
  LstmBackward backward;
  std::vector<LstmWeights> weight_table;
  std::vector<LstmGradients> gradient_table;
  DeviceArray<std::uint8_t> workspace, other_workspace, reserve;
  DeviceArray<std::uint64_t> step;
  std::vector<Guarded<T>> weights, gradients;
  Guarded<T> x, h0, c0, y, h_n, c_n, final_state, c_seq;
  Guarded<T> d_y, d_h_n, d_c_n, d_final_state, d_x, d_h0, d_c0;
};

// Forward, and with a loss backward.
template <class T>
LstmOutputs<T> run_lstm(const std::shared_ptr<Backend>& backend, const LstmProblem& problem,
                        const LstmLoss* loss = nullptr, const LstmOptions& options = {}) {
  LstmRun<T> run(backend, problem, loss == nullptr ? LstmLoss{} : *loss, options);
  run.plan.forward(run.forward);
  if (loss != nullptr) run.plan.backward(run.backward);
  return run.outputs();
}

template <class T>
void expect_same_bits(const LstmOutputs<T>& a, const LstmOutputs<T>& b) {
  EXPECT_TRUE(same_bits(a.y, b.y));
  EXPECT_TRUE(same_bits(a.h_n, b.h_n));
  EXPECT_TRUE(same_bits(a.c_n, b.c_n));
  EXPECT_TRUE(same_bits(a.final_state, b.final_state));
  EXPECT_TRUE(same_bits(a.c_seq, b.c_seq));
  EXPECT_TRUE(same_bits(a.d_x, b.d_x));
  EXPECT_TRUE(same_bits(a.d_h0, b.d_h0));
  EXPECT_TRUE(same_bits(a.d_c0, b.d_c0));
  ASSERT_EQ(a.gradients.size(), b.gradients.size());
  for (std::size_t i = 0; i < a.gradients.size(); ++i)
    EXPECT_TRUE(same_bits(a.gradients[i], b.gradients[i])) << "weight " << i;
}

}  // namespace ragtime::test
