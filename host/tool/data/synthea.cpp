// A folder in the CSV format of Synthea (github.com/synthetichealth/synthea): one file per kind of event.

#include <algorithm>
#include <array>

#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"
#include "host/tool/data/event_table.hpp"

namespace ragtime {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 6> tables_of_events = {"conditions", "medications", "procedures",
                                                              "careplans",  "allergies",   "immunizations"};
constexpr std::array<std::string_view, 2> time_columns = {"START", "DATE"};
constexpr EventColumns columns = {
    .patient = "PATIENT", .encounter = "ENCOUNTER", .time = time_columns, .code = "CODE"};

template <class Names>
std::string list_of(const Names& names) {
  std::string list;
  for (const auto& name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

void check_tables(const std::vector<std::string>& tables) {
  for (auto table = tables.begin(); table != tables.end(); ++table) {
    check(std::find(tables_of_events.begin(), tables_of_events.end(), *table) != tables_of_events.end(),
          ErrorCode::invalid_argument, "tables names ", excerpt(*table), ": expected some of ",
          list_of(tables_of_events));
    check(std::find(tables.begin(), table, *table) == table, ErrorCode::invalid_argument, "tables names ",
          *table, " twice: expected each table once");
  }
}

fs::file_type type_of(const fs::path& file) {
  std::error_code error;
  return fs::symlink_status(file, error).type();
}

// Only a name that the folder does not have counts as absent. What is there and cannot be opened, a broken
// link or a file in a forbidden folder, is left to the reading, which says why: a table must not go missing
// silently.
bool is_there(const fs::path& file) {
  return type_of(file) != fs::file_type::not_found;
}

// table.csv or table.csv.gz; empty where neither is there.
fs::path find_table(const fs::path& folder, std::string_view table) {
  const fs::path plain = folder / concat(table, ".csv");
  const fs::path gzipped = folder / concat(table, ".csv.gz");
  if (type_of(plain) == fs::file_type::none) return plain;  // not even whether it is there may be known
  if (!is_there(gzipped)) return is_there(plain) ? plain : fs::path();
  check(!is_there(plain), ErrorCode::parse_error, plain.string(), " and ", gzipped.string(),
        " are both there: expected one of them");
  return gzipped;
}

// The name of a file that is the table in a format that is not read; empty where there is none.
std::string find_unread(const fs::path& folder, std::string_view table) {
  for (const char* ending :
       {".parquet", ".csv.zst", ".csv.xz", ".csv.bz2", ".csv.lz4", ".csv.zip", ".zip", ".xlsx"})
    if (std::string name = concat(table, ending); is_there(folder / name)) return name;
  return {};
}

constexpr const char* what_is_read = ": ragtime reads CSV, plain (.csv) or gzipped (.csv.gz)";

// A Parquet file at or under the path; empty where there is none. Looks no longer than until it finds one.
template <class Iterator>
fs::path find_parquet(const fs::path& folder) {
  std::error_code error;
  for (Iterator entry(folder, fs::directory_options::skip_permission_denied, error), end;
       !error && entry != end; entry.increment(error))
    if (entry->path().extension() == ".parquet") return entry->path();
  return {};
}

void refuse_parquet_folder(const fs::path& folder) {
  fs::path found = find_parquet<fs::directory_iterator>(folder);
  fs::path all = folder / "*.parquet";
  for (const char* part : {"data", "metadata"}) {
    if (!found.empty()) break;
    found = find_parquet<fs::recursive_directory_iterator>(folder / part);
    all = folder / "data/**/*.parquet";
  }
  check(found.empty(), ErrorCode::parse_error, folder.string(), " is a MEDS folder of Parquet files (",
        found.lexically_relative(folder).string(), "): ragtime reads MEDS from one CSV file for now; write ",
        "subject_id, time and code of all its data files into one, for example with DuckDB: COPY (SELECT ",
        "subject_id, time, code FROM '", all.string(), "') TO 'events.csv' (HEADER)");
}

[[noreturn]] void refuse_folder_without_tables(const fs::path& folder) {
  for (const std::string_view table : tables_of_events)
    if (const std::string unread = find_unread(folder, table); !unread.empty())
      fail(ErrorCode::parse_error, folder.string(), " holds its tables in another format (", unread, ")",
           what_is_read);
  refuse_parquet_folder(folder);
  fail(ErrorCode::io_error, folder.string(), " holds no table of events: expected one or more of ",
       list_of(tables_of_events), " as .csv or .csv.gz; a MEDS-style CSV file is given by its own path");
}

struct Table {
  std::string_view name;
  fs::path file;
};

// Those to read; the others that are there are noted in the report.
std::vector<Table> choose_tables(const fs::path& folder, const std::vector<std::string>& wanted,
                                 ReadReport& report) {
  std::vector<Table> chosen;
  std::string missing;
  for (const std::string_view name : tables_of_events) {
    const bool is_wanted = std::find(wanted.begin(), wanted.end(), name) != wanted.end();
    if (!wanted.empty() && !is_wanted) {
      if (is_there(folder / concat(name, ".csv")) || is_there(folder / concat(name, ".csv.gz")))
        report.ignored_tables.emplace_back(name);
      continue;
    }
    if (fs::path file = find_table(folder, name); !file.empty()) {
      chosen.push_back({name, std::move(file)});
      continue;
    }
    const std::string unread = find_unread(folder, name);
    if (!unread.empty()) report.unread_files.push_back(unread);
    if (is_wanted)
      missing +=
          concat(missing.empty() ? "" : ", ", name, ".csv", unread.empty() ? "" : " (only " + unread + ")");
  }
  if (chosen.empty() && report.ignored_tables.empty()) refuse_folder_without_tables(folder);
  check(missing.empty(), ErrorCode::io_error, folder.string(), " has no ", missing,
        ", plain or gzipped: expected every table that is asked for (", list_of(wanted), ")");
  return chosen;
}

}  // namespace

std::span<const std::string_view> event_tables() {
  return tables_of_events;
}

void read_synthea(const fs::path& folder, const ReadOptions& options, CohortBuilder& builder,
                  ReadReport& report) {
  check_tables(options.tables);
  for (const Table& table : choose_tables(folder, options.tables, report)) {
    read_event_table(table.file, columns, options, builder, report);
    report.tables.emplace_back(table.name);
  }
  if (options.encounters == Encounters::ignored) return;
  const fs::path encounters = find_table(folder, "encounters");
  if (!encounters.empty()) return read_encounters(encounters, options, builder, report);
  check(options.encounters == Encounters::if_there, ErrorCode::io_error, folder.string(),
        " has no encounters.csv or encounters.csv.gz: expected the times at which encounters began");
}

}  // namespace ragtime
