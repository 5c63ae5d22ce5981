// Proves which visits and codes each task sees, which examples are used, and what is learned from them, on a
// cohort small enough to work out by hand: windows after a prediction time, the end of observation, events
// that concern the next visit, labels from a file, and the errors of what cannot be learned.

#include "host/tool/train/tasks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ragtime/error.hpp"
#include "tests/support/errors.hpp"
#include "tests/tool/train/cohorts.hpp"

namespace ragtime {
namespace {

using test::end_of_day;
using test::make_cohort;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Code X is index 2. p0 gets it at visit 2, p1 never, p2 at its first visit, p3 has one visit without it, p4
// has it twice. The last day of the data is 100.
Cohort small_cohort() {
  return make_cohort({{"p0", {{0, {0}}, {10, {1}}, {20, {0, 2}}, {30, {1}}}},
                      {"p1", {{0, {0}}, {5, {1}}, {40, {0}}}},
                      {"p2", {{0, {2}}, {50, {0}}}},
                      {"p3", {{0, {1}}}},
                      {"p4", {{0, {1}}, {10, {2}}, {15, {0, 2}}, {100, {0}}}}},
                     {"A", "B", "X"});
}

TaskOptions with_code(Task task, const char* predict_at = nullptr, double horizon = 20, double gap = 0) {
  TaskOptions options{.task = task, .label_code = "X", .horizon_days = horizon, .gap_days = gap};
  if (predict_at != nullptr) options.predict_at = predict_at_from_text(predict_at);
  return options;
}

std::vector<std::int64_t> patients_of(const ExampleSet& set) {
  std::vector<std::int64_t> patients;
  for (const Example& example : set.examples) patients.push_back(example.patient);
  return patients;
}

std::vector<double> labels_of(const ExampleSet& set) {
  std::vector<double> labels;
  for (const Example& example : set.examples) labels.push_back(example.label);
  return labels;
}

template <class Action>
std::string message_of(Action action) {
  return error_of(ErrorCode::invalid_argument, action);
}

TEST(Tasks, TheLabelIsWhetherTheCodeOccursInTheWindow) {
  const Cohort cohort = small_cohort();
  const auto labels = [&](double horizon, double gap) {
    return labels_of(
        training_examples(cohort, with_code(Task::binary_classification, "visit:1", horizon, gap)));
  };
  // Of p0, p1, p3 and p4, whose X comes 20, no, no and 10 (and 15) days after the first visit.
  EXPECT_THAT(labels(20, 0), ElementsAre(1, 0, 0, 1)) << "the last day of the window is in it";
  EXPECT_THAT(labels(19, 0), ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(labels(10, 0), ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(labels(9.5, 0), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(labels(10, 10), ElementsAre(1, 0, 0, 1)) << "the gap's last day is not, but day 15 is";
  EXPECT_THAT(labels(4, 10), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(labels(5, 15), ElementsAre(1, 0, 0, 0));
}

TEST(Tasks, AnExampleHasAHistoryNoCodeAndItsWholeWindow) {
  const Cohort cohort = small_cohort();
  const ExampleSet set = training_examples(cohort, with_code(Task::binary_classification, "days:10", 20));
  // p0 at day 10 sees two visits; p1 two; p2 has X; p3 one; p4 has X that very day.
  EXPECT_THAT(patients_of(set), ElementsAre(0, 1, 3));
  EXPECT_THAT(example_lengths(set), ElementsAre(2, 2, 1));
  EXPECT_THAT(labels_of(set), ElementsAre(1, 0, 0));
  EXPECT_EQ(set.flow.patients, 5);
  EXPECT_EQ(set.flow.without_history, 0);
  EXPECT_EQ(set.flow.times, 5);
  EXPECT_EQ(set.flow.code_before, 2);
  EXPECT_EQ(set.flow.unobserved, 0);
  EXPECT_EQ(set.flow.used, 3);
  EXPECT_EQ(set.flow.used_patients, 3);
  EXPECT_EQ(set.flow.positives, 1);

  const ExampleSet late = training_examples(cohort, with_code(Task::binary_classification, "visit:3", 20));
  // Only p0 (X that day), p1 and p4 (X before) have a third visit.
  EXPECT_THAT(patients_of(late), ElementsAre(1));
  EXPECT_EQ(late.flow.without_history, 2);
  EXPECT_EQ(late.flow.code_before, 2);
}

TEST(Tasks, TheEndOfObservationDropsPositivesAndNegativesAlike) {
  const Cohort cohort = small_cohort();
  const auto used = [&](const char* observed_until, double horizon, std::vector<PatientTime> file = {}) {
    TaskOptions options = with_code(Task::binary_classification, "visit:1", horizon);
    options.observed_until = observed_until_from_text(observed_until);
    return training_examples(cohort, options, {.observed_until = std::move(file)});
  };
  // The last time in the data is the end of day 100, and everybody is observed until then.
  EXPECT_THAT(patients_of(used("data", 100)), ElementsAre(0, 1, 3, 4));
  EXPECT_THAT(message_of([&] { used("data", 101); }), HasSubstr("4 are not observed to the end"));
  // Each to the own last visit: p0 to day 30, p1 40, p3 0, p4 100.
  EXPECT_THAT(patients_of(used("record", 30)), ElementsAre(0, 1, 4));
  EXPECT_THAT(patients_of(used("record", 31)), ElementsAre(1, 4)) << "p0 has X in the window, and goes too";
  EXPECT_THAT(patients_of(used("date:1970-01-21", 20)), ElementsAre(0, 1, 3, 4));
  EXPECT_THAT(message_of([&] { used("date:1970-01-20", 20); }), HasSubstr("4 are not observed to the end"));
  const ExampleSet set = used(
      "ends.csv", 20, {{"p0", {end_of_day(19)}}, {"p1", {end_of_day(20)}}, {"nobody", {end_of_day(500)}}});
  EXPECT_THAT(patients_of(set), ElementsAre(1));
  EXPECT_EQ(set.observation.unmatched, 1);
  EXPECT_EQ(set.observation.without_end, 3);
}

TEST(Tasks, VisitBinaryPredictsAtVisitsByTheSameRule) {
  const Cohort cohort = small_cohort();
  const ExampleSet set = training_examples(cohort, with_code(Task::visit_binary, "visits", 20));
  EXPECT_THAT(patients_of(set), ElementsAre(0, 1, 3, 4)) << "p2 has X by each of its visits";
  EXPECT_THAT(example_lengths(set), ElementsAre(2, 3, 1, 1)) << "up to the last prediction";
  const auto targets = [&](std::int32_t index) { return make_targets(set, {&index, 1}); };
  EXPECT_THAT(targets(0).values, ElementsAre(1, 1));
  EXPECT_THAT(targets(0).row_weight, ElementsAre(1, 1));
  EXPECT_THAT(targets(1).values, ElementsAre(0, 0, 0));
  EXPECT_THAT(targets(3).values, ElementsAre(1));
  EXPECT_EQ(set.flow.used, 7);
  EXPECT_EQ(set.flow.positives, 3);
  EXPECT_EQ(count_targets(set, std::vector{0, 1, 2, 3}).positives, 3);
  EXPECT_EQ(count_targets(set, std::vector{0, 1, 2, 3}).targets, 7);

  // A window that is known to nobody's end: rows between are input, but predict nothing.
  TaskOptions options = with_code(Task::visit_binary, "visit:2", 20);
  const ExampleSet second = training_examples(cohort, options);
  EXPECT_THAT(patients_of(second), ElementsAre(0, 1));
  EXPECT_THAT(make_targets(second, std::vector{0}).row_weight, ElementsAre(0, 1));
}

TEST(Tasks, PatientLevelPredictionsAtEveryVisit) {
  const Cohort cohort = small_cohort();
  const ExampleSet set = training_examples(cohort, with_code(Task::binary_classification, "visits", 20));
  EXPECT_THAT(patients_of(set), ElementsAre(0, 0, 1, 1, 1, 3, 4));
  EXPECT_THAT(example_lengths(set), ElementsAre(1, 2, 1, 2, 3, 1, 1));
  EXPECT_THAT(labels_of(set), ElementsAre(1, 1, 0, 0, 0, 0, 1));
}

TEST(Tasks, PredictionsSeeEverythingOrWhatIsKnownByATime) {
  const Cohort cohort = small_cohort();
  const TaskOptions options = with_code(Task::binary_classification, "visit:1");
  EXPECT_THAT(example_lengths(prediction_examples(cohort, options)), ElementsAre(4, 3, 2, 1, 4))
      << "X cuts nothing off";
  const ExampleSet early = prediction_examples(cohort, options, end_of_day(10));
  EXPECT_THAT(example_lengths(early), ElementsAre(2, 2, 1, 1, 2));
  EXPECT_THAT(patients_of(prediction_examples(cohort, options, end_of_day(-1))), IsEmpty());
}

TEST(Tasks, ACodeThatTheDataDoNotHave) {
  const Cohort cohort = small_cohort();
  TaskOptions options = with_code(Task::binary_classification, "visit:1");
  options.label_code = "absent";
  EXPECT_THAT(example_lengths(prediction_examples(cohort, options)), ElementsAre(4, 3, 2, 1, 4));
  EXPECT_THAT(message_of([&] { training_examples(cohort, options); }),
              HasSubstr("--label-code is absent: no visit of the data holds this code"));
}

TEST(Tasks, SurvivalConcernsTheNextVisit) {
  const Cohort cohort = small_cohort();
  const ExampleSet set = training_examples(cohort, with_code(Task::survival));
  EXPECT_THAT(patients_of(set), ElementsAre(0, 1, 4));
  EXPECT_EQ(set.event_at_first_visit, 1);
  EXPECT_EQ(set.uninformative, 1) << "a single visit without the event";
  EXPECT_THAT(example_lengths(set), ElementsAre(2, 3, 1)) << "the event's own visit is no input";
  const HostTargets targets = make_targets(set, std::vector{0, 1, 2});
  EXPECT_THAT(targets.event_time, ElementsAre(1, 1, 0));
  EXPECT_THAT(targets.observed, ElementsAre(1, 0, 1));
}

// Two visits of one day whose order is not known: neither is before the other.
TEST(Tasks, SurvivalDoesNotSeeTheDayOfTheEventWhereItsOrderIsUnknown) {
  Cohort cohort = make_cohort({{"p", {{0, {0}}, {9, {1}}, {9, {1, 2}}}}}, {"A", "B", "X"});
  EXPECT_THAT(example_lengths(training_examples(cohort, with_code(Task::survival))), ElementsAre(1));
  // With times of day the order is known.
  cohort.visit_times[1] = cohort.code_times[1] = end_of_day(8) + 1;
  cohort.visit_times[2] = end_of_day(8) + 2;
  EXPECT_THAT(example_lengths(training_examples(cohort, with_code(Task::survival))), ElementsAre(2));
  // What the earlier visit still gets later that day is no input, and without it there is no visit yet.
  cohort.code_times[1] = end_of_day(8) + 3;
  EXPECT_THAT(example_lengths(training_examples(cohort, with_code(Task::survival))), ElementsAre(1));
}

// Encounters that overlap: the one with the code began later, and has it first.
TEST(Tasks, SurvivalCountsFromTheFirstTimeOfTheCode) {
  Cohort cohort = make_cohort({{"p", {{0, {0}}, {9, {0, 2}}, {9, {1, 2}}}}}, {"A", "B", "X"});
  cohort.visit_times[1] = end_of_day(8) + 1;
  cohort.code_times[1] = end_of_day(8) + 1;
  cohort.code_times[2] = end_of_day(8) + 50;  // X here is the later one
  cohort.visit_times[2] = end_of_day(8) + 20;
  cohort.code_times[3] = cohort.code_times[4] = end_of_day(8) + 30;
  const ExampleSet set = training_examples(cohort, with_code(Task::survival));
  EXPECT_THAT(example_lengths(set), ElementsAre(2));
  const EncodedCohort encoded = encode(cohort, Vocabulary::from_codes({"A", "B", "X"}));
  EXPECT_THAT(make_batch(encoded, set, std::vector{0}).codes, ElementsAre(2, 2)) << "without X";
}

TEST(Tasks, NextVisitMasksEachLastVisit) {
  const Cohort cohort = small_cohort();
  const TaskOptions options{.task = Task::next_visit};
  const ExampleSet set = training_examples(cohort, options);
  EXPECT_THAT(patients_of(set), ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(make_targets(set, std::vector{2, 1}).row_weight, ElementsAre(1, 0, 1, 1, 0));
  EXPECT_THAT(example_lengths(prediction_examples(cohort, options)), ElementsAre(4, 3, 2, 1, 4));
}

TEST(Tasks, LabelsOfWholeRecords) {
  const Cohort cohort = small_cohort();
  const TaskOptions options{.task = Task::multi_class, .labels_file = "labels.csv"};
  const TaskFiles files{.labels = {.labels = {{"p3", 4}, {"p0", 1}, {"nobody", 2}}}};
  const ExampleSet set = training_examples(cohort, options, files);
  EXPECT_THAT(patients_of(set), ElementsAre(0, 3));
  EXPECT_THAT(example_lengths(set), ElementsAre(4, 1));
  EXPECT_EQ(set.classes, 5);
  EXPECT_EQ(set.unmatched_labels, 1);
  EXPECT_EQ(set.unlabelled, 3);
  EXPECT_THAT(make_targets(set, std::vector{0, 1}).labels, ElementsAre(1, 4));
  EXPECT_THAT(set.time_texts, IsEmpty());
}

TEST(Tasks, LabelsWithPredictionTimes) {
  const Cohort cohort = small_cohort();
  TaskOptions options{.task = Task::regression, .labels_file = "labels.csv"};
  const TaskFiles files{.labels = {.labels = {{"p1", 7, end_of_day(39), "late"},
                                              {"p0", 5, end_of_day(10), "ten"},
                                              {"p1", 6, end_of_day(5), "five"},
                                              {"p4", 9, end_of_day(-1), "never"}},
                                   .has_times = true}};
  const ExampleSet set = training_examples(cohort, options, files);
  EXPECT_THAT(patients_of(set), ElementsAre(0, 1, 1)) << "by patient, then by time";
  EXPECT_THAT(example_lengths(set), ElementsAre(2, 2, 2));
  EXPECT_THAT(make_targets(set, std::vector{0, 1, 2}).values, ElementsAre(5, 6, 7));
  EXPECT_THAT(set.time_texts, ElementsAre("ten", "five", "late"));
  EXPECT_EQ(set.labels_before_data, 1);
  EXPECT_EQ(set.unlabelled, 2) << "p2 and p3";
  options.before = true;
  EXPECT_THAT(example_lengths(training_examples(cohort, options, files)), ElementsAre(1, 1, 2));
}

TEST(Tasks, OnlyCodesKnownByThePredictionTimeAreInput) {
  Cohort cohort = make_cohort({{"p", {{0, {0}}, {9, {0, 1, 2}}}}}, {"A", "B", "C"});
  const Time day = end_of_day(8) + 1;
  cohort.visit_times[1] = day + 100;
  cohort.code_times = {end_of_day(0), day + 300, day + 100, day + 200};
  const EncodedCohort encoded = encode(cohort, Vocabulary::from_codes({"A", "B", "C"}));
  const auto codes_at = [&](Time time) {
    const ExampleSet set = prediction_examples(cohort, {.task = Task::binary_classification}, time);
    return make_batch(encoded, set, std::vector{0}).codes;
  };
  EXPECT_THAT(codes_at(end_of_day(0)), ElementsAre(2));
  EXPECT_THAT(codes_at(day + 99), ElementsAre(2));
  EXPECT_THAT(codes_at(day + 100), ElementsAre(2, 3)) << "up to and including";
  EXPECT_THAT(codes_at(day + 299), ElementsAre(2, 3, 4));
  EXPECT_THAT(codes_at(day + 300), ElementsAre(2, 2, 3, 4));
}

TEST(Tasks, LabelsThatDoNotSuitTheTask) {
  const Cohort cohort = small_cohort();
  const auto message = [&](Task task, double label, bool is_categorical = false, bool before = false) {
    const TaskOptions options{.task = task, .labels_file = "labels.csv", .before = before};
    return message_of([&] {
      training_examples(cohort, options,
                        {.labels = {.labels = {{"p0", label}}, .is_categorical = is_categorical}});
    });
  };
  EXPECT_THAT(message(Task::binary_classification, 2),
              HasSubstr("label of patient p0 is 2: expected 0 or 1"));
  EXPECT_THAT(message(Task::multi_class, -1), HasSubstr("expected a class"));
  EXPECT_THAT(message(Task::multi_class, 0.5), HasSubstr("expected a class"));
  EXPECT_THAT(message(Task::multi_class, 1e12), HasSubstr("expected a class"));
  EXPECT_THAT(message(Task::regression, 1e300), HasSubstr("expected a finite number"));
  EXPECT_THAT(message(Task::regression, 0, true), HasSubstr("has categorical_value: expected float_value"));
  EXPECT_THAT(message(Task::binary_classification, 0, true), HasSubstr("expected boolean_value"));
  EXPECT_THAT(message(Task::regression, 0, false, true), HasSubstr("--before with labels.csv"));
}

TEST(Tasks, NothingToLearnFrom) {
  const Cohort cohort = make_cohort({{"a", {{0, {0}}}}}, {"X"});
  EXPECT_THAT(message_of([&] { training_examples(cohort, with_code(Task::survival)); }),
              HasSubstr("no patient of the data has a target"));
  EXPECT_THAT(
      message_of([&] { training_examples(cohort, with_code(Task::binary_classification, "visit:1")); }),
      HasSubstr("--predict-at visit:1: no example is left of 1 patients"));
  const TaskOptions options{.task = Task::regression, .labels_file = "labels.csv"};
  EXPECT_THAT(message_of([&] {
                training_examples(cohort, options, {.labels = {.labels = {{"b", 1}}}});
              }),
              HasSubstr("labels.csv: none of its 1 patients is in the data"));
  EXPECT_THAT(message_of([&] {
                training_examples(cohort, options,
                                  {.labels = {.labels = {{"a", 1, end_of_day(-1), "t"}}, .has_times = true}});
              }),
              HasSubstr("every label is of a time before the patient's first event"));
}

TEST(Tasks, OptionsThatDoNotSuitTheTask) {
  const auto message = [](TaskOptions options) { return message_of([&] { validate(options); }); };
  EXPECT_THAT(message({.task = Task::visit_binary}), HasSubstr("needs --label-code"));
  EXPECT_THAT(message({.task = Task::regression}), HasSubstr("needs --labels"));
  EXPECT_THAT(message({.task = Task::next_visit, .label_code = "X"}),
              HasSubstr("learns from the visits alone"));
  EXPECT_THAT(message({.task = Task::binary_classification, .label_code = "X", .labels_file = "f"}),
              HasSubstr("both given"));
  EXPECT_THAT(message(with_code(Task::binary_classification)), HasSubstr("needs --predict-at"));
  EXPECT_THAT(message(with_code(Task::visit_binary, "days:3")),
              HasSubstr("--predict-at is days:3 with --task visit_binary, which predicts at visits"));
  EXPECT_THAT(message(with_code(Task::survival, "visits")),
              HasSubstr("--predict-at is visits with --task survival"));
  EXPECT_THAT(message(with_code(Task::visit_binary, "visits", -1)), HasSubstr("--horizon-days is -1"));
  EXPECT_THAT(message(with_code(Task::visit_binary, "visits", std::numeric_limits<double>::quiet_NaN())),
              HasSubstr("--horizon-days is nan"));
  EXPECT_THAT(message(with_code(Task::visit_binary, "visits", 1, -1)), HasSubstr("--gap-days is -1"));
  TaskOptions before = with_code(Task::visit_binary, "visits");
  before.before = true;
  EXPECT_THAT(message(before), HasSubstr("--before without --labels"));
}

TEST(Tasks, BatchHoldsTheInputVisitsInTheOrderAskedFor) {
  const Cohort cohort = small_cohort();
  const EncodedCohort encoded = encode(cohort, Vocabulary::from_codes({"A", "B", "X"}));
  const ExampleSet set = training_examples(cohort, with_code(Task::binary_classification, "days:10"));
  const RaggedBatch batch = make_batch(encoded, set, std::vector{1, 0});
  EXPECT_THAT(batch.layout.visit_offsets, ElementsAre(0, 2, 4));
  EXPECT_THAT(batch.code_offsets, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(batch.codes, ElementsAre(2, 3, 2, 3)) << "X, id 4, must not be seen";
  EXPECT_THAT(batch.sequence_ids, ElementsAre(1, 0));
  EXPECT_THAT(batch.code_weights, IsEmpty());
}

}  // namespace
}  // namespace ragtime
