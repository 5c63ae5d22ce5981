// A folder in the CSV format of Synthea (github.com/synthetichealth/synthea): one file a kind of event.

#include <algorithm>
#include <array>

#include "host/core/check.hpp"
#include "host/data/event_table.hpp"
#include "host/data/excerpt.hpp"

namespace ragtime {
namespace {

constexpr std::array<std::string_view, 6> tables_of_events = {"conditions", "medications", "procedures",
                                                              "careplans",  "allergies",   "immunizations"};
constexpr std::array<std::string_view, 2> time_columns = {"START", "DATE"};
constexpr EventColumns columns = {
    .patient = "PATIENT", .encounter = "ENCOUNTER", .time = time_columns, .code = "CODE"};

std::string list_of_tables() {
  std::string list;
  for (const std::string_view table : tables_of_events)
    list += (list.empty() ? "" : ", ") + std::string(table);
  return list;
}

void check_tables(std::span<const std::string> tables) {
  for (auto table = tables.begin(); table != tables.end(); ++table) {
    check(std::find(tables_of_events.begin(), tables_of_events.end(), *table) != tables_of_events.end(),
          ErrorCode::invalid_argument, "tables names ", excerpt(*table), ": expected some of ",
          list_of_tables());
    check(std::find(tables.begin(), table, *table) == table, ErrorCode::invalid_argument, "tables names ",
          *table, " twice: expected each table once");
  }
}

// Only a name the folder does not have counts as absent. What is there and cannot be opened, a broken link or
// a file behind a forbidden folder, is left to the reading, which says why: a table must not go missing
// silently.
bool is_there(const std::filesystem::path& file) {
  std::error_code error;
  return std::filesystem::symlink_status(file, error).type() != std::filesystem::file_type::not_found;
}

}  // namespace

std::span<const std::string_view> event_tables() {
  return tables_of_events;
}

void read_synthea(const std::filesystem::path& folder, std::span<const std::string> tables,
                  CohortBuilder& builder, ReadReport& report) {
  check_tables(tables);
  const std::size_t tables_before = report.tables.size();
  for (const std::string_view table : tables_of_events) {
    const bool chosen = std::find(tables.begin(), tables.end(), table) != tables.end();
    if (!tables.empty() && !chosen) continue;
    const std::filesystem::path file = folder / concat(table, ".csv");
    if (!chosen && !is_there(file)) continue;
    read_event_table(file, columns, builder, report);
    report.tables.emplace_back(table);
  }
  check(report.tables.size() > tables_before, ErrorCode::io_error, folder.string(),
        " holds no table of events: expected one or more of ", list_of_tables(), " as .csv");
}

}  // namespace ragtime
