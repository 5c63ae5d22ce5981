// When each rule predicts, for whom, and from how many visits; and that what it says of a patient does not
// change with what comes after the prediction time.

#include "host/tool/train/prediction_time.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/errors.hpp"
#include "tests/tool/train/cohorts.hpp"

namespace ragtime {
namespace {

using test::end_of_day;
using test::make_cohort;
using test::VisitOnDay;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Cohort one_patient(const std::vector<VisitOnDay>& visits) {
  return make_cohort({{"p", visits}}, {"A", "B"});
}

using Point = std::tuple<Time, std::int32_t, std::int32_t>;  // time, visits, visit

std::vector<Point> points(const Cohort& cohort, const char* rule, std::uint64_t seed = 0) {
  std::vector<Point> result;
  for (const PredictionPoint& point : prediction_points(cohort, 0, predict_at_from_text(rule), seed))
    result.emplace_back(point.time, point.visits, point.visit);
  return result;
}

TEST(PredictionTime, TheNthVisit) {
  const Cohort cohort = one_patient({{10, {0}}, {20, {0}}, {40, {1}}});
  EXPECT_THAT(points(cohort, "visit:1"), ElementsAre(Point(end_of_day(10), 1, 0)));
  EXPECT_THAT(points(cohort, "visit:3"), ElementsAre(Point(end_of_day(40), 3, 2)));
  EXPECT_THAT(points(cohort, "visit:4"), IsEmpty());
}

TEST(PredictionTime, DaysAfterTheFirstVisit) {
  const Cohort cohort = one_patient({{10, {0}}, {20, {0}}, {40, {1}}});
  EXPECT_THAT(points(cohort, "days:0"), ElementsAre(Point(end_of_day(10), 1, -1)));
  EXPECT_THAT(points(cohort, "days:9"), ElementsAre(Point(end_of_day(19), 1, -1)));
  EXPECT_THAT(points(cohort, "days:10"), ElementsAre(Point(end_of_day(20), 2, -1)));
  EXPECT_THAT(points(cohort, "days:0.5"), ElementsAre(Point(end_of_day(10) + time_per_day / 2, 1, -1)));
  EXPECT_THAT(points(cohort, "days:1000"), ElementsAre(Point(end_of_day(1010), 3, -1)));
}

TEST(PredictionTime, ADateIsItsEnd) {
  const Cohort cohort = one_patient({{10, {0}}, {20, {0}}});
  EXPECT_THAT(points(cohort, "date:1970-01-21"), ElementsAre(Point(end_of_day(20), 2, -1)));
  EXPECT_THAT(points(cohort, "date:1970-01-20"), ElementsAre(Point(end_of_day(19), 1, -1)));
  EXPECT_THAT(points(cohort, "date:1970-01-05"), ElementsAre(Point(end_of_day(4), 0, -1)));
  EXPECT_THAT(points(cohort, "date:1970-01-21T12:00:00Z"),
              ElementsAre(Point(end_of_day(20) + 1 - time_per_day / 2, 1, -1)));
}

TEST(PredictionTime, EveryVisitAndOnceForThoseOfOneDay) {
  const Cohort cohort = one_patient({{10, {0}}, {20, {0}}, {20, {1}}, {40, {1}}});
  EXPECT_THAT(points(cohort, "visits"), ElementsAre(Point(end_of_day(10), 1, 0), Point(end_of_day(20), 3, 2),
                                                    Point(end_of_day(40), 4, 3)));
  EXPECT_THAT(points(cohort, "visit:2"), ElementsAre(Point(end_of_day(20), 3, 1)))
      << "everything known by the end of that day is input";
}

TEST(PredictionTime, ASampleIsDrawnForEachVisitAlone) {
  std::vector<VisitOnDay> visits;
  for (int v = 0; v < 400; ++v) visits.push_back({10 * v, {0}});
  const Cohort cohort = one_patient(visits);
  const auto drawn = points(cohort, "sample:0.25", 3);
  EXPECT_GT(drawn.size(), 65u);
  EXPECT_LT(drawn.size(), 135u);
  EXPECT_NE(points(cohort, "sample:0.25", 4), drawn) << "another seed";
  EXPECT_EQ(points(cohort, "sample:1").size(), 400u);
  // Fewer later visits take nothing from the earlier ones.
  visits.resize(200);
  const auto fewer = points(one_patient(visits), "sample:0.25", 3);
  ASSERT_LE(fewer.size(), drawn.size());
  EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), drawn.begin()));
  EXPECT_TRUE(fewer.size() == drawn.size() || std::get<0>(drawn[fewer.size()]) > end_of_day(1990));
}

TEST(PredictionTime, RulesThatAreNone) {
  for (const char* text :
       {"visit:0",  "visit:-1",   "visit:1.5",   "visit:",       "visit",           "visit:x", "visit:nan",
        "days:-1",  "days:inf",   "days:",       "days:1000001", "date:2020-02-30", "date:",   "date",
        "sample:0", "sample:1.1", "sample:-0.5", "sample:nan",   "visits:3",        "",        "code"})
    EXPECT_THAT(error_of(ErrorCode::invalid_argument, [&] { predict_at_from_text(text); }),
                HasSubstr("--predict-at is \"" + std::string(text)))
        << text;
}

}  // namespace
}  // namespace ragtime
