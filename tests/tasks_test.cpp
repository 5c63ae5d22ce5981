// Proves which visits each task sees and what it learns from them, on a cohort small enough to work out by
// hand: causal cuts, windows with and without knowledge of their end, events that concern the next visit,
// labels from a file, and the errors of what cannot be learned.

#include "host/train/tasks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cohorts.hpp"
#include "ragtime/error.hpp"

namespace ragtime {
namespace {

using test::make_cohort;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Code X is index 2. p0 gets it at visit 2, p1 never, p2 at its first visit, p3 has one visit without it, p4
// has it twice.
Cohort small_cohort() {
  return make_cohort({{"p0", {{0, {0}}, {10, {1}}, {20, {0, 2}}, {30, {1}}}},
                      {"p1", {{0, {0}}, {5, {1}}, {40, {0}}}},
                      {"p2", {{0, {2}}, {50, {0}}}},
                      {"p3", {{0, {1}}}},
                      {"p4", {{0, {1}}, {10, {2}}, {10, {0, 2}}, {100, {0}}}}},
                     {"A", "B", "X"});
}

TaskOptions with_code(Task task, double horizon = default_horizon_days) {
  return {.task = task, .label_code = "X", .labels_file = {}, .horizon_days = horizon};
}

std::vector<std::int64_t> patients_of(const ExampleSet& set) {
  std::vector<std::int64_t> patients;
  for (const Example& example : set.examples) patients.push_back(example.patient);
  return patients;
}

template <class Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Tasks, BinaryClassificationSeesOnlyWhatIsBeforeTheCode) {
  const Cohort cohort = small_cohort();
  const ExampleSet set = training_examples(cohort, with_code(Task::binary_classification), {});
  EXPECT_THAT(patients_of(set), ElementsAre(0, 1, 3, 4));
  EXPECT_THAT(example_lengths(set), ElementsAre(2, 3, 1, 1));
  EXPECT_EQ(set.event_at_first_visit, 1);
  EXPECT_THAT(make_targets(cohort, set, std::vector{0, 1, 2, 3}).values, ElementsAre(1, 0, 0, 1));

  const ExampleSet predicted = prediction_examples(cohort, with_code(Task::binary_classification));
  EXPECT_EQ(patients_of(predicted), patients_of(set));
  EXPECT_EQ(example_lengths(predicted), example_lengths(set));
}

TEST(Tasks, PredictionsNeedNoLabelCodeInTheData) {
  const Cohort cohort = small_cohort();
  TaskOptions options = with_code(Task::binary_classification);
  options.label_code = "absent";
  EXPECT_THAT(example_lengths(prediction_examples(cohort, options)), ElementsAre(4, 3, 2, 1, 4));
  EXPECT_THAT(message_of([&] { training_examples(cohort, options, {}); }),
              HasSubstr("--label-code is absent: no visit of the data holds this code"));
}

TEST(Tasks, SurvivalConcernsTheNextVisit) {
  const Cohort cohort = small_cohort();
  const ExampleSet set = training_examples(cohort, with_code(Task::survival), {});
  EXPECT_THAT(patients_of(set), ElementsAre(0, 1, 4));
  EXPECT_EQ(set.event_at_first_visit, 1);
  EXPECT_EQ(set.uninformative, 1) << "a single visit without the event";
  EXPECT_THAT(example_lengths(set), ElementsAre(2, 3, 1)) << "the event's own visit is no input";
  const HostTargets targets = make_targets(cohort, set, std::vector{0, 1, 2});
  EXPECT_THAT(targets.event_time, ElementsAre(1, 1, 0));
  EXPECT_THAT(targets.observed, ElementsAre(1, 0, 1));
}

TEST(Tasks, WindowTargetsMaskWhatIsNotKnown) {
  const Cohort cohort = small_cohort();
  const ExampleSet set = training_examples(cohort, with_code(Task::visit_binary, 10), {});
  EXPECT_THAT(patients_of(set), ElementsAre(0, 1, 2, 4));
  EXPECT_EQ(set.uninformative, 1);
  const auto targets = [&](std::int32_t index) { return make_targets(cohort, set, {&index, 1}); };
  // Days 0, 10, 20, 30 with X on day 20: (0, 10] no, (10, 20] yes, (20, 30] no and known, (30, 40] unknown.
  EXPECT_THAT(targets(0).values, ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(targets(0).row_weight, ElementsAre(1, 1, 1, 0));
  // The code of the visit itself does not count, nor that of a visit at the same time.
  EXPECT_THAT(targets(3).values, ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(targets(3).row_weight, ElementsAre(1, 1, 1, 0));
}

TEST(Tasks, PositivesAreNeverMasked) {
  const Cohort cohort = small_cohort();
  const ExampleSet set = training_examples(cohort, with_code(Task::visit_binary, 1000), {});
  EXPECT_THAT(patients_of(set), ElementsAre(0, 4));
  const HostTargets targets = make_targets(cohort, set, std::vector{0});
  EXPECT_THAT(targets.values, ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(targets.row_weight, ElementsAre(1, 1, 0, 0));
}

TEST(Tasks, NextVisitMasksEachLastVisit) {
  const Cohort cohort = small_cohort();
  const TaskOptions options{.task = Task::next_visit, .label_code = {}, .labels_file = {}};
  const ExampleSet set = training_examples(cohort, options, {});
  EXPECT_THAT(patients_of(set), ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(make_targets(cohort, set, std::vector{2, 1}).row_weight, ElementsAre(1, 0, 1, 1, 0));
  EXPECT_THAT(example_lengths(prediction_examples(cohort, options)), ElementsAre(4, 3, 2, 1, 4));
}

TEST(Tasks, LabelsFromAFile) {
  const Cohort cohort = small_cohort();
  const TaskOptions options{.task = Task::multi_class, .label_code = {}, .labels_file = "labels.csv"};
  const std::vector<PatientLabel> labels{{"p3", 4}, {"p0", 1}, {"nobody", 2}};
  const ExampleSet set = training_examples(cohort, options, labels);
  EXPECT_THAT(patients_of(set), ElementsAre(0, 3));
  EXPECT_THAT(example_lengths(set), ElementsAre(4, 1));
  EXPECT_EQ(set.classes, 5);
  EXPECT_EQ(set.unmatched_labels, 1);
  EXPECT_EQ(set.unlabelled, 3);
  EXPECT_THAT(make_targets(cohort, set, std::vector{0, 1}).labels, ElementsAre(1, 4));
}

TEST(Tasks, LabelsThatDoNotSuitTheTask) {
  const Cohort cohort = small_cohort();
  const auto message = [&](Task task, double label) {
    const TaskOptions options{.task = task, .label_code = {}, .labels_file = "labels.csv"};
    return message_of([&] { training_examples(cohort, options, std::vector<PatientLabel>{{"p0", label}}); });
  };
  EXPECT_THAT(message(Task::binary_classification, 2),
              HasSubstr("label of patient p0 is 2: expected 0 or 1"));
  EXPECT_THAT(message(Task::multi_class, -1), HasSubstr("expected a class"));
  EXPECT_THAT(message(Task::multi_class, 0.5), HasSubstr("expected a class"));
  EXPECT_THAT(message(Task::multi_class, 1e12), HasSubstr("expected a class"));
  EXPECT_THAT(message(Task::regression, 1e300), HasSubstr("expected a finite number"));
}

TEST(Tasks, NothingToLearnFrom) {
  const Cohort cohort = make_cohort({{"a", {{0, {0}}}}}, {"X"});
  EXPECT_THAT(message_of([&] { training_examples(cohort, with_code(Task::survival), {}); }),
              HasSubstr("no patient of the data has a target"));
  const TaskOptions options{.task = Task::regression, .label_code = {}, .labels_file = "labels.csv"};
  EXPECT_THAT(message_of([&] {
                training_examples(cohort, options, std::vector<PatientLabel>{{"b", 1}});
              }),
              HasSubstr("labels.csv: none of its 1 patients is in the data"));
}

TEST(Tasks, OptionsThatDoNotSuitTheTask) {
  const auto message = [](TaskOptions options) { return message_of([&] { validate(options); }); };
  EXPECT_THAT(message({.task = Task::visit_binary, .label_code = {}, .labels_file = {}}),
              HasSubstr("needs --label-code"));
  EXPECT_THAT(message({.task = Task::regression, .label_code = {}, .labels_file = {}}),
              HasSubstr("needs --labels"));
  EXPECT_THAT(message({.task = Task::next_visit, .label_code = "X", .labels_file = {}}),
              HasSubstr("learns from the visits alone"));
  EXPECT_THAT(message({.task = Task::binary_classification, .label_code = "X", .labels_file = "f"}),
              HasSubstr("both given"));
  EXPECT_THAT(message(with_code(Task::visit_binary, -1)), HasSubstr("--horizon-days is -1"));
  EXPECT_THAT(message(with_code(Task::visit_binary, std::numeric_limits<double>::quiet_NaN())),
              HasSubstr("--horizon-days is nan"));
}

TEST(Tasks, BatchHoldsTheInputVisitsInTheOrderAskedFor) {
  const Cohort cohort = small_cohort();
  const EncodedCohort encoded = encode(cohort, Vocabulary::from_codes({"A", "B", "X"}));
  const ExampleSet set = training_examples(cohort, with_code(Task::binary_classification), {});
  const RaggedBatch batch = make_batch(encoded, set, std::vector{1, 0});
  EXPECT_THAT(batch.layout.visit_offsets, ElementsAre(0, 3, 5));
  EXPECT_THAT(batch.code_offsets, ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(batch.codes, ElementsAre(2, 3, 2, 2, 3)) << "X, id 4, must not be seen";
  EXPECT_THAT(batch.sequence_ids, ElementsAre(1, 0));
  EXPECT_THAT(batch.code_weights, IsEmpty());
}

}  // namespace
}  // namespace ragtime
