#pragma once

// LSTM problems with random values, and random gradients of what they give.

#include <string>
#include <vector>

#include "tests/ops/lstm/reference.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {

using reference::LstmProblem;
using reference::Values;

struct LstmShape {
  std::int64_t input = 3, hidden = 4, layers = 1, directions = 1, projection = 0;
  bool bias = true, states = true;
};

inline std::string name_of(const LstmShape& s) {
  return "input " + std::to_string(s.input) + ", hidden " + std::to_string(s.hidden) + ", layers " +
         std::to_string(s.layers) + ", directions " + std::to_string(s.directions) + ", projection " +
         std::to_string(s.projection) + (s.bias ? ", bias" : "") + (s.states ? ", states" : "");
}

// Layers x directions x projection x bias and states.
inline std::vector<LstmShape> lstm_shapes() {
  std::vector<LstmShape> shapes;
  for (const std::int64_t layers : {1, 2, 3})
    for (const std::int64_t directions : {1, 2})
      for (const std::int64_t projection : {0, 2})
        for (const bool rich : {true, false})
          shapes.push_back({3, 4, layers, directions, projection, rich, rich});
  return shapes;
}

// Values are floats, so that both precisions and the reference start from the same ones.
inline Values random_values(Numbers& numbers, std::int64_t count, double bound = 1) {
  return cast<double>(numbers.vector<float>(count, -bound, bound));
}

inline LstmProblem lstm_problem(const LstmShape& shape, const std::vector<std::int32_t>& lengths,
                                std::uint64_t seed = 1) {
  Numbers numbers(seed);
  LstmProblem problem;
  problem.input = shape.input;
  problem.hidden = shape.hidden;
  problem.layers = shape.layers;
  problem.directions = shape.directions;
  problem.projection = shape.projection;
  problem.bias = shape.bias;
  problem.lengths = lengths;
  const std::int64_t slots = shape.layers * shape.directions, gates = 4 * shape.hidden;
  const double bound = 2 / std::sqrt(static_cast<double>(shape.hidden));
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const std::int64_t input = problem.layer_input(slot / shape.directions), width = problem.width();
    problem.weights.push_back({random_values(numbers, gates * input, bound),
                               random_values(numbers, gates * width, bound),
                               random_values(numbers, shape.bias ? gates : 0, bound),
                               random_values(numbers, shape.bias ? gates : 0, bound),
                               random_values(numbers, shape.projection * shape.hidden, bound)});
  }
  problem.x = random_values(numbers, problem.rows() * shape.input);
  if (shape.states) {
    problem.h0 = random_values(numbers, slots * problem.sequences() * problem.width());
    problem.c0 = random_values(numbers, slots * problem.sequences() * shape.hidden);
  }
  for (std::uint32_t b = 0; b < lengths.size(); ++b) problem.ids.push_back(100 + 7 * b);
  return problem;
}

// The problem as storage in T holds it, and rounded wherever an implementation would store.
template <class T>
LstmProblem stored_in(LstmProblem problem) {
  const auto round = [](Values& values) { values = cast<double>(cast<T>(values)); };
  for (auto* values : {&problem.x, &problem.h0, &problem.c0}) round(*values);
  for (auto& slot : problem.weights)
    for (Values& values : slot) round(values);
  problem.stored = [](double value) { return static_cast<double>(static_cast<T>(value)); };
  return problem;
}

// dL/d of what forward gives; empty ones are not passed.
struct LstmLoss {
  Values d_y, d_h_n, d_c_n, d_final_state;
};

inline LstmLoss lstm_loss(const LstmProblem& problem, std::uint64_t seed = 2) {
  Numbers numbers(seed);
  const std::int64_t slots = problem.layers * problem.directions, sequences = problem.sequences();
  return {random_values(numbers, problem.rows() * problem.directions * problem.width()),
          random_values(numbers, slots * sequences * problem.width()),
          random_values(numbers, slots * sequences * problem.hidden),
          random_values(numbers, sequences * problem.directions * problem.width())};
}

}  // namespace ragtime::test
