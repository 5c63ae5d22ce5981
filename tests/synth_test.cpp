// The synthetic cohort: the same bytes for the same seed, figures like those of real cohorts, a signal that
// earlier codes carry and the length does not, and no folder left behind when something fails.

#include "host/data/synth.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <map>
#include <set>
#include <utility>

#include "host/core/atomic_file.hpp"
#include "host/data/cohort.hpp"
#include "host/data/csv.hpp"
#include "host/data/statistics.hpp"
#include "temporary_folder.hpp"

namespace ragtime {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const std::vector<std::string> files = {"conditions.csv", "medications.csv", "procedures.csv"};

class Synth : public testing::Test {
 protected:
  std::string refusal(ErrorCode code, std::int64_t patients, const std::filesystem::path& out) {
    return error_of(code, [&] { write_synthetic_cohort({patients, out, 1}); });
  }
  std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      names.push_back(entry.path().filename().string());
    return names;
  }

  TemporaryFolder folder_;
  std::filesystem::path out_ = folder_.path() / "cohort";
};

std::uint64_t fnv(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char character : text) hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001b3;
  return hash;
}

TEST_F(Synth, TheSameSeedGivesTheSameBytes) {
  write_synthetic_cohort({40, out_, 7});
  write_synthetic_cohort({40, folder_.path() / "again", 7});
  write_synthetic_cohort({25, folder_.path() / "fewer", 7});
  write_synthetic_cohort({40, folder_.path() / "other", 8});
  std::string all;
  for (const std::string& file : files) {
    const std::string bytes = read_file(out_ / file);
    EXPECT_EQ(read_file(folder_.path() / "again" / file), bytes);
    EXPECT_THAT(bytes, StartsWith(read_file(folder_.path() / "fewer" / file)))
        << "patients do not depend on N";
    EXPECT_NE(read_file(folder_.path() / "other" / file), bytes);
    all += bytes;
  }
  // Of every platform; it changes only when the model does.
  EXPECT_EQ(fnv(all), 0xc1dafc684a569d48);
}

TEST_F(Synth, IsReadBackAsItWasCounted) {
  const SynthSummary summary = write_synthetic_cohort({500, out_, 1});
  ReadReport report;
  const Cohort cohort = read_cohort(out_, {}, &report);
  EXPECT_EQ(summary.patients, 500);
  EXPECT_EQ(cohort.patients(), 500);
  EXPECT_EQ(cohort.visits(), summary.visits);
  EXPECT_EQ(report.rows, summary.rows);
  EXPECT_EQ(static_cast<std::int64_t>(cohort.codes.size()), summary.rows) << "no code twice in a visit";

  const std::int32_t target = cohort.find_code(synth_target_code);
  ASSERT_GE(target, 0);
  std::int64_t with_target = 0;
  for (std::int64_t patient = 0; patient < 500; ++patient) {
    bool has_target = false;
    for (std::int64_t visit = cohort.visit_offsets[patient]; visit < cohort.visit_offsets[patient + 1];
         ++visit)
      for (const std::int32_t code : cohort.visit_codes(visit)) has_target |= code == target;
    with_target += has_target;
  }
  EXPECT_EQ(with_target, summary.target_patients);
}

TEST_F(Synth, IsAsRaggedAsRealCohorts) {
  write_synthetic_cohort({3000, out_, 2});
  const RaggedStatistics statistics = ragged_statistics(read_cohort(out_));
  EXPECT_NEAR(static_cast<double>(statistics.visits_per_patient.median), 15, 2);
  EXPECT_NEAR(static_cast<double>(statistics.visits_per_patient.p90), 47, 5);
  EXPECT_LE(statistics.visits_per_patient.max, 150);
  EXPECT_GE(statistics.visits_per_patient.max, 130);
  EXPECT_LE(statistics.codes_per_visit.median, 3);
  EXPECT_GE(statistics.codes_per_visit.max, 10);
  EXPECT_GE(statistics.vocabulary, 300);
}

// The chance that a patient with the target scores higher than one without.
double auroc(const std::vector<double>& with, const std::vector<double>& without) {
  double wins = 0;
  for (const double one : with)
    for (const double other : without) wins += one > other ? 1 : one == other ? 0.5 : 0;
  return wins / static_cast<double>(with.size()) / static_cast<double>(without.size());
}

