#pragma once

// A strict reader of CSV text with a header line (RFC 4180): quoted fields with "" for a quote and with line
// breaks inside, LF or CRLF, with or without a byte order mark and a last line break. Blank lines are
// skipped. A quote inside an unquoted field is taken as it stands. Everything else that is not CSV throws
// Error(parse_error) with name:line.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/check.hpp"

namespace ragtime {

class CsvReader {
 public:
  // Reads the header. The content stays the caller's and outlives the reader; `name` is for messages.
  CsvReader(std::string_view content, std::string name);

  const std::vector<std::string>& header() const { return header_; }
  std::optional<std::size_t> find_column(std::string_view name) const;
  std::size_t column(std::string_view name) const;  // Throws, listing the columns, when it is not there.
  // The first of these that is there. Throws, naming all of them and listing the columns, when none is.
  std::size_t column(std::span<const std::string_view> names) const;

  // Moves to the next record, false behind the last. Every record has as many fields as the header.
  bool next();
  // A field of the current record, valid until next().
  std::string_view field(std::size_t column);
  // The line at which the current record begins, from 1.
  std::int64_t line() const { return record_line_; }

  // Throws Error(parse_error) about the current record.
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    refuse_at(record_line_, parts...);
  }

 private:
  struct Field {
    std::string_view raw;
    bool escaped = false;  // holds "" for "
  };

  template <class... Parts>
  [[noreturn]] void refuse_at(std::int64_t line, const Parts&... parts) const {
    fail(ErrorCode::parse_error, name_, ":", line, ": ", parts...);
  }
  [[noreturn]] void refuse_byte() const;
  void scan_record();
  bool scan_field();
  Field scan_quoted();

  std::string_view content_;
  std::string name_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;  // of content_[at_]
  std::int64_t record_line_ = 1;
  std::vector<Field> fields_;
  std::vector<std::string> unescaped_;  // by column
  std::vector<std::string> header_;
};

}  // namespace ragtime
