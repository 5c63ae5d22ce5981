#pragma once

// Cohorts made in memory, so that what a test expects can be seen from what it says.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "host/tool/data/cohort.hpp"

namespace ragtime::test {

struct VisitOnDay {
  std::int64_t day;
  std::vector<std::int32_t> codes;  // ascending
};

// The end of a day since 1970-01-01, which is when a visit without a time of day is known to have happened.
inline Time end_of_day(std::int64_t day) {
  return (day + 1) * time_per_day - 1;
}

// Patients in string order, each with its visits by day; names of the codes in string order.
inline Cohort make_cohort(const std::vector<std::pair<std::string, std::vector<VisitOnDay>>>& patients,
                          std::vector<std::string> names) {
  Cohort cohort;
  for (const auto& [id, visits] : patients) {
    cohort.patient_ids.push_back(id);
    for (const VisitOnDay& visit : visits) {
      cohort.visit_times.push_back(end_of_day(visit.day));
      cohort.codes.insert(cohort.codes.end(), visit.codes.begin(), visit.codes.end());
      cohort.code_times.resize(cohort.codes.size(), end_of_day(visit.day));
      cohort.code_offsets.push_back(static_cast<std::int64_t>(cohort.codes.size()));
      cohort.last_time = std::max(cohort.last_time, end_of_day(visit.day));
    }
    cohort.visit_offsets.push_back(static_cast<std::int64_t>(cohort.visit_times.size()));
  }
  cohort.visit_ends = cohort.visit_times;
  cohort.code_names = std::move(names);
  return cohort;
}

}  // namespace ragtime::test
