#include "host/tool/data/row_reader.hpp"

#include "host/base/excerpt.hpp"
#include "host/tool/data/text_file.hpp"

namespace ragtime {
namespace {

// The years of real events: everybody alive was born after the first, and what lies behind the last is a
// stand-in for "never" or "unknown".
constexpr Time begin_of(std::chrono::year year) {
  return std::chrono::sys_days(year / std::chrono::January / 1).time_since_epoch().count() * time_per_day;
}
constexpr Time first_time = begin_of(std::chrono::year(1850));
constexpr Time last_time = begin_of(std::chrono::year(2300)) - 1;

// "0000-00-00", "9999-99-99" and the like, which stand for a date that is not known.
bool is_placeholder(std::string_view text) {
  const std::string_view date = text.substr(0, 10);
  if (date.size() < 10 || date[4] != '-' || date[7] != '-') return false;
  for (std::size_t i = 0; i < date.size(); ++i)
    if (i != 4 && i != 7 && (date[i] < '0' || date[i] > '9')) return false;
  return date.starts_with("0000") || date.starts_with("9999") || date.substr(5, 2) == "00" ||
         date.substr(8, 2) == "00";
}

bool has_text(std::string_view content) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (content.starts_with(byte_order_mark)) content.remove_prefix(byte_order_mark.size());
  return content.find_first_not_of("\r\n") != content.npos;
}

}  // namespace

RowReader::RowReader(const std::filesystem::path& file, const ReadOptions& options, ReadReport& report)
    : file_name_(file.filename().string()),
      strict_(options.strict),
      report_(report),
      content_(read_text_file(file)) {
  const auto today = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
  end_of_today_ = (today.time_since_epoch().count() + 1) * time_per_day - 1;
  if (has_text(content_))
    csv_.emplace(content_, file.string());
  else
    report_.empty_files.push_back(file_name_);
  report_.bytes += static_cast<std::int64_t>(content_.size());
  report_.files.push_back(file_name_);
}

std::size_t RowReader::column(std::span<const std::string_view> names) const {
  return csv_->column(names);
}

bool RowReader::next() {
  if (!csv_ || !csv_->next()) return false;
  ++report_.rows;
  return true;
}

std::string_view RowReader::text(std::size_t column, RowCount& empty) {
  const std::string_view value = field(column);
  if (value.empty()) count_skipped(empty, name(column), " is empty");
  for (const char character : value)
    if (character == '\t' || character == '\n' || character == '\r')
      refuse(name(column), " is ", excerpt(value), ": expected no tab and no line break in it");
  return value;
}

bool RowReader::time(std::size_t column, Timestamp& timestamp) {
  const std::string_view value = field(column);
  if (value.empty()) {
    count_skipped(report_.missing_times, name(column), " is empty: expected a time such as 2019-01-23");
    return false;
  }
  const bool is_time = parse_timestamp(value, timestamp);
  if (!is_time && !is_placeholder(value))
    refuse(name(column), " is ", excerpt(value), ": expected a time such as 2019-01-23 or ",
           "2019-01-23T10:20:30Z");
  const Time local = timestamp.time + timestamp.offset;
  if (!is_time || local < first_time || local > last_time) {
    count_skipped(report_.absurd_times, name(column), " is ", excerpt(value),
                  ": expected a year from 1850 to 2299");
    return false;
  }
  if (timestamp.time > end_of_today_) add_to(report_.future_times);
  return true;
}

void RowReader::add_to(RowCount& count) const {
  if (count.rows++ == 0) count.first = concat(file_name_, ":", csv_->line());
}

}  // namespace ragtime
