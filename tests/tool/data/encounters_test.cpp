// When visits are: encounters.csv says when they began, dates without a time of day are over at the end of
// their day, and no order of rows, offset from UTC or stay over midnight puts a code before it was known.

#include <gmock/gmock.h>

#include "tests/tool/data/cohort_folder.hpp"

namespace ragtime {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

using Encounter = CohortFolder;

std::vector<std::string> code_times_of(const Cohort& cohort) {
  return texts_of(cohort.code_times);
}

TEST_F(Encounter, AVisitBeginsWhenItsEncounterDoes) {
  table("conditions", "2020-03-05,,p,evening,COMPLICATION,\n");
  table("medications",
        "2020-03-05T09:10:00Z,,p,morning,LABELDRUG,\n"
        "2020-03-05T18:20:00Z,,p,evening,RESCUEDRUG,\n");
  encounters(
      "morning,2020-03-05T09:00:00Z,,p,1\n"
      "evening,2020-03-05T18:00:00Z,,p,2\n"
      "later,2020-03-07T18:00:00Z,,p,3\n");
  const Cohort cohort = read();
  EXPECT_TRUE(report_.encounters);
  EXPECT_THAT(report_.files, ElementsAre("conditions.csv", "medications.csv", "encounters.csv"));
  EXPECT_THAT(report_.tables, ElementsAre("conditions", "medications"));
  EXPECT_THAT(visits_of(cohort, "p"),
              ElementsAre(ElementsAre("LABELDRUG"), ElementsAre("COMPLICATION", "RESCUEDRUG")));
  EXPECT_THAT(texts_of(cohort.visit_times), ElementsAre("2020-03-05T09:00:00Z", "2020-03-05T18:00:00Z"));
  EXPECT_THAT(code_times_of(cohort),
              ElementsAre("2020-03-05T09:10:00Z", "2020-03-05T23:59:59.999999Z", "2020-03-05T18:20:00Z"));
  EXPECT_EQ(to_text(cohort.last_time), "2020-03-07T18:00:00Z") << "that of an encounter without events";
}

TEST_F(Encounter, TheSharedCaseOfAnEveningAfterAMorning) {
  const auto folder = shared_case("synthea_order");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  const Cohort cohort = read_cohort(folder, {}, &report_);
  EXPECT_TRUE(report_.encounters);
  ASSERT_THAT(visits_of(cohort, "p1"), ElementsAre(ElementsAre("OLDDRUG"), ElementsAre("LABELDRUG"),
                                                   ElementsAre("COMPLICATION", "RESCUEDRUG")));
  const std::int64_t evening = cohort.visit_offsets[cohort.find_patient("p1")] + 2;
  EXPECT_EQ(to_text(cohort.visit_times[evening - 1]), "2020-03-05T09:00:00Z");
  EXPECT_EQ(to_text(cohort.visit_times[evening]), "2020-03-05T18:00:00Z");
  for (std::int64_t i = cohort.code_offsets[evening]; i < cohort.code_offsets[evening + 1]; ++i)
    EXPECT_GE(cohort.code_times[i], cohort.visit_times[evening]);
}

TEST_F(Encounter, IsLookedUpByPatientAndId) {
  table("conditions", "2020-01-01,,p,e,A,\n2020-01-01,,q,e,B,\n2020-01-01,,q,f,C,\n2020-01-01,,q,,D,\n");
  encounters("e,2020-01-01T10:00:00Z,,p,\ne,2020-01-01T12:00:00Z,,q,\ng,2020-01-01T01:00:00Z,,q,\n");
  const Cohort cohort = read();
  EXPECT_THAT(texts_of(cohort.visit_times),
              ElementsAre("2020-01-01T10:00:00Z", "2020-01-01T12:00:00Z", "2020-01-01T23:59:59.999999Z",
                          "2020-01-01T23:59:59.999999Z"));
  EXPECT_THAT(visits_of(cohort, "q"), ElementsAre(ElementsAre("B"), ElementsAre("D"), ElementsAre("C")))
      << "f is not in encounters.csv, D has no encounter: both go by their own times";
}

TEST_F(Encounter, AnEventBeforeItCountsFromItsBeginning) {
  table("conditions",
        "2019-12-31,,p,e,THE_DAY_BEFORE,\n"
        "2020-01-01T08:00:00Z,,p,e,EARLIER,\n"
        "2020-01-01T11:00:00Z,,p,e,DURING,\n"
        "2020-01-01,,p,e,SOME_TIME,\n"
        "2020-01-01T09:00:00Z,,p,,OTHER,\n");
  encounters("e,2020-01-01T10:00:00Z,,p,\n");
  const Cohort cohort = read();
  EXPECT_THAT(
      visits_of(cohort, "p"),
      ElementsAre(ElementsAre("OTHER"), ElementsAre("DURING", "EARLIER", "SOME_TIME", "THE_DAY_BEFORE")));
  EXPECT_THAT(code_times_of(cohort),
              ElementsAre("2020-01-01T09:00:00Z", "2020-01-01T11:00:00Z", "2020-01-01T10:00:00Z",
                          "2020-01-01T23:59:59.999999Z", "2020-01-01T10:00:00Z"));
}

TEST_F(Encounter, AStayIsAVisitADay) {
  table("conditions",
        "2020-01-01,,p,stay,FIRST,\n2020-01-02T07:00:00Z,,p,stay,SECOND,\n2020-01-03,,p,stay,THIRD,\n"
        "2020-01-02T12:00:00Z,,p,visitor,BETWEEN,\n");
  encounters("stay,2020-01-01T10:00:00Z,,p,\n");
  const Cohort cohort = read();
  EXPECT_THAT(visits_of(cohort, "p"), ElementsAre(ElementsAre("FIRST"), ElementsAre("SECOND"),
                                                  ElementsAre("BETWEEN"), ElementsAre("THIRD")));
  EXPECT_THAT(texts_of(cohort.visit_times),
              ElementsAre("2020-01-01T10:00:00Z", "2020-01-02T07:00:00Z", "2020-01-02T12:00:00Z",
                          "2020-01-03T23:59:59.999999Z"));
}

// A date says less than a time of the same day.
TEST_F(Encounter, ThatBeganOnSomeDateBeganByItsFirstTime) {
  table("conditions", "2020-01-01T15:00:00Z,,p,e,A,\n2020-01-01,,p,e,B,\n2020-01-01,,p,f,C,\n");
  encounters("e,2020-01-01,,p,\nf,2020-01-01,,p,\n");
  const Cohort cohort = read();
  EXPECT_THAT(texts_of(cohort.visit_times),
              ElementsAre("2020-01-01T15:00:00Z", "2020-01-01T23:59:59.999999Z"));
}

TEST_F(Encounter, ADateNeverStandsBeforeATimeOfItsDay) {
  table("conditions",
        "2020-01-01,,p,a,DATE,\n2020-01-01T23:59:59.999998Z,,p,b,LATE,\n2020-01-02T00:00:00Z,,p,,NEXT,\n");
  const Cohort cohort = read();
  EXPECT_THAT(visits_of(cohort, "p"),
              ElementsAre(ElementsAre("LATE"), ElementsAre("DATE"), ElementsAre("NEXT")));
}

// Days end, and dates are, in the westmost offset of the data: whatever else happens on the day.
TEST_F(Encounter, ADateNeverStandsBeforeATimeOfItsDayWhateverTheOffset) {
  table("conditions",
        "2020-01-01,,p,a,DATE,\n"
        "2020-01-01T20:00:00-05:00,,p,b,EVENING,\n"
        "2020-01-01T19:30:00-08:00,,p,,LATEST,\n"
        "2020-01-02,,p,,NEXT,\n"
        "2020-01-01,,q,a,DATE,\n");
  const Cohort cohort = read();
  EXPECT_THAT(visits_of(cohort, "p"), ElementsAre(ElementsAre("EVENING"), ElementsAre("LATEST"),
                                                  ElementsAre("DATE"), ElementsAre("NEXT")));
  EXPECT_THAT(texts_of(cohort.visit_times),
              ElementsAre("2020-01-02T01:00:00Z", "2020-01-02T03:30:00Z", "2020-01-02T07:59:59.999999Z",
                          "2020-01-03T07:59:59.999999Z", "2020-01-02T07:59:59.999999Z"));
  for (const std::size_t i : {0, 1, 2})
    EXPECT_EQ(to_text(cohort.visit_ends[i]), "2020-01-02T07:59:59.999999Z") << i;
}

TEST_F(Encounter, ADateHasTheOffsetOfTheTimes) {
  table("conditions", "2020-01-01,,p,a,DATE,\n2020-01-01T20:00:00+09:00,,p,b,TIME,\n");
  const Cohort cohort = read();
  EXPECT_THAT(texts_of(cohort.visit_times),
              ElementsAre("2020-01-01T11:00:00Z", "2020-01-01T14:59:59.999999Z"));
  EXPECT_THAT(texts_of(cohort.visit_ends),
              ElementsAre("2020-01-01T14:59:59.999999Z", "2020-01-01T14:59:59.999999Z"));
}

// One instant, of two days by two offsets: two visits of one encounter, in an order that their rows do not
// set.
TEST_F(Encounter, OneInstantInTwoOffsetsHasOneOrder) {
  const std::string first = "2020-01-01T23:30:00-05:00,,p,e,A,\n";
  const std::string second = "2020-01-02T04:30:00Z,,p,e,B,\n";
  for (const std::string& rows : {first + second, second + first}) {
    table("conditions", rows);
    const Cohort cohort = read();
    EXPECT_THAT(visits_of(cohort, "p"), ElementsAre(ElementsAre("A"), ElementsAre("B")));
    EXPECT_THAT(texts_of(cohort.visit_ends),
                ElementsAre("2020-01-02T04:59:59.999999Z", "2020-01-03T04:59:59.999999Z"));
  }
}

TEST_F(Encounter, EndsOfVisitsDoNotDecrease) {
  table("conditions", "2020-01-01T10:00:00-11:00,,p,,A,\n2020-01-01T22:00:00Z,,p,e,B,\n");
  const Cohort cohort = read();
  EXPECT_THAT(texts_of(cohort.visit_times), ElementsAre("2020-01-01T21:00:00Z", "2020-01-01T22:00:00Z"));
  EXPECT_THAT(texts_of(cohort.visit_ends),
              ElementsAre("2020-01-02T10:59:59.999999Z", "2020-01-02T10:59:59.999999Z"));
}

TEST_F(Encounter, ByTimeRowsWithoutOneAreVisitsOfOneTime) {
  table("conditions",
        "2020-01-01T08:00:00Z,,p,,A,\n2020-01-01T08:00:00Z,,p,,B,\n2020-01-01T08:00:01Z,,p,,C,\n"
        "2020-01-01T09:00:00Z,,p,e,D,\n2020-01-01T10:00:00Z,,p,e,E,\n");
  const Cohort cohort = read_with({.visit_by = VisitBy::time});
  EXPECT_THAT(visits_of(cohort, "p"),
              ElementsAre(ElementsAre("A", "B"), ElementsAre("C"), ElementsAre("D", "E")));
  EXPECT_THAT(texts_of(cohort.visit_ends),
              ElementsAre("2020-01-01T08:00:00Z", "2020-01-01T08:00:01Z", "2020-01-01T23:59:59.999999Z"));
  EXPECT_EQ(read().visits(), 2);
}

TEST_F(Encounter, IsReadIgnoredOrRequired) {
  table("conditions", "2020-01-01,,p,e,A,\n");
  EXPECT_EQ(refusal_with(ErrorCode::io_error, {.encounters = Encounters::required}),
            folder_.path().string() +
                " has no encounters.csv or encounters.csv.gz: expected the times at which encounters began");
  encounters("e,2020-01-01T10:00:00Z,,p,\n");
  EXPECT_EQ(to_text(read_with({.encounters = Encounters::required}).visit_times[0]), "2020-01-01T10:00:00Z");
  EXPECT_TRUE(report_.encounters);
  EXPECT_EQ(to_text(read_with({.encounters = Encounters::ignored}).visit_times[0]),
            "2020-01-01T23:59:59.999999Z");
  EXPECT_FALSE(report_.encounters);
  EXPECT_EQ(to_text(read_with({.tables = {"conditions"}}).visit_times[0]), "2020-01-01T10:00:00Z");
  EXPECT_TRUE(report_.encounters) << "it is no table of events that is chosen or not";
}

TEST_F(Encounter, BeginsOnce) {
  table("conditions", "2020-01-01,,p,e,A,\n");
  encounters("e,2020-01-01T10:00:00Z,,p,\ne,2020-01-01T10:00:00Z,later,p,\n");
  EXPECT_EQ(read().visits(), 1) << "twice the same is no contradiction";
  encounters("e,2020-01-01T10:00:00Z,,p,\nf,2020-01-01T10:00:00Z,,p,\ne,2020-01-01T11:00:00Z,,p,\n");
  EXPECT_THAT(
      refusal(ErrorCode::parse_error),
      EndsWith("encounters.csv:4: START is \"2020-01-01T11:00:00Z\", but an earlier row for encounter "
               "\"e\" of patient \"p\" has another: expected each encounter to begin once"));
}

TEST_F(Encounter, ColumnsAreThoseOfSyntheaOldAndNew) {
  table("conditions", "2020-01-01,,p,e,A,\n");
  folder_.write("encounters.csv", "PATIENT,DATE,ID\np,2020-01-01T10:00:00Z,e\n");
  EXPECT_EQ(to_text(read().visit_times[0]), "2020-01-01T10:00:00Z");
  folder_.write("encounters.csv", "PATIENT,START,Number\n");
  EXPECT_THAT(refusal(ErrorCode::parse_error),
              HasSubstr("encounters.csv:1: there is no column Id or ID: the header is"));
  folder_.write("encounters.csv", "PATIENT,STOP,Id\n");
  EXPECT_THAT(refusal(ErrorCode::parse_error), HasSubstr("there is no column START or DATE"));
  folder_.write("encounters.csv", "SUBJECT,START,Id\n");
  EXPECT_THAT(refusal(ErrorCode::parse_error), HasSubstr("there is no column PATIENT"));
}

// Such a patient has no static rows either.
TEST_F(Encounter, APatientWithNothingElseIsNotInTheCohort) {
  table("conditions", "2020-01-01,,p,e,A,\n");
  encounters("e,2020-01-01T10:00:00Z,,p,\nx,2020-02-01T10:00:00Z,,a_first,\n");
  const Cohort cohort = read();
  EXPECT_THAT(cohort.patient_ids, ElementsAre("p"));
  EXPECT_EQ(report_.static_patients, 0);
  EXPECT_EQ(report_.first_static_patient, "");
  EXPECT_EQ(to_text(cohort.last_time), "2020-02-01T10:00:00Z");
}

}  // namespace
}  // namespace ragtime