TEST_F(Synth, EarlierCodesTellTheTargetAndTheLengthDoesNot) {
  write_synthetic_cohort({2000, out_, 3});
  const Cohort cohort = read_cohort(out_);
  const std::int32_t target = cohort.find_code(synth_target_code);
  std::set<std::int32_t> risks;
  for (const std::string_view code : {"15777000", "162864005", "59621000", "55822004"})
    risks.insert(cohort.find_code(code));
  ASSERT_EQ(risks.count(-1), 0u);

  std::vector<double> risks_by_label[2];
  std::vector<double> visits_by_label[2];
  for (std::int64_t patient = 0; patient < cohort.patients(); ++patient) {
    std::set<std::int32_t> met;
    std::int64_t visit = cohort.visit_offsets[patient];
    bool has_target = false;
    for (; visit < cohort.visit_offsets[patient + 1] && !has_target; ++visit) {
      std::set<std::int32_t> here;
      for (const std::int32_t code : cohort.visit_codes(visit)) {
        has_target |= code == target;
        if (risks.contains(code)) here.insert(code);
      }
      if (!has_target) met.merge(here);
    }
    risks_by_label[has_target].push_back(static_cast<double>(met.size()));
    visits_by_label[has_target].push_back(
        static_cast<double>(visit - cohort.visit_offsets[patient] - has_target));
  }
  EXPECT_GE(risks_by_label[1].size(), 200u);
  EXPECT_GE(auroc(risks_by_label[1], risks_by_label[0]), 0.85);
  EXPECT_NEAR(auroc(visits_by_label[1], visits_by_label[0]), 0.5, 0.1);
}

TEST_F(Synth, TreatmentsComeWithOrAfterTheirCondition) {
  write_synthetic_cohort({200, out_, 4});
  std::map<std::pair<std::string, std::string>, std::string> began;
  const std::string conditions = read_file(out_ / "conditions.csv");
  CsvReader rows(conditions, "conditions.csv");
  while (rows.next())
    began.emplace(std::pair(rows.field(rows.column("PATIENT")), rows.field(rows.column("CODE"))),
                  rows.field(rows.column("START")));
  const std::string medications = read_file(out_ / "medications.csv");
  CsvReader orders(medications, "medications.csv");
  std::int64_t checked = 0;
  for (; orders.next(); ++checked) {
    const auto condition = began.find({std::string(orders.field(orders.column("PATIENT"))),
                                       std::string(orders.field(orders.column("REASONCODE")))});
    ASSERT_NE(condition, began.end()) << "line " << orders.line();
    ASSERT_LE(condition->second, orders.field(orders.column("START"))) << "line " << orders.line();
  }
  EXPECT_GT(checked, 1000);
}

TEST_F(Synth, TakesAnEmptyFolderAndMakesMissingOnes) {
  std::filesystem::create_directory(out_);
  EXPECT_EQ(write_synthetic_cohort({3, out_ / "", 1}).patients, 3);
  EXPECT_EQ(read_cohort(out_).patients(), 3);
  write_synthetic_cohort({3, folder_.path() / "a" / "b", 1});
  EXPECT_EQ(read_cohort(folder_.path() / "a" / "b").patients(), 3);
  EXPECT_THAT(entries(), testing::UnorderedElementsAre("cohort", "a"));
}

TEST_F(Synth, RefusesWhatItCannotWrite) {
  EXPECT_EQ(refusal(ErrorCode::invalid_argument, 0, out_), "patients is 0: expected 1 to 10000000");
  EXPECT_EQ(refusal(ErrorCode::invalid_argument, -5, out_), "patients is -5: expected 1 to 10000000");
  EXPECT_THAT(refusal(ErrorCode::invalid_argument, 10'000'001, out_), HasSubstr("patients is 10000001"));
  EXPECT_EQ(refusal(ErrorCode::invalid_argument, 1, ""), "out is empty: expected the folder to write");
  EXPECT_TRUE(entries().empty());

  const auto file = folder_.write("notes.txt", "mine\n");
  EXPECT_THAT(refusal(ErrorCode::io_error, 1, folder_.path()),
              EndsWith("which is not empty: expected a folder that is not there yet, or is empty"));
  EXPECT_THAT(refusal(ErrorCode::io_error, 1, file), HasSubstr("notes.txt, which is no folder: expected"));
  EXPECT_THAT(refusal(ErrorCode::io_error, 1, file / "cohort"), HasSubstr("Not a directory"));
  EXPECT_THAT(entries(), testing::ElementsAre("notes.txt"));
  EXPECT_EQ(read_file(file), "mine\n");
}

TEST_F(Synth, LeavesNothingWhenTheDiskIsFull) {
  // A limit on the size of files fails a write as a full disk does.
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 100'000;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message = refusal(ErrorCode::io_error, 1000, out_);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(message, HasSubstr("failed: File too large"));
  EXPECT_TRUE(entries().empty());
}

}  // namespace
}  // namespace ragtime
