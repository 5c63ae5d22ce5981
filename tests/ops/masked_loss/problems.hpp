#pragma once

// Problems for the masked losses: every kind with its options, in every layout. What the contract calls
// unread (padding, masked rows, visits after the event, what lies behind the batch) holds NaN, or numbers far
// out of range.

#include <string>
#include <vector>

#include "ragtime/masked_loss.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {

inline constexpr Reduction all_reductions[] = {Reduction::none, Reduction::sum, Reduction::mean,
                                               Reduction::mean_per_sequence};
inline constexpr std::int32_t unread = INT32_MIN / 2;  // as a label, a target id, an event time, an offset

// A loss with its options, without data.
struct LossVariant {
  std::string name = {};
  LossKind kind = LossKind::bce_with_logits;
  std::int64_t outputs = 1;
  bool hot = false;           // bce: targets as offsets and ids
  bool pos_weighted = false;  // bce
  bool class_weighted = false, ignores = false;
  double smoothing = 0;
  bool hazards_are_logits = true;

  bool survival() const { return kind == LossKind::survival; }
  // One loss an element, or one a row.
  bool per_element() const { return kind == LossKind::bce_with_logits || kind == LossKind::mse; }
};

inline std::vector<LossVariant> loss_variants() {
  const LossKind bce = LossKind::bce_with_logits, ce = LossKind::cross_entropy;
  return {{.name = "bce", .kind = bce, .outputs = 1},
          {.name = "bce, pos_weight", .kind = bce, .outputs = 5, .pos_weighted = true},
          {.name = "bce, more outputs than a block", .kind = bce, .outputs = 67, .pos_weighted = true},
          {.name = "bce of ids", .kind = bce, .outputs = 5, .hot = true},
          {.name = "bce of ids, pos_weight", .kind = bce, .outputs = 7, .hot = true, .pos_weighted = true},
          {.name = "cross entropy", .kind = ce, .outputs = 4},
          {.name = "cross entropy, class weights", .kind = ce, .outputs = 4, .class_weighted = true},
          {.name = "cross entropy, all options",
           .kind = ce,
           .outputs = 5,
           .class_weighted = true,
           .ignores = true,
           .smoothing = 0.125},
          {.name = "cross entropy, smoothed away", .kind = ce, .outputs = 3, .smoothing = 1},
          {.name = "mse", .kind = LossKind::mse, .outputs = 3},
          {.name = "survival of logits", .kind = LossKind::survival},
          {.name = "survival of hazards", .kind = LossKind::survival, .hazards_are_logits = false}};
}

inline std::vector<LossLayout> layouts_of(const LossVariant& variant) {
  if (variant.survival()) return {LossLayout::rows, LossLayout::padded};
  return {LossLayout::rows, LossLayout::sequences, LossLayout::padded};
}

// check(variant, layout, reduction) for every variant, in every layout it has, with every reduction.
template <class Check>
void for_each_loss(Check&& check) {
  for (const LossVariant& variant : loss_variants())
    for (const LossLayout layout : layouts_of(variant))
      for (const Reduction reduction : all_reductions) {
        SCOPED_TRACE(testing::Message() << variant.name << ", layout " << static_cast<int>(layout) << ", "
                                        << name_of(reduction));
        check(variant, layout, reduction);
      }
}

struct LossProblem {
  LossVariant variant;
  LossLayout layout = LossLayout::rows;
  Reduction reduction = Reduction::mean;
  std::vector<std::int32_t> lengths;
  std::int64_t padded_steps = 0;
  std::int32_t ignore_index = -100;
  // [rows() + a tail, K], [rows() + a tail]; survival: row_weight, event_time and observed [units() + a
  // tail].
  std::vector<double> logits, targets, row_weight, pos_weight, class_weight;
  std::vector<std::int32_t> labels, target_offsets, target_ids, event_time;
  std::vector<std::uint8_t> observed;

  std::int64_t sequences() const { return static_cast<std::int64_t>(lengths.size()); }
  // Rows of sequence b, and where they begin.
  std::int64_t count(std::int64_t b) const { return layout == LossLayout::sequences ? 1 : lengths[b]; }
  std::int64_t first(std::int64_t b) const {
    if (layout == LossLayout::sequences) return b;
    if (layout == LossLayout::padded) return b * padded_steps;
    std::int64_t rows = 0;
    for (std::int64_t before = 0; before < b; ++before) rows += lengths[before];
    return rows;
  }
  std::int64_t rows() const { return first(sequences()); }
  // What has one weight: rows, or with survival sequences.
  std::int64_t units() const { return variant.survival() ? sequences() : rows(); }
  std::int64_t losses() const {
    if (reduction != Reduction::none) return 1;
    return units() * (variant.per_element() ? variant.outputs : 1);
  }
};

inline constexpr std::int64_t loss_tail = 3;  // rows, sequences and elements behind the batch

inline double weight_of(const LossProblem& problem, std::int64_t unit) {
  return problem.row_weight.empty() ? 1 : problem.row_weight[unit];
}

