#include "host/tool/data/csv.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "host/base/excerpt.hpp"

namespace ragtime {
namespace {

enum Kind : std::uint8_t { plain, quote, separator, line_break, junk };

constexpr std::array<Kind, 256> make_kinds() {
  std::array<Kind, 256> kinds{};
  for (int byte = 0; byte < 0x20; ++byte) kinds[byte] = junk;
  kinds[0x7f] = junk;
  kinds['\t'] = plain;
  kinds['"'] = quote;
  kinds[','] = separator;
  kinds['\n'] = line_break;
  kinds['\r'] = line_break;
  return kinds;
}

constexpr std::array<Kind, 256> kinds = make_kinds();

Kind kind_of(char character) {
  return kinds[static_cast<unsigned char>(character)];
}

}  // namespace

CsvReader::CsvReader(std::string_view content, std::string name) : content_(content), name_(std::move(name)) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (content_.starts_with(byte_order_mark)) content_.remove_prefix(byte_order_mark.size());
  if (content_.empty()) refuse("the file is empty: expected a header line");
  scan_record();
  unescaped_.resize(fields_.size());
  std::set<std::string_view> titles;  // fields stay as they are until next()
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const std::string_view title = field(i);
    if (!titles.insert(title).second) refuse("the header has the column ", excerpt(title), " twice");
    header_.emplace_back(title);
  }
}

std::optional<std::size_t> CsvReader::find_column(std::string_view name) const {
  const auto found = std::find(header_.begin(), header_.end(), name);
  if (found == header_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - header_.begin());
}

std::size_t CsvReader::column(std::string_view name) const {
  if (const auto found = find_column(name)) return *found;
  std::string columns;
  for (const std::string& title : header_) columns += columns.empty() ? title : "," + title;
  refuse_at(1, "there is no column ", name, ": the header is ", excerpt(columns));
}

std::size_t CsvReader::column(std::span<const std::string_view> names) const {
  std::string expected;
  for (const std::string_view name : names) {
    if (const auto found = find_column(name)) return *found;
    expected += (expected.empty() ? "" : " or ") + std::string(name);
  }
  return column(expected);  // throws
}

bool CsvReader::next() {
  while (at_ < content_.size()) {
    if (content_[at_] == '\n')
      at_ += 1;
    else if (content_.substr(at_, 2) == "\r\n")
      at_ += 2;
    else
      break;
    ++line_;
  }
  if (at_ == content_.size()) return false;
  scan_record();
  if (fields_.size() != header_.size())
    refuse("the row has ", fields_.size(), fields_.size() == 1 ? " field" : " fields", ", the header ",
           header_.size());
  return true;
}

std::string_view CsvReader::field(std::size_t column) {
  const Field& field = fields_[column];
  if (!field.escaped) return field.raw;
  std::string& text = unescaped_[column];
  text.clear();
  for (std::size_t i = 0; i < field.raw.size(); ++i) {
    text += field.raw[i];
    if (field.raw[i] == '"') ++i;
  }
  return text;
}

void CsvReader::scan_record() {
  record_line_ = line_;
  fields_.clear();
  while (scan_field()) {
  }
}

// Moves behind the field and what ends it; true when that was a separator, so another field follows.
bool CsvReader::scan_field() {
  Field field;
  if (at_ < content_.size() && content_[at_] == '"') {
    field = scan_quoted();
  } else {
    const std::size_t begin = at_;
    while (at_ < content_.size() && kind_of(content_[at_]) <= quote) ++at_;
    field.raw = content_.substr(begin, at_ - begin);
  }
  fields_.push_back(field);
  if (at_ == content_.size()) return false;
  switch (content_[at_]) {
    case ',':
      ++at_;
      return true;
    case '\r':
      ++at_;
      if (at_ == content_.size() || content_[at_] != '\n')
        refuse_at(line_, "a carriage return without a line feed: expected lines to end in LF or CRLF");
      [[fallthrough]];
    case '\n':
      ++at_;
      ++line_;
      return false;
    default:
      refuse_byte();
  }
}

CsvReader::Field CsvReader::scan_quoted() {
  const std::int64_t opened = line_;
  const std::size_t begin = ++at_;
  Field field;
  for (; at_ < content_.size(); ++at_) {
    switch (kind_of(content_[at_])) {
      case quote:
        if (at_ + 1 < content_.size() && content_[at_ + 1] == '"') {
          field.escaped = true;
          ++at_;
          break;
        }
        field.raw = content_.substr(begin, at_ - begin);
        ++at_;
        if (at_ < content_.size() && kind_of(content_[at_]) <= quote)
          refuse_at(line_, "text after the closing quote of a field that begins at line ", opened);
        return field;
      case line_break:
        if (content_[at_] == '\n') ++line_;
        break;
      case junk:
        refuse_byte();
      default:
        break;
    }
  }
  refuse_at(opened, "a quoted field begins here and is never closed");
}

void CsvReader::refuse_byte() const {
  refuse_at(line_, "a byte that is no text, ", excerpt(content_.substr(at_, 1)), ": expected a CSV file");
}

}  // namespace ragtime
