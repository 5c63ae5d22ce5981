// What the length of a history tells: the event rate by length is learned on the training examples, in the
// direction that they show, and an AUROC of 0.5 is all that equal lengths give.

#include "host/tool/train/history_length.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/support/operation_test.hpp"
#include "tests/tool/train/cohorts.hpp"

namespace ragtime {
namespace {

// Patients of 1 to 20 visits, ten days apart, and a label by the number of visits.
class HistoryLengthTest : public testing::Test {
 protected:
  template <class Label>
  std::optional<double> auroc_of(Label label, HistoryLength length = HistoryLength::visits) {
    std::vector<std::pair<std::string, std::vector<test::VisitOnDay>>> patients;
    TaskFiles files;
    for (int p = 0; p < 400; ++p) {
      std::vector<test::VisitOnDay> visits;
      for (int v = 0; v <= p % 20; ++v) visits.push_back({10 * v, {0}});
      patients.emplace_back("p" + std::to_string(1000 + p), visits);
      files.labels.labels.push_back({patients.back().first, label(p % 20 + 1, p) ? 1.0 : 0.0});
    }
    const Cohort cohort = test::make_cohort(patients, {"A"});
    const ExampleSet set =
        training_examples(cohort, {.task = Task::binary_classification, .labels_file = "labels.csv"}, files);
    std::vector<std::int32_t> training(200), scored(200);
    std::iota(training.begin(), training.end(), 0);
    std::iota(scored.begin(), scored.end(), 200);
    return history_length_auroc(cohort, set, length, training, scored);
  }
};

TEST_F(HistoryLengthTest, IsPerfectWhereTheLengthDecides) {
  EXPECT_EQ(auroc_of([](int visits, int) { return visits > 7; }), 1);
  EXPECT_EQ(auroc_of([](int visits, int) { return visits <= 7; }), 1) << "falling";
  EXPECT_EQ(auroc_of([](int visits, int) { return visits > 7; }, HistoryLength::days), 1);
}

TEST_F(HistoryLengthTest, LearnsTheDirectionFromTheTrainingExamplesAlone) {
  // Those that are scored go the other way.
  EXPECT_EQ(auroc_of([](int visits, int p) { return (visits > 7) == (p < 200); }), 0);
}

TEST_F(HistoryLengthTest, IsAHalfWhereTheLengthTellsNothing) {
  const auto by_chance = auroc_of([](int, int p) { return p / 20 % 2; });
  ASSERT_TRUE(by_chance);
  EXPECT_EQ(*by_chance, 0.5) << "as many positives at every length: one group";
  EXPECT_FALSE(auroc_of([](int, int) { return 1; })) << "of one class only it is not defined";
}

}  // namespace
}  // namespace ragtime
