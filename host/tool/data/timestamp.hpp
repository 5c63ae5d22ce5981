#pragma once

// Times as files of events give them: some with a time of day, some without, some with an offset from UTC.

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace ragtime {

using Time = std::int64_t;  // microseconds since 1970-01-01T00:00:00Z

inline constexpr Time time_per_second = 1'000'000;
inline constexpr Time time_per_day = 86'400 * time_per_second;
inline constexpr Time last_time_of_all = std::numeric_limits<Time>::max();

struct Timestamp {
  Time time = 0;    // of a date without a time of day, its first microsecond
  Time offset = 0;  // of the text from UTC, eastward
  bool date_only = false;

  bool operator==(const Timestamp&) const = default;

  // When an event of this time is known to have happened: a date alone says no more than that it was over at
  // the end of that day.
  Time known_by() const { return date_only ? day_end() : time; }
  // The day since 1970-01-01, and its last microsecond, in the time's own offset.
  std::int64_t day() const;
  Time day_end() const { return (day() + 1) * time_per_day - offset - 1; }
};

// "2019-01-23", "2019-01-23T10:20:30Z", "2019-01-23 10:20:30.5+01:00" and the like, without an offset UTC;
// false when the text is no time. Digits of a second beyond the sixth are dropped.
bool parse_timestamp(std::string_view text, Timestamp& timestamp);

// "2019-01-23T10:20:30Z", with a fraction where there is one.
std::string to_text(Time time);

}  // namespace ragtime
