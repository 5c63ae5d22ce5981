// Rows and files that real exports hold now and then: each is skipped or kept, counted with the place of the
// first, and, where reading is strict, an error with file and line.

#include <gmock/gmock.h>

#include "tests/tool/data/cohort_folder.hpp"

namespace ragtime {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

class OddRows : public CohortFolder {
 protected:
  const ReadOptions strict_ = {.strict = true};

  std::int64_t all_counts() const {
    return report_.null_codes.rows + report_.null_patients.rows + report_.null_encounters.rows +
           report_.missing_times.rows + report_.absurd_times.rows + report_.future_times.rows;
  }
};

TEST_F(OddRows, WithoutACodeAreSkippedAndCounted) {
  table("conditions", "2020-01-01,,p,e,1,\n2020-01-01,,p,e,,x\n2020-01-02,,q,e,\"\",\n");
  table("medications", "2020-01-01,,p,e,,x\n2020-01-01,,p,e,2,x\n");
  const Cohort cohort = read();
  EXPECT_THAT(cohort.patient_ids, ElementsAre("p")) << "q has no other row";
  EXPECT_THAT(visits_of(cohort, "p"), ElementsAre(ElementsAre("1", "2")));
  EXPECT_THAT(cohort.code_names, ElementsAre("1", "2"));
  EXPECT_EQ(report_.null_codes.rows, 3);
  EXPECT_EQ(report_.null_codes.first, "conditions.csv:3");
  EXPECT_EQ(report_.rows, 5);
  EXPECT_EQ(all_counts(), 3);
  EXPECT_THAT(refusal_with(ErrorCode::parse_error, strict_), EndsWith("conditions.csv:3: CODE is empty"));
}

TEST_F(OddRows, WithoutAPatientAreSkippedAndCounted) {
  table("conditions", "2020-01-01,,p,e,1,\n2020-01-01,,,e,1,x\n2020-01-01,,,,,x\n");
  const Cohort cohort = read();
  EXPECT_THAT(cohort.patient_ids, ElementsAre("p"));
  EXPECT_EQ(report_.null_patients.rows, 2);
  EXPECT_EQ(report_.null_patients.first, "conditions.csv:3");
  EXPECT_EQ(all_counts(), 2) << "a row is counted once";
  EXPECT_THAT(refusal_with(ErrorCode::parse_error, strict_), EndsWith("conditions.csv:3: PATIENT is empty"));
}

TEST_F(OddRows, WithoutATimeAreSkippedAndCountedInAFolder) {
  table("conditions", "2020-01-01,,p,e,1,\n,2020-01-01,p,e,2,x\n");
  EXPECT_THAT(visits_of(read(), "p"), ElementsAre(ElementsAre("1")));
  EXPECT_EQ(report_.missing_times.rows, 1);
  EXPECT_EQ(report_.missing_times.first, "conditions.csv:3");
  EXPECT_EQ(report_.static_rows, 0);
  EXPECT_EQ(all_counts(), 1);
  EXPECT_THAT(refusal_with(ErrorCode::parse_error, strict_), HasSubstr("conditions.csv:3: START is empty"));
}

TEST_F(OddRows, OfYearsThatAreNoneAreSkippedAndCounted) {
  table("conditions",
        "1850-01-01,,p,e,1,\n1849-12-31T23:59:59Z,,p,e,2,\n0001-01-01,,p,e,2,\n2999-12-31,,p,e,2,\n"
        "2300-01-01T00:00:00Z,,p,e,2,\n9999-12-31T23:59:59Z,,p,e,2,\n"
        "0000-00-00,,p,e,2,\n2020-00-10,,p,e,2,\n"
        "1850-01-01T00:30:00+02:00,,p,e,3,in UTC it is 1849\n");
  const Cohort cohort = read();
  EXPECT_THAT(visits_of(cohort, "p"), ElementsAre(ElementsAre("1", "3")));
  EXPECT_EQ(report_.absurd_times.rows, 7);
  EXPECT_EQ(report_.absurd_times.first, "conditions.csv:3");
  EXPECT_EQ(all_counts(), 7);
  EXPECT_EQ(to_text(cohort.last_time), "1850-01-01T21:59:59.999999Z") << "not moved by what is skipped";
  EXPECT_THAT(
      refusal_with(ErrorCode::parse_error, strict_),
      EndsWith("conditions.csv:3: START is \"1849-12-31T23:59:59Z\": expected a year from 1850 to 2299"));
}

TEST_F(OddRows, AfterTodayAreKeptAndCounted) {
  const Time now = std::chrono::duration_cast<std::chrono::microseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  table("conditions", to_text(now).substr(0, 10) + ",,p,e,TODAY,\n" +
                          to_text(now + 2 * time_per_day).substr(0, 10) +
                          ",,p,e,SOON,\n2299-12-31,,p,e,LAST,\n");
  for (const bool strict : {false, true}) {
    const Cohort cohort = read_with({.strict = strict});
    EXPECT_THAT(visits_of(cohort, "p"),
                ElementsAre(ElementsAre("TODAY"), ElementsAre("SOON"), ElementsAre("LAST")));
    EXPECT_EQ(report_.future_times.rows, 2);
    EXPECT_EQ(report_.future_times.first, "conditions.csv:3");
    EXPECT_EQ(all_counts(), 2);
    EXPECT_EQ(to_text(cohort.last_time), "2299-12-31T23:59:59.999999Z");
  }
}

TEST_F(OddRows, OfEncountersAreSkippedAndCountedToo) {
  table("conditions", "2020-01-01,,p,e,1,\n2020-01-01,,p,,2,\n2020-01-01,,p,f,3,\n");
  const std::string good = "e,2020-01-01T10:00:00Z,,p,\n";
  encounters(good +
             ",2020-01-01T11:00:00Z,,p,\ng,2020-01-01T11:00:00Z,,,\nf,,,p,\nf,0001-01-01T00:00:00Z,,p,\n");
  EXPECT_THAT(texts_of(read().visit_times), ElementsAre("2020-01-01T10:00:00Z", "2020-01-01T23:59:59.999999Z",
                                                        "2020-01-01T23:59:59.999999Z"));
  EXPECT_EQ(report_.null_encounters.rows, 1);
  EXPECT_EQ(report_.null_encounters.first, "encounters.csv:3");
  EXPECT_EQ(report_.null_patients.first, "encounters.csv:4");
  EXPECT_EQ(report_.missing_times.first, "encounters.csv:5");
  EXPECT_EQ(report_.absurd_times.first, "encounters.csv:6");
  EXPECT_EQ(all_counts(), 4);
  for (const auto& [row, refused] :
       std::vector<std::pair<std::string, std::string>>{{",2020-01-01,,p,\n", "Id is empty"},
                                                        {"g,2020-01-01,,,\n", "PATIENT is empty"},
                                                        {"g,,,p,\n", "START is empty"},
                                                        {"g,0001-01-01,,p,\n", "expected a year from"}}) {
    encounters(good + row);
    EXPECT_THAT(refusal_with(ErrorCode::parse_error, strict_), HasSubstr("encounters.csv:3: "));
    EXPECT_THAT(refusal_with(ErrorCode::parse_error, strict_), HasSubstr(refused));
  }
  encounters(good + "f,soon,,p,\n");
  EXPECT_THAT(refusal(ErrorCode::parse_error),
              HasSubstr("encounters.csv:3: START is \"soon\": expected a time"));
}

TEST_F(OddRows, OfAMedsFileAreSkippedAndCounted) {
  const auto file = folder_.write("meds.csv",
                                  "subject_id,time,code\n1,2020-01-01,X\n1,2020-01-01,\n,2020-01-01,X\n"
                                  "1,0001-01-01,X\n1,,GENDER\n1,,\n");
  const Cohort cohort = read_cohort(file, {}, &report_);
  EXPECT_THAT(visits_of(cohort, "1"), ElementsAre(ElementsAre("X")));
  EXPECT_EQ(report_.null_codes.rows, 2);
  EXPECT_EQ(report_.null_codes.first, "meds.csv:3");
  EXPECT_EQ(report_.null_patients.first, "meds.csv:4");
  EXPECT_EQ(report_.absurd_times.first, "meds.csv:5");
  EXPECT_EQ(report_.static_rows, 1);
  EXPECT_EQ(report_.missing_times.rows, 0);
  for (const auto& [row, refused] : std::vector<std::pair<std::string, std::string>>{
           {"1,2020-01-01,\n", "meds.csv:2: code is empty"},
           {",2020-01-01,X\n", "meds.csv:2: subject_id is empty"},
           {"1,2999-01-01,X\n", "meds.csv:2: time is \"2999-01-01\": expected a year from 1850 to 2299"}}) {
    folder_.write("meds.csv", "subject_id,time,code\n" + row);
    EXPECT_THAT(error_of(ErrorCode::parse_error, [&] { read_cohort(file, strict_); }), EndsWith(refused));
  }
  folder_.write("meds.csv", "subject_id,time,code\n1,,GENDER\n1,2020-01-01,X\n");
  EXPECT_EQ(read_cohort(file, strict_).visits(), 1) << "a static row is not odd";
}

TEST_F(OddRows, ATableOfNothingIsATableWithoutRows) {
  table("conditions", "2020-01-02,,p,1,A,\n");
  for (const std::string_view nothing : {"", "\xEF\xBB\xBF", "\r\n"}) {
    folder_.write("immunizations.csv", nothing);
    folder_.write("encounters.csv", nothing);
    EXPECT_THAT(visits_of(read(), "p"), ElementsAre(ElementsAre("A")));
    EXPECT_THAT(report_.empty_files, ElementsAre("immunizations.csv", "encounters.csv"));
    EXPECT_THAT(report_.tables, ElementsAre("conditions", "immunizations"));
    EXPECT_THAT(read({"conditions", "immunizations"}).code_names, ElementsAre("A"));
  }
  table("immunizations", "");
  encounters("");
  read();
  EXPECT_THAT(report_.empty_files, IsEmpty()) << "a header without rows is a table as it should be";
}

TEST_F(OddRows, TheSharedCaseOfAnEmptyTable) {
  const auto folder = shared_case("empty_table");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  EXPECT_THAT(visits_of(read_cohort(folder, {}, &report_), "p"), ElementsAre(ElementsAre("A")));
  EXPECT_THAT(report_.empty_files, ElementsAre("immunizations.csv"));
}

TEST_F(OddRows, TheSharedCaseOfTablesAskedFor) {
  const auto folder = shared_case("tables");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  const ReadOptions asked = {.tables = {"conditions", "medications"}};
  const Cohort trained = read_cohort(folder / "train", {}, &report_);
  EXPECT_THAT(report_.tables, ElementsAre("conditions", "medications"));
  EXPECT_THAT(report_.ignored_tables, IsEmpty());
  const Cohort more = read_cohort(folder / "predict", asked, &report_);
  EXPECT_THAT(report_.ignored_tables, ElementsAre("procedures"));
  EXPECT_EQ(more.code_names, trained.code_names);
  EXPECT_EQ(more.codes, trained.codes);
  EXPECT_THAT(error_of(ErrorCode::io_error, [&] { read_cohort(folder / "predict_less", asked); }),
              HasSubstr("predict_less has no medications.csv, plain or gzipped"));
}

}  // namespace
}  // namespace ragtime
