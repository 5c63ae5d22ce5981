// Proves that the split follows from the patient's id and the seed alone, has about the share asked for, and
// that a side without examples is refused.

#include "host/train/split.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "ragtime/error.hpp"

namespace ragtime {
namespace {

using ::testing::HasSubstr;

// Patients with two visits of one day between them and one code each.
Cohort cohort_of(const std::vector<std::string>& ids) {
  Cohort cohort;
  cohort.code_names = {"A"};
  for (const std::string& id : ids) {
    cohort.patient_ids.push_back(id);
    for (const std::int64_t day : {0, 1}) {
      cohort.visit_times.push_back(day * 86400);
      cohort.codes.push_back(0);
      cohort.code_offsets.push_back(static_cast<std::int64_t>(cohort.codes.size()));
    }
    cohort.visit_offsets.push_back(static_cast<std::int64_t>(cohort.visit_times.size()));
  }
  return cohort;
}

std::set<std::string> validation_ids(const std::vector<std::string>& ids, std::uint64_t seed) {
  const Cohort cohort = cohort_of(ids);
  const ExampleSet set =
      training_examples(cohort, {.task = Task::next_visit, .label_code = {}, .labels_file = {}}, {});
  const Split split = split_examples(cohort, set, 0.2, seed);
  EXPECT_EQ(split.training.size() + split.validation.size(), ids.size());
  std::set<std::string> chosen;
  for (const std::int32_t index : split.validation) chosen.insert(ids[set.examples[index].patient]);
  return chosen;
}

std::vector<std::string> numbered(int from, int to) {
  std::vector<std::string> ids;
  for (int i = from; i < to; ++i) ids.push_back("patient-" + std::to_string(10000 + i));
  return ids;
}

TEST(Split, ShareIsAboutTheOneAskedFor) {
  // 5 standard deviations of a binomial with n = 4000, p = 0.2 are 127.
  EXPECT_NEAR(static_cast<double>(validation_ids(numbered(0, 4000), 0).size()), 800, 127);
}

TEST(Split, PatientsStayOnTheirSideWhenOthersCome) {
  const auto few = validation_ids(numbered(100, 200), 3);
  const auto many = validation_ids(numbered(0, 400), 3);
  for (const std::string& id : numbered(100, 200)) EXPECT_EQ(few.count(id), many.count(id)) << id;
}

TEST(Split, SeedsDiffer) {
  EXPECT_EQ(validation_ids(numbered(0, 200), 1), validation_ids(numbered(0, 200), 1));
  EXPECT_NE(validation_ids(numbered(0, 200), 1), validation_ids(numbered(0, 200), 2));
}

TEST(Split, EmptySideIsRefused) {
  const Cohort cohort = cohort_of({"only"});
  const ExampleSet set =
      training_examples(cohort, {.task = Task::next_visit, .label_code = {}, .labels_file = {}}, {});
  for (const double share : {0.2, 0.999}) {
    try {
      split_examples(cohort, set, share, 0);
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("expected at least one of each"));
    }
  }
  for (const double share : {0.0, 1.0, -1.0, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_THROW(split_examples(cohort, set, share, 0), Error) << share;
}

TEST(Split, WarnsOfOneClassOnly) {
  Cohort cohort = cohort_of(numbered(0, 50));
  cohort.code_names = {"A", "X"};
  cohort.codes[1] = 1;  // the second visit of the first patient
  const ExampleSet set = training_examples(
      cohort, {.task = Task::binary_classification, .label_code = "X", .labels_file = {}}, {});
  const Split split = split_examples(cohort, set, 0.3, 0);
  EXPECT_THAT(split_warning(cohort, set, split), HasSubstr("patient has a positive target"));
}

}  // namespace
}  // namespace ragtime
