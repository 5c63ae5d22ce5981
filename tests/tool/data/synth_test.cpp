// The synthetic cohort: the same bytes for the same seed, figures like those of real cohorts, a signal that
// earlier codes carry and the length does not, times that lie within their visits, and no folder left behind
// when something fails.

#include "host/tool/data/synth.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <set>
#include <utility>

#include "host/base/atomic_file.hpp"
#include "host/base/file_lock.hpp"
#include "host/tool/data/cohort.hpp"
#include "host/tool/data/csv.hpp"
#include "host/tool/data/statistics.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ragtime {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const std::vector<std::string> files = {"conditions.csv", "medications.csv", "procedures.csv",
                                        "encounters.csv", "patients.csv"};

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
  EXPECT_EQ(fnv(all), 0x28da5d5ba075c5ff);
}

// The rows of a table, each a value by column.
using Rows = std::vector<std::map<std::string, std::string>>;

Rows rows_of(const std::filesystem::path& file) {
  const std::string content = read_file(file);
  CsvReader reader(content, file.string());
  Rows rows;
  while (reader.next()) {
    rows.emplace_back();
    for (const std::string& column : reader.header())
      rows.back()[column] = std::string(reader.field(reader.column(column)));
  }
  return rows;
}

// Conditions, medications and procedures; `time` is their START or DATE.
Rows events_of(const std::filesystem::path& folder) {
  Rows events;
  for (const char* table : {"conditions.csv", "medications.csv", "procedures.csv"})
    for (auto& row : rows_of(folder / table)) {
      row["time"] = row.contains("DATE") ? row["DATE"] : row["START"];
      events.push_back(std::move(row));
    }
  return events;
}

// What happens to whom on which day came before times of day, encounters and patients, and is as it was.
TEST_F(Synth, VisitsDaysAndCodesAreThoseOfEver) {
  const auto events = [&](std::int64_t patients, std::uint64_t seed) {
    const auto folder = folder_.path() / std::to_string(patients);
    write_synthetic_cohort({patients, folder, seed});
    std::vector<std::string> lines;
    for (auto& event : events_of(folder))
      lines.push_back(event["PATIENT"] + "," + event["ENCOUNTER"] + "," + event["time"].substr(0, 10) + "," +
                      event["CODE"] + "\n");
    std::sort(lines.begin(), lines.end());
    std::string all;
    for (const std::string& line : lines) all += line;
    return std::pair(lines.size(), fnv(all));
  };
  EXPECT_EQ(events(40, 7), std::pair(std::size_t{1626}, std::uint64_t{0x4df40e8f88f964b1}));
  EXPECT_EQ(events(500, 1), std::pair(std::size_t{19548}, std::uint64_t{0x8df1145b3c38f983}));
}

TEST_F(Synth, EventsLieWithinTheirEncounter) {
  const SynthSummary summary = write_synthetic_cohort({300, out_, 5});
  Timestamp start, stop;
  std::map<std::string, std::map<std::string, std::string>> encounters;
  std::set<std::string> starts, lengths;
  for (const auto& row : rows_of(out_ / "encounters.csv")) {
    EXPECT_TRUE(encounters.emplace(row.at("Id"), row).second) << "an id of its own";
    ASSERT_TRUE(parse_timestamp(row.at("START"), start) && parse_timestamp(row.at("STOP"), stop));
    EXPECT_FALSE(start.date_only || stop.date_only);
    EXPECT_THAT(row.at("START"), EndsWith(":00Z"));
    EXPECT_EQ(start.day(), stop.day());
    const Time minute = 60 * time_per_second, clock = start.time - start.day() * time_per_day;
    EXPECT_TRUE(clock >= 7 * 60 * minute && clock < 18 * 60 * minute) << row.at("START");
    const Time length = stop.time - start.time;
    EXPECT_TRUE(length >= 15 * minute && length <= 60 * minute) << length;
    starts.insert(row.at("START").substr(11));
    lengths.insert(std::to_string(length));
  }
  EXPECT_EQ(static_cast<std::int64_t>(encounters.size()), summary.visits);
  EXPECT_GT(starts.size(), 600u) << "of 660 minutes";
  EXPECT_EQ(lengths.size(), 46u);

  std::set<std::string> met;
  std::int64_t with_time = 0, after_start = 0;
  for (auto& event : events_of(out_)) {
    const auto& encounter = encounters.at(event["ENCOUNTER"]);
    EXPECT_EQ(event["PATIENT"], encounter.at("PATIENT"));
    met.insert(event["ENCOUNTER"]);
    Timestamp time;
    ASSERT_TRUE(parse_timestamp(event["time"], time));
    ASSERT_TRUE(parse_timestamp(encounter.at("START"), start) && parse_timestamp(encounter.at("STOP"), stop));
    EXPECT_EQ(time.day(), start.day());
    const bool is_procedure = event.contains("DATE");
    const bool is_medication = !is_procedure && event.contains("REASONCODE");
    EXPECT_EQ(time.date_only, !is_procedure && !is_medication) << event["time"];
    EXPECT_TRUE(!is_medication || time == start);
    if (time.date_only) continue;
    EXPECT_TRUE(start.time <= time.time && time.time <= stop.time) << event["time"];
    ++with_time;
    after_start += time.time > start.time;
  }
  EXPECT_EQ(met.size(), encounters.size()) << "every encounter has an event";
  EXPECT_GT(with_time, 1000);
  EXPECT_GT(after_start, 100);
}

