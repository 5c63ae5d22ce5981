// Rare codes and code dropout: which codes make the vocabulary, counted by training patients; which ids
// training examples hold; and which codes of a batch become [UNK], a share of them, drawn by seed, epoch,
// patient, visit and code alone.

#include "host/tool/train/unknown_codes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/tool/train/batch_loader.hpp"
#include "tests/tool/train/support.hpp"

namespace ragtime::test {
namespace {

using testing::ElementsAre;

// Codes: a in 3 patients, b in 2, c in 1 at three visits, d in none of those that train.
class TrainingVocabularyTest : public testing::Test {
 protected:
  TrainingVocabularyTest() {
    examples_.options.task = Task::next_visit;
    for (std::int64_t patient = 0; patient < 4; ++patient)
      examples_.examples.push_back({.patient = patient, .visits = patient == 0 ? 3 : 1});
  }
  std::vector<std::string> codes(std::int64_t min_code_count, std::int64_t rare,
                                 std::vector<std::int32_t> training = {0, 1, 2}) {
    const TrainingVocabulary made = training_vocabulary(cohort_, examples_, training, min_code_count);
    EXPECT_EQ(made.rare_codes, rare);
    std::vector<std::string> names;
    for (std::int32_t id = 2; id < made.vocabulary.size(); ++id) names.push_back(made.vocabulary.code(id));
    return names;
  }

  const Cohort cohort_ = make_cohort({{"p0", {{0, {0, 1, 2}}, {1, {2}}, {2, {0, 2}}}},
                                      {"p1", {{0, {0, 1}}}},
                                      {"p2", {{0, {0}}}},
                                      {"p3", {{0, {0, 1, 3}}}}},
                                     {"a", "b", "c", "d"});
  ExampleSet examples_;
};

TEST_F(TrainingVocabularyTest, CountsTrainingPatients) {
  EXPECT_THAT(codes(0, 0), ElementsAre("a", "b", "c"));
  EXPECT_THAT(codes(1, 0), ElementsAre("a", "b", "c"));
  EXPECT_THAT(codes(2, 1), ElementsAre("a", "b"));
  EXPECT_THAT(codes(3, 2), ElementsAre("a"));
  EXPECT_THAT(codes(2, 1, {0, 1}), ElementsAre("a", "b"));
}

TEST_F(TrainingVocabularyTest, CountsAPatientWithSeveralExamplesOnce) {
  EXPECT_THAT(codes(2, 1, {0, 0, 1, 0}), ElementsAre("a", "b"));
}

TEST_F(TrainingVocabularyTest, OfNothingIsRefused) {
  expect_error(ErrorCode::invalid_argument,
               {"--min-code-count is 4", "none of the 3 codes", "3 training patients", "smaller"},
               [&] { codes(4, 0); });
}

TEST_F(TrainingVocabularyTest, RareCodesOfTrainingPatientsAreUnknown) {
  const std::vector<std::int32_t> training = {0, 1, 2};
  const Vocabulary vocabulary = training_vocabulary(cohort_, examples_, training, 2).vocabulary;
  const EncodedCohort encoded = encode(cohort_, vocabulary);
  EXPECT_THAT(encoded.visit_codes(0), ElementsAre(1, 2, 3)) << "[UNK], a, b";
  EXPECT_THAT(input_ids(encoded, examples_, training, 4), ElementsAre(false, true, true, true));
  const std::vector<std::int32_t> third = {2};
  EXPECT_THAT(input_ids(encoded, examples_, third, 4), ElementsAre(false, false, true, false));
}

// A cut at the label code ends the input before it.
TEST_F(TrainingVocabularyTest, InputIsWhatExamplesTakeOfAPatient) {
  examples_.examples[0].visits = 2;
  const Cohort cohort = make_cohort({{"p0", {{0, {0}}, {1, {1}}, {2, {2}}}}}, {"a", "b", "c"});
  const EncodedCohort encoded = encode(cohort, Vocabulary::from_codes(cohort.code_names));
  const std::vector<std::int32_t> first = {0};
  EXPECT_THAT(input_ids(encoded, examples_, first, 5), ElementsAre(false, false, true, true, false));
}

class CodeDropoutTest : public testing::Test {
 protected:
  // 300 patients of three visits of five codes: 2 to 6, 7 to 11 or 12 to 16.
  CodeDropoutTest() {
    std::vector<PatientVisits> patients(300, {{2, 3, 4, 5, 6}, {7, 8, 9, 10, 11}, {12, 13, 14, 15, 16}});
    batch_ = RaggedBatch::from_patients(patients);
    for (std::uint32_t b = 0; b < 300; ++b) batch_.sequence_ids.push_back(7 * b + 1);
  }
  static RaggedBatch dropped(RaggedBatch batch, const CodeDropout& dropout) {
    drop_codes(batch, dropout);
    return batch;
  }
  static PatientVisits visits_of(const RaggedBatch& batch, std::int32_t b) {
    PatientVisits visits;
    for (std::int32_t row = batch.layout.visit_offsets[b]; row < batch.layout.visit_offsets[b + 1]; ++row)
      visits.emplace_back(batch.codes.begin() + batch.code_offsets[row],
                          batch.codes.begin() + batch.code_offsets[row + 1]);
    return visits;
  }

