// Ragged statistics: a cohort small enough to count by hand, and the real one against figures of another
// program.

#include "host/tool/data/statistics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temporary_folder.hpp"

namespace ragtime {
namespace {

using testing::HasSubstr;

// Patients with 1, 3, 2 visits of 2 | 1, 4, 1 | 1, 1 codes.
Cohort small_cohort() {
  Cohort cohort;
  cohort.patient_ids = {"a", "b", "c"};
  cohort.visit_offsets = {0, 1, 4, 6};
  cohort.visit_times = {0, 0, 1, 2, 0, 1};
  cohort.code_offsets = {0, 2, 3, 7, 8, 9, 10};
  cohort.codes = {0, 1, 2, 0, 1, 2, 3, 0, 0, 1};
  cohort.code_names = {"w", "x", "y", "z"};
  return cohort;
}

TEST(Statistics, CountsWhatPaddingWouldHold) {
  const RaggedStatistics statistics = ragged_statistics(small_cohort(), 2);
  EXPECT_EQ(statistics.patients, 3);
  EXPECT_EQ(statistics.visits, 6);
  EXPECT_EQ(statistics.codes, 10);
  EXPECT_EQ(statistics.vocabulary, 4);
  EXPECT_EQ(statistics.batch_size, 2);
  // {a, b}, {c}: 2 x 3 + 1 x 2 visits, 2 x 3 x 4 + 1 x 2 x 1 codes.
  EXPECT_EQ(statistics.in_patient_order.visits, 8);
  EXPECT_EQ(statistics.in_patient_order.codes, 26);
  // {b, c}, {a}: 2 x 3 + 1 x 1 visits, 2 x 3 x 4 + 1 x 1 x 2 codes.
  EXPECT_EQ(statistics.longest_first.visits, 7);
  EXPECT_EQ(statistics.longest_first.codes, 26);
}

TEST(Statistics, QuantilesAreOfNearestRank) {
  const RaggedStatistics statistics = ragged_statistics(small_cohort());
  EXPECT_EQ(statistics.visits_per_patient.p10, 1);
  EXPECT_EQ(statistics.visits_per_patient.median, 2);
  EXPECT_EQ(statistics.visits_per_patient.p90, 3);
  EXPECT_EQ(statistics.visits_per_patient.max, 3);
  EXPECT_EQ(statistics.visits_per_patient.mean, 2);
  EXPECT_EQ(statistics.codes_per_visit.median, 1);  // 1 1 1 1 2 4
  EXPECT_EQ(statistics.codes_per_visit.p90, 4);

  Cohort cohort;
  for (std::int64_t patient = 1; patient <= 100; ++patient) {
    cohort.patient_ids.push_back("p" + std::to_string(1000 + patient));
    cohort.visit_offsets.push_back(cohort.visit_offsets.back() + patient);
  }
  cohort.visit_times.resize(5050);
  cohort.code_offsets.resize(5051);
  const Quantiles visits = ragged_statistics(cohort).visits_per_patient;
  EXPECT_EQ(visits.p10, 10);
  EXPECT_EQ(visits.median, 50);
  EXPECT_EQ(visits.p90, 90);
  EXPECT_EQ(visits.p99, 99);
  EXPECT_EQ(visits.max, 100);
  EXPECT_EQ(visits.mean, 50.5);
}

TEST(Statistics, AnEmptyCohortIsAllZero) {
  const RaggedStatistics statistics = ragged_statistics(Cohort{});
  EXPECT_EQ(statistics.patients, 0);
  EXPECT_EQ(statistics.visits_per_patient.max, 0);
  EXPECT_EQ(statistics.in_patient_order.visits, 0);
  EXPECT_THAT(to_text(statistics), HasSubstr("patients    0\n"));
}

TEST(Statistics, RefusesABatchOfNobody) {
  EXPECT_EQ(error_of(ErrorCode::invalid_argument, [] { ragged_statistics(small_cohort(), 0); }),
            "batch_size is 0: expected 1 or more");
}

TEST(Statistics, TextSaysIt) {
  EXPECT_EQ(to_text(ragged_statistics(small_cohort(), 2)), R"(patients    3
visits      6
codes       10
vocabulary  4

                          p10   median      p90      p99      max       mean
visits per patient          1        2        3        3        3        2.0
codes per visit             1        1        4        4        4        1.7

Padded batches of 2 patients would hold
                      visits [B, T]     real  codes [B, T, C]     real
in patient order                  8   75.0 %               26   38.5 %
longest first                     7   85.7 %               26   38.5 %
)");
}

TEST(Statistics, OfTheRealCohort) {
  const std::filesystem::path folder = RAGTIME_SOURCE_DIR "/../shared/data/synthea";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  const RaggedStatistics statistics = ragged_statistics(read_cohort(folder), 64);
  // By a Python script on csv.DictReader.
  EXPECT_EQ(statistics.visits_per_patient.p10, 4);
  EXPECT_EQ(statistics.visits_per_patient.median, 17);
  EXPECT_EQ(statistics.visits_per_patient.p90, 48);
  EXPECT_EQ(statistics.visits_per_patient.p99, 91);
  EXPECT_EQ(statistics.visits_per_patient.max, 140);
  EXPECT_EQ(statistics.codes_per_visit.median, 1);
  EXPECT_EQ(statistics.codes_per_visit.p90, 3);
  EXPECT_EQ(statistics.codes_per_visit.p99, 4);
  EXPECT_EQ(statistics.codes_per_visit.max, 14);
  EXPECT_EQ(statistics.in_patient_order.visits, 202420);
  EXPECT_EQ(statistics.in_patient_order.codes, 2153620);
  EXPECT_EQ(statistics.longest_first.visits, 53928);
  EXPECT_EQ(statistics.longest_first.codes, 587192);
}

}  // namespace
}  // namespace ragtime
