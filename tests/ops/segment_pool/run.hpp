#pragma once

// Problems for segment pooling, their double reference in plain loops, and one run forward and backward. What
// no item of the batch uses holds NaN: rows of the table, rows whose weight is 0, what lies behind the batch.

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "ragtime/segment_pool.hpp"
#include "ragtime/status.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {

struct PoolVariant {
  PoolMode mode = PoolMode::sum;
  std::int64_t vocab_size = 0;  // 0: rows
  bool weighted = false;
  std::int64_t width = 5, attention_width = 3;
  std::int64_t padding_idx = -1;
  bool atomic_gradients = false;

  bool attends() const { return mode == PoolMode::attention; }
};

inline std::string describe(const PoolVariant& variant) {
  return std::string(name_of(variant.mode)) + (variant.vocab_size > 0 ? " of codes" : " of rows") +
         (variant.weighted ? ", weighted" : "") + (variant.atomic_gradients ? ", atomic" : "") + ", width " +
         std::to_string(variant.width);
}

// check(variant): every mode, of codes and of rows, with and without weights.
template <class Check>
void for_each_pool(std::int64_t width, std::int64_t vocab_size, Check&& check) {
  for (const PoolMode mode :
       {PoolMode::sum, PoolMode::mean, PoolMode::max, PoolMode::attention, PoolMode::last})
    for (const std::int64_t vocabulary : {std::int64_t{0}, vocab_size})
      for (const bool weighted : {false, true}) {
        if (weighted && mode == PoolMode::last) continue;
        PoolVariant variant{.mode = mode, .vocab_size = vocabulary, .weighted = weighted, .width = width};
        variant.attention_width = std::max<std::int64_t>(width / 2, 1);
        if (vocabulary > 2 && !weighted) variant.padding_idx = 2;
        SCOPED_TRACE(describe(variant));
        check(variant);
      }
}

// On the CPU as above; elsewhere, where a run takes long, every other one: each mode of codes and of rows
// once, with or without weights.
template <class Check>
void for_each_pool_on(const Backend& backend, std::int64_t width, std::int64_t vocab_size, Check&& check) {
  for_each_pool(width, vocab_size, [&](const PoolVariant& variant) {
    const int number = static_cast<int>(variant.mode) + (variant.vocab_size > 0) + variant.weighted;
    if (backend.device() == DeviceType::cpu || number % 2 == 0) check(variant);
  });
}

struct PoolProblem {
  PoolVariant variant;
  std::vector<std::int32_t> lengths, codes;
  std::vector<double> values, weights;  // table [V, E] or rows [M, E]; [M] or empty
  std::vector<double> w1, b1, w2, b2;   // attention
  std::vector<double> d_out;            // [S, E]
  // What the plan has room for beyond these.
  std::int64_t more_segments = 2, more_items = 5;

  std::int64_t segments() const { return static_cast<std::int64_t>(lengths.size()); }
  std::int64_t items() const { return std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0}); }
  double weight(std::int64_t item) const { return variant.weighted ? weights[item] : 1; }
  // The row of `values` an item is; -1 where the item does not count.
  std::int64_t row(std::int64_t item) const {
    if (variant.vocab_size == 0) return weight(item) > 0 ? item : -1;
    return codes[item] >= 0 && codes[item] < variant.vocab_size && weight(item) > 0 ? codes[item] : -1;
  }
};

inline void hide_unused_values(PoolProblem& problem) {
  const std::int64_t width = problem.variant.width;
  std::vector<bool> used(problem.values.size() / static_cast<std::size_t>(width));
  for (std::int64_t item = 0; item < problem.items(); ++item)
    if (problem.row(item) >= 0) used[problem.row(item)] = true;
  for (std::size_t row = 0; row < used.size(); ++row)
    if (!used[row])
      std::fill_n(problem.values.begin() + static_cast<std::int64_t>(row) * width, width, nan<double>);
}

