// Cohorts from a folder in Synthea's format: visits worked out by hand on small tables, random tables against
// the rules in plain maps, and the real cohort against figures and a checksum made by another program.

#include "host/tool/data/cohort.hpp"

#include <gmock/gmock.h>

#include <map>
#include <random>
#include <set>

#include "tests/tool/data/cohort_folder.hpp"

namespace ragtime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The last microsecond of the day that begins then.
constexpr Time end_of_day(std::int64_t seconds) {
  return seconds * time_per_second + time_per_day - 1;
}

TEST_F(CohortFolder, GathersVisitsFromAllTables) {
  table("conditions",
        "2020-03-01,,p2,e9,30,x\n"
        "2020-01-05,,p1,e1,20,\"two, quoted\"\n"
        "2020-01-04,,p1,e1,10,the day before\n");
  folder_.write("procedures.csv",
                "DATE,PATIENT,ENCOUNTER,CODE\r\n2019-12-31T23:00:00Z,p1,e2,20\r\n2020-01-05,p1,e1,20");
  folder_.write("observations.csv", "no table of events\n");
  const Cohort cohort = read();

  EXPECT_THAT(cohort.patient_ids, ElementsAre("p1", "p2"));
  EXPECT_THAT(cohort.visit_offsets, ElementsAre(0, 3, 4));
  EXPECT_THAT(cohort.visit_times, ElementsAre(1577833200 * time_per_second, end_of_day(1578096000),
                                              end_of_day(1578182400), end_of_day(1583020800)));
  EXPECT_THAT(cohort.code_names, ElementsAre("10", "20", "30"));
  EXPECT_THAT(cohort.code_offsets, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(codes_of(cohort, 0), ElementsAre("20"));
  EXPECT_THAT(codes_of(cohort, 1), ElementsAre("10"));
  EXPECT_THAT(codes_of(cohort, 2), ElementsAre("20"));
  EXPECT_THAT(codes_of(cohort, 3), ElementsAre("30"));
  EXPECT_EQ(cohort.last_time, end_of_day(1583020800));
  EXPECT_EQ(report_.rows, 5);
  EXPECT_EQ(report_.static_rows, 0);
  EXPECT_THAT(report_.tables, ElementsAre("conditions", "procedures"));
  EXPECT_THAT(report_.files, ElementsAre("conditions.csv", "procedures.csv"));
  EXPECT_FALSE(report_.encounters);
}

TEST_F(CohortFolder, OrdersVisitsByTimeThenEncounter) {
  table("conditions",
        "2020-01-02,,p,b,1,\n"
        "2020-01-02,,p,a,2,\n"
        "2020-01-01,,p,z,3,\n"
        "2020-01-02,,p,,4,\n"
        "1950-01-01,,p,c,5,\n");
  const Cohort cohort = read();
  EXPECT_THAT(cohort.code_offsets, ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(codes_of(cohort, 0), ElementsAre("5"));
  EXPECT_THAT(codes_of(cohort, 1), ElementsAre("3"));
  EXPECT_THAT(codes_of(cohort, 2), ElementsAre("4")) << "the empty id comes first";
  EXPECT_THAT(codes_of(cohort, 3), ElementsAre("2"));
  EXPECT_THAT(codes_of(cohort, 4), ElementsAre("1"));
}

TEST_F(CohortFolder, WithoutEncounterTheDayIsTheVisit) {
  table("conditions",
        "2020-01-01T23:59:59Z,,p,,1,\n"
        "2020-01-01T00:00:00Z,,p,,2,\n"
        "2020-01-02T00:00:00Z,,p,,3,\n"
        "1969-12-31T23:59:59Z,,p,,4,\n"
        "1970-01-01T00:00:00Z,,p,,5,\n"
        "2020-01-01,,q,,6,\n");
  const Cohort cohort = read();
  EXPECT_THAT(cohort.visit_offsets, ElementsAre(0, 4, 5));
  EXPECT_THAT(cohort.visit_times, ElementsAre(-time_per_second, 0, 1577836800 * time_per_second,
                                              1577923200 * time_per_second, end_of_day(1577836800)));
  EXPECT_THAT(codes_of(cohort, 2), ElementsAre("1", "2"));
}

TEST_F(CohortFolder, OneEncounterIdUnderTwoPatientsIsTwoVisits) {
  table("conditions", "2020-01-01,,p,e,1,\n2020-01-01,,q,e,2,\n");
  EXPECT_THAT(read().visit_offsets, ElementsAre(0, 1, 2));
}

TEST_F(CohortFolder, StringOrderIsThatOfBytes) {
  table("conditions", "2020-01-01,,p10,e,9,\n2020-01-01,,p9,e,10,\n2020-01-01,,P,e,\xC3\xA9,\n");
  const Cohort cohort = read();
  EXPECT_THAT(cohort.patient_ids, ElementsAre("P", "p10", "p9"));
  EXPECT_THAT(cohort.code_names, ElementsAre("10", "9", "\xC3\xA9"));
  EXPECT_EQ(cohort.find_patient("p9"), 2);
  EXPECT_EQ(cohort.find_patient("p1"), -1);
  EXPECT_EQ(cohort.find_patient("z"), -1);
  EXPECT_EQ(cohort.find_code("9"), 1);
  EXPECT_EQ(cohort.find_code(""), -1);
}

TEST_F(CohortFolder, RowsInAnyOrderMakeTheSameCohort) {
  std::vector<std::string> rows;
  for (int i = 0; i < 200; ++i) {
    const int n = i * 7919 % 200;
    rows.push_back("2020-01-" + std::to_string(10 + n % 7) + ",,p" + std::to_string(n % 13) + "," +
                   (n % 3 == 0 ? "" : "e" + std::to_string(n % 5)) + "," + std::to_string(n % 17) + ",\n");
  }
  std::string forwards;
  std::string backwards;
  for (const std::string& row : rows) {
    forwards += row;
    backwards = row + backwards;
  }
  table("conditions", forwards);
  const Cohort one = read();
  table("conditions", backwards);
  const Cohort other = read();
  EXPECT_EQ(one.patient_ids, other.patient_ids);
  EXPECT_EQ(one.visit_offsets, other.visit_offsets);
  EXPECT_EQ(one.visit_times, other.visit_times);
  EXPECT_EQ(one.code_offsets, other.code_offsets);
  EXPECT_EQ(one.codes, other.codes);
  EXPECT_EQ(one.code_times, other.code_times);
  EXPECT_EQ(one.visit_ends, other.visit_ends);
  EXPECT_EQ(one.last_time, other.last_time);
}

// Else the visit of 1 January would hold codes of February, and stand before that of 2 January.
TEST_F(CohortFolder, AnEncounterOverSeveralDaysIsAVisitADay) {
  table("conditions",
        "2020-01-03,,p,long,3,\n"
        "2020-01-02,,p,between,2,\n"
        "2020-01-01T20:00:00Z,,p,long,5,\n"
        "2020-01-01T08:00:00Z,,p,long,1,\n");
  table("medications", "2020-02-01,,p,long,4,\n");
  const Cohort cohort = read();
  EXPECT_THAT(visits_of(cohort, "p"),
              ElementsAre(ElementsAre("1", "5"), ElementsAre("2"), ElementsAre("3"), ElementsAre("4")));
  EXPECT_THAT(texts_of(cohort.visit_times),
              ElementsAre("2020-01-01T08:00:00Z", "2020-01-02T23:59:59.999999Z",
                          "2020-01-03T23:59:59.999999Z", "2020-02-01T23:59:59.999999Z"));
}

TEST_F(CohortFolder, OnlyTheColumnsAskedForMatter) {
  table("conditions", "2020-01-02,2019-01-01,p,e,1,STOP before START\n2020-01-02,never,p,e,2,\n");
  EXPECT_THAT(read().visit_times, ElementsAre(end_of_day(1577923200)));
}

TEST_F(CohortFolder, EveryTableOfEventsIsReadAndNoOther) {
  for (const std::string_view name : event_tables())
    table(std::string(name), "2020-01-01,,p,e," + std::string(name) + ",\n");
  for (const std::string name : {"patients", "observations", "imaging_studies", "devices"})
    table(name, "2020-01-01,,p,e," + name + ",\n");
  EXPECT_THAT(read().code_names, ElementsAre("allergies", "careplans", "conditions", "immunizations",
                                             "medications", "procedures"));
}

TEST_F(CohortFolder, LineEndsAndByteOrderMarksMakeNoDifference) {
  const std::string rows = "2020-01-02,,p,e,1,\"a\nb\"\n2020-01-01,,p,f,2,x\n";
  table("conditions", rows);
  const Cohort plain = read();
  std::string crlf = "\xEF\xBB\xBF" + std::string(header) + rows;
  for (std::size_t at = 0; (at = crlf.find('\n', at)) != crlf.npos; at += 2) crlf.insert(at, 1, '\r');
  folder_.write("conditions.csv", crlf);
  const Cohort other = read();
  EXPECT_EQ(other.patient_ids, plain.patient_ids);
  EXPECT_EQ(other.visit_times, plain.visit_times);
  EXPECT_EQ(other.codes, plain.codes);
  EXPECT_EQ(other.code_names, plain.code_names);
}

// The rules of the format in the plainest words: a visit is a key of a map. Times with and without a time of
// day, encounters that begin some time or that nobody knows of.
TEST_F(CohortFolder, RandomTablesFollowTheRules) {
  std::mt19937 random(7);
  const auto below = [&](unsigned count) { return static_cast<std::int64_t>(random() % count); };
  const auto text = [](Time time) { return to_text(time); };
  constexpr Time hour = 3600 * time_per_second;
  for (int round = 0; round < 20; ++round) {
    struct PlainVisit {
      Time time = last_time_of_all;
      Time end = 0;
      std::map<std::string, Time> codes;
    };
    using Key = std::pair<std::string, std::int64_t>;  // encounter, day
    std::map<std::string, std::map<Key, PlainVisit>> patients;
    std::map<std::string, std::string> tables;
    std::map<std::pair<std::string, std::string>, Time> begins;
    std::string encounter_rows;
    Time last = 0;
    for (int patient = 0; patient < 12; ++patient)
      for (int encounter = 0; encounter < 8; ++encounter) {
        const std::string p = "p" + std::to_string(patient), e = "e" + std::to_string(encounter);
        const Time begin = below(9) * time_per_day + below(3) * hour;
        encounter_rows += e + "," + text(begin) + ",," + p + ",\n";
        begins[{p, e}] = begin;
        last = std::max(last, begin);
      }
    for (int row = 0; row < 300; ++row) {
      const std::string patient = "p" + std::to_string(below(12));
      const std::string encounter = below(3) == 0 ? "" : "e" + std::to_string(below(15));
      const std::string code = std::to_string(below(30));
      const std::int64_t day = below(9);
      const bool date_only = below(2) == 0;
      Time known_by = date_only ? (day + 1) * time_per_day - 1 : day * time_per_day + below(3) * hour;
      const std::string when = date_only ? text(known_by).substr(0, 10) : text(known_by);
      tables[below(2) == 0 ? "careplans" : "immunizations"] +=
          when + ",," + patient + "," + encounter + "," + code + ",\n";

      last = std::max(last, known_by);
      const auto begin = begins.find({patient, encounter});
      if (begin != begins.end()) known_by = std::max(known_by, begin->second);
      const std::int64_t counts_on = known_by / time_per_day;
      PlainVisit& visit = patients[patient][{encounter, counts_on}];
      visit.time = std::min(visit.time, known_by);
      if (begin != begins.end() && begin->second / time_per_day == counts_on) visit.time = begin->second;
      visit.end = (counts_on + 1) * time_per_day - 1;
      const auto [known, is_new] = visit.codes.emplace(code, known_by);
      known->second = std::min(known->second, known_by);
    }
    for (const auto& [name, rows] : tables) table(name, rows);
    encounters(encounter_rows);

    const Cohort cohort = read();
    ASSERT_EQ(cohort.patients(), static_cast<std::int64_t>(patients.size()));
    EXPECT_EQ(cohort.last_time, last);
    std::int64_t visit = 0;
    for (const auto& [patient, visits] : patients) {
      std::map<std::pair<Time, Key>, PlainVisit> in_order;
      for (const auto& [key, plain] : visits) in_order[{plain.time, key}] = plain;
      ASSERT_EQ(cohort.visit_offsets[cohort.find_patient(patient)], visit);
      for (const auto& [when, plain] : in_order) {
        EXPECT_EQ(cohort.visit_times[visit], plain.time);
        EXPECT_EQ(cohort.visit_ends[visit], plain.end);
        const std::vector<std::string> codes = codes_of(cohort, visit);
        ASSERT_EQ(codes.size(), plain.codes.size());
        auto code = plain.codes.begin();
        for (std::size_t i = 0; i < codes.size(); ++i, ++code) {
          EXPECT_EQ(codes[i], code->first);
          EXPECT_EQ(cohort.code_times[cohort.code_offsets[visit] + static_cast<std::int64_t>(i)],
                    code->second);
        }
        ++visit;
      }
    }
    EXPECT_EQ(cohort.visits(), visit);
  }
}

TEST_F(CohortFolder, TablesChoose) {
  table("conditions", "2020-01-01,,p,e,1,\n");
  table("medications", "2020-01-01,,p,e,2,\n");
  table("allergies", "");
  EXPECT_THAT(read().code_names, ElementsAre("1", "2"));
  EXPECT_THAT(report_.tables, ElementsAre("conditions", "medications", "allergies"));
  EXPECT_THAT(read({"medications"}).code_names, ElementsAre("2"));
  EXPECT_THAT(report_.tables, ElementsAre("medications"));
  EXPECT_THAT(report_.ignored_tables, ElementsAre("conditions", "allergies"));
  EXPECT_EQ(
      refusal(ErrorCode::io_error, {"procedures", "conditions", "careplans"}),
      folder_.path().string() +
          " has no procedures.csv, careplans.csv, plain or gzipped: expected every table that is asked for "
          "(procedures, conditions, careplans)");
  EXPECT_EQ(refusal(ErrorCode::invalid_argument, {"patients"}),
            "tables names \"patients\": expected some of conditions, medications, procedures, careplans, "
            "allergies, immunizations");
}

TEST_F(CohortFolder, EncodesCodesByTheVocabulary) {
  table("conditions",
        "2020-01-01,,p,e1,a,\n2020-01-01,,p,e1,b,\n2020-01-01,,p,e1,c,\n2020-01-01,,p,e1,d,\n"
        "2020-01-02,,p,e2,c,\n"
        "2020-01-03,,p,e3,b,\n");
  const Cohort cohort = read();

  const EncodedCohort known = encode(cohort, Vocabulary::from_codes({"d", "b"}));
  EXPECT_EQ(known.cohort, &cohort);
  EXPECT_THAT(known.visit_codes(0), ElementsAre(1, 2, 3)) << "a and c are one [UNK]; d and b in order of ids";
  EXPECT_THAT(known.visit_codes(1), ElementsAre(1));
  EXPECT_THAT(known.visit_codes(2), ElementsAre(3));
  EXPECT_EQ(known.unknown_codes, 3);

  const Vocabulary without_unknown =
      Vocabulary::read(folder_.write("vocabulary.txt", "[PAD]\t0\nb\t1\nd\t2\n"));
  const EncodedCohort left_out = encode(cohort, without_unknown);
  EXPECT_THAT(left_out.visit_codes(0), ElementsAre(1, 2));
  EXPECT_THAT(left_out.visit_codes(1), IsEmpty());
  EXPECT_THAT(left_out.code_offsets, ElementsAre(0, 2, 2, 3));
  EXPECT_EQ(left_out.unknown_codes, 3);
}

// FNV-1a over "patient|microseconds|code,code\n" of every visit in order.
std::uint64_t checksum(const Cohort& cohort) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](std::string_view text) {
    for (const char character : text) hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001b3;
  };
  for (std::int64_t patient = 0; patient < cohort.patients(); ++patient)
    for (std::int64_t visit = cohort.visit_offsets[patient]; visit < cohort.visit_offsets[patient + 1];
         ++visit) {
      add(cohort.patient_ids[patient] + "|" + std::to_string(cohort.visit_times[visit]) + "|");
      std::string list;
      for (const std::string& code : codes_of(cohort, visit)) list += (list.empty() ? "" : ",") + code;
      add(list + "\n");
    }
  return hash;
}

TEST(Synthea, TheRealCohortIsReadAsAnotherProgramReadsIt) {
  const std::filesystem::path folder = RAGTIME_SOURCE_DIR "/../shared/data/synthea";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  ReadReport report;
  const Cohort cohort = read_cohort(folder, {}, &report);
  EXPECT_EQ(report.rows, 77835);
  EXPECT_THAT(report.tables, ElementsAre("conditions", "medications", "careplans", "allergies"));
  EXPECT_EQ(cohort.patients(), 2164);
  EXPECT_EQ(cohort.visits(), 48314);
  EXPECT_EQ(cohort.codes.size(), 77825u);
  EXPECT_EQ(cohort.code_names.size(), 323u);
  // By a Python script on csv.DictReader: a visit is a (patient, day, encounter), all times are dates.
  EXPECT_EQ(checksum(cohort), 0x7c15d234b3759a89);
}

}  // namespace
}  // namespace ragtime
