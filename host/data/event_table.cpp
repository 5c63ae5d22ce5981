#include "host/data/event_table.hpp"

#include <algorithm>

#include "host/core/atomic_file.hpp"
#include "host/data/csv.hpp"
#include "host/data/excerpt.hpp"

namespace ragtime {
namespace {

std::string_view present_column(const CsvReader& reader, std::span<const std::string_view> names) {
  for (const std::string_view name : names)
    if (reader.find_column(name)) return name;
  std::string expected;
  for (const std::string_view name : names) expected += (expected.empty() ? "" : " or ") + std::string(name);
  reader.column(expected);  // throws
  return {};
}

// Ids and codes go into predictions and vocabularies, one a line.
void check_name(const CsvReader& reader, std::string_view value, std::string_view column) {
  if (value.empty()) reader.refuse(column, " is empty");
  for (const char character : value)
    if (character == '\t' || character == '\n' || character == '\r')
      reader.refuse(column, " is ", excerpt(value), ": expected no tab and no line break in it");
}

}  // namespace

void read_event_table(const std::filesystem::path& file, const EventColumns& columns, CohortBuilder& builder,
                      ReadReport& report) {
  const std::string content = read_file(file);
  CsvReader reader(content, file.string());
  const std::size_t patient_column = reader.column(columns.patient);
  const std::size_t code_column = reader.column(columns.code);
  const std::string_view time_name = present_column(reader, columns.time);
  const std::size_t time_column = reader.column(time_name);
  const bool has_encounter = !columns.encounter.empty();
  const std::size_t encounter_column = has_encounter ? reader.column(columns.encounter) : 0;

  while (reader.next()) {
    ++report.rows;
    const std::string_view patient = reader.field(patient_column);
    const std::string_view code = reader.field(code_column);
    const std::string_view time = reader.field(time_column);
    check_name(reader, patient, columns.patient);
    check_name(reader, code, columns.code);
    if (code == Vocabulary::padding || code == Vocabulary::unknown)
      reader.refuse(columns.code, " is ", code, ": this name is reserved");
    if (time.empty() && columns.static_rows) {
      ++report.static_rows;
      builder.add_static(patient);
      continue;
    }
    Timestamp timestamp;
    if (!parse_timestamp(time, timestamp))
      reader.refuse(time_name, " is ", excerpt(time), ": expected a time such as 2019-01-23 or ",
                    "2019-01-23T10:20:30Z");
    builder.add(patient, has_encounter ? reader.field(encounter_column) : std::string_view(), timestamp,
                code);
  }
  report.bytes += static_cast<std::int64_t>(content.size());
  report.files.push_back(file.filename().string());
}

}  // namespace ragtime
