#pragma once

// The LSTM as the formula says it, in double, one sequence and one unit after the other. Shares nothing with
// the library but the counter-based random numbers that dropout is defined by.

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "host/base/philox.hpp"

namespace ragtime::reference {

using Values = std::vector<double>;

struct LstmProblem {
  std::int64_t input = 1, hidden = 1, layers = 1, directions = 1;
  std::int64_t projection = 0;  // 0: none
  bool bias = true;
  std::vector<std::int32_t> lengths;  // [B]

  Values x;       // [N, input]
  Values h0, c0;  // [L*D, B, P], [L*D, B, H]; empty: zeros
  // [L*D] of weight_ih, weight_hh, bias_ih, bias_hh, weight_hr; empty where the problem has none
  std::vector<std::array<Values, 5>> weights;

  // Where an implementation with narrow storage rounds: every visit's h, and so y and c_seq's and the last
  // states; null: nowhere. x, weights and given states are up to whoever makes the problem.
  double (*stored)(double) = nullptr;

  double dropout = 0;  // between layers
  std::uint64_t seed = 0, step = 0;
  std::uint32_t site = 0;
  std::vector<std::uint32_t> ids;  // [B]

  std::int64_t width() const { return projection > 0 ? projection : hidden; }  // P
  std::int64_t sequences() const { return static_cast<std::int64_t>(lengths.size()); }
  std::int64_t rows() const {
    std::int64_t rows = 0;
    for (const std::int32_t length : lengths) rows += length;
    return rows;
  }
  std::int64_t layer_input(std::int64_t layer) const { return layer == 0 ? input : directions * width(); }
};

struct LstmResult {
  Values y, h_n, c_n, final_state, c_seq;
};

inline double sigmoid(double z) {
  return 1 / (1 + std::exp(-z));
}

inline double stored(const LstmProblem& problem, double value) {
  return problem.stored == nullptr ? value : problem.stored(value);
}

// One visit: h [P] and c [H] become those after it.
inline void lstm_visit(const LstmProblem& problem, const std::array<Values, 5>& weights, std::int64_t input,
                       const double* x, double* h, double* c) {
  const std::int64_t hidden = problem.hidden, width = problem.width();
  const auto& [weight_ih, weight_hh, bias_ih, bias_hh, weight_hr] = weights;
  Values gates(static_cast<std::size_t>(4 * hidden));
  for (std::int64_t j = 0; j < 4 * hidden; ++j) {
    double sum = problem.bias ? bias_ih[j] + bias_hh[j] : 0;
    for (std::int64_t k = 0; k < input; ++k) sum += weight_ih[j * input + k] * x[k];
    for (std::int64_t k = 0; k < width; ++k) sum += weight_hh[j * width + k] * h[k];
    gates[j] = sum;
  }
  Values out(static_cast<std::size_t>(hidden));
  for (std::int64_t j = 0; j < hidden; ++j) {
    c[j] = sigmoid(gates[hidden + j]) * c[j] + sigmoid(gates[j]) * std::tanh(gates[2 * hidden + j]);
    out[j] = sigmoid(gates[3 * hidden + j]) * std::tanh(c[j]);
  }
  for (std::int64_t p = 0; p < width; ++p) {
    h[p] = problem.projection > 0 ? 0 : out[p];
    for (std::int64_t j = 0; problem.projection > 0 && j < hidden; ++j)
      h[p] += weight_hr[p * hidden + j] * stored(problem, out[j]);
    h[p] = stored(problem, h[p]);
  }
}

// What a unit of a layer's output is multiplied by on the way to the next layer.
inline double dropout_factor(const LstmProblem& problem, std::int64_t layer, std::int64_t b,
                             std::int64_t element) {
  if (problem.dropout == 0) return 1;
  const auto numbers =
      dropout_numbers(problem.seed, problem.step, problem.site + static_cast<std::uint32_t>(layer),
                      problem.ids[b], static_cast<std::uint64_t>(element / 4));
  return numbers[element % 4] >= dropout_threshold(problem.dropout) ? 1 / (1 - problem.dropout) : 0;
}

inline LstmResult lstm(const LstmProblem& problem) {
  const std::int64_t sequences = problem.sequences(), rows = problem.rows(), hidden = problem.hidden;
  const std::int64_t directions = problem.directions, width = problem.width();
  LstmResult result;
  Values x = problem.x;
  for (std::int64_t layer = 0; layer < problem.layers; ++layer) {
    const std::int64_t input = problem.layer_input(layer);
    result.y.assign(static_cast<std::size_t>(rows * directions * width), 0);
    result.c_seq.assign(static_cast<std::size_t>(rows * directions * hidden), 0);
    result.final_state.assign(static_cast<std::size_t>(sequences * directions * width), 0);
    for (std::int64_t direction = 0; direction < directions; ++direction) {
      const std::int64_t slot = layer * directions + direction;
      std::int64_t first = 0;
      for (std::int64_t b = 0; b < sequences; first += problem.lengths[b], ++b) {
        Values h(static_cast<std::size_t>(width)), c(static_cast<std::size_t>(hidden));
        for (std::int64_t p = 0; p < width && !problem.h0.empty(); ++p)
          h[p] = problem.h0[(slot * sequences + b) * width + p];
        for (std::int64_t j = 0; j < hidden && !problem.c0.empty(); ++j)
          c[j] = problem.c0[(slot * sequences + b) * hidden + j];
        for (std::int64_t step = 0; step < problem.lengths[b]; ++step) {
          const std::int64_t row = first + (direction == 0 ? step : problem.lengths[b] - 1 - step);
          lstm_visit(problem, problem.weights[slot], input, x.data() + row * input, h.data(), c.data());
          for (std::int64_t p = 0; p < width; ++p)
            result.y[(row * directions + direction) * width + p] = h[p];
          for (std::int64_t j = 0; j < hidden; ++j)
            result.c_seq[(row * directions + direction) * hidden + j] = stored(problem, c[j]);
        }
        result.h_n.insert(result.h_n.end(), h.begin(), h.end());
        for (const double value : c) result.c_n.push_back(stored(problem, value));
        for (std::int64_t p = 0; p < width; ++p)
          result.final_state[(b * directions + direction) * width + p] = h[p];
      }
    }
    x = result.y;
    std::int64_t first = 0;
    for (std::int64_t b = 0; b < sequences; first += problem.lengths[b], ++b)
      for (std::int64_t e = 0; e < problem.lengths[b] * directions * width; ++e)
        x[first * directions * width + e] =
            stored(problem, x[first * directions * width + e] * dropout_factor(problem, layer, b, e));
  }
  return result;
}

}  // namespace ragtime::reference
