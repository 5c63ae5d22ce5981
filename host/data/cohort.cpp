#include "host/data/cohort.hpp"

#include <algorithm>

#include "host/core/check.hpp"
#include "host/data/cohort_builder.hpp"
#include "host/data/event_table.hpp"

namespace ragtime {
namespace {

std::int64_t position(const std::vector<std::string>& sorted, std::string_view text) {
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), text);
  return found != sorted.end() && *found == text ? found - sorted.begin() : -1;
}

}  // namespace

std::int64_t Cohort::find_patient(std::string_view id) const {
  return position(patient_ids, id);
}

std::int32_t Cohort::find_code(std::string_view name) const {
  return static_cast<std::int32_t>(position(code_names, name));
}

Cohort read_cohort(const std::filesystem::path& path, const ReadOptions& options, ReadReport* report) {
  const std::vector<std::string>& tables = options.tables;
  ReadReport counts;
  CohortBuilder builder(options.visit_by);
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  check(status.type() != std::filesystem::file_type::none, ErrorCode::io_error, "opening ", path.string(),
        " failed: ", error.message());
  check(std::filesystem::exists(status), ErrorCode::io_error, path.string(),
        " is not there: expected a folder in Synthea's CSV format or a MEDS-style CSV file");
  if (std::filesystem::is_directory(status)) {
    read_synthea(path, tables, builder, counts);
  } else {
    if (!tables.empty())
      fail(ErrorCode::invalid_argument, "tables names ", tables.front(), ", but ", path.string(),
           " is a file: tables are chosen from a folder in Synthea's CSV format");
    read_meds(path, builder, counts);
  }
  check(!builder.empty(), ErrorCode::parse_error, path.string(), " holds no events: ", counts.rows,
        " rows read, ", counts.static_rows, " of them without a time");
  Cohort cohort = std::move(builder).finish(&counts.static_patients, &counts.first_static_patient);
  if (report != nullptr) *report = std::move(counts);
  return cohort;
}

}  // namespace ragtime
