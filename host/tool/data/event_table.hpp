#pragma once

// One CSV file of dated codes, whatever its columns are called, and the two formats that consist of them.

#include <filesystem>
#include <span>
#include <string_view>

#include "host/tool/data/cohort.hpp"
#include "host/tool/data/cohort_builder.hpp"

namespace ragtime {

struct EventColumns {
  std::string_view patient;
  std::string_view encounter;              // empty: the file knows of none
  std::span<const std::string_view> time;  // the first of these that the file has
  std::string_view code;
  bool static_rows = false;  // a row without a time is a fact without a date, to be skipped and counted
};

// Rows without a patient, a code or a time, and those of absurd times, are skipped and counted, or an error
// where options.strict. Throws Error(parse_error) with file and line on a missing column, a time that is no
// time, and an id or a code that no line of text could hold.
void read_event_table(const std::filesystem::path& file, const EventColumns& columns,
                      const ReadOptions& options, CohortBuilder& builder, ReadReport& report);

// encounters.csv: when each encounter of a patient began. Throws as read_event_table does, and on two rows
// for one encounter that do not agree.
void read_encounters(const std::filesystem::path& file, const ReadOptions& options, CohortBuilder& builder,
                     ReadReport& report);

// The two formats of read_cohort.
void read_synthea(const std::filesystem::path& folder, const ReadOptions& options, CohortBuilder& builder,
                  ReadReport& report);
void read_meds(const std::filesystem::path& file, const ReadOptions& options, CohortBuilder& builder,
               ReadReport& report);

}  // namespace ragtime
