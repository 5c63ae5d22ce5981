// Times as text: every form that is accepted, against seconds worked out elsewhere, every day of the
// calendar in order, and everything that only looks like a time refused.

#include <gtest/gtest.h>

#include <cstdio>

#include "host/data/cohort.hpp"

namespace ragtime {
namespace {

std::int64_t seconds_of(std::string_view text) {
  std::int64_t seconds = -1;
  EXPECT_TRUE(parse_time(text, seconds)) << text;
  return seconds;
}

TEST(ParseTime, DatesAndTimes) {
  EXPECT_EQ(seconds_of("1970-01-01"), 0);
  EXPECT_EQ(seconds_of("1969-12-31"), -86400);
  EXPECT_EQ(seconds_of("2019-01-23"), 1548201600);
  EXPECT_EQ(seconds_of("2019-01-23T10:20:30"), 1548238830);
  EXPECT_EQ(seconds_of("2019-01-23T10:20:30Z"), 1548238830);
  EXPECT_EQ(seconds_of("2019-01-23 10:20:30"), 1548238830);
  EXPECT_EQ(seconds_of("2019-01-23 10:20"), 1548238800);
  EXPECT_EQ(seconds_of("0001-01-01"), -62135596800);
  EXPECT_EQ(seconds_of("9999-12-31T23:59:59"), 253402300799);
}

TEST(ParseTime, FractionsAreDropped) {
  EXPECT_EQ(seconds_of("2019-01-23T10:20:30.9"), 1548238830);
  EXPECT_EQ(seconds_of("2019-01-23T10:20:30.999999999Z"), 1548238830);
  EXPECT_EQ(seconds_of("1969-12-31T23:59:59.5"), -1);
}

TEST(ParseTime, OffsetsLeadBackToUtc) {
  EXPECT_EQ(seconds_of("2019-01-23T10:20:30+01:00"), 1548238830 - 3600);
  EXPECT_EQ(seconds_of("2019-01-23 10:20:30.5-0530"), 1548238830 + 19800);
  EXPECT_EQ(seconds_of("2019-01-23T10:20:30-08"), 1548238830 + 28800);
  EXPECT_EQ(seconds_of("1970-01-01T00:30+01:00"), -1800);
}

TEST(ParseTime, EveryDayFollowsTheOneBefore) {
  // The Gregorian calendar by its rule, day by day.
  const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  std::int64_t expected = seconds_of("1599-12-31");
  for (int year = 1600; year <= 2101; ++year) {
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    for (int month = 1; month <= 12; ++month) {
      const int length = lengths[month - 1] + (month == 2 && leap ? 1 : 0);
      for (int day = 1; day <= 31; ++day) {
        char text[40];
        std::snprintf(text, sizeof text, "%04d-%02d-%02d", year, month, day);
        std::int64_t seconds = 0;
        ASSERT_EQ(parse_time(text, seconds), day <= length) << text;
        if (day > length) continue;
        expected += 86400;
        ASSERT_EQ(seconds, expected) << text;
      }
    }
  }
}

TEST(ParseTime, RefusesWhatIsNoTime) {
  for (const std::string_view text : {"",
                                      " ",
                                      "x",
                                      "2019",
                                      "2019-01",
                                      "2019-1-23",
                                      "19-01-23",
                                      "2019/01/23",
                                      "20190123",
                                      "2019-01-23 ",
                                      " 2019-01-23",
                                      "2019-00-10",
                                      "2019-13-01",
                                      "2019-01-00",
                                      "2019-01-32",
                                      "2019-02-29",
                                      "1900-02-29",
                                      "0000-01-01",
                                      "-001-01-01",
                                      "+019-01-23",
                                      "2019-01-23T",
                                      "2019-01-23Z",
                                      "2019-01-23T10",
                                      "2019-01-23T10:2",
                                      "2019-01-23T24:00:00",
                                      "2019-01-23T10:60:00",
                                      "2019-01-23T10:20:60",
                                      "2019-01-23T10:20:30.",
                                      "2019-01-23T10:20:30,5",
                                      "2019-01-23T10:20:30.Z",
                                      "2019-01-23T10:20:30z",
                                      "2019-01-23t10:20:30",
                                      "2019-01-23  10:20:30",
                                      "2019-01-23T10:20:30+",
                                      "2019-01-23T10:20:30+1",
                                      "2019-01-23T10:20:30+01:",
                                      "2019-01-23T10:20:30+01:0",
                                      "2019-01-23T10:20:30+24:00",
                                      "2019-01-23T10:20:30+01:60",
                                      "2019-01-23T10:20:30+01:00Z",
                                      "2019-01-23T10:20:30 Z",
                                      "2019-01-23T1a:20:30",
                                      "12345-01-01",
                                      "nan"}) {
    std::int64_t seconds = 77;
    EXPECT_FALSE(parse_time(text, seconds)) << text;
    EXPECT_EQ(seconds, 77) << text;
  }
}

}  // namespace
}  // namespace ragtime
