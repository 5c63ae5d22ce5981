#pragma once

// An LSTM over a workload: numbers, what they cost, and what is right on a share of the sequences, by the cpu
// backend. What a sequence gets depends on no other, so a share of them can be run alone.

#include <algorithm>
#include <memory>
#include <vector>

#include "benchmarks/gpu/harness.hpp"
#include "benchmarks/gpu/latest.hpp"
#include "benchmarks/gpu/tensor.hpp"
#include "benchmarks/workloads.hpp"
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

class LstmSetup {
 public:
  LstmSetup(const Workload& workload, const ModelSize& size, const Precision& precision)
      : size_(size), precision_(precision), layout_(RaggedLayout::from_lengths(workload.lengths)) {
    for (std::int64_t layer = 0; layer < size.layers; ++layer)
      for (const std::int64_t count : counts(layer))
        weights_.arrays.push_back(values(count, static_cast<std::uint32_t>(weights_.arrays.size()),
                                         1.0f / std::sqrt(static_cast<float>(size.hidden))));
    x_ = values(rows() * size.input, 100, 1);
    d_y_ = values(rows() * size.hidden, 101, 1);
    choose_share();
    run_share();
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
    expect_close(rows_of_share(y, size_.hidden), expected_y_, precision_.tolerance, "y");
    if (!d_x.empty())
      expect_close(rows_of_share(d_x, size_.input), expected_d_x_, precision_.tolerance, "d_x");
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

  LstmDesc desc(bool training) const {
    LstmDesc desc;
    desc.dtype = precision_.dtype;
    desc.tf32 = precision_.tf32;
    desc.input_size = size_.input;
    desc.hidden_size = size_.hidden;
    desc.num_layers = size_.layers;
    desc.training = training;
    desc.capacity = {layout_.sequences(), layout_.rows(), 0, layout_.steps()};
    return desc;
  }

 private:
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

  std::vector<float> rows_of_share(const std::vector<float>& all, std::int64_t width) const {
    std::vector<float> rows;
    for (const std::int32_t b : share_)
      rows.insert(rows.end(), all.begin() + layout_.visit_offsets[static_cast<std::size_t>(b)] * width,
                  all.begin() + layout_.visit_offsets[static_cast<std::size_t>(b) + 1] * width);
    return rows;
  }

  void run_share() {
    const auto backend = make_backend("cpu");
    std::vector<std::int32_t> lengths;
    for (const std::int32_t b : share_) lengths.push_back(layout_.length(b));
    DeviceBatch batch(backend);
    batch.load(RaggedLayout::from_lengths(lengths));
    LstmDesc plain = desc(true);
    plain.dtype = DType::f32;
    plain.capacity = batch.size();
    const LstmPlan plan(backend, plain);
    const Buffer workspace(backend, plan.workspace_bytes()), reserve(backend, plan.reserve_bytes());
    const std::vector<float> x = rows_of_share(x_, size_.input), d_y = rows_of_share(d_y_, size_.hidden);
    const auto pointers = weights_.pointers();
    expected_y_.resize(d_y.size());
    expected_d_x_.resize(x.size());
    LstmForward forward;
    forward.batch = batch.view();
    forward.x = x.data();
    forward.weights = pointers.data();
    forward.y = expected_y_.data();
    forward.workspace = workspace.data();
    forward.reserve = reserve.data();
    plan.forward(forward);
    LstmBackward backward;
    backward.batch = batch.view();
    backward.x = x.data();
    backward.weights = pointers.data();
    backward.y = expected_y_.data();
    backward.d_y = d_y.data();
    backward.d_x = expected_d_x_.data();
    backward.workspace = workspace.data();
    backward.reserve = reserve.data();
    plan.backward(backward);
  }

  ModelSize size_;
  Precision precision_;
  RaggedLayout layout_;
  LstmStack<std::vector<float>, LstmWeights> weights_;
  std::vector<float> x_, d_y_, expected_y_, expected_d_x_;
  std::vector<std::int32_t> share_;
};

inline std::shared_ptr<const LstmSetup> lstm_setup(const std::string& workload_name, const ModelSize& size,
                                                   const Precision& precision) {
  return latest<LstmSetup>(workload_name + "/" + size.name + "/" + precision.name,
                           [&] { return LstmSetup(workload(workload_name), size, precision); });
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