// hot: code 0 stands in every segment.
inline PoolProblem pool_problem(const PoolVariant& variant, const std::vector<std::int32_t>& lengths,
                                bool hot = false) {
  PoolProblem problem;
  problem.variant = variant;
  problem.lengths = lengths;
  const std::int64_t items = problem.items(), width = variant.width;
  Numbers numbers(static_cast<std::uint64_t>(items * 1000 + width));
  const auto draw = [&](std::int64_t count) { return cast<double>(numbers.vector<float>(count)); };
  problem.values = draw((variant.vocab_size > 0 ? variant.vocab_size : items) * width);
  if (variant.vocab_size > 0)
    for (const std::int32_t length : lengths)
      for (std::int32_t i = 0; i < length; ++i)
        problem.codes.push_back(hot && i == length / 2
                                    ? 0
                                    : static_cast<std::int32_t>(numbers.integer(0, variant.vocab_size - 1)));
  if (variant.weighted) {
    problem.weights = cast<double>(numbers.vector<float>(items, 0.25, 3));
    for (double& weight : problem.weights)
      if (numbers.integer(0, 3) == 0) weight = 0;
    // One segment has items, and none that counts.
    std::int64_t begin = 0;
    for (std::size_t s = 0; s < lengths.size(); begin += lengths[s++])
      if (lengths[s] == 2) std::fill_n(problem.weights.begin() + begin, 2, 0.0);
  }
  if (variant.attends()) {
    problem.w1 = draw(variant.attention_width * width);
    problem.b1 = draw(variant.attention_width);
    problem.w2 = draw(variant.attention_width);
    problem.b2 = draw(1);
  }
  problem.d_out = draw(problem.segments() * width);
  hide_unused_values(problem);
  return problem;
}

// With numbers that T holds.
template <class T>
PoolProblem rounded(PoolProblem problem) {
  for (auto* numbers : {&problem.values, &problem.w1, &problem.b1, &problem.w2, &problem.b2, &problem.d_out})
    *numbers = cast<double>(cast<T>(*numbers));
  return problem;
}

template <class T>
struct PoolOutputs {
  std::vector<T> out, d_values, d_w1, d_b1, d_w2, d_b2;
};

// From the definitions in segment_pool.hpp, segment by segment, item by item: no item knows of another that
// shares its code.
inline PoolOutputs<double> reference_pool(const PoolProblem& problem) {
  const PoolVariant& variant = problem.variant;
  const std::int64_t width = variant.width, attention = variant.attends() ? variant.attention_width : 0;
  PoolOutputs<double> result;
  result.out.assign(static_cast<std::size_t>(problem.segments() * width), 0);
  result.d_values.assign(problem.values.size(), 0);
  result.d_w1.assign(problem.w1.size(), 0);
  result.d_b1 = result.d_w2 = std::vector<double>(static_cast<std::size_t>(attention));
  result.d_b2.assign(problem.b2.size(), 0);
  std::int64_t begin = 0;
  for (std::int64_t s = 0; s < problem.segments(); begin += problem.lengths[s++]) {
    std::vector<std::int64_t> rows;  // of the items that count
    std::vector<double> share;       // of each in the result
    std::vector<std::vector<double>> activations;
    double total = 0;
    for (std::int64_t item = begin; item < begin + problem.lengths[s]; ++item) {
      const std::int64_t row = problem.row(item);
      if (row < 0) continue;
      double weight = problem.weight(item);
      std::vector<double> activation;
      double score = variant.attends() ? problem.b2[0] : 0;
      for (std::int64_t a = 0; a < attention; ++a) {
        double sum = problem.b1[a];
        for (std::int64_t e = 0; e < width; ++e)
          sum += problem.w1[a * width + e] * problem.values[row * width + e];
        activation.push_back(std::tanh(sum));
        score += problem.w2[a] * activation.back();
      }
      if (variant.attends()) weight *= std::exp(score);
      rows.push_back(row);
      share.push_back(weight);
      activations.push_back(activation);
      total += weight;
    }
    const std::size_t count = rows.size();
    for (std::size_t i = 0; i < count; ++i) {
      if (variant.mode == PoolMode::mean || variant.attends()) share[i] /= total;
      if (variant.mode == PoolMode::last) share[i] = i + 1 == count ? 1 : 0;
    }

    double* out = &result.out[s * width];
    const double* d_out = &problem.d_out[s * width];
    const auto value = [&](std::size_t i, std::int64_t e) { return problem.values[rows[i] * width + e]; };
    const auto add = [&](std::size_t i, std::int64_t e, double gradient) {
      if (variant.vocab_size == 0 || rows[i] != variant.padding_idx)
        result.d_values[rows[i] * width + e] += gradient;
    };
    if (variant.mode == PoolMode::max) {
      for (std::int64_t e = 0; e < width && count > 0; ++e) {
        std::size_t best = 0;  // the first of equals
        for (std::size_t i = 1; i < count; ++i)
          if (value(i, e) > value(best, e)) best = i;
        out[e] = value(best, e);
        add(best, e, d_out[e]);
      }
      continue;
    }
    double mean_slope = 0;
    std::vector<double> slopes(count);  // dL/dshare
    for (std::size_t i = 0; i < count; ++i) {
      for (std::int64_t e = 0; e < width; ++e) {
        out[e] += share[i] * value(i, e);
        add(i, e, share[i] * d_out[e]);
        slopes[i] += d_out[e] * value(i, e);
      }
      mean_slope += share[i] * slopes[i];
    }
    for (std::size_t i = 0; i < count && variant.attends(); ++i) {
      const double d_score = share[i] * (slopes[i] - mean_slope);
      result.d_b2[0] += d_score;
      for (std::int64_t a = 0; a < attention; ++a) {
        const double t = activations[i][a], d_sum = d_score * problem.w2[a] * (1 - t * t);
        result.d_w2[a] += d_score * t;
        result.d_b1[a] += d_sum;
        for (std::int64_t e = 0; e < width; ++e) {
          result.d_w1[a * width + e] += d_sum * value(i, e);
          add(i, e, d_sum * problem.w1[a * width + e]);
        }
      }
    }
  }
  return result;
}

