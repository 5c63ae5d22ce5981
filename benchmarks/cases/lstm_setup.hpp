#pragma once

// An LSTM over a workload: numbers, what they cost, and what is right. y and d_x on a share of the sequences,
// by the cpu backend: what a sequence gets depends on no other, so a share of them can be run alone.
// Gradients of weights are sums over all sequences: by the cpu backend where that takes seconds, else by
// stepwise in f32 on the device itself. A case of the cpu backend is held against double.

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "benchmarks/cases/latest.hpp"
#include "benchmarks/cases/problem.hpp"
#include "benchmarks/cases/tensor.hpp"
#include "benchmarks/cases/workloads.hpp"
#include "benchmarks/measure/measure.hpp"
#include "ragtime/lstm.hpp"

namespace ragtime::benchmarks {

// Device or host arrays of a stack of layers, and the pointers into them.
template <class Arrays, class Pointers>
struct LstmStack {
  std::vector<Arrays> arrays;  // four a layer
  std::vector<Pointers> pointers() const {
    std::vector<Pointers> all;
    const auto at = [&](std::size_t i) {
      return const_cast<void*>(static_cast<const void*>(arrays[i].data()));
    };
    for (std::size_t i = 0; i < arrays.size(); i += 4)
      all.push_back({at(i), at(i + 1), at(i + 2), at(i + 3), nullptr});
    return all;
  }
};

inline LstmStack<Tensor, LstmWeights> upload_weights(
    const std::shared_ptr<Backend>& backend, const LstmStack<std::vector<float>, LstmWeights>& weights,
    DType dtype) {
  LstmStack<Tensor, LstmWeights> uploaded;
  for (const auto& array : weights.arrays) uploaded.arrays.emplace_back(backend, array, dtype);
  return uploaded;
}

inline LstmDesc lstm_desc(const ModelSize& size, const Precision& precision, const Capacity& capacity,
                          bool training) {
  LstmDesc desc;
  desc.dtype = precision.dtype;
  desc.tf32 = precision.tf32;
  desc.input_size = size.input;
  desc.hidden_size = size.hidden;
  desc.num_layers = size.layers;
  desc.training = training;
  desc.capacity = capacity;
  return desc;
}

inline Capacity capacity_of(const RaggedLayout& layout) {
  return {layout.sequences(), layout.rows(), 0, layout.steps()};
}

class LstmSetup {
 public:
  // reference: the type of what the cpu backend computes.
  LstmSetup(const Workload& workload, const ModelSize& size, const Precision& precision, DType reference)
      : size_(size),
        precision_(precision),
        reference_(reference),
        layout_(RaggedLayout::from_lengths(workload.lengths)) {
    for (std::int64_t layer = 0; layer < size.layers; ++layer)
      for (const std::int64_t count : counts(layer))
        weights_.arrays.push_back(values(count, static_cast<std::uint32_t>(weights_.arrays.size()),
                                         1.0f / std::sqrt(static_cast<float>(size.hidden))));
    x_ = values(rows() * size.input, 100, 1);
    d_y_ = values(rows() * size.hidden, 101, 1);
    choose_share();
    expected_ = compute(make_backend("cpu"), share_, false);
  }

  const RaggedLayout& layout() const { return layout_; }
  const ModelSize& size() const { return size_; }
  const Precision& precision() const { return precision_; }
  std::int64_t rows() const { return layout_.rows(); }
  const LstmStack<std::vector<float>, LstmWeights>& weights() const { return weights_; }
  const std::vector<float>& x() const { return x_; }
  const std::vector<float>& d_y() const { return d_y_; }

