// The named workloads of the benchmarks are what their table says, and stay the same draws.

#include "benchmarks/cases/workloads.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

namespace ragtime::benchmarks {
namespace {

std::int32_t quantile(std::vector<std::int32_t> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}
double mean(const std::vector<std::int32_t>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}
std::vector<std::int32_t> codes_per_visit(const RaggedBatch& batch) {
  std::vector<std::int32_t> counts;
  for (std::size_t n = 0; n + 1 < batch.code_offsets.size(); ++n)
    counts.push_back(batch.code_offsets[n + 1] - batch.code_offsets[n]);
  return counts;
}

TEST(Workloads, LengthsAreAsTheTableSays) {
  struct Row {
    const char* name;
    std::size_t sequences;
    int median_least, median_most, least, most;
  };
  for (const Row& row :
       {Row{"mimic", 256, 2, 3, 1, 20}, Row{"synthea", 64, 15, 19, 1, 140},
        Row{"claims", 128, 33, 39, 1, 131}, Row{"skew", 256, 5, 6, 1, 505},
        Row{"large", 1'024, 38, 42, 1, 200}, Row{"flashrnn", 16, 1'024, 1'024, 1'024, 1'024}}) {
    SCOPED_TRACE(row.name);
    const std::vector<std::int32_t> lengths = workload(row.name).lengths;
    EXPECT_EQ(lengths.size(), row.sequences);
    EXPECT_GE(quantile(lengths, 0.5), row.median_least);
    EXPECT_LE(quantile(lengths, 0.5), row.median_most);
    EXPECT_GE(quantile(lengths, 0), row.least);
    EXPECT_LE(quantile(lengths, 1), row.most);
  }
  EXPECT_NEAR(mean(workload("mimic").lengths), 2.8, 0.25);
  EXPECT_NEAR(quantile(workload("synthea").lengths, 0.9), 47, 8);
  std::vector<std::int32_t> skew = workload("skew").lengths;
  EXPECT_EQ(std::count_if(skew.begin(), skew.end(), [](std::int32_t length) { return length > 10; }), 1);
  EXPECT_EQ(workload("skew").longest(), 505);
}

TEST(Workloads, RolloutsAreCutAtThreePercentOfTheSteps) {
  const Workload rollout = workload("rollout");
  EXPECT_EQ(rollout.rows(), 128 * 128);
  EXPECT_NEAR(static_cast<double>(rollout.lengths.size()), 128 + 128 * 127 * 0.03, 60);
  EXPECT_LE(rollout.longest(), 128);
}

TEST(Workloads, SizesAreAsTheTableSays) {
  const auto sizes = [](const char* name) {
    std::string names;
    for (const ModelSize& size : sizes_of(workload(name))) {
      EXPECT_TRUE(size.name[0] != 'h' ||
                  (size.name == "h" + std::to_string(size.hidden) && size.input == size.hidden));
      names += size.name + " ";
    }
    return names;
  };
  EXPECT_EQ(sizes("flashrnn"), "h128 h768 ");
  EXPECT_EQ(sizes("rollout"), "h256 ");
  for (const char* name : {"mimic", "synthea", "claims", "skew", "large"})
    EXPECT_EQ(sizes(name), "small medium large ");
}

TEST(Workloads, CodesAreAsTheTableSays) {
  struct Row {
    const char* name;
    int median_least, median_most, most;
  };
  for (const Row& row : {Row{"mimic", 78, 96, 2'000}, Row{"synthea", 1, 1, 300}, Row{"claims", 3, 3, 27},
                         Row{"skew", 3, 3, 3}, Row{"large", 10, 10, 10}}) {
    SCOPED_TRACE(row.name);
    const Workload named = workload(row.name);
    const RaggedBatch batch = coded_batch(named);
    const std::vector<std::int32_t> counts = codes_per_visit(batch);
    EXPECT_EQ(static_cast<std::int64_t>(counts.size()), named.rows());
    EXPECT_GE(quantile(counts, 0.5), row.median_least);
    EXPECT_LE(quantile(counts, 0.5), row.median_most);
    EXPECT_GE(quantile(counts, 0), 1);
    EXPECT_LE(quantile(counts, 1), row.most);
    EXPECT_GE(*std::min_element(batch.codes.begin(), batch.codes.end()), 1);
    EXPECT_LT(*std::max_element(batch.codes.begin(), batch.codes.end()), named.vocab_size);
    // The commonest code is in a large share of the visits.
    EXPECT_GT(std::count(batch.codes.begin(), batch.codes.end(), 1), named.rows() / 20);
    for (std::size_t n = 0; n < 50 && n < counts.size(); ++n) {
      const auto begin = batch.codes.begin() + batch.code_offsets[n];
      EXPECT_EQ(std::set<std::int32_t>(begin, begin + counts[n]).size(), static_cast<std::size_t>(counts[n]));
    }
  }
}

TEST(Workloads, TheSameDrawsEverywhere) {
  // Sums weighted by position. Results in files were measured on these.
  const auto weighted = [](const std::vector<std::int32_t>& values) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += static_cast<std::int64_t>(i + 1) * values[i];
    return sum;
  };
  EXPECT_EQ(weighted(workload("mimic").lengths), 85148);
  EXPECT_EQ(weighted(workload("synthea").lengths), 45772);
  EXPECT_EQ(weighted(workload("claims").lengths), 344484);
  EXPECT_EQ(weighted(workload("skew").lengths), 233689);
  EXPECT_EQ(weighted(workload("large").lengths), 25317219);
  EXPECT_EQ(weighted(workload("rollout").lengths), 5389509);
  EXPECT_EQ(weighted(coded_batch(workload("synthea")).codes), 728267313);
}

TEST(Workloads, AnUnknownNameIsAnError) {
  EXPECT_THROW(workload("nobody"), std::invalid_argument);
  for (const std::string& name : workload_names()) EXPECT_EQ(workload(name).name, name);
}

}  // namespace
}  // namespace ragtime::benchmarks
