// Cohorts from a folder in Synthea's format: visits worked out by hand on small tables, random tables against
// the rules in plain maps, and the real cohort against figures and a checksum made by another program.

#include "host/data/cohort.hpp"

#include <gmock/gmock.h>

#include <map>
#include <random>
#include <set>

#include "tests/cohort_folder.hpp"

namespace ragtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> codes_of(const Cohort& cohort, std::int64_t visit) {
  std::vector<std::string> names;
  for (const std::int32_t code : cohort.visit_codes(visit)) names.push_back(cohort.code_names[code]);
  return names;
}

TEST_F(CohortFolder, GathersVisitsFromAllTables) {
  table("conditions",
        "2020-03-01,,p2,e9,30,x\n"
        "2020-01-05,,p1,e1,20,\"two, quoted\"\n"
        "2020-01-04,,p1,e1,10,earlier in the same visit\n");
  folder_.write("procedures.csv",
                "DATE,PATIENT,ENCOUNTER,CODE\r\n2019-12-31T23:00:00Z,p1,e2,20\r\n2020-01-05,p1,e1,20");
  folder_.write("observations.csv", "no table of events\n");
  const Cohort cohort = read();

  EXPECT_THAT(cohort.patient_ids, ElementsAre("p1", "p2"));
  EXPECT_THAT(cohort.visit_offsets, ElementsAre(0, 2, 3));
  EXPECT_THAT(cohort.visit_times, ElementsAre(1577833200, 1578096000, 1583020800));
  EXPECT_THAT(cohort.code_names, ElementsAre("10", "20", "30"));
  EXPECT_THAT(cohort.code_offsets, ElementsAre(0, 1, 3, 4));
  EXPECT_THAT(codes_of(cohort, 0), ElementsAre("20"));
  EXPECT_THAT(codes_of(cohort, 1), ElementsAre("10", "20"));
  EXPECT_THAT(codes_of(cohort, 2), ElementsAre("30"));
  EXPECT_EQ(report_.rows, 5);
  EXPECT_EQ(report_.static_rows, 0);
  EXPECT_THAT(report_.tables, ElementsAre("conditions.csv", "procedures.csv"));
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
  EXPECT_THAT(cohort.visit_times, ElementsAre(-1, 0, 1577836800, 1577923200, 1577836800));
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
}

TEST_F(CohortFolder, AnEncounterOverSeveralDaysIsOneVisitAtItsEarliestTime) {
  table("conditions",
        "2020-01-03,,p,long,3,\n"
        "2020-01-02,,p,between,2,\n"
        "2020-01-01T08:00:00Z,,p,long,1,\n");
  table("medications", "2020-02-01,,p,long,4,\n");
  const Cohort cohort = read();
  EXPECT_THAT(cohort.visit_times, ElementsAre(1577865600, 1577923200));
  EXPECT_THAT(codes_of(cohort, 0), ElementsAre("1", "3", "4"));
  EXPECT_THAT(codes_of(cohort, 1), ElementsAre("2"));
}

TEST_F(CohortFolder, OnlyTheColumnsAskedForMatter) {
  table("conditions", "2020-01-02,2019-01-01,p,e,1,STOP before START\n2020-01-02,never,p,e,2,\n");
  EXPECT_THAT(read().visit_times, ElementsAre(1577923200));
}

TEST_F(CohortFolder, EveryTableOfEventsIsReadAndNoOther) {
  for (const std::string_view name : event_tables())
    table(std::string(name), "2020-01-01,,p,e," + std::string(name) + ",\n");
  for (const std::string name : {"patients", "encounters", "observations", "imaging_studies", "devices"})
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

// The rules of the format in the plainest words: a visit is a key of a map.
TEST_F(CohortFolder, RandomTablesFollowTheRules) {
  std::mt19937 random(7);
  const auto below = [&](unsigned count) { return static_cast<std::int64_t>(random() % count); };
  for (int round = 0; round < 20; ++round) {
    struct PlainVisit {
      std::int64_t time = 0;
      std::set<std::string> codes;
    };
    using Key = std::pair<std::string, std::int64_t>;  // encounter, and the day where that is empty
    std::map<std::string, std::map<Key, PlainVisit>> patients;
    std::map<std::string, std::string> tables;
    for (int row = 0; row < 300; ++row) {
      const std::string patient = "p" + std::to_string(below(12));
      const std::string encounter = below(3) == 0 ? "" : "e" + std::to_string(below(15));
      const std::string code = std::to_string(below(30));
      const std::int64_t day = below(9);
      const std::int64_t hour = below(3);
      tables[below(2) == 0 ? "careplans" : "immunizations"] += "1970-01-0" + std::to_string(day + 1) + "T0" +
                                                               std::to_string(hour) + ":00:00Z,," + patient +
                                                               "," + encounter + "," + code + ",\n";
      const std::int64_t time = day * 86400 + hour * 3600;
      PlainVisit& visit = patients[patient][{encounter, encounter.empty() ? day : 0}];
      if (visit.codes.empty() || time < visit.time) visit.time = time;
      visit.codes.insert(code);
    }
    for (const auto& [name, rows] : tables) table(name, rows);

    const Cohort cohort = read();
    ASSERT_EQ(cohort.patients(), static_cast<std::int64_t>(patients.size()));
    std::int64_t visit = 0;
    for (const auto& [patient, visits] : patients) {
      std::map<std::tuple<std::int64_t, Key>, std::set<std::string>> in_order;
      for (const auto& [key, plain] : visits) in_order[{plain.time, key}] = plain.codes;
      ASSERT_EQ(cohort.visit_offsets[cohort.find_patient(patient)], visit);
      for (const auto& [when, codes] : in_order) {
        EXPECT_EQ(cohort.visit_times[visit], std::get<0>(when));
        EXPECT_EQ(codes_of(cohort, visit), std::vector<std::string>(codes.begin(), codes.end()));
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
  EXPECT_THAT(report_.tables, ElementsAre("conditions.csv", "medications.csv", "allergies.csv"));
  EXPECT_THAT(read({"medications"}).code_names, ElementsAre("2"));
  EXPECT_THAT(report_.tables, ElementsAre("medications.csv"));
  EXPECT_THAT(refusal(ErrorCode::io_error, {"conditions", "careplans"}),
              HasSubstr("careplans.csv failed: No such file"));
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

// FNV-1a over "patient|seconds|code,code\n" of every visit in order.
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
  EXPECT_THAT(report.tables,
              ElementsAre("conditions.csv", "medications.csv", "careplans.csv", "allergies.csv"));
  EXPECT_EQ(cohort.patients(), 2164);
  EXPECT_EQ(cohort.visits(), 48031);
  EXPECT_EQ(cohort.codes.size(), 77822u);
  EXPECT_EQ(cohort.code_names.size(), 323u);
  // By a Python script on csv.DictReader.
  EXPECT_EQ(checksum(cohort), 0xdf1e6afa49f7438a);
}

}  // namespace
}  // namespace ragtime
