// What a run computes on: the vocabulary of the training patients alone, outputs as the task and the data
// ask, and a fingerprint that no change of the data escapes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "tests/tool/train/support.hpp"

namespace ragtime {
namespace {

using test::learnable_cohort;
using test::small_run;
using testing::ElementsAre;

// A code of its own for every patient, so that the vocabulary tells whose codes it holds.
Cohort cohort_of_own_codes() {
  std::vector<std::pair<std::string, std::vector<test::VisitOnDay>>> patients;
  std::vector<std::string> names;
  for (std::int32_t p = 0; p < 20; ++p) {
    patients.push_back({std::to_string(100 + p), {{0, {p}}, {1, {p, 20}}}});
    names.push_back("c" + std::to_string(100 + p));
  }
  names.push_back("shared");
  return test::make_cohort(patients, names);
}

TEST(PrepareTraining, VocabularyIsThatOfTheTrainingPatientsInStringOrder) {
  TrainOptions options = small_run("unused", Task::next_visit);
  options.min_code_count = 0;
  const auto data = prepare_training(cohort_of_own_codes(), {}, options);
  std::vector<std::string> expected = {"[PAD]", "[UNK]"}, actual;
  for (const std::int32_t index : data->split.training)
    expected.push_back("c" + data->cohort.patient_ids[data->examples.examples[index].patient]);
  expected.push_back("shared");
  for (std::int32_t id = 0; id < data->vocabulary.size(); ++id) actual.push_back(data->vocabulary.code(id));
  EXPECT_EQ(actual, expected);
  EXPECT_EQ(data->config.vocab_size, data->vocabulary.size());

  ASSERT_FALSE(data->split.validation.empty());
  for (const std::int32_t index : data->split.validation) {
    const std::int64_t visit = data->cohort.visit_offsets[data->examples.examples[index].patient];
    EXPECT_THAT(data->encoded.visit_codes(visit), ElementsAre(1)) << "[UNK]";
  }
}

TEST(PrepareTraining, RareCodesAreCountedAndUnknown) {
  TrainOptions options = small_run("unused", Task::next_visit);
  options.min_code_count = 2;
  const auto data = prepare_training(cohort_of_own_codes(), {}, options);
  EXPECT_EQ(data->rare_codes, std::ssize(data->split.training));
  EXPECT_EQ(data->vocabulary.size(), 3);
  EXPECT_EQ(data->vocabulary.code(2), "shared");
}

// Patients without a label take no part, in the vocabulary either.
TEST(PrepareTraining, VocabularyLeavesOutWhoHasNoLabel) {
  std::vector<PatientLabel> labels;
  for (int p = 101; p < 120; p += 2) labels.push_back({std::to_string(p), static_cast<double>(p)});
  TrainOptions options = small_run("unused", Task::regression);
  options.split.validation = 0.5;
  options.min_code_count = 1;
  const auto data = prepare_training(cohort_of_own_codes(), test::files_of(labels), options);
  EXPECT_EQ(data->vocabulary.size(), static_cast<std::int32_t>(2 + data->split.training.size() + 1));
  for (int p = 100; p < 120; p += 2) EXPECT_EQ(data->vocabulary.find("c" + std::to_string(p)), -1) << p;
}

TEST(PrepareTraining, OutputsFollowFromTheTask) {
  const auto config_of = [](Task task, int classes = 2) {
    Cohort cohort = learnable_cohort();
    const auto labels = test::labels_of(cohort, classes);
    const TrainOptions options = small_run("unused", task);
    return prepare_training(std::move(cohort), test::files_of(labels), options)->config;
  };
  for (const Task task : {Task::binary_classification, Task::regression, Task::visit_binary, Task::survival})
    EXPECT_EQ(config_of(task).output_dim, 1) << name_of(task);
  EXPECT_EQ(config_of(Task::next_visit).output_dim, config_of(Task::next_visit).vocab_size);
  EXPECT_EQ(config_of(Task::multi_class, 5).output_dim, 5);
  EXPECT_EQ(config_of(Task::multi_class, 1).output_dim, 2) << "a softmax over one class says nothing";
  const ModelConfig config = config_of(Task::survival);
  EXPECT_EQ(config.task, Task::survival);
  EXPECT_EQ(config.embedding_dim, 4);
  EXPECT_EQ(config.hidden_dim, 5);
  EXPECT_EQ(config.dropout, 0.3);
  EXPECT_EQ(config.padding_idx, 0);
}

std::uint64_t fingerprint_of(const std::function<void(Cohort&, std::vector<PatientLabel>&)>& change) {
  Cohort cohort = learnable_cohort();
  std::vector<PatientLabel> labels = test::labels_of(cohort);
  change(cohort, labels);
  return prepare_training(std::move(cohort), test::files_of(labels), small_run("unused", Task::regression))
      ->fingerprint;
}

TEST(PrepareTraining, FingerprintChangesWithAnythingARunComputesOn) {
  using Labels = std::vector<PatientLabel>;
  const auto unchanged = [](Cohort&, Labels&) {};
  EXPECT_EQ(fingerprint_of(unchanged), fingerprint_of(unchanged));
  const std::pair<const char*, std::function<void(Cohort&, Labels&)>> changes[] = {
      {"as it is", unchanged},
      {"a code", [](Cohort& c, Labels&) { c.codes.back() = c.codes.back() == 5 ? 6 : 5; }},
      {"a code's name", [](Cohort& c, Labels&) { c.code_names.back() = "Y"; }},
      {"a time", [](Cohort& c, Labels&) { ++c.visit_times.back(); }},
      {"a label", [](Cohort&, Labels& l) { l[7].label = std::nextafter(l[7].label, 9); }},
      {"a patient's id",
       [](Cohort& c, Labels& l) {
         c.patient_ids.back() += "x";
         l.back().patient_id += "x";
       }},
      {"a code more",
       [](Cohort& c, Labels&) {
         c.codes.push_back(7);
         ++c.code_offsets.back();
       }},
      {"a code in another visit", [](Cohort& c, Labels&) { --c.code_offsets[c.code_offsets.size() - 2]; }},
      {"a visit of another patient",
       [](Cohort& c, Labels&) { --c.visit_offsets[c.visit_offsets.size() - 2]; }},
      {"a patient without a label", [](Cohort&, Labels& l) { l.pop_back(); }}};
  std::set<std::uint64_t> seen;
  for (const auto& [what, change] : changes) EXPECT_TRUE(seen.insert(fingerprint_of(change)).second) << what;
}

}  // namespace
}  // namespace ragtime
