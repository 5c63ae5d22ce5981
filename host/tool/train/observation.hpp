#pragma once

// Until when a patient is observed: what happens later is not known, neither that a code occurs nor that it
// does not.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/tool/data/cohort.hpp"
#include "host/tool/data/patient_files.hpp"

namespace ragtime {

enum class ObservationRule : std::uint8_t {
  data,    // all until the last time in the data: who has no further visit had none
  record,  // each until the end of their own last visit
  date,    // all until one time
  file,    // each as a file says
};

struct ObservedUntil {
  ObservationRule rule = ObservationRule::data;
  Timestamp date = {};        // of the rule of that name
  std::string text = "data";  // as given; of `file`, its path

  bool operator==(const ObservedUntil&) const = default;
};

// "data", "record", "date:2020-01-31", or a file subject_id,time. Throws Error(invalid_argument).
ObservedUntil observed_until_from_text(std::string_view text);

struct ObservationEnds {
  std::vector<Time> ends;        // [P]; of a patient whom the file does not name, before all times
  std::int64_t unmatched = 0;    // patients of the file that are not in the data
  std::int64_t without_end = 0;  // patients of the data that are not in the file
};

// file: what read_patient_times read, for the rule `file`.
ObservationEnds observation_ends(const Cohort& cohort, const ObservedUntil& observed_until,
                                 std::span<const PatientTime> file);

}  // namespace ragtime
