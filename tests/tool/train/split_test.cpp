// Proves that the split follows from the patient's id and the seed alone, has about the share asked for, and
// that a side without examples is refused.

#include "host/tool/train/split.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "ragtime/error.hpp"
#include "tests/support/errors.hpp"
#include "tests/tool/train/cohorts.hpp"

namespace ragtime {
namespace {

using ::testing::HasSubstr;

// Patients with two visits of one day between them and one code each.
Cohort cohort_of(const std::vector<std::string>& ids) {
  std::vector<std::pair<std::string, std::vector<test::VisitOnDay>>> patients;
  for (const std::string& id : ids) patients.push_back({id, {{0, {0}}, {1, {0}}}});
  return test::make_cohort(patients, {"A"});
}

std::set<std::string> validation_ids(const std::vector<std::string>& ids, std::uint64_t seed) {
  const Cohort cohort = cohort_of(ids);
  const ExampleSet set = training_examples(cohort, {.task = Task::next_visit});
  const Split split = split_examples(cohort, set, {}, {}, seed);
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
  const ExampleSet set = training_examples(cohort, {.task = Task::next_visit});
  for (const double share : {0.2, 0.999})
    expect_error(ErrorCode::invalid_argument, {"expected at least one of each"},
                 [&] { split_examples(cohort, set, {.validation = share}, {}, 0); });
  for (const double share : {0.0, 1.0, -1.0, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_THROW(split_examples(cohort, set, {.validation = share}, {}, 0), Error) << share;
  for (const double share : {0.8, 1.0, -0.1, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_THROW(split_examples(cohort, set, {.test = share}, {}, 0), Error) << share;
}

// A test part is taken from those who would train: who validates stays the same.
TEST(Split, ATestPartLeavesTheValidationPartAsItIs) {
  const std::vector<std::string> ids = numbered(0, 400);
  const Cohort cohort = cohort_of(ids);
  const ExampleSet set = training_examples(cohort, {.task = Task::next_visit});
  const Split two = split_examples(cohort, set, {.validation = 0.2}, {}, 3);
  const Split three = split_examples(cohort, set, {.validation = 0.2, .test = 0.3}, {}, 3);
  EXPECT_EQ(three.validation, two.validation);
  EXPECT_NEAR(static_cast<double>(three.test.size()), 120, 46);  // 5 standard deviations
  EXPECT_EQ(three.training.size() + three.validation.size() + three.test.size(), 400u);
  EXPECT_EQ(three.patients.size(), 400u);
}

TEST(Split, AFileSaysWhoIsWhere) {
  const Cohort cohort = cohort_of({"a", "b", "c", "d"});
  const ExampleSet set = training_examples(cohort, {.task = Task::next_visit});
  const std::vector<PatientPart> file = {
      {"d", Part::training}, {"nobody", Part::training}, {"a", Part::validation}, {"c", Part::test}};
  const Split split = split_examples(cohort, set, {.file = "parts.csv"}, file, 0);
  EXPECT_THAT(split.training, testing::ElementsAre(3));
  EXPECT_THAT(split.validation, testing::ElementsAre(0));
  EXPECT_THAT(split.test, testing::ElementsAre(2));
  EXPECT_EQ(split.unmatched, 1);
  EXPECT_EQ(split.without_part, 1);
  EXPECT_EQ(to_csv(split.patients), "patient_id,part\na,validation\nc,test\nd,train\n");
}

TEST(Split, WarnsOfOneClassOnlyAndOfFewPositives) {
  const auto warnings = [](int positives) {
    Cohort cohort = cohort_of(numbered(0, 200));
    cohort.code_names = {"A", "X"};
    for (int p = 0; p < positives; ++p) cohort.codes[2 * p + 1] = 1;  // at the second visit
    TaskOptions options{.task = Task::binary_classification, .label_code = "X", .horizon_days = 1};
    options.predict_at = predict_at_from_text("visit:1");
    const ExampleSet set = training_examples(cohort, options);
    std::string all;
    for (const std::string& warning : split_warnings(set, split_examples(cohort, set, {}, {}, 0)))
      all += warning + "\n";
    return all;
  };
  EXPECT_THAT(warnings(1), testing::AnyOf(HasSubstr("no training example is positive"),
                                          HasSubstr("no validation example is positive")));
  EXPECT_THAT(warnings(200), HasSubstr("no training example is negative: there is nothing to learn"));
  EXPECT_THAT(warnings(50), testing::AllOf(HasSubstr("validation examples are positive: fewer than 20"),
                                           testing::Not(HasSubstr("training"))));
  EXPECT_EQ(warnings(150), "");
}

}  // namespace
}  // namespace ragtime
