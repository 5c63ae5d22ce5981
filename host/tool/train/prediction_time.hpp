#pragma once

// When a prediction is made: a rule for each patient, as --predict-at gives it. What a rule says of a patient
// up to a time never depends on what the patient does after it.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/tool/data/cohort.hpp"

namespace ragtime {

enum class PredictionRule : std::uint8_t {
  none,
  visit,   // at the N-th visit
  days,    // N days after the first visit
  date,    // at one time for all
  visits,  // at every visit
  sample,  // at each visit with probability P
};

struct PredictAt {
  PredictionRule rule = PredictionRule::none;
  double number = 0;    // N or P
  Timestamp date = {};  // of the rule of that name
  std::string text;     // as given; empty: none

  bool operator==(const PredictAt&) const = default;
};

// "visit:3", "days:365", "date:2020-01-31", "visits" or "sample:0.1". Throws Error(invalid_argument).
PredictAt predict_at_from_text(std::string_view text);

// "at the 3rd visit" and the like, for a person.
std::string to_sentence(const PredictAt& predict_at);

// Whether each prediction is made at a visit, so that a model with one output a visit can make it.
bool is_at_visits(PredictionRule rule);

// A time at which something is predicted for a patient.
struct PredictionPoint {
  Time time = 0;  // everything known by then is input: a visit counts at the end of its day (visit_ends)
  std::int32_t visits = 0;  // of the patient that are known by then; 0: there is no history
  std::int32_t visit = -1;  // the visit it is made at, from 0; -1: it is made at none
};

// Those of one patient, by time. Of several visits that end at one time, the last stands for all. seed: of
// `sample`.
std::vector<PredictionPoint> prediction_points(const Cohort& cohort, std::int64_t patient,
                                               const PredictAt& predict_at, std::uint64_t seed);

// Whether anything of a visit is known by a time. Of an encounter that has begun and has no code yet, not
// even that there will be one.
bool is_known_by(const Cohort& cohort, std::int64_t visit, Time time);

// How many of a patient's visits are known by a time. Those of the last day need not be the first ones: of
// two encounters, that which began first may have its first code last.
std::int32_t visits_by(const Cohort& cohort, std::int64_t patient, Time time);

}  // namespace ragtime