TEST_F(Synth, PatientsAreBornBeforeTheirVisitsAndDieAfterThem) {
  write_synthetic_cohort({2000, out_, 6});
  std::map<std::string, std::pair<std::string, std::string>> visits;  // the first and the last
  for (const auto& row : rows_of(out_ / "encounters.csv")) {
    auto& [first, last] =
        visits.try_emplace(row.at("PATIENT"), row.at("START"), row.at("STOP")).first->second;
    first = std::min(first, row.at("START"));
    last = std::max(last, row.at("STOP"));
  }
  int children = 0, dead = 0, women = 0;
  const Rows patients = rows_of(out_ / "patients.csv");
  EXPECT_EQ(patients.size(), 2000u);
  EXPECT_EQ(visits.size(), 2000u);
  for (const auto& row : patients) {
    const auto& [first, last] = visits.at(row.at("Id"));
    Timestamp birth, begin;
    ASSERT_TRUE(parse_timestamp(row.at("BIRTHDATE"), birth) && parse_timestamp(first, begin));
    EXPECT_TRUE(birth.date_only);
    EXPECT_LT(birth.day(), begin.day());
    EXPECT_LT(begin.day() - birth.day(), 100 * 366);
    children += begin.day() - birth.day() < 18 * 365;
    if (!row.at("DEATHDATE").empty()) {
      Timestamp death, end;
      ASSERT_TRUE(parse_timestamp(row.at("DEATHDATE"), death) && parse_timestamp(last, end));
      EXPECT_GT(death.day(), end.day());
      ++dead;
    }
    EXPECT_TRUE(row.at("GENDER") == "F" || row.at("GENDER") == "M");
    women += row.at("GENDER") == "F";
  }
  EXPECT_NEAR(children, 500, 80);
  EXPECT_NEAR(dead, 40, 25);
  EXPECT_NEAR(women, 1000, 100);
}

TEST_F(Synth, StopsWhereItsProgressThrows) {
  struct Stop {};
  std::int64_t last = 0;
  EXPECT_THROW(write_synthetic_cohort({100, out_, 1},
                                      [&](std::int64_t done) {
                                        EXPECT_EQ(done, last + 1);
                                        last = done;
                                        if (done == 7) throw Stop();
                                      }),
               Stop);
  EXPECT_EQ(last, 7);
  EXPECT_TRUE(entries().empty());
}

TEST_F(Synth, RemovesTheFoldersOfKilledRunsAndNoOthers) {
  const auto folder_with = [&](const char* name, const char* file) {
    std::filesystem::create_directory(folder_.path() / name);
    folder_.write(std::string(name) + "/" + file, "half");
  };
  folder_with("cohort.tmp12-0", "conditions.csv.tmp12-1");
  folder_with("cohort.tmp13", "conditions.csv");
  folder_with("cohort.tmp14-0", "notes.txt");
  folder_with("cohort.tmp15-0.bak", "conditions.csv");
  folder_with("other.tmp16-0", "conditions.csv");
  folder_with("cohort.tmp17-0", "conditions.csv");
  const Descriptor live(::open((folder_.path() / "cohort.tmp17-0").c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_EQ(try_lock(live.number()), LockResult::taken);
  write_synthetic_cohort({3, out_, 1});
  EXPECT_THAT(entries(), testing::UnorderedElementsAre("cohort", "cohort.tmp14-0", "cohort.tmp15-0.bak",
                                                       "other.tmp16-0", "cohort.tmp17-0"));
}

// In a container every process may have the same id, so the name may be taken.
TEST_F(Synth, WritesIntoNoFolderThatIsAnothers) {
  const std::string mine = "cohort.tmp" + std::to_string(::getpid()) + "-";
  for (int number = 0; number < 300; ++number) {
    std::filesystem::create_directory(folder_.path() / (mine + std::to_string(number)));
    folder_.write(mine + std::to_string(number) + "/notes.txt", "mine");
  }
  write_synthetic_cohort({3, out_, 1});
  EXPECT_EQ(entries().size(), 301u);
  for (int number = 0; number < 300; ++number)
    EXPECT_EQ(read_file(folder_.path() / (mine + std::to_string(number)) / "notes.txt"), "mine");
  EXPECT_FALSE(std::filesystem::exists(out_ / "notes.txt"));
}

TEST_F(Synth, IsReadBackAsItWasCounted) {
  const SynthSummary summary = write_synthetic_cohort({500, out_, 1});
  ReadReport report;
  const Cohort cohort = read_cohort(out_, {}, &report);
  EXPECT_EQ(summary.patients, 500);
  EXPECT_EQ(cohort.patients(), 500);
  EXPECT_EQ(cohort.visits(), summary.visits);
  EXPECT_TRUE(report.encounters);
  EXPECT_EQ(report.rows, summary.rows + summary.visits) << "events, and an encounter for each visit";
  for (const RowCount* odd : {&report.null_codes, &report.null_patients, &report.missing_times,
                              &report.absurd_times, &report.future_times})
    EXPECT_EQ(odd->rows, 0) << odd->first;
  std::multiset<std::pair<std::string, Time>> begins, visits;
  for (const auto& row : rows_of(out_ / "encounters.csv")) {
    Timestamp start;
    ASSERT_TRUE(parse_timestamp(row.at("START"), start));
    begins.emplace(row.at("PATIENT"), start.time);
  }
  for (std::int64_t patient = 0; patient < cohort.patients(); ++patient)
    for (std::int64_t visit = cohort.visit_offsets[patient]; visit < cohort.visit_offsets[patient + 1];
         ++visit)
      visits.emplace(cohort.patient_ids[patient], cohort.visit_times[visit]);
  EXPECT_TRUE(visits == begins) << "a visit begins as its encounter does";
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
