#pragma once

// Patient histories as read from files: visits in order, each with its distinct codes. Ragged, in memory
// once.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/tool/data/code_patterns.hpp"
#include "host/tool/data/timestamp.hpp"
#include "ragtime/model_directory.hpp"

namespace ragtime {

struct Cohort {
  std::vector<std::string> patient_ids;        // [P], in string order
  std::vector<std::int64_t> visit_offsets{0};  // [P+1]
  // [N] when each visit began. Where only its day is known, the end of it.
  std::vector<Time> visit_times;
  // [N] the first moment at which nothing more can be added to this visit or to one before it: the end of its
  // day, or its own time where visits are rows of one exact time. Not decreasing within a patient.
  std::vector<Time> visit_ends;
  std::vector<std::int64_t> code_offsets{0};  // [N+1]
  std::vector<std::int32_t> codes;      // [M] indices into code_names, distinct and ascending within a visit
  std::vector<Time> code_times;         // [M] when each was first known in its visit, at most its visit_ends
  std::vector<std::string> code_names;  // in string order
  Time last_time = 0;                   // the last time in the data: of an event or an encounter
  // The least and the largest offset from UTC of the times of day in the data. Days end, and dates are, in
  // the westmost one.
  Time west_offset = 0, east_offset = 0;

  std::int64_t patients() const { return static_cast<std::int64_t>(patient_ids.size()); }
  std::int64_t visits() const { return visit_offsets.back(); }
  // When a moment that a person names is over: of a date without a time of day, with the days of the data.
  Time end_of(const Timestamp& moment) const {
    return moment.date_only ? moment.day_end() + moment.offset - west_offset : moment.time;
  }
  std::int64_t find_patient(std::string_view id) const;  // -1 when not there
  std::int32_t find_code(std::string_view name) const;   // -1 when not there
  std::span<const std::int32_t> visit_codes(std::int64_t visit) const {
    return {codes.data() + code_offsets[visit], codes.data() + code_offsets[visit + 1]};
  }
};

// What rows make a visit where no encounter is named.
enum class VisitBy : std::uint8_t {
  day,   // those of one day, in the offset that the data give
  time,  // those of one exact time
};

// Whether encounters.csv of a Synthea folder, which says when visits began, is read.
enum class Encounters : std::uint8_t { if_there, required, ignored };

struct ReadOptions {
  std::vector<std::string> tables =
      {};  // names of event_tables() to read, each once; empty: those that are there
  Encounters encounters = Encounters::if_there;
  VisitBy visit_by = VisitBy::day;
  bool strict = false;  // what is otherwise skipped and counted throws Error(parse_error) with file and line
};

// How many rows of a kind were met, and where the first of them is, "conditions.csv:12".
struct RowCount {
  std::int64_t rows = 0;
  std::string first;
};

// What reading met that a person should hear of.
struct ReadReport {
  std::int64_t bytes = 0;
  std::int64_t rows = 0;
  std::vector<std::string> files;           // names of the files read, without their folder
  std::vector<std::string> tables;          // of a Synthea folder: the names of event_tables() that were read
  bool encounters = false;                  // encounters.csv was read
  std::vector<std::string> ignored_tables;  // tables that are there, but not among those asked for
  std::vector<std::string> empty_files;     // files without even a header, taken for tables without rows
  std::vector<std::string> unread_files;    // tables that are there in a format that is not read
  std::int64_t static_rows = 0;             // MEDS rows without a time: facts without a date, skipped
  std::int64_t static_patients = 0;         // patients of whom there are no other rows: not in the cohort
  std::string first_static_patient;         // by name, the first of them in string order
  RowCount null_codes;                      // rows without a code, skipped
  RowCount null_patients;                   // rows without a patient, skipped
  RowCount null_encounters;                 // rows of encounters.csv without an id, skipped
  RowCount missing_times;                   // rows of a Synthea folder without a time, skipped
  RowCount absurd_times;  // rows with a year that is none of a real event, before 1850 or after 2299, skipped
  RowCount future_times;  // rows with a time after today, which are read as they are
};

// The tables of a Synthea folder that hold events, in the order they are looked for.
std::span<const std::string_view> event_tables();

// A folder in Synthea's CSV format, or a MEDS-style CSV file (subject_id,time,code); either may be gzipped.
// Throws Error naming file, line and column, and then leaves the report as it was.
Cohort read_cohort(const std::filesystem::path& path, const ReadOptions& options = {},
                   ReadReport* report = nullptr);

// The cohort's codes as ids of a vocabulary: distinct and ascending within a visit. A code that maps to
// nothing (no [UNK]) is left out, and its visit stays, perhaps empty.
struct EncodedCohort {
  const Cohort* cohort = nullptr;
  std::vector<std::int64_t> code_offsets{0};  // [N+1]
  std::vector<std::int32_t> codes;            // [M']
  std::vector<Time> code_times;               // [M'] the earliest of the codes that became one id
  std::int64_t unknown_codes = 0;             // occurrences that became [UNK] or were left out

  std::span<const std::int32_t> visit_codes(std::int64_t visit) const {
    return {codes.data() + code_offsets[visit], codes.data() + code_offsets[visit + 1]};
  }
};
// excluded: codes that are no input, whatever the vocabulary holds; they do not count as unknown.
EncodedCohort encode(const Cohort& cohort, const Vocabulary& vocabulary, const CodePatterns& excluded = {});

}  // namespace ragtime
