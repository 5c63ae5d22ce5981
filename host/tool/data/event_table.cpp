#include "host/tool/data/event_table.hpp"

#include "host/tool/data/row_reader.hpp"

namespace ragtime {

void read_event_table(const std::filesystem::path& file, const EventColumns& columns,
                      const ReadOptions& options, CohortBuilder& builder, ReadReport& report) {
  RowReader rows(file, options, report);
  if (!rows.has_header()) return;
  const std::size_t patient_column = rows.column(columns.patient);
  const std::size_t code_column = rows.column(columns.code);
  const std::size_t time_column = rows.column(columns.time);
  const bool has_encounter = !columns.encounter.empty();
  const std::size_t encounter_column = has_encounter ? rows.column(columns.encounter) : 0;

  while (rows.next()) {
    const std::string_view patient = rows.text(patient_column, report.null_patients);
    if (patient.empty()) continue;
    const std::string_view code = rows.text(code_column, report.null_codes);
    if (code.empty()) continue;
    if (code == Vocabulary::padding || code == Vocabulary::unknown)
      rows.refuse(columns.code, " is ", code, ": this name is reserved");
    if (columns.static_rows && rows.field(time_column).empty()) {
      ++report.static_rows;
      builder.add_static(patient);
      continue;
    }
    Timestamp time;
    if (!rows.time(time_column, time)) continue;
    builder.add(patient, has_encounter ? rows.field(encounter_column) : std::string_view(), time, code);
  }
}

}  // namespace ragtime
