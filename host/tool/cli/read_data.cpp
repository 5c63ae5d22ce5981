#include "host/tool/cli/read_data.hpp"

#include <chrono>
#include <cstdio>

#include "host/base/check.hpp"
#include "host/tool/cli/progress.hpp"

namespace ragtime::cli {
namespace {

std::string list_of(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

std::string counted(std::int64_t number, const char* one, const char* several) {
  return with_separators(number) + " " + (number == 1 ? one : several);
}

// "3 rows without a code, the first at conditions.csv:12: skipped".
void warn_of_rows(const RowCount& count, const char* what, const char* done) {
  if (count.rows == 0) return;
  warn(concat(counted(count.rows, "row ", "rows "), what, count.rows == 1 ? ", at " : ", the first at ",
              count.first, ": ", done));
}

void warn_of_odd_rows(const ReadReport& report) {
  for (const std::string& file : report.empty_files)
    warn(file + " is empty, without even a header line: taken as a table without rows");
  for (const std::string& file : report.unread_files)
    warn(file + " is not read: ragtime reads CSV, plain (.csv) or gzipped (.csv.gz)");
  warn_of_rows(report.null_patients, "without a patient", "skipped");
  warn_of_rows(report.null_encounters, "without an encounter's id", "skipped");
  warn_of_rows(report.null_codes, "without a code", "skipped");
  warn_of_rows(report.missing_times, "without a time", "skipped");
  warn_of_rows(report.absurd_times, "with a year before 1850 or after 2299, or a stand-in for a date",
               "skipped");
  warn_of_rows(report.future_times, "with a time after today",
               "read as they are; the last time in the data may not be the end of observation");
  if (report.static_patients > 0)
    warn(concat(report.static_patients == 1
                    ? "1 patient has only rows without a time: it has no visit and gets"
                    : with_separators(report.static_patients) +
                          " patients have only rows without a time: they have no visit and get",
                " no prediction (the first is ", report.first_static_patient, ")"));
}

}  // namespace

void add_data_options(CLI::App& command, DataOptions& options, bool required) {
  command
      .add_option("--data", options.data,
                  "A folder in Synthea's CSV format (conditions.csv, medications.csv, ...: columns PATIENT, "
                  "ENCOUNTER, CODE and START or DATE; with encounters.csv a visit begins when its encounter "
                  "does), or a MEDS-style CSV file (columns subject_id, time, code); either may be gzipped")
      ->type_name("PATH")
      ->required(required);
  const std::vector<std::string> known(event_tables().begin(), event_tables().end());
  command
      .add_option("--tables", options.tables,
                  "Tables of the folder to read, each of which must be there (all that are there)")
      ->check(CLI::IsMember(known))
      ->type_name("NAME[,NAME...]")
      ->delimiter(',');
  command
      .add_option_function<std::string>(
          "--visit-by",
          [&options](const std::string& name) {
            options.visit_by = name == "time" ? VisitBy::time : VisitBy::day;
          },
          "Rows without an encounter that make one visit: those of a patient's day, in the offset from UTC "
          "that the data give, or those of one exact time (day)")
      ->check(CLI::IsMember({"day", "time"}))
      ->type_name("day|time");
  command
      .add_flag("--strict", options.strict,
                "Stop at the first row without a patient, code or time, or with a year before 1850 or after "
                "2299, instead of skipping it with a warning")
      ->disable_flag_override();
}

Cohort read_data(const DataOptions& options, Encounters encounters, ReadReport* report) {
  const auto start = std::chrono::steady_clock::now();
  ReadReport met;
  const ReadOptions read_options = {.tables = options.tables,
                                    .encounters = encounters,
                                    .visit_by = options.visit_by,
                                    .strict = options.strict};
  Cohort cohort = read_cohort(options.data, read_options, &met);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double megabytes = static_cast<double>(met.bytes) / 1e6;
  std::fprintf(stderr, "Read %s: %s rows, %.1f MB in %.2f s\n", list_of(met.files).c_str(),
               with_separators(met.rows).c_str(), megabytes, seconds);
  std::fprintf(stderr, "%s patients, %s visits, %s codes of %s kinds\n",
               with_separators(cohort.patients()).c_str(), with_separators(cohort.visits()).c_str(),
               with_separators(static_cast<std::int64_t>(cohort.codes.size())).c_str(),
               with_separators(static_cast<std::int64_t>(cohort.code_names.size())).c_str());
  if (!met.ignored_tables.empty())
    std::fprintf(stderr, "Not read, because only %s %s asked for: %s\n", list_of(met.tables).c_str(),
                 met.tables.size() == 1 ? "is" : "are", list_of(met.ignored_tables).c_str());
  if (met.static_rows > 0)
    std::fprintf(stderr, "%s rows without a time were skipped (static facts)\n",
                 with_separators(met.static_rows).c_str());
  warn_of_odd_rows(met);
  if (report != nullptr) *report = std::move(met);
  return cohort;
}

void warn(const std::string& message) {
  clear_progress();
  std::fprintf(stderr, "warning: %s\n", message.c_str());
}

}  // namespace ragtime::cli
