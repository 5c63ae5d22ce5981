// Whatever bytes come in, the CSV reader and the readers of events, encounters and labels that stand on it
// throw Error or return what holds: records as long as the header that survive being written and read again,
// cohorts in order that do not depend on the order of their rows. What is gzipped is the text that is in it.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "host/tool/data/csv.hpp"
#include "host/tool/data/event_table.hpp"
#include "host/tool/data/patient_files.hpp"
#include "host/tool/data/text_file.hpp"
#include "ragtime/error.hpp"
#include "tests/fuzz/fuzzed_file.hpp"

namespace ragtime::fuzz {
namespace {

using Records = std::vector<std::vector<std::string>>;

// What the call returns; nothing when it refuses the input, which it may only do as bad input.
template <class Call>
auto accepted(const Call& call) -> std::optional<decltype(call())> {
  try {
    return call();
  } catch (const Error& error) {
    require(error.code() == ErrorCode::parse_error, "what is wrong is the file");
    return std::nullopt;
  }
}

// The header is the first record.
Records read_records(std::string_view content) {
  CsvReader reader(content, "fuzzed");
  Records records = {reader.header()};
  std::int64_t line = 1;
  while (reader.next()) {
    require(reader.line() > line, "each record begins on a later line");
    line = reader.line();
    records.emplace_back();
    for (std::size_t column = 0; column < records.front().size(); ++column)
      records.back().emplace_back(reader.field(column));
  }
  return records;
}

std::string quoted(const Records& records, std::string_view line_end) {
  std::string text;
  for (const auto& record : records)
    for (std::size_t i = 0; i < record.size(); ++i) {
      text += i == 0 ? "\"" : ",\"";
      for (const char character : record[i]) text.append(character == '"' ? 2 : 1, character);
      text += '"';
      if (i + 1 == record.size()) text += line_end;
    }
  return text;
}

constexpr std::array<std::string_view, 2> synthea_times = {"START", "DATE"};
constexpr std::array<std::string_view, 1> meds_times = {"time"};
constexpr EventColumns synthea = {
    .patient = "PATIENT", .encounter = "ENCOUNTER", .time = synthea_times, .code = "CODE"};
constexpr EventColumns meds = {
    .patient = "subject_id", .encounter = {}, .time = meds_times, .code = "code", .static_rows = true};

struct ReadTable {
  Cohort cohort;
  ReadReport report;
};

ReadTable read_table(std::string_view content, const EventColumns& columns, const ReadOptions& options) {
  const FuzzedFile file(content);
  CohortBuilder builder(options.visit_by);
  ReadTable table;
  read_event_table(file.path(), columns, options, builder, table.report);
  table.cohort = std::move(builder).finish(&table.report.static_patients, &table.report.first_static_patient);
  return table;
}

// The same bytes as encounters, or nothing where they are none.
std::optional<ReadReport> read_encounter_table(std::string_view content) {
  const FuzzedFile file(content);
  return accepted([&] {
    CohortBuilder builder;
    ReadReport report;
    read_encounters(file.path(), {}, builder, report);
    require(std::move(builder).finish().patients() == 0, "encounters alone make no patient");
    return report;
  });
}

std::int64_t skipped_rows(const ReadReport& report) {
  return report.static_rows + report.null_codes.rows + report.null_patients.rows +
         report.null_encounters.rows + report.missing_times.rows + report.absurd_times.rows;
}

bool ascending(const std::vector<std::string>& texts) {
  return std::adjacent_find(texts.begin(), texts.end(), std::greater_equal<>()) == texts.end();
}

void check_cohort(const Cohort& cohort, const ReadReport& report, std::size_t rows) {
  require(report.rows == static_cast<std::int64_t>(rows), "every row is counted");
  require(ascending(cohort.patient_ids) && ascending(cohort.code_names), "names are distinct, in order");
  require(cohort.visit_offsets.size() == cohort.patient_ids.size() + 1, "offsets fit the patients");
  require(cohort.code_offsets.size() == cohort.visit_times.size() + 1, "offsets fit the visits");
  require(cohort.visits() == static_cast<std::int64_t>(cohort.visit_times.size()),
          "every visit has an owner");
  require(cohort.code_offsets.back() == static_cast<std::int64_t>(cohort.codes.size()), "so has every code");
  require(report.rows - skipped_rows(report) >= cohort.code_offsets.back(), "no code without a row");
  require(cohort.code_times.size() == cohort.codes.size(), "every code has a time");
  require(cohort.visit_ends.size() == cohort.visit_times.size(), "every visit has an end");
  require((report.static_patients == 0) == report.first_static_patient.empty(), "one of some is the first");
  for (std::int64_t patient = 0; patient < cohort.patients(); ++patient)
    for (std::int64_t visit = cohort.visit_offsets[patient] + 1; visit < cohort.visit_offsets[patient + 1];
         ++visit)
      require(std::tie(cohort.visit_ends[visit - 1], cohort.visit_times[visit - 1]) <=
                  std::tie(cohort.visit_ends[visit], cohort.visit_times[visit]),
              "visits are in order of their ends, then of their times");
  for (std::int64_t visit = 0; visit < cohort.visits(); ++visit) {
    const auto codes = cohort.visit_codes(visit);
    require(!codes.empty(), "a visit has a code");
    for (std::int64_t i = cohort.code_offsets[visit]; i < cohort.code_offsets[visit + 1]; ++i)
      require(cohort.visit_times[visit] <= cohort.code_times[i] &&
                  cohort.code_times[i] <= cohort.visit_ends[visit] &&
                  cohort.code_times[i] <= cohort.last_time,
              "a code is known in its visit");
    require(codes.front() >= 0 && static_cast<std::size_t>(codes.back()) < cohort.code_names.size(),
            "codes have names");
    require(std::adjacent_find(codes.begin(), codes.end(), std::greater_equal<>()) == codes.end(),
            "codes of a visit are distinct, in order");
  }
}

bool same(const Cohort& a, const Cohort& b) {
  return a.patient_ids == b.patient_ids && a.visit_offsets == b.visit_offsets &&
         a.visit_times == b.visit_times && a.visit_ends == b.visit_ends && a.code_times == b.code_times &&
         a.last_time == b.last_time && a.code_offsets == b.code_offsets && a.codes == b.codes &&
         a.code_names == b.code_names;
}

void check_table(std::string_view content, const Records& records, const EventColumns& columns,
                 const ReadOptions& options) {
  const auto table = accepted([&] { return read_table(content, columns, options); });
  if (table && !table->report.empty_files.empty()) return;  // no text, so no header to write again
  Records reversed = records;
  std::reverse(reversed.begin() + 1, reversed.end());
  const auto other = accepted([&] { return read_table(quoted(reversed, "\n"), columns, options); });
  require(table.has_value() == other.has_value(), "rows are right or wrong in any order");
  if (!table) return;
  check_cohort(table->cohort, table->report, records.size() - 1);
  require(!options.strict || skipped_rows(table->report) == table->report.static_rows,
          "strict skips nothing");
  require(same(table->cohort, other->cohort), "rows in any order make the same cohort");
  // Every code of a cohort can stand in a vocabulary, whose file holds one a line.
  const Vocabulary vocabulary = Vocabulary::from_codes(table->cohort.code_names);
  require(encode(table->cohort, vocabulary).codes.size() == table->cohort.codes.size(), "no code is unknown");
}

void check_labels(std::string_view content, const Records& records) {
  const FuzzedFile file(content);
  const auto labels = accepted([&] { return read_labels(file.path()); });
  if (!labels) return;
  const auto rows =
      static_cast<std::int64_t>(labels->labels.size()) + labels->null_values + labels->duplicates;
  require(rows == static_cast<std::int64_t>(records.size()) - 1, "every row is a label, or counted");
  std::set<std::pair<std::string, Time>> seen;
  for (const PatientLabel& label : labels->labels) {
    require(std::isfinite(label.label), "a label is finite");
    require(!label.patient_id.empty() && seen.emplace(label.patient_id, label.until).second,
            "a patient has one label at a time");
    require(!labels->is_categorical || label.label < static_cast<double>(labels->classes.size()),
            "a label is one of the classes");
  }
}

void check_other_files(std::string_view content) {
  const FuzzedFile file(content);
  std::set<std::string> patients;
  if (const auto times = accepted([&] { return read_patient_times(file.path()); }))
    for (const PatientTime& entry : *times)
      require(patients.insert(entry.patient_id).second, "a patient has one time");
  patients.clear();
  if (const auto parts = accepted([&] { return read_patient_parts(file.path()); }))
    for (const PatientPart& entry : *parts)
      require(patients.insert(entry.patient_id).second, "a patient is in one part");
}

void run(std::string_view bytes) {
  // What is no gzip file is text as it stands, unless it is in a format that is refused by name.
  const FuzzedFile file(bytes);
  const auto text = accepted([&] { return read_text_file(file.path()); });
  if (!text) return;
  if (!bytes.starts_with("\x1F\x8B")) require(*text == bytes, "text is read as it is");
  const std::string_view content = *text;

  const auto records = accepted([&] { return read_records(content); });
  const auto encounters = read_encounter_table(content);
  if (!records) {
    const auto table = accepted([&] { return read_table(bytes, synthea, {}); });
    require(!table || !table->report.empty_files.empty(), "what is no CSV holds no events");
    return;
  }
  require(!encounters || !encounters->empty_files.empty() ||
              encounters->rows == static_cast<std::int64_t>(records->size()) - 1,
          "every encounter is counted");
  for (const std::string_view line_end : {"\n", "\r\n"})
    require(read_records(quoted(*records, line_end)) == *records, "records survive writing and reading");
  for (const EventColumns& columns : {synthea, meds})
    for (const VisitBy visit_by : {VisitBy::day, VisitBy::time})
      for (const bool strict : {false, true})
        check_table(content, *records, columns, {.visit_by = visit_by, .strict = strict});
  check_labels(content, *records);
  check_other_files(content);
}

}  // namespace
}  // namespace ragtime::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ragtime::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