template <class T>
void expect_same_bits(const PoolOutputs<T>& a, const PoolOutputs<T>& b) {
  EXPECT_TRUE(same_bits(a.out, b.out)) << "out";
  EXPECT_TRUE(same_bits(a.d_values, b.d_values)) << "d_values";
  EXPECT_TRUE(same_bits(a.d_w1, b.d_w1)) << "d_w1";
  EXPECT_TRUE(same_bits(a.d_b1, b.d_b1)) << "d_b1";
  EXPECT_TRUE(same_bits(a.d_w2, b.d_w2)) << "d_w2";
  EXPECT_TRUE(same_bits(a.d_b2, b.d_b2)) << "d_b2";
}

// All memory of a run, with room for more than the problem has; the arguments may be changed before it.
template <class T>
struct PoolRun {
  static SegmentPoolDesc description(const PoolProblem& problem) {
    SegmentPoolDesc desc;
    desc.dtype = dtype_of<T>;
    desc.mode = problem.variant.mode;
    desc.width = problem.variant.width;
    desc.segments = problem.segments() + problem.more_segments;
    desc.items = problem.items() + problem.more_items;
    desc.vocab_size = problem.variant.vocab_size;
    desc.padding_idx = problem.variant.padding_idx;
    desc.attention_width = problem.variant.attends() ? problem.variant.attention_width : 0;
    desc.weighted = problem.variant.weighted;
    desc.atomic_gradients = problem.variant.atomic_gradients;
    return desc;
  }
  static std::vector<std::int32_t> offsets_of(const PoolProblem& problem) {
    std::vector<std::int32_t> offsets = {0};
    for (const std::int32_t length : problem.lengths) offsets.push_back(offsets.back() + length);
    offsets.insert(offsets.end(), static_cast<std::size_t>(problem.more_segments), INT32_MAX);
    return offsets;
  }
  template <class V>
  static DeviceArray<V> tailed(const std::shared_ptr<Backend>& device, std::vector<V> values,
                               std::int64_t tail) {
    const auto poison = DeviceArray<V>::poisoned(device, tail).host();
    values.insert(values.end(), poison.begin(), poison.end());
    return DeviceArray<V>(device, values);
  }

