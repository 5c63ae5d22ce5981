#pragma once

// A folder of tables for tests of read_cohort.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "host/data/cohort.hpp"
#include "tests/temporary_folder.hpp"

namespace ragtime {

class CohortFolder : public testing::Test {
 protected:
  static constexpr std::string_view header = "START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION\n";

  void table(const std::string& name, std::string_view rows) {
    folder_.write(name + ".csv", std::string(header) + std::string(rows));
  }
  Cohort read(const std::vector<std::string>& tables = {}) {
    return read_cohort(folder_.path(), tables, &report_);
  }
  std::string refusal(ErrorCode code, const std::vector<std::string>& tables = {}) {
    return error_of(code, [&] { read(tables); });
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