  RaggedBatch batch_;
};

TEST_F(CodeDropoutTest, OfProbabilityZeroChangesNothing) {
  const RaggedBatch after = dropped(batch_, {0, 3, 1});
  EXPECT_EQ(after.codes, batch_.codes);
  EXPECT_EQ(after.code_offsets, batch_.code_offsets);
}

TEST_F(CodeDropoutTest, DropsThisShareAndKeepsEveryOtherCodeWhereItWas) {
  for (const double probability : {0.02, 0.3, 0.9}) {
    const RaggedBatch after = dropped(batch_, {probability, 3, 1});
    ASSERT_EQ(after.code_offsets.size(), batch_.code_offsets.size());
    double kept = 0, visits_with_unknown = 0;
    for (std::int32_t b = 0; b < 300; ++b) {
      const PatientVisits before = visits_of(batch_, b), now = visits_of(after, b);
      for (std::size_t t = 0; t < before.size(); ++t) {
        VisitCodes known;
        for (const std::int32_t code : now[t])
          if (code != unknown_id) known.push_back(code);
        EXPECT_THAT(before[t], testing::IsSupersetOf(known));
        EXPECT_TRUE(std::is_sorted(now[t].begin(), now[t].end()));
        EXPECT_EQ(std::adjacent_find(now[t].begin(), now[t].end()), now[t].end()) << "each once";
        EXPECT_EQ(now[t].front() == unknown_id, known.size() < before[t].size());
        kept += static_cast<double>(known.size());
        visits_with_unknown += now[t].front() == unknown_id;
      }
    }
    // Five standard deviations of the binomial.
    EXPECT_NEAR(kept / 4500, 1 - probability, 5 * std::sqrt(probability * (1 - probability) / 4500));
    const double any = 1 - std::pow(1 - probability, 5);
    EXPECT_NEAR(visits_with_unknown / 900, any, 5 * std::sqrt(any * (1 - any) / 900) + 1e-3);
  }
}

TEST_F(CodeDropoutTest, FollowsSeedAndEpochAndNotTheBatch) {
  const CodeDropout dropout{0.3, 3, 2};
  const RaggedBatch all = dropped(batch_, dropout);
  EXPECT_EQ(dropped(batch_, dropout).codes, all.codes);
  EXPECT_NE(dropped(batch_, {0.3, 4, 2}).codes, all.codes);
  EXPECT_NE(dropped(batch_, {0.3, 3, 3}).codes, all.codes);
  for (const std::int32_t b : {0, 17, 299}) {
    const std::vector<PatientVisits> alone = {visits_of(batch_, b)};
    RaggedBatch batch = RaggedBatch::from_patients(alone);
    batch.sequence_ids = {batch_.sequence_ids[static_cast<std::size_t>(b)]};
    EXPECT_EQ(visits_of(dropped(batch, dropout), 0), visits_of(all, b));
  }
}

TEST_F(CodeDropoutTest, UnknownCodesStayAndMerge) {
  const std::vector<PatientVisits> patients = {{{1, 2, 3}, {1}, {}}};
  RaggedBatch batch = RaggedBatch::from_patients(patients);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const PatientVisits after = visits_of(dropped(batch, {0.7, seed, 1}), 0);
    EXPECT_EQ(std::count(after[0].begin(), after[0].end(), unknown_id), 1);
    EXPECT_THAT(after[1], ElementsAre(1));
    EXPECT_THAT(after[2], ElementsAre());
  }
}

// The input of next_visit is dropped, what it is to foresee is not; and without dropout the batch is both.
TEST(CodeDropoutOfBatches, LeavesTheTargets) {
  TrainOptions options = small_run({}, Task::next_visit);
  const auto data = small_data(options);
  BatchLoader loader(make_backend("cpu"), data->encoded, data->examples);
  const RaggedBatch whole = make_batch(data->encoded, data->examples, data->split.training);
  loader.load_with_targets(data->split.training, {}, {0.5, 1, 1});
  EXPECT_NE(loader.host_batch().codes, whole.codes);
  const ModelTargets& targets = loader.targets();
  ASSERT_NE(targets.target_codes, nullptr);
  EXPECT_EQ(std::vector(targets.target_codes, targets.target_codes + whole.codes.size()), whole.codes);
  std::vector<std::int32_t> offsets = whole.code_offsets;
  offsets.push_back(offsets.back());
  EXPECT_EQ(std::vector(targets.target_code_offsets, targets.target_code_offsets + offsets.size()), offsets);

  loader.load_with_targets(data->split.training);
  EXPECT_EQ(loader.host_batch().codes, whole.codes);
  EXPECT_EQ(loader.targets().target_codes, nullptr);
  EXPECT_EQ(loader.targets().target_code_offsets, nullptr);
}

}  // namespace
}  // namespace ragtime::test
