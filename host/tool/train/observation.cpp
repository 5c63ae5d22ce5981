#include "host/tool/train/observation.hpp"

#include <algorithm>
#include <limits>

#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"

namespace ragtime {

ObservedUntil observed_until_from_text(std::string_view text) {
  constexpr std::string_view date_mark = "date:";
  ObservedUntil result;
  result.text = text;
  if (text == "data") {
    result.rule = ObservationRule::data;
  } else if (text == "record") {
    result.rule = ObservationRule::record;
  } else if (text.starts_with(date_mark)) {
    Timestamp date;
    check(parse_timestamp(text.substr(date_mark.size()), date), ErrorCode::invalid_argument,
          "--observed-until is ", excerpt(text),
          ": expected data, record, date:YYYY-MM-DD or a file subject_id,time");
    result.rule = ObservationRule::date;
    result.date = date;
  } else {
    result.rule = ObservationRule::file;
  }
  return result;
}

ObservationEnds observation_ends(const Cohort& cohort, const ObservedUntil& observed_until,
                                 std::span<const PatientTime> file) {
  ObservationEnds result;
  const auto patients = static_cast<std::size_t>(cohort.patients());
  switch (observed_until.rule) {
    case ObservationRule::data:
      result.ends.assign(patients, cohort.last_time);
      break;
    case ObservationRule::date:
      result.ends.assign(patients, cohort.end_of(observed_until.date));
      break;
    case ObservationRule::record:
      for (std::size_t p = 0; p < patients; ++p)
        result.ends.push_back(cohort.visit_ends[cohort.visit_offsets[p + 1] - 1]);
      break;
    case ObservationRule::file: {
      constexpr Time unknown = std::numeric_limits<Time>::min();
      result.ends.assign(patients, unknown);
      for (const PatientTime& entry : file) {
        const std::int64_t patient = cohort.find_patient(entry.patient_id);
        if (patient < 0)
          ++result.unmatched;
        else
          result.ends[patient] = cohort.end_of(entry.time);
      }
      result.without_end = std::count(result.ends.begin(), result.ends.end(), unknown);
      break;
    }
  }
  return result;
}

}  // namespace ragtime