  // In ragged rows; d_x may be empty.
  void verify(const std::vector<float>& y, const std::vector<float>& d_x) const {
    expect_close(rows_of(share_, y, size_.hidden), expected_.y, precision_.tolerance, "y");
    if (!d_x.empty())
      expect_close(rows_of(share_, d_x, size_.input), expected_.d_x, precision_.tolerance, "d_x");
  }
  // All that there are, as they are in weights(). backend: what the case runs on.
  void verify_gradients(const std::shared_ptr<Backend>& backend,
                        const LstmStack<Tensor, LstmGradients>& gradients) const {
    if (expected_gradients_.empty()) {
      std::vector<std::int32_t> all(static_cast<std::size_t>(layout_.sequences()));
      std::iota(all.begin(), all.end(), 0);
      constexpr double seconds_of_a_cpu = 5e11;
      const double flops = 6.0 * static_cast<double>(rows()) * static_cast<double>(weight_count());
      expected_gradients_ =
          compute(flops > seconds_of_a_cpu ? backend : make_backend("cpu"), all, true).gradients;
    }
    constexpr const char* names[] = {"weight_ih_l", "weight_hh_l", "bias_ih_l", "bias_hh_l"};
    for (std::size_t i = 0; i < expected_gradients_.size(); ++i)
      expect_close(gradients.arrays.at(i).host(), expected_gradients_[i], precision_.tolerance,
                   std::string("the gradient of ") + names[i % 4] + std::to_string(i / 4));
  }

  std::vector<std::int64_t> counts(std::int64_t layer) const {
    const std::int64_t gates = 4 * size_.hidden, input = layer == 0 ? size_.input : size_.hidden;
    return {gates * input, gates * size_.hidden, gates, gates};
  }
  std::int64_t weight_count() const {
    std::int64_t count = 0;
    for (const auto& array : weights_.arrays) count += static_cast<std::int64_t>(array.size());
    return count;
  }
  LstmDesc desc(bool training) const { return lstm_desc(size_, precision_, capacity_of(layout_), training); }

 private:
  struct Results {
    std::vector<float> y, d_x;
    std::vector<std::vector<float>> gradients;
  };

  std::vector<float> values(std::int64_t count, std::uint32_t stream, float scale) const {
    return rounded(random_values(count, stream, 2 * scale), precision_.dtype);
  }

