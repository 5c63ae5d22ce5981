#pragma once

// Patient histories as read from files: visits in order, each with its distinct codes. Ragged, in memory
// once.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ragtime/model_directory.hpp"

namespace ragtime {

struct Cohort {
  std::vector<std::string> patient_ids;        // [P], in string order
  std::vector<std::int64_t> visit_offsets{0};  // [P+1]
  std::vector<std::int64_t> visit_times;      // [N] seconds since 1970-01-01, not decreasing within a patient
  std::vector<std::int64_t> code_offsets{0};  // [N+1]
  std::vector<std::int32_t> codes;      // [M] indices into code_names, distinct and ascending within a visit
  std::vector<std::string> code_names;  // in string order

  std::int64_t patients() const { return static_cast<std::int64_t>(patient_ids.size()); }
  std::int64_t visits() const { return visit_offsets.back(); }
  std::int64_t find_patient(std::string_view id) const;  // -1 when not there
  std::int32_t find_code(std::string_view name) const;   // -1 when not there
  std::span<const std::int32_t> visit_codes(std::int64_t visit) const {
    return {codes.data() + code_offsets[visit], codes.data() + code_offsets[visit + 1]};
  }
};

// What reading met that a person should hear of.
struct ReadReport {
  std::int64_t bytes = 0;
  std::int64_t rows = 0;
  std::int64_t static_rows = 0;     // MEDS rows without a time, skipped
  std::vector<std::string> tables;  // files read
};

// The tables of a Synthea folder that hold events, in the order they are looked for.
std::span<const std::string_view> event_tables();

// A folder in Synthea's CSV format, or a MEDS-style CSV file (subject_id,time,code).
// tables: names of event_tables() to read, each once; empty: those that are there. Throws Error naming file,
// line and column, and then leaves the report as it was.
Cohort read_cohort(const std::filesystem::path& path, std::span<const std::string> tables = {},
                   ReadReport* report = nullptr);

// patient_id,label. Numbers; an id twice is an error.
struct PatientLabel {
  std::string patient_id;
  double label = 0;
};
std::vector<PatientLabel> read_labels(const std::filesystem::path& file);

// The cohort's codes as ids of a vocabulary: distinct and ascending within a visit. A code that maps to
// nothing (no [UNK]) is left out, and its visit stays, perhaps empty.
struct EncodedCohort {
  const Cohort* cohort = nullptr;
  std::vector<std::int64_t> code_offsets{0};  // [N+1]
  std::vector<std::int32_t> codes;            // [M']
  std::int64_t unknown_codes = 0;             // occurrences that became [UNK] or were left out

  std::span<const std::int32_t> visit_codes(std::int64_t visit) const {
    return {codes.data() + code_offsets[visit], codes.data() + code_offsets[visit + 1]};
  }
};
EncodedCohort encode(const Cohort& cohort, const Vocabulary& vocabulary);

// Seconds since 1970-01-01 UTC of "2019-01-23", "2019-01-23T10:20:30Z", "2019-01-23 10:20:30.5+01:00" and the
// like; false when the text is no time.
bool parse_time(std::string_view text, std::int64_t& seconds);

}  // namespace ragtime
