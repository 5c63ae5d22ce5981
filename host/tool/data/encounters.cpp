// encounters.csv of a Synthea folder, of which only the beginnings of encounters matter here.

#include <array>

#include "host/base/excerpt.hpp"
#include "host/tool/data/event_table.hpp"
#include "host/tool/data/row_reader.hpp"

namespace ragtime {
namespace {

// As Synthea names them today, and as it did in its first versions.
constexpr std::array<std::string_view, 2> id_columns = {"Id", "ID"};
constexpr std::array<std::string_view, 2> time_columns = {"START", "DATE"};

}  // namespace

void read_encounters(const std::filesystem::path& file, const ReadOptions& options, CohortBuilder& builder,
                     ReadReport& report) {
  RowReader rows(file, options, report);
  report.encounters = true;
  if (!rows.has_header()) return;
  const std::size_t id_column = rows.column(id_columns);
  const std::size_t time_column = rows.column(time_columns);
  const std::size_t patient_column = rows.column("PATIENT");

  while (rows.next()) {
    const std::string_view patient = rows.text(patient_column, report.null_patients);
    if (patient.empty()) continue;
    const std::string_view id = rows.text(id_column, report.null_encounters);
    if (id.empty()) continue;
    Timestamp begin;
    if (!rows.time(time_column, begin)) continue;
    if (!builder.begin_encounter(patient, id, begin))
      rows.refuse(rows.name(time_column), " is ", excerpt(rows.field(time_column)),
                  ", but an earlier row for ", "encounter ", excerpt(id), " of patient ", excerpt(patient),
                  " has another: expected each encounter to begin once");
  }
}

}  // namespace ragtime
