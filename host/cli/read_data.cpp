#include "host/cli/read_data.hpp"

#include <chrono>
#include <cstdio>

#include "host/cli/progress.hpp"
#include "host/core/check.hpp"

namespace ragtime::cli {

void add_data_options(CLI::App& command, std::string& data, std::vector<std::string>& tables, bool required) {
  command
      .add_option("--data", data,
                  "A folder in Synthea's CSV format (conditions.csv, medications.csv, ...: columns PATIENT, "
                  "ENCOUNTER, "
                  "CODE and START or DATE), or a MEDS-style CSV file (columns subject_id, time, code)")
      ->type_name("PATH")
      ->required(required);
  const std::vector<std::string> known(event_tables().begin(), event_tables().end());
  command.add_option("--tables", tables, "Tables of the folder to read (all that are there)")
      ->check(CLI::IsMember(known))
      ->type_name("NAME[,NAME...]")
      ->delimiter(',');
}

Cohort read_data(const std::filesystem::path& data, const ReadOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  ReadReport report;
  Cohort cohort = read_cohort(data, options, &report);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double megabytes = static_cast<double>(report.bytes) / 1e6;
  std::string names;
  for (const std::string& file : report.files) names += (names.empty() ? "" : ", ") + file;
  std::fprintf(stderr, "Read %s: %s rows, %.1f MB in %.2f s\n", names.c_str(),
               with_separators(report.rows).c_str(), megabytes, seconds);
  std::fprintf(stderr, "%s patients, %s visits, %s codes of %s kinds\n",
               with_separators(cohort.patients()).c_str(), with_separators(cohort.visits()).c_str(),
               with_separators(static_cast<std::int64_t>(cohort.codes.size())).c_str(),
               with_separators(static_cast<std::int64_t>(cohort.code_names.size())).c_str());
  if (report.static_rows > 0)
    std::fprintf(stderr, "%s rows without a time were skipped (static facts)\n",
                 with_separators(report.static_rows).c_str());
  return cohort;
}

void warn(const std::string& message) {
  clear_progress();
  std::fprintf(stderr, "warning: %s\n", message.c_str());
}

}  // namespace ragtime::cli
