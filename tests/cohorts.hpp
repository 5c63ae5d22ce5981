#pragma once

// Cohorts made in memory, so that what a test expects can be seen from what it says.

#include <string>
#include <utility>
#include <vector>

#include "host/data/cohort.hpp"

namespace ragtime::test {

struct VisitOnDay {
  std::int64_t day;
  std::vector<std::int32_t> codes;  // ascending
};

// Patients in string order, each with its visits by day; names of the codes in string order.
inline Cohort make_cohort(const std::vector<std::pair<std::string, std::vector<VisitOnDay>>>& patients,
                          std::vector<std::string> names) {
  Cohort cohort;
  for (const auto& [id, visits] : patients) {
    cohort.patient_ids.push_back(id);
    for (const VisitOnDay& visit : visits) {
      cohort.visit_times.push_back(visit.day * 86400);
      cohort.codes.insert(cohort.codes.end(), visit.codes.begin(), visit.codes.end());
      cohort.code_offsets.push_back(static_cast<std::int64_t>(cohort.codes.size()));
    }
    cohort.visit_offsets.push_back(static_cast<std::int64_t>(cohort.visit_times.size()));
  }
  cohort.code_names = std::move(names);
  return cohort;
}

}  // namespace ragtime::test