// Does a unit count, by weight and target, with nothing wrong about it?
inline bool counts(const LossProblem& problem, std::int64_t unit) {
  if (problem.layout == LossLayout::sequences && problem.lengths[unit] == 0) return false;
  if (weight_of(problem, unit) == 0) return false;
  if (problem.variant.survival()) return problem.event_time[unit] != -1;
  if (problem.variant.kind == LossKind::cross_entropy) return problem.labels[unit] != problem.ignore_index;
  return true;
}

inline LossProblem loss_problem(const LossVariant& variant, LossLayout layout, Reduction reduction,
                                const std::vector<std::int32_t>& lengths, bool weighted) {
  LossProblem problem;
  problem.variant = variant;
  problem.layout = layout;
  problem.reduction = reduction;
  problem.lengths = lengths;
  problem.ignore_index = variant.ignores ? 2 : -100;
  std::int32_t longest = 1;
  for (const std::int32_t length : lengths) longest = std::max(longest, length);
  problem.padded_steps = longest + (weighted ? 2 : 0);
  const std::int64_t outputs = variant.outputs, rows = problem.rows() + loss_tail;
  const std::int64_t units = problem.units() + loss_tail;
  Numbers numbers(static_cast<std::uint64_t>(rows * 1000 + outputs));
  const auto number = [&](double low, double high) {
    return static_cast<double>(static_cast<float>(numbers.uniform(low, high)));
  };

  problem.logits.assign(static_cast<std::size_t>(rows * outputs), nan<double>);
  if (variant.per_element() && !variant.hot) problem.targets = problem.logits;
  if (variant.kind == LossKind::cross_entropy) problem.labels.assign(rows, unread);
  if (variant.hot) problem.target_offsets.assign(rows + 1, unread);
  if (variant.hot) problem.target_ids.assign(3, unread);
  if (variant.survival()) problem.event_time.assign(units, unread);
  if (variant.survival()) problem.observed.assign(units, 0xFF);
  if (weighted) problem.row_weight.assign(units, nan<double>);
  for (std::int64_t k = 0; k < outputs && variant.pos_weighted; ++k)
    problem.pos_weight.push_back(number(0.5, 4));
  for (std::int64_t k = 0; k < outputs && variant.class_weighted; ++k)
    problem.class_weight.push_back(k == 1 && variant.smoothing > 0 ? 0 : number(0.5, 3));

  const auto draw_weight = [&](std::int64_t unit) {
    if (weighted) problem.row_weight[unit] = numbers.integer(0, 2) == 0 ? 0 : number(0.25, 2);
    return weight_of(problem, unit) != 0;
  };
  const auto draw_logits = [&](std::int64_t row) {
    for (std::int64_t k = 0; k < outputs; ++k)
      problem.logits[row * outputs + k] = variant.hazards_are_logits ? number(-2, 2) : number(0.2, 0.8);
  };
  const auto draw_ids = [&](std::int64_t row) {
    // What stands between two rows that count belongs to rows that are not read.
    if (problem.target_offsets[row] == unread) {
      problem.target_ids.push_back(unread);
      problem.target_offsets[row] = static_cast<std::int32_t>(problem.target_ids.size());
    }
    for (std::int32_t k = 0; k < outputs; ++k)
      if (numbers.integer(0, 2) == 0) problem.target_ids.push_back(k);
    problem.target_offsets[row + 1] = static_cast<std::int32_t>(problem.target_ids.size());
  };

  for (std::int64_t b = 0; b < problem.sequences(); ++b) {
    const std::int64_t first = problem.first(b);
    if (variant.survival()) {
      if (!draw_weight(b)) continue;
      const std::int64_t time = lengths[b] == 0 || numbers.integer(0, 4) == 0 ? -1 : lengths[b] - 1;
      problem.event_time[b] = static_cast<std::int32_t>(time < 0 ? -1 : numbers.integer(0, time));
      if (time < 0) continue;
      problem.observed[b] = static_cast<std::uint8_t>(numbers.integer(0, 1));
      for (std::int64_t t = 0; t <= problem.event_time[b]; ++t) draw_logits(first + t);
      continue;
    }
    for (std::int64_t row = first; row < first + problem.count(b); ++row) {
      if (!draw_weight(row)) continue;
      if (variant.kind == LossKind::cross_entropy)
        problem.labels[row] = static_cast<std::int32_t>(numbers.integer(0, outputs - 1));
      if (!counts(problem, row)) continue;
      draw_logits(row);
      if (variant.hot) draw_ids(row);
      for (std::int64_t k = 0; k < outputs && !problem.targets.empty(); ++k) {
        const double soft = variant.kind == LossKind::mse ? number(-1, 1) : number(0, 1);
        const bool hard = variant.kind != LossKind::mse && numbers.integer(0, 1) == 0;
        problem.targets[row * outputs + k] = hard ? std::round(soft) : soft;
      }
    }
  }
  return problem;
}

// With its values rounded to T, so that the operation and its reference in double start from the same.
template <class T>
LossProblem rounded(LossProblem problem) {
  for (auto* values : {&problem.logits, &problem.targets, &problem.pos_weight, &problem.class_weight})
    *values = cast<double>(cast<T>(*values));
  return problem;
}

}  // namespace ragtime::test
