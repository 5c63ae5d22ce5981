// MEDS-style CSV files: a visit is a subject's day, rows without a time are counted and left out.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/data/cohort.hpp"
#include "temporary_folder.hpp"

namespace ragtime {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

class Meds : public testing::Test {
 protected:
  Cohort read(std::string_view content) {
    return read_cohort(folder_.write("meds.csv", content), {}, &report_);
  }
  std::string refusal(std::string_view content) {
    return error_of(ErrorCode::parse_error, [&] { read(content); });
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
  EXPECT_THAT(cohort.visit_times, ElementsAre(1577836800, 1557014400, 1577865600));
  EXPECT_THAT(cohort.code_names, ElementsAre("DX", "LAB//1", "LAB//2"));
  EXPECT_THAT(cohort.codes, ElementsAre(0, 0, 1, 2));
  EXPECT_EQ(report_.rows, 6);
  EXPECT_EQ(report_.static_rows, 1);
  EXPECT_THAT(report_.tables, ElementsAre("meds.csv"));
}

TEST_F(Meds, LineEndsAndAByteOrderMarkMakeNoDifference) {
  const Cohort cohort = read("\xEF\xBB\xBFsubject_id,time,code\r\n1,,F\r\n1,2020-01-01,\"X, Y\"\r\n");
  EXPECT_THAT(cohort.patient_ids, ElementsAre("1"));
  EXPECT_THAT(cohort.code_names, ElementsAre("X, Y")) << "and nothing of a static row";
  EXPECT_EQ(report_.static_rows, 1);
}

TEST_F(Meds, RefusesWhatIsBroken) {
  EXPECT_THAT(refusal("subject_id,time,code\n,2020-01-01,X\n"), EndsWith("meds.csv:2: subject_id is empty"));
  EXPECT_THAT(refusal("subject_id,time,code\n1,2020-01-01,\n"), EndsWith("meds.csv:2: code is empty"));
  EXPECT_THAT(refusal("subject_id,time,code\n1,soon,X\n"),
              HasSubstr("meds.csv:2: time is \"soon\": expected a time"));
  EXPECT_THAT(refusal("subject_id,code\n1,X\n"),
              HasSubstr("meds.csv:1: there is no column time: the header is"));
  EXPECT_THAT(refusal("subject,time,code\n"), HasSubstr("meds.csv:1: there is no column subject_id"));
  EXPECT_THAT(refusal("subject_id,time,CODE\n"), HasSubstr("meds.csv:1: there is no column code"));
  EXPECT_THAT(refusal(""), EndsWith("meds.csv:1: the file is empty: expected a header line"));
}

TEST_F(Meds, RefusesAFileWithoutEvents) {
  EXPECT_THAT(refusal("subject_id,time,code\n"),
              EndsWith("meds.csv holds no events: 0 rows read, 0 of them without a time"));
  EXPECT_THAT(refusal("subject_id,time,code\n1,,GENDER\n"),
              EndsWith("1 rows read, 1 of them without a time"));
}

TEST_F(Meds, HasNoTablesToChoose) {
  const auto file = folder_.write("meds.csv", "subject_id,time,code\n1,2020-01-01,X\n");
  const std::vector<std::string> tables = {"conditions"};
  EXPECT_THAT(error_of(ErrorCode::invalid_argument, [&] { read_cohort(file, tables); }),
              HasSubstr("tables names conditions, but"));
}

}  // namespace
}  // namespace ragtime
