#pragma once

// Named workloads: how long the sequences of a batch are, which codes their visits have, and numbers to fill
// them with. Drawn from a seed, the same everywhere.
//
//   name      sequences  visits of a sequence                   codes of a visit              vocabulary
//   mimic     256        1-20, mean 2.8                         median 87, at most 2,000      5,000
//   synthea   64         median 17, p90 about 47, at most 140   median 1, heavy tail          1,000
//   claims    128        median 36, at most 131                 median 3, at most 27          10,000
//   skew      256        one of 505 among 1-10                  3                             5,000
//   large     1,024      median 40, at most 200                 10                            50,000
//   flashrnn  16         all 1,024                              -                             -
//   rollout   128 rollouts of 128 steps with a reset before 3 % of the steps, each of which begins a new
//             sequence: about 620
//
// crossed with the model's sizes: small (E 128, H 256, L 1), medium (E 256, H 512, L 2), large (E 512, H
// 1024, L 3); H 768 and H 128, L 1 for flashrnn and H 256, L 1 for rollout, all with inputs as wide as H.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/philox.hpp"
#include "ragtime/ragged_batch.hpp"

namespace ragtime::benchmarks {

// Keys of the draws.
enum : std::uint64_t {
  synthea_key = 1,
  mimic_key,
  claims_key,
  skew_key,
  large_key,
  rollout_key,
  values_key,
  shape_key,
  first_codes_key = 100
};

inline double normal(std::uint64_t key, std::uint32_t index) {
  const auto numbers = philox({index, 0, 0, 0}, key);
  const double u = (numbers[0] + 0.5) * 0x1p-32, v = (numbers[1] + 0.5) * 0x1p-32;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

// A clipped log-normal, rounded down.
inline std::int32_t log_normal(std::uint64_t key, std::uint32_t index, double median, double spread,
                               double least, double most) {
  return static_cast<std::int32_t>(std::clamp(median * std::exp(spread * normal(key, index)), least, most));
}

inline std::vector<std::int32_t> log_normal_lengths(std::uint64_t key, std::uint32_t sequences, double median,
                                                    double spread, double most) {
  std::vector<std::int32_t> lengths;
  for (std::uint32_t b = 0; b < sequences; ++b)
    lengths.push_back(log_normal(key, b, median, spread, 1, most));
  return lengths;
}

inline std::vector<std::int32_t> synthea_lengths() {
  return log_normal_lengths(synthea_key, 64, 17, 0.8, 140);
}

// One long sequence, in the middle.
inline std::vector<std::int32_t> skew_lengths() {
  std::vector<std::int32_t> lengths;
  for (std::uint32_t b = 0; b < 256; ++b)
    lengths.push_back(1 + static_cast<std::int32_t>(philox({b, 0, 0, 0}, skew_key)[0] % 10));
  lengths[128] = 505;
  return lengths;
}

inline std::vector<std::int32_t> rollout_lengths() {
  std::vector<std::int32_t> lengths;
  for (std::uint32_t rollout = 0; rollout < 128; ++rollout)
    for (std::uint32_t t = 0; t < 128; ++t)
      if (t == 0 || to_uniform(philox({rollout, t, 0, 0}, rollout_key)[0]) < 0.03f)
        lengths.push_back(1);
      else
        ++lengths.back();
  return lengths;
}

struct Workload {
  std::string name;
  std::vector<std::int32_t> lengths;
  std::int64_t vocab_size = 0;  // with [PAD], 0 without codes
  double codes_median = 0, codes_spread = 0, codes_most = 0;

  bool has_codes() const { return vocab_size > 0; }
  std::int64_t rows() const {
    std::int64_t rows = 0;
    for (const std::int32_t length : lengths) rows += length;
    return rows;
  }
  std::int32_t longest() const { return *std::max_element(lengths.begin(), lengths.end()); }
};

inline const std::vector<std::string>& workload_names() {
  static const std::vector<std::string> names = {"mimic", "synthea",  "claims", "skew",
                                                 "large", "flashrnn", "rollout"};
  return names;
}

inline Workload workload(std::string_view name) {
  if (name == "mimic")
    return {"mimic", log_normal_lengths(mimic_key, 256, 2.65, 0.75, 20), 5'000, 87, 0.9, 2'000};
  if (name == "synthea") return {"synthea", synthea_lengths(), 1'000, 1.4, 1.0, 300};
  if (name == "claims")
    return {"claims", log_normal_lengths(claims_key, 128, 31.5, 0.7, 131), 10'000, 3.5, 0.7, 27};
  if (name == "skew") return {"skew", skew_lengths(), 5'000, 3, 0, 3};
  if (name == "large")
    return {"large", log_normal_lengths(large_key, 1'024, 40.5, 0.6, 200), 50'000, 10, 0, 10};
  if (name == "flashrnn") return {"flashrnn", std::vector<std::int32_t>(16, 1'024), 0, 0, 0, 0};
  if (name == "rollout") return {"rollout", rollout_lengths(), 0, 0, 0, 0};
  // For tests of what runs workloads.
  if (name == "tiny") return {"tiny", {3, 1, 7, 2}, 50, 2, 0.5, 9};
  throw std::invalid_argument("there is no workload named " + std::string(name));
}

// Codes of the workload's visits: distinct within a visit, 1 to vocab_size - 1, their frequencies as 1 /
// rank.
inline RaggedBatch coded_batch(const Workload& workload) {
  RaggedBatch batch;
  batch.layout = RaggedLayout::from_lengths(workload.lengths);
  const std::uint64_t key = first_codes_key + static_cast<std::uint64_t>(workload.name[0]);
  const double range = std::log(static_cast<double>(workload.vocab_size));
  for (std::uint32_t row = 0; row < static_cast<std::uint32_t>(batch.layout.rows()); ++row) {
    const std::int64_t most =
        std::min<std::int64_t>(static_cast<std::int64_t>(workload.codes_most), (workload.vocab_size - 1) / 2);
    const std::int32_t count =
        log_normal(key, row, workload.codes_median, workload.codes_spread, 1, static_cast<double>(most));
    std::vector<std::int32_t> codes;
    for (std::uint32_t draw = 0; static_cast<std::int32_t>(codes.size()) < count; ++draw) {
      const double u = (philox({row, draw, 1, 0}, key)[0] + 0.5) * 0x1p-32;
      const auto code = static_cast<std::int32_t>(
          std::min(std::exp(u * range), static_cast<double>(workload.vocab_size - 1)));
      if (std::find(codes.begin(), codes.end(), code) == codes.end()) codes.push_back(code);
    }
    batch.codes.insert(batch.codes.end(), codes.begin(), codes.end());
    batch.code_offsets.push_back(static_cast<std::int32_t>(batch.codes.size()));
  }
  return batch;
}

struct ModelSize {
  std::string name;
  std::int64_t input = 0, hidden = 0, layers = 1;
};

// What the workload is crossed with.
inline std::vector<ModelSize> sizes_of(const Workload& workload) {
  if (workload.name == "flashrnn") return {{"h128", 128, 128, 1}, {"h768", 768, 768, 1}};
  if (workload.name == "rollout") return {{"h256", 256, 256, 1}};
  if (workload.name == "tiny") return {{"tiny", 5, 8, 2}};
  return {{"small", 128, 256, 1}, {"medium", 256, 512, 2}, {"large", 512, 1'024, 3}};
}

// In [-0.5, 0.5) times scale.
inline std::vector<float> random_values(std::int64_t count, std::uint32_t stream, float scale = 1) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i)
    values[static_cast<std::size_t>(i)] =
        (to_uniform(philox({static_cast<std::uint32_t>(i), stream, 0, 0}, values_key)[0]) - 0.5f) * scale;
  return values;
}

}  // namespace ragtime::benchmarks
