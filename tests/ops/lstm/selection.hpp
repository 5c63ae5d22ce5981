#pragma once

// Some sequences of an LSTM problem, in an order of choice, as a problem of their own.

#include <vector>

#include "tests/ops/lstm/run.hpp"

namespace ragtime::test {

using Selection = std::vector<std::size_t>;  // sequences, each at most once

// values [N, width] of the sequences chosen.
template <class T>
std::vector<T> select_rows(const std::vector<T>& values, std::int64_t width,
                           const std::vector<std::int32_t>& lengths, const Selection& chosen) {
  std::vector<T> rows;
  if (values.empty()) return rows;
  const auto offsets = layout_of(lengths).visit_offsets;
  for (const std::size_t b : chosen)
    rows.insert(rows.end(), values.begin() + offsets[b] * width, values.begin() + offsets[b + 1] * width);
  return rows;
}

// values [slots, B, width] of the sequences chosen.
template <class T>
std::vector<T> select_states(const std::vector<T>& values, std::int64_t slots, std::int64_t width,
                             std::int64_t sequences, const Selection& chosen) {
  std::vector<T> states;
  if (values.empty()) return states;
  for (std::int64_t slot = 0; slot < slots; ++slot)
    for (const std::size_t b : chosen) {
      const auto state = values.begin() + (slot * sequences + static_cast<std::int64_t>(b)) * width;
      states.insert(states.end(), state, state + width);
    }
  return states;
}

inline LstmProblem select(const LstmProblem& problem, const Selection& chosen) {
  const std::int64_t slots = problem.layers * problem.directions, sequences = problem.sequences();
  LstmProblem selected = problem;
  selected.x = select_rows(problem.x, problem.input, problem.lengths, chosen);
  selected.h0 = select_states(problem.h0, slots, problem.width(), sequences, chosen);
  selected.c0 = select_states(problem.c0, slots, problem.hidden, sequences, chosen);
  selected.lengths = select_states(problem.lengths, 1, 1, sequences, chosen);
  selected.ids = select_states(problem.ids, 1, 1, sequences, chosen);
  return selected;
}

inline LstmLoss select(const LstmProblem& problem, const LstmLoss& loss, const Selection& chosen) {
  const std::int64_t slots = problem.layers * problem.directions, sequences = problem.sequences();
  const std::int64_t width = problem.directions * problem.width();
  return {select_rows(loss.d_y, width, problem.lengths, chosen),
          select_states(loss.d_h_n, slots, problem.width(), sequences, chosen),
          select_states(loss.d_c_n, slots, problem.hidden, sequences, chosen),
          select_states(loss.d_final_state, 1, width, sequences, chosen)};
}

// What a sequence has of its own: all but the gradients of weights, which are sums over the batch.
template <class T>
LstmOutputs<T> select(const LstmProblem& problem, const LstmOutputs<T>& outputs, const Selection& chosen) {
  const std::int64_t slots = problem.layers * problem.directions, sequences = problem.sequences();
  const std::int64_t directions = problem.directions, width = problem.width(), hidden = problem.hidden;
  return {select_rows(outputs.y, directions * width, problem.lengths, chosen),
          select_states(outputs.h_n, slots, width, sequences, chosen),
          select_states(outputs.c_n, slots, hidden, sequences, chosen),
          select_states(outputs.final_state, 1, directions * width, sequences, chosen),
          select_rows(outputs.c_seq, directions * hidden, problem.lengths, chosen),
          select_rows(outputs.d_x, problem.input, problem.lengths, chosen),
          select_states(outputs.d_h0, slots, width, sequences, chosen),
          select_states(outputs.d_c0, slots, hidden, sequences, chosen),
          {}};
}

// All that the sequences chosen have of their own becomes `value`, in the problem and in the loss.
inline void strike(LstmProblem& problem, LstmLoss& loss, const Selection& chosen, double value) {
  const std::int64_t slots = problem.layers * problem.directions, sequences = problem.sequences();
  const std::int64_t width = problem.directions * problem.width();
  const auto offsets = layout_of(problem.lengths).visit_offsets;
  const auto strike_rows = [&](Values& values, std::int64_t columns) {
    if (values.empty()) return;
    for (const std::size_t b : chosen)
      std::fill(values.begin() + offsets[b] * columns, values.begin() + offsets[b + 1] * columns, value);
  };
  const auto strike_states = [&](Values& values, std::int64_t of_slots, std::int64_t columns) {
    if (values.empty()) return;
    for (std::int64_t slot = 0; slot < of_slots; ++slot)
      for (const std::size_t b : chosen)
        std::fill_n(values.begin() + (slot * sequences + static_cast<std::int64_t>(b)) * columns, columns,
                    value);
  };
  strike_rows(problem.x, problem.input);
  strike_states(problem.h0, slots, problem.width());
  strike_states(problem.c0, slots, problem.hidden);
  strike_rows(loss.d_y, width);
  strike_states(loss.d_h_n, slots, problem.width());
  strike_states(loss.d_c_n, slots, problem.hidden);
  strike_states(loss.d_final_state, 1, width);
}

}  // namespace ragtime::test
