#pragma once

// The rows of one CSV file of dated things of patients. What is odd about a row is counted and the row is
// skipped; where reading is strict it is an error.

#include <chrono>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "host/base/check.hpp"
#include "host/tool/data/cohort.hpp"
#include "host/tool/data/csv.hpp"

namespace ragtime {

class RowReader {
 public:
  // Reads the file, and notes it in the report. The report outlives the reader.
  RowReader(const std::filesystem::path& file, const ReadOptions& options, ReadReport& report);

  // A file without even a header line has no rows and no columns.
  bool has_header() const { return csv_.has_value(); }
  // The column of one of these names, the first that is there. Throws when there is none.
  std::size_t column(std::span<const std::string_view> names) const;
  std::size_t column(std::string_view name) const { return csv_->column(name); }

  bool next();  // counts the row
  std::string_view field(std::size_t column) { return csv_->field(column); }
  const std::string& name(std::size_t column) const { return csv_->header()[column]; }
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    csv_->refuse(parts...);
  }

  // The field, an id or a code; empty, and counted there, where the row is to be skipped. Throws on what no
  // line of a text file could hold.
  std::string_view text(std::size_t column, RowCount& empty);
  // False, and counted in the report, where the row is to be skipped. Throws on what is no time.
  bool time(std::size_t column, Timestamp& timestamp);

 private:
  template <class... Parts>
  void count_skipped(RowCount& count, const Parts&... what) {
    if (strict_) refuse(what...);
    add_to(count);
  }
  void add_to(RowCount& count) const;

  std::string file_name_;
  bool strict_;
  ReadReport& report_;
  std::string content_;
  std::optional<CsvReader> csv_;
  Time end_of_today_;
};

}  // namespace ragtime