  // The first, the last, one between, and more until there are 100 rows: but not more than 1,500.
  void choose_share() {
    const std::int32_t last = layout_.sequences() - 1;
    std::int64_t rows = 0;
    for (const std::int32_t b : {0, last, last / 2, last / 3, last / 5, last / 7, last / 11}) {
      if (std::find(share_.begin(), share_.end(), b) != share_.end()) continue;
      if (rows >= 100 || (rows > 0 && rows + layout_.length(b) > 1'500)) break;
      share_.push_back(b);
      rows += layout_.length(b);
    }
  }

  std::vector<float> rows_of(const std::vector<std::int32_t>& sequences, const std::vector<float>& all,
                             std::int64_t width) const {
    std::vector<float> rows;
    for (const std::int32_t b : sequences)
      rows.insert(rows.end(), all.begin() + layout_.visit_offsets[static_cast<std::size_t>(b)] * width,
                  all.begin() + layout_.visit_offsets[static_cast<std::size_t>(b) + 1] * width);
    return rows;
  }

  Results compute(const std::shared_ptr<Backend>& backend, const std::vector<std::int32_t>& sequences,
                  bool with_gradients) const {
    std::vector<std::int32_t> lengths;
    for (const std::int32_t b : sequences) lengths.push_back(layout_.length(b));
    DeviceBatch batch(backend);
    batch.load(RaggedLayout::from_lengths(lengths));
    LstmDesc desc = lstm_desc(size_, precisions().front(), batch.size(), true);
    const DType dtype = backend->device() == DeviceType::cpu ? reference_ : DType::f32;
    desc.dtype = dtype;
    if (backend->device() == DeviceType::cuda) desc.algorithm = LstmAlgorithm::stepwise;
    const LstmPlan plan(backend, desc);
    const Buffer workspace(backend, plan.workspace_bytes()), reserve(backend, plan.reserve_bytes());
    const Tensor x(backend, rows_of(sequences, x_, size_.input), dtype),
        d_y(backend, rows_of(sequences, d_y_, size_.hidden), dtype), y(backend, d_y.count(), dtype),
        d_x(backend, x.count(), dtype);
    LstmStack<Tensor, LstmWeights> weights;
    LstmStack<Tensor, LstmGradients> gradients;
    for (const auto& array : weights_.arrays) {
      weights.arrays.emplace_back(backend, array, dtype);
      if (with_gradients)
        gradients.arrays.emplace_back(backend, static_cast<std::int64_t>(array.size()), dtype);
    }
    const auto weight_pointers = weights.pointers();
    const auto gradient_pointers = gradients.pointers();
    LstmForward forward;
    forward.batch = batch.view();
    forward.x = x.data();
    forward.weights = weight_pointers.data();
    forward.y = y.data();
    forward.workspace = workspace.data();
    forward.reserve = reserve.data();
    plan.forward(forward);
    LstmBackward backward;
    backward.batch = batch.view();
    backward.x = x.data();
    backward.weights = weight_pointers.data();
    backward.y = y.data();
    backward.d_y = d_y.data();
    backward.d_x = d_x.data();
    backward.gradients = with_gradients ? gradient_pointers.data() : nullptr;
    backward.workspace = workspace.data();
    backward.reserve = reserve.data();
    plan.backward(backward);
    Results results{y.host(), d_x.host(), {}};
    for (const Tensor& gradient : gradients.arrays) results.gradients.push_back(gradient.host());
    return results;
  }

  ModelSize size_;
  Precision precision_;
  DType reference_;
  RaggedLayout layout_;
  LstmStack<std::vector<float>, LstmWeights> weights_;
  std::vector<float> x_, d_y_;
  std::vector<std::int32_t> share_;  // of the sequences
  Results expected_;                 // for the share
  // Of all sequences, when they are first asked for.
  mutable std::vector<std::vector<float>> expected_gradients_;
};

inline std::shared_ptr<const LstmSetup> lstm_setup(const Workload& workload, const ModelSize& size,
                                                   const Precision& precision, DType reference) {
  return latest<LstmSetup>(key_of(workload) + key_of(size) + precision.name,
                           [&] { return LstmSetup(workload, size, precision, reference); });
}

// Forward: x read, each layer's y written and read by the next, weights read. Backward: x, each layer's y and
// d_y read, d_x and the gradient between layers written and read, weights read, their gradients written.
// Gates need not be kept (they can be computed again), so they are no part of it. Products: 2 (in + H) 4H a
// row and layer, twice that backward. Steps: those of the longest sequence, as a wavefront over layers would
// take.
inline Costs lstm_costs(const Workload& workload, const ModelSize& size, const Precision& precision,
                        bool backward) {
  const double rows = static_cast<double>(workload.rows()),
               element = static_cast<double>(size_of(precision.dtype));
  const double input = static_cast<double>(size.input), hidden = static_cast<double>(size.hidden);
  const double layers = static_cast<double>(size.layers);
  const double weights = 4 * hidden * (input + hidden + 2) + (layers - 1) * 4 * hidden * (2 * hidden + 2);
  const double steps = static_cast<double>(workload.longest() + size.layers - 1);
  Costs costs;
  costs.rows = rows;
  costs.longest = static_cast<double>(workload.longest());
  costs.flops = 2 * rows * 4 * hidden * (input + hidden + (layers - 1) * 2 * hidden);
  costs.bytes = element * (rows * (input + hidden + (layers - 1) * 2 * hidden) + weights);
  costs.steps = steps;
  if (!backward) return costs;
  costs.flops *= 3;
  costs.bytes += element * (rows * (2 * input + 2 * hidden + (layers - 1) * 3 * hidden) + 2 * weights);
  costs.steps *= 2;
  return costs;
}

}  // namespace ragtime::benchmarks
