#include "host/tool/data/cohort.hpp"

#include <algorithm>

#include "host/base/check.hpp"
#include "host/tool/data/cohort_builder.hpp"
#include "host/tool/data/event_table.hpp"

namespace ragtime {
namespace {

std::int64_t position(const std::vector<std::string>& sorted, std::string_view text) {
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), text);
  return found != sorted.end() && *found == text ? found - sorted.begin() : -1;
}

// What became of the rows, where none of them is an event.
std::string why_no_events(const ReadReport& report) {
  if (report.empty_files == report.files)
    return report.files.size() == 1 ? "the file is empty, without even a header line"
                                    : "all its files are empty, without even a header line";
  std::string reasons = concat(report.rows, report.rows == 1 ? " row" : " rows", " read");
  const auto add = [&](std::int64_t rows, const char* what) {
    if (rows > 0) reasons += concat(", ", rows, " of them ", what);
  };
  add(report.static_rows + report.missing_times.rows, "without a time");
  add(report.null_codes.rows, "without a code");
  add(report.null_patients.rows, "without a patient");
  add(report.absurd_times.rows, "with a year before 1850 or after 2299");
  return reasons;
}

}  // namespace

std::int64_t Cohort::find_patient(std::string_view id) const {
  return position(patient_ids, id);
}

std::int32_t Cohort::find_code(std::string_view name) const {
  return static_cast<std::int32_t>(position(code_names, name));
}

Cohort read_cohort(const std::filesystem::path& path, const ReadOptions& options, ReadReport* report) {
  ReadReport counts;
  CohortBuilder builder(options.visit_by);
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  check(status.type() != std::filesystem::file_type::none, ErrorCode::io_error, "opening ", path.string(),
        " failed: ", error.message());
  check(std::filesystem::exists(status), ErrorCode::io_error, path.string(),
        " is not there: expected a folder in Synthea's CSV format or a MEDS-style CSV file");
  if (std::filesystem::is_directory(status)) {
    read_synthea(path, options, builder, counts);
  } else {
    if (!options.tables.empty())
      fail(ErrorCode::invalid_argument, "tables names ", options.tables.front(), ", but ", path.string(),
           " is a file: tables are chosen from a folder in Synthea's CSV format");
    check(options.encounters != Encounters::required, ErrorCode::invalid_argument,
          "encounters are required, but ", path.string(),
          " is a file: encounters.csv is read from a folder in Synthea's CSV format");
    read_meds(path, options, builder, counts);
  }
  check(!builder.empty(), ErrorCode::parse_error, path.string(), " holds no events: ", why_no_events(counts));
  Cohort cohort = std::move(builder).finish(&counts.static_patients, &counts.first_static_patient);
  if (report != nullptr) *report = std::move(counts);
  return cohort;
}

}  // namespace ragtime
