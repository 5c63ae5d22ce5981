// MEDS-style CSV files: a visit is a subject's day in the data's own offset, or one exact time; rows without
// a time are counted and left out.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tool/data/cohort_folder.hpp"

namespace ragtime {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

class Meds : public testing::Test {
 protected:
  Cohort read(std::string_view content, const ReadOptions& options = {}) {
    return read_cohort(folder_.write("meds.csv", content), options, &report_);
  }
  std::string refusal(std::string_view content, const ReadOptions& options = {}) {
    return error_of(ErrorCode::parse_error, [&] { read(content, options); });
  }

  TemporaryFolder folder_;
  ReadReport report_;
};

TEST_F(Meds, ADayIsAVisitAndStaticRowsAreCounted) {
  const Cohort cohort = read(
      "subject_id,time,code,numeric_value\n"
      "7,,GENDER//F,\n"
      "7,2020-01-01 10:00:00,LAB//1,3.5\n"
      "7,2020-01-01 08:00:00,LAB//2,\n"
      "7,2020-01-01 09:00:00,LAB//1,\n"
      "7,2019-05-05,DX,\n"
      "12,2020-01-01 00:00:00.000000,DX,\n");
  EXPECT_THAT(cohort.patient_ids, ElementsAre("12", "7"));
  EXPECT_THAT(cohort.visit_offsets, ElementsAre(0, 1, 3));
  EXPECT_THAT(texts_of(cohort.visit_times),
              ElementsAre("2020-01-01T00:00:00Z", "2019-05-05T23:59:59.999999Z", "2020-01-01T08:00:00Z"));
  EXPECT_THAT(texts_of(cohort.visit_ends),
              ElementsAre("2020-01-01T23:59:59.999999Z", "2019-05-05T23:59:59.999999Z",
                          "2020-01-01T23:59:59.999999Z"));
  EXPECT_THAT(cohort.code_names, ElementsAre("DX", "LAB//1", "LAB//2"));
  EXPECT_THAT(cohort.codes, ElementsAre(0, 0, 1, 2));
  EXPECT_THAT(texts_of(cohort.code_times), ElementsAre("2020-01-01T00:00:00Z", "2019-05-05T23:59:59.999999Z",
                                                       "2020-01-01T09:00:00Z", "2020-01-01T08:00:00Z"))
      << "each code's earliest";
  EXPECT_EQ(report_.rows, 6);
  EXPECT_EQ(report_.static_rows, 1);
  EXPECT_THAT(report_.files, ElementsAre("meds.csv"));
  EXPECT_THAT(report_.tables, testing::IsEmpty());
}

TEST_F(Meds, TheDayIsThatOfTheOffsetInTheText) {
  const std::string_view content =
      "subject_id,time,code\n"
      "1,2020-01-01T23:30:00-05:00,EVENING_VISIT\n"
      "1,2020-01-02T08:00:00-05:00,NEXT_DAY_VISIT\n"
      "2,2020-01-01T08:30:00+09:00,MORNING\n"
      "2,2020-01-01T10:00:00+09:00,SAME_MORNING\n";
  const Cohort cohort = read(content);
  EXPECT_THAT(visits_of(cohort, "1"),
              ElementsAre(ElementsAre("EVENING_VISIT"), ElementsAre("NEXT_DAY_VISIT")));
  EXPECT_THAT(visits_of(cohort, "2"), ElementsAre(ElementsAre("MORNING", "SAME_MORNING")));
  EXPECT_THAT(texts_of(cohort.visit_times),
              ElementsAre("2020-01-02T04:30:00Z", "2020-01-02T13:00:00Z", "2019-12-31T23:30:00Z"));
  EXPECT_THAT(texts_of(cohort.visit_ends),
              ElementsAre("2020-01-02T04:59:59.999999Z", "2020-01-03T04:59:59.999999Z",
                          "2020-01-02T04:59:59.999999Z"))
      << "days end in the westmost offset";
  EXPECT_EQ(to_text(cohort.last_time), "2020-01-02T13:00:00Z");
}

TEST_F(Meds, TheSharedCaseOfDaysInTheirOffset) {
  const auto file = shared_case("tz_day.csv");
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is not there";
  const Cohort cohort = read_cohort(file);
  EXPECT_THAT(visits_of(cohort, "1"),
              ElementsAre(ElementsAre("EVENING_VISIT"), ElementsAre("NEXT_DAY_VISIT")));
  EXPECT_THAT(visits_of(cohort, "2"), ElementsAre(ElementsAre("MORNING", "SAME_MORNING")));
}

TEST_F(Meds, ByTimeOneExactTimeIsAVisit) {
  const Cohort cohort = read(
      "subject_id,time,code\n"
      "1,2020-01-01T08:00:00.000002,C\n"
      "1,2020-01-01T08:00:00.000001,A\n"
      "1,2020-01-01T09:00:00.000001+01:00,B\n"
      "1,2020-01-01,D\n"
      "1,2020-01-01,E\n"
      "1,2020-01-01T23:00:00,F\n",
      {.visit_by = VisitBy::time});
  EXPECT_THAT(visits_of(cohort, "1"),
              ElementsAre(ElementsAre("A", "B"), ElementsAre("C"), ElementsAre("F"), ElementsAre("D", "E")));
  const auto times = ElementsAre("2020-01-01T08:00:00.000001Z", "2020-01-01T08:00:00.000002Z",
                                 "2020-01-01T23:00:00Z", "2020-01-01T23:59:59.999999Z");
  EXPECT_THAT(texts_of(cohort.visit_times), times);
  EXPECT_THAT(texts_of(cohort.visit_ends), times);
}

TEST_F(Meds, PatientsWithStaticRowsAloneAreCounted) {
  const Cohort cohort = read(
      "subject_id,time,code\n"
      "9,,GENDER//F\n9,,RACE//A\n10,,GENDER//F\n7,,GENDER//M\n7,2020-01-01,X\n8,2020-01-01,\n");
  EXPECT_THAT(cohort.patient_ids, ElementsAre("7"));
  EXPECT_EQ(report_.static_rows, 4);
  EXPECT_EQ(report_.static_patients, 2);
  EXPECT_EQ(report_.first_static_patient, "10") << "in string order";
  read("subject_id,time,code\n7,,GENDER//M\n7,2020-01-01,X\n");
  EXPECT_EQ(report_.static_patients, 0);
  EXPECT_EQ(report_.first_static_patient, "");
}

TEST_F(Meds, LineEndsAndAByteOrderMarkMakeNoDifference) {
  const Cohort cohort = read("\xEF\xBB\xBFsubject_id,time,code\r\n1,,F\r\n1,2020-01-01,\"X, Y\"\r\n");
  EXPECT_THAT(cohort.patient_ids, ElementsAre("1"));
  EXPECT_THAT(cohort.code_names, ElementsAre("X, Y")) << "and nothing of a static row";
  EXPECT_EQ(report_.static_rows, 1);
}

TEST_F(Meds, RefusesWhatIsBroken) {
  EXPECT_THAT(refusal("subject_id,time,code\n1,soon,X\n"),
              HasSubstr("meds.csv:2: time is \"soon\": expected a time"));
  EXPECT_THAT(refusal("subject_id,code\n1,X\n"),
              HasSubstr("meds.csv:1: there is no column time: the header is"));
  EXPECT_THAT(refusal("subject,time,code\n"), HasSubstr("meds.csv:1: there is no column subject_id"));
  EXPECT_THAT(refusal("subject_id,time,CODE\n"), HasSubstr("meds.csv:1: there is no column code"));
}

TEST_F(Meds, RefusesAFileWithoutEvents) {
  EXPECT_THAT(refusal("subject_id,time,code\n"), EndsWith("meds.csv holds no events: 0 rows read"));
  EXPECT_THAT(refusal("subject_id,time,code\n1,,GENDER\n"),
              EndsWith("meds.csv holds no events: 1 row read, 1 of them without a time"));
  EXPECT_THAT(refusal("subject_id,time,code\n1,,X\n1,2020-01-01,\n,2020-01-01,X\n1,0001-01-01,X\n"),
              EndsWith("meds.csv holds no events: 4 rows read, 1 of them without a time, 1 of them without a "
                       "code, 1 of them without a patient, 1 of them with a year before 1850 or after 2299"));
  for (const std::string_view empty : {"", "\xEF\xBB\xBF", "\n\r\n"})
    EXPECT_THAT(refusal(empty),
                EndsWith("meds.csv holds no events: the file is empty, without even a header line"));
}

TEST_F(Meds, HasNoTablesToChooseAndNoEncounters) {
  const auto file = folder_.write("meds.csv", "subject_id,time,code\n1,2020-01-01,X\n");
  EXPECT_THAT(error_of(ErrorCode::invalid_argument, [&] { read_cohort(file, {.tables = {"conditions"}}); }),
              HasSubstr("tables names conditions, but"));
  EXPECT_THAT(
      error_of(ErrorCode::invalid_argument, [&] { read_cohort(file, {.encounters = Encounters::required}); }),
      HasSubstr("encounters are required, but"));
}

}  // namespace
}  // namespace ragtime
