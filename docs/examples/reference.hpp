#pragma once

// One layer of an LSTM in plain double loops, with PyTorch's formulas and order of gates: what the examples
// hold their results against.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

// [4H, E], [4H, H], [4H], [4H] for E inputs and H units.
struct Weights {
  std::int64_t inputs, units;
  std::vector<float> weight_ih, weight_hh, bias_ih, bias_hh;
};

// Any numbers.
inline Weights some_weights(std::int64_t inputs, std::int64_t units) {
  Weights made{inputs, units, {}, {}, {}, {}};
  double angle = 0;
  const auto fill = [&](std::vector<float>& values, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i)
      values.push_back(static_cast<float>(0.5 * std::sin(angle += 1.3)));
  };
  fill(made.weight_ih, 4 * units * inputs);
  fill(made.weight_hh, 4 * units * units);
  fill(made.bias_ih, 4 * units);
  fill(made.bias_hh, 4 * units);
  return made;
}

// x [N, E] -> h [N, H], from zeros for every sequence.
inline std::vector<double> states_in_double(const Weights& weights, const std::vector<std::int32_t>& lengths,
                                            const std::vector<float>& x) {
  const auto E = static_cast<std::size_t>(weights.inputs), H = static_cast<std::size_t>(weights.units);
  const auto sigmoid = [](double value) { return 1 / (1 + std::exp(-value)); };
  std::vector<double> y(x.size() / E * H), gates(4 * H);
  std::size_t row = 0;
  for (const std::int32_t length : lengths) {
    std::vector<double> h(H), c(H);
    for (std::int32_t t = 0; t < length; ++t, ++row) {
      for (std::size_t g = 0; g < 4 * H; ++g) {
        gates[g] = double{weights.bias_ih[g]} + weights.bias_hh[g];
        for (std::size_t e = 0; e < E; ++e) gates[g] += double{weights.weight_ih[g * E + e]} * x[row * E + e];
        for (std::size_t k = 0; k < H; ++k) gates[g] += weights.weight_hh[g * H + k] * h[k];
      }
      for (std::size_t k = 0; k < H; ++k) {
        c[k] = sigmoid(gates[H + k]) * c[k] + sigmoid(gates[k]) * std::tanh(gates[2 * H + k]);
        h[k] = y[row * H + k] = sigmoid(gates[3 * H + k]) * std::tanh(c[k]);
      }
    }
  }
  return y;
}

// NaN is the largest difference of all.
template <class A, class B>
double largest_difference(const std::vector<A>& a, const std::vector<B>& b) {
  double largest = a.size() == b.size() ? 0 : NAN;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
