// Proves that the metrics equal their definitions, written as plain loops over all pairs or thresholds, on
// random scores with many ties, and that what the data do not define comes out empty.

#include "host/tool/train/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace ragtime {
namespace {

struct Scored {
  std::vector<double> scores;
  std::vector<std::uint8_t> labels;
};

Scored random_scores(std::uint32_t seed, int count, int levels) {
  std::mt19937 random(seed);
  Scored result;
  for (int i = 0; i < count; ++i) {
    result.scores.push_back(static_cast<double>(random() % levels) / levels);
    result.labels.push_back(random() % 3 == 0);
  }
  return result;
}

double auroc_by_pairs(const Scored& s) {
  double agreeing = 0, pairs = 0;
  for (std::size_t i = 0; i < s.scores.size(); ++i)
    for (std::size_t j = 0; j < s.scores.size(); ++j) {
      if (!s.labels[i] || s.labels[j]) continue;
      ++pairs;
      agreeing += s.scores[i] > s.scores[j] ? 1 : s.scores[i] == s.scores[j] ? 0.5 : 0;
    }
  return agreeing / pairs;
}

double average_precision_by_thresholds(const Scored& s) {
  double positives = 0, area = 0;
  for (const auto label : s.labels) positives += label;
  // Each positive adds the precision at its own score, taken as a threshold, over the number of positives.
  for (std::size_t i = 0; i < s.scores.size(); ++i) {
    if (!s.labels[i]) continue;
    double above = 0, right = 0;
    for (std::size_t j = 0; j < s.scores.size(); ++j) {
      if (s.scores[j] < s.scores[i]) continue;
      ++above;
      right += s.labels[j];
    }
    area += right / above / positives;
  }
  return area;
}

TEST(Auroc, EqualsPairCount) {
  for (const int levels : {2, 7, 1000000}) {
    const Scored s = random_scores(levels, 301, levels);
    EXPECT_NEAR(*auroc(s.scores, s.labels), auroc_by_pairs(s), 1e-12) << levels;
  }
}

TEST(Auroc, KnownValues) {
  const std::vector<std::uint8_t> labels{0, 0, 1, 1};
  EXPECT_DOUBLE_EQ(*auroc(std::vector{0.1, 0.4, 0.35, 0.8}, labels), 0.75);
  EXPECT_DOUBLE_EQ(*auroc(std::vector{0.5, 0.5, 0.5, 0.5}, labels), 0.5);
  EXPECT_DOUBLE_EQ(*auroc(std::vector{4.0, 3.0, 2.0, 1.0}, labels), 0);
}

TEST(Auroc, UndefinedWithOneClassOrNaN) {
  EXPECT_FALSE(auroc(std::vector{0.1, 0.2}, std::vector<std::uint8_t>{1, 1}));
  EXPECT_FALSE(auroc(std::vector{0.1, 0.2}, std::vector<std::uint8_t>{0, 0}));
  EXPECT_FALSE(auroc({}, {}));
  EXPECT_FALSE(auroc(std::vector{0.1, std::nan("")}, std::vector<std::uint8_t>{0, 1}));
}

TEST(AveragePrecision, EqualsSumOverThresholds) {
  for (const int levels : {2, 7, 1000000}) {
    const Scored s = random_scores(levels + 1, 301, levels);
    EXPECT_NEAR(*average_precision(s.scores, s.labels), average_precision_by_thresholds(s), 1e-12) << levels;
  }
}

TEST(AveragePrecision, KnownValues) {
  // sklearn.metrics.average_precision_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
  EXPECT_NEAR(*average_precision(std::vector{0.1, 0.4, 0.35, 0.8}, std::vector<std::uint8_t>{0, 0, 1, 1}),
              0.8333333333333333, 1e-15);
  EXPECT_FALSE(average_precision(std::vector{0.1}, std::vector<std::uint8_t>{0}));
}

TEST(RecallAt, CountsRelevantAmongTheTop) {
  const std::vector<float> scores{0.1f, 0.9f, 0.5f, 0.5f, 0.2f};
  EXPECT_DOUBLE_EQ(*recall_at(1, scores, std::vector<std::int32_t>{1}), 1);
  EXPECT_DOUBLE_EQ(*recall_at(2, scores, std::vector<std::int32_t>{1, 2, 3}), 2.0 / 3);
  EXPECT_DOUBLE_EQ(*recall_at(2, scores, std::vector<std::int32_t>{3}), 0) << "of a tie the lower id wins";
  EXPECT_DOUBLE_EQ(*recall_at(10, scores, std::vector<std::int32_t>{0, 4}), 1) << "more than there are";
  EXPECT_FALSE(recall_at(2, scores, {}));
}

double concordance_by_pairs(const SurvivalPredictions& p) {
  double agreeing = 0, pairs = 0;
  for (std::size_t i = 0; i < p.event_time.size(); ++i) {
    if (!p.observed[i]) continue;
    const std::int32_t e = p.event_time[i];
    for (std::size_t j = 0; j < p.event_time.size(); ++j) {
      if (p.event_time[j] < e || (p.event_time[j] == e && p.observed[j])) continue;
      ++pairs;
      const double mine = p.risk[p.offsets[i] + e], other = p.risk[p.offsets[j] + e];
      agreeing += mine > other ? 1 : mine == other ? 0.5 : 0;
    }
  }
  return agreeing / pairs;
}

SurvivalPredictions random_survival(std::uint32_t seed, int patients, bool any_observed) {
  std::mt19937 random(seed);
  SurvivalPredictions p;
  for (int i = 0; i < patients; ++i) {
    const auto time = static_cast<std::int32_t>(random() % 9);
    double risk = 0;
    for (std::int32_t t = 0; t <= time + static_cast<std::int32_t>(random() % 3); ++t)
      p.risk.push_back(risk += static_cast<double>(random() % 4));
    p.offsets.push_back(static_cast<std::int64_t>(p.risk.size()));
    p.event_time.push_back(time);
    p.observed.push_back(any_observed && random() % 2);
  }
  return p;
}

TEST(Concordance, EqualsPairCount) {
  for (std::uint32_t seed = 0; seed < 5; ++seed) {
    const SurvivalPredictions p = random_survival(seed, 120, true);
    EXPECT_NEAR(*concordance(p), concordance_by_pairs(p), 1e-12);
  }
}

TEST(Concordance, PerfectAndReversed) {
  SurvivalPredictions p{{0, 1, 3}, {5, 1, 2}, {0, 1}, {1, 0}};
  EXPECT_DOUBLE_EQ(*concordance(p), 1) << "the event at visit 0 had the higher risk";
  p.risk[0] = 0.5;
  EXPECT_DOUBLE_EQ(*concordance(p), 0);
}

TEST(Concordance, UndefinedWithoutEvents) {
  EXPECT_FALSE(concordance(random_survival(1, 20, false)));
  EXPECT_FALSE(concordance({}));
}

}  // namespace
}  // namespace ragtime