  // preset: what gradients hold before they are added to; NaN: they are overwritten.
  PoolRun(const std::shared_ptr<Backend>& device, const PoolProblem& problem, double preset = nan<double>)
      : backend(device),
        width(problem.variant.width),
        more_segments(problem.more_segments),
        more_items(problem.more_items),
        tail_rows(problem.variant.vocab_size > 0 ? 0 : more_items),
        plan(device, description(problem)),
        segments(device, {static_cast<std::int32_t>(problem.segments())}),
        offsets(device, offsets_of(problem)),
        codes(problem.variant.vocab_size > 0 ? tailed(device, problem.codes, more_items)
                                             : DeviceArray<std::int32_t>()),
        weights(problem.variant.weighted ? tailed(device, cast<float>(problem.weights), more_items)
                                         : DeviceArray<float>()),
        values(tailed(device, cast<T>(problem.values), tail_rows * width)),
        w1(device, cast<T>(problem.w1)),
        b1(device, cast<T>(problem.b1)),
        w2(device, cast<T>(problem.w2)),
        b2(device, cast<T>(problem.b2)),
        d_out(tailed(device, cast<T>(problem.d_out), more_segments * width)),
        out(DeviceArray<T>::poisoned(device, (problem.segments() + more_segments) * width)),
        d_values(
            tailed(device, std::vector<T>(problem.values.size(), static_cast<T>(preset)), tail_rows * width)),
        d_w1(device, std::vector<T>(problem.w1.size(), static_cast<T>(preset))),
        d_b1(device, std::vector<T>(problem.b1.size(), static_cast<T>(preset))),
        d_w2(device, std::vector<T>(problem.w2.size(), static_cast<T>(preset))),
        d_b2(device, std::vector<T>(problem.b2.size(), static_cast<T>(preset))),
        workspace(poisoned_workspace(device, plan.workspace_bytes())),
        reserve(poisoned_workspace(device, plan.reserve_bytes())),
        status(device) {
    forward.segments = segments.data();
    forward.offsets = offsets.data();
    forward.codes = codes.data();
    forward.values = values.data();
    forward.weights = weights.data();
    forward.attention = {w1.data(), b1.data(), w2.data(), b2.data()};
    forward.out = out.data();
    forward.workspace = workspace.data();
    forward.reserve = reserve.data();
    forward.status = status.word();
    backward.segments = segments.data();
    backward.offsets = offsets.data();
    backward.codes = codes.data();
    backward.values = values.data();
    backward.weights = weights.data();
    backward.attention = forward.attention;
    backward.d_out = d_out.data();
    backward.d_values = d_values.data();
    backward.d_attention = {d_w1.data(), d_b1.data(), d_w2.data(), d_b2.data()};
    backward.accumulate = !std::isnan(preset);
    backward.workspace = workspace.data();
    backward.reserve = reserve.data();
  }

  // Of the batch; what lies behind it must be as it was.
  PoolOutputs<T> outputs() const {
    return {in_use(out, more_segments * width),
            in_use(d_values, tail_rows * width),
            d_w1.host(),
            d_b1.host(),
            d_w2.host(),
            d_b2.host()};
  }
  std::vector<T> in_use(const DeviceArray<T>& array, std::int64_t tail) const {
    const std::vector<T> all = array.host();
    const auto end = all.end() - tail;
    EXPECT_TRUE(same_bits(std::vector<T>(end, all.end()), DeviceArray<T>::poisoned(backend, tail).host()));
    return std::vector<T>(all.begin(), end);
  }

  std::shared_ptr<Backend> backend;
  std::int64_t width, more_segments, more_items, tail_rows;
  SegmentPoolPlan plan;
  DeviceArray<std::int32_t> segments, offsets, codes;
  DeviceArray<float> weights;
  DeviceArray<T> values, w1, b1, w2, b2, d_out, out, d_values, d_w1, d_b1, d_w2, d_b2;
  DeviceArray<std::byte> workspace, reserve;
  Status status;
  SegmentPoolForward forward;
  SegmentPoolBackward backward;
};

// Forward and backward, without a fault. The workspace is nobody's between the two.
template <class T>
PoolOutputs<T> run_pool(const std::shared_ptr<Backend>& backend, const PoolProblem& problem,
                        double preset = nan<double>) {
  PoolRun<T> run(backend, problem, preset);
  run.plan.forward(run.forward);
  EXPECT_NO_THROW(run.status.check());
  const auto fresh = poisoned_workspace(backend, run.plan.workspace_bytes());
  run.backward.workspace = fresh.data();
  run.plan.backward(run.backward);
  return run.outputs();
}

}  // namespace ragtime::test
