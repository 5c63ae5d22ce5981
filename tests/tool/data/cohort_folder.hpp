#pragma once

// A folder of tables for tests of read_cohort.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "host/tool/data/cohort.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ragtime {

inline std::vector<std::string> codes_of(const Cohort& cohort, std::int64_t visit) {
  std::vector<std::string> names;
  for (const std::int32_t code : cohort.visit_codes(visit)) names.push_back(cohort.code_names[code]);
  return names;
}

// The codes of each visit of a patient.
inline std::vector<std::vector<std::string>> visits_of(const Cohort& cohort, std::string_view patient) {
  std::vector<std::vector<std::string>> visits;
  const std::int64_t index = cohort.find_patient(patient);
  EXPECT_GE(index, 0) << "no patient " << patient;
  if (index < 0) return visits;
  for (std::int64_t visit = cohort.visit_offsets[index]; visit < cohort.visit_offsets[index + 1]; ++visit)
    visits.push_back(codes_of(cohort, visit));
  return visits;
}

inline std::vector<std::string> texts_of(const std::vector<Time>& times) {
  std::vector<std::string> texts;
  for (const Time time : times) texts.push_back(to_text(time));
  return texts;
}

// Where ../shared/cases/name is; the tests that use it skip where it is not there.
inline std::filesystem::path shared_case(const std::string& name) {
  return std::filesystem::path(RAGTIME_SOURCE_DIR "/../shared/cases") / name;
}

class CohortFolder : public testing::Test {
 protected:
  static constexpr std::string_view header = "START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION\n";

  void table(const std::string& name, std::string_view rows) {
    folder_.write(name + ".csv", std::string(header) + std::string(rows));
  }
  void encounters(std::string_view rows) {
    folder_.write("encounters.csv", "Id,START,STOP,PATIENT,CODE\n" + std::string(rows));
  }
  Cohort read_with(const ReadOptions& options) { return read_cohort(folder_.path(), options, &report_); }
  Cohort read(const std::vector<std::string>& tables = {}) { return read_with({.tables = tables}); }
  std::string refusal_with(ErrorCode code, const ReadOptions& options) {
    return error_of(code, [&] { read_with(options); });
  }
  std::string refusal(ErrorCode code, const std::vector<std::string>& tables = {}) {
    return refusal_with(code, {.tables = tables});
  }
  // What is wrong with these rows of conditions.csv.
  std::string refused_rows(std::string_view rows) {
    table("conditions", rows);
    return refusal(ErrorCode::parse_error);
  }

  TemporaryFolder folder_;
  ReadReport report_;
};

}  // namespace ragtime
