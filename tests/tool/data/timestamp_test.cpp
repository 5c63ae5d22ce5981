// Times as text: every form that is accepted, against seconds worked out elsewhere, every day of the
// calendar in order, and everything that only looks like a time refused. The day of a time is that of its own
// offset from UTC.

#include "host/tool/data/timestamp.hpp"

#include <gtest/gtest.h>

#include <cstdio>

namespace ragtime {
namespace {

Timestamp timestamp_of(std::string_view text) {
  Timestamp timestamp{-1, -1, false};
  EXPECT_TRUE(parse_timestamp(text, timestamp)) << text;
  return timestamp;
}

Time microseconds_of(std::string_view text) {
  return timestamp_of(text).time;
}

// Of a time that is whole seconds.
std::int64_t seconds_of(std::string_view text) {
  const Time time = microseconds_of(text);
  EXPECT_EQ(time % time_per_second, 0) << text;
  return time / time_per_second;
}

TEST(Timestamp, DatesAndTimes) {
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

TEST(Timestamp, MicrosecondsAreKeptAndWhatIsFinerIsDropped) {
  constexpr Time time = 1548238830'000'000;
  EXPECT_EQ(microseconds_of("2019-01-23T10:20:30.9"), time + 900'000);
  EXPECT_EQ(microseconds_of("2019-01-23T10:20:30.000001Z"), time + 1);
  EXPECT_EQ(microseconds_of("2019-01-23T10:20:30.123456"), time + 123'456);
  EXPECT_EQ(microseconds_of("2019-01-23T10:20:30.1234569"), time + 123'456);
  EXPECT_EQ(microseconds_of("2019-01-23T10:20:30.999999999Z"), time + 999'999);
  EXPECT_EQ(microseconds_of("1969-12-31T23:59:59.5"), -500'000);
}

TEST(Timestamp, OffsetsLeadBackToUtcAndAreKept) {
  EXPECT_EQ(seconds_of("2019-01-23T10:20:30+01:00"), 1548238830 - 3600);
  EXPECT_EQ(microseconds_of("2019-01-23 10:20:30.5-0530"), (1548238830 + 19800) * time_per_second + 500'000);
  EXPECT_EQ(seconds_of("2019-01-23T10:20:30-08"), 1548238830 + 28800);
  EXPECT_EQ(seconds_of("1970-01-01T00:30+01:00"), -1800);
  EXPECT_EQ(timestamp_of("2019-01-23T10:20:30+01:00").offset, 3600 * time_per_second);
  EXPECT_EQ(timestamp_of("2019-01-23 10:20:30.5-0530").offset, -19800 * time_per_second);
  EXPECT_EQ(timestamp_of("2019-01-23T10:20:30Z").offset, 0);
  EXPECT_EQ(timestamp_of("2019-01-23T10:20:30").offset, 0);
}

TEST(Timestamp, ADateAloneIsKnownAtTheEndOfItsDay) {
  EXPECT_TRUE(timestamp_of("2019-01-23").date_only);
  EXPECT_FALSE(timestamp_of("2019-01-23T00:00").date_only);
  EXPECT_EQ(timestamp_of("2019-01-23").known_by(), (1548201600 + 86400) * time_per_second - 1);
  EXPECT_EQ(timestamp_of("1969-12-31").known_by(), -1);
  EXPECT_EQ(timestamp_of("2019-01-23T10:20:30").known_by(), 1548238830 * time_per_second);
}

TEST(Timestamp, TheDayIsThatOfItsOwnOffset) {
  // 2020-01-01 is day 18262.
  const Timestamp evening = timestamp_of("2020-01-01T23:30:00-05:00");
  EXPECT_EQ(evening.day(), 18262);
  EXPECT_EQ(evening.day_end(), (18263 * 86400 + 5 * 3600) * time_per_second - 1);
  const Timestamp morning = timestamp_of("2020-01-01T08:30:00+09:00");
  EXPECT_EQ(morning.day(), 18262);
  EXPECT_EQ(morning.day_end(), (18263 * 86400 - 9 * 3600) * time_per_second - 1);
  EXPECT_EQ(timestamp_of("2020-01-01T00:00:00Z").day(), 18262);
  EXPECT_EQ(timestamp_of("2020-01-01T23:59:59.999999Z").day(), 18262);
  EXPECT_EQ(timestamp_of("1969-12-31T23:59:59.999999Z").day(), -1);
  EXPECT_EQ(timestamp_of("1969-12-31T00:00:00Z").day(), -1);
  EXPECT_EQ(timestamp_of("1969-12-30").day(), -2);
}

TEST(Timestamp, TextSaysItInUtc) {
  EXPECT_EQ(to_text(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(to_text(-1), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(to_text(1548238830'000'000), "2019-01-23T10:20:30Z");
  EXPECT_EQ(to_text(timestamp_of("2019-01-23").known_by()), "2019-01-23T23:59:59.999999Z");
  EXPECT_EQ(to_text(microseconds_of("2019-01-23T00:20:30.000045+01:00")), "2019-01-22T23:20:30.000045Z");
}

TEST(Timestamp, EveryDayFollowsTheOneBefore) {
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
        Timestamp timestamp;
        ASSERT_EQ(parse_timestamp(text, timestamp), day <= length) << text;
        if (day > length) continue;
        expected += 86400;
        ASSERT_EQ(timestamp.time, expected * time_per_second) << text;
      }
    }
  }
}

TEST(Timestamp, RefusesWhatIsNoTime) {
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
    Timestamp timestamp{77, 7, true};
    EXPECT_FALSE(parse_timestamp(text, timestamp)) << text;
    EXPECT_EQ(timestamp, (Timestamp{77, 7, true})) << text;
  }
}

}  // namespace
}  // namespace ragtime
