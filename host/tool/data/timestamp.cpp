#include <chrono>
#include <cstdio>

#include "host/tool/data/timestamp.hpp"

namespace ragtime {
namespace {

// Takes text from the front; every step is false, and nothing is taken, when something else stands there.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool done() const { return text_.empty(); }

  bool take(char expected) {
    if (text_.empty() || text_.front() != expected) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool take_digits(std::size_t count, int& number) {
    if (text_.size() < count) return false;
    number = 0;
    for (const char digit : text_.substr(0, count)) {
      if (digit < '0' || digit > '9') return false;
      number = 10 * number + (digit - '0');
    }
    text_.remove_prefix(count);
    return true;
  }

 private:
  std::string_view text_;
};

bool take_days(Scanner& scanner, std::int64_t& days) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (!scanner.take_digits(4, year) || !scanner.take('-') || !scanner.take_digits(2, month) ||
      !scanner.take('-') || !scanner.take_digits(2, day))
    return false;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (year == 0 || !date.ok()) return false;
  days = std::chrono::sys_days(date).time_since_epoch().count();
  return true;
}

// hh:mm, hh:mm:ss or hh:mm:ss.fraction, in microseconds.
bool take_clock(Scanner& scanner, Time& clock) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  Time fraction = 0;
  if (!scanner.take_digits(2, hour) || !scanner.take(':') || !scanner.take_digits(2, minute)) return false;
  if (scanner.take(':')) {
    if (!scanner.take_digits(2, second)) return false;
    if (scanner.take('.')) {
      int digit = 0;
      if (!scanner.take_digits(1, digit)) return false;
      Time unit = time_per_second;
      do fraction += (unit /= 10) * digit;
      while (scanner.take_digits(1, digit));
    }
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  clock = ((hour * 60 + minute) * 60 + second) * time_per_second + fraction;
  return true;
}

// Nothing (UTC), Z, +hh:mm, +hhmm or +hh.
bool take_offset(Scanner& scanner, Time& offset) {
  offset = 0;
  if (scanner.done() || scanner.take('Z')) return true;
  const bool east = scanner.take('+');
  if (!east && !scanner.take('-')) return false;
  int hour = 0;
  int minute = 0;
  if (!scanner.take_digits(2, hour)) return false;
  const bool colon = scanner.take(':');
  if (!scanner.take_digits(2, minute) && (colon || !scanner.done())) return false;
  if (hour > 23 || minute > 59) return false;
  offset = (hour * 60 + minute) * (east ? 60 : -60) * time_per_second;
  return true;
}

}  // namespace

std::int64_t Timestamp::day() const {
  const Time local = time + offset;
  return (local >= 0 ? local : local - time_per_day + 1) / time_per_day;
}

bool parse_timestamp(std::string_view text, Timestamp& timestamp) {
  Scanner scanner(text);
  std::int64_t days = 0;
  Time clock = 0;
  Time offset = 0;
  if (!take_days(scanner, days)) return false;
  const bool date_only = scanner.done();
  if (!date_only && !((scanner.take('T') || scanner.take(' ')) && take_clock(scanner, clock) &&
                      take_offset(scanner, offset) && scanner.done()))
    return false;
  timestamp = {days * time_per_day + clock - offset, offset, date_only};
  return true;
}

std::string to_text(Time time) {
  const auto floor = [](Time value, Time unit) { return (value >= 0 ? value : value - unit + 1) / unit; };
  const std::int64_t day = floor(time, time_per_day);
  const Time clock = time - day * time_per_day;
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  const auto seconds = static_cast<int>(clock / time_per_second);
  const auto fraction = static_cast<int>(clock % time_per_second);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), seconds / 3600,
                seconds / 60 % 60, seconds % 60);
  std::string result = text;
  if (fraction != 0) {
    std::snprintf(text, sizeof text, ".%06d", fraction);
    result += text;
  }
  return result + 'Z';
}

}  // namespace ragtime
