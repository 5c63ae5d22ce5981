#include <chrono>

#include "host/data/cohort.hpp"

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

// hh:mm, hh:mm:ss or hh:mm:ss.fraction; the fraction is dropped.
bool take_clock(Scanner& scanner, std::int64_t& seconds) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!scanner.take_digits(2, hour) || !scanner.take(':') || !scanner.take_digits(2, minute)) return false;
  if (scanner.take(':')) {
    if (!scanner.take_digits(2, second)) return false;
    if (scanner.take('.')) {
      int digit = 0;
      if (!scanner.take_digits(1, digit)) return false;
      while (scanner.take_digits(1, digit)) {
      }
    }
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  seconds = (hour * 60 + minute) * 60 + second;
  return true;
}

// Nothing (UTC), Z, +hh:mm, +hhmm or +hh.
bool take_offset(Scanner& scanner, std::int64_t& seconds) {
  seconds = 0;
  if (scanner.done() || scanner.take('Z')) return true;
  const bool east = scanner.take('+');
  if (!east && !scanner.take('-')) return false;
  int hour = 0;
  int minute = 0;
  if (!scanner.take_digits(2, hour)) return false;
  const bool colon = scanner.take(':');
  if (!scanner.take_digits(2, minute) && (colon || !scanner.done())) return false;
  if (hour > 23 || minute > 59) return false;
  seconds = (hour * 60 + minute) * (east ? 60 : -60);
  return true;
}

}  // namespace

bool parse_time(std::string_view text, std::int64_t& seconds) {
  Scanner scanner(text);
  std::int64_t days = 0;
  std::int64_t clock = 0;
  std::int64_t offset = 0;
  if (!take_days(scanner, days)) return false;
  if (!scanner.done() && !((scanner.take('T') || scanner.take(' ')) && take_clock(scanner, clock) &&
                           take_offset(scanner, offset)))
    return false;
  if (!scanner.done()) return false;
  seconds = days * 86400 + clock - offset;
  return true;
}

}  // namespace ragtime
