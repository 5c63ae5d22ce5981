#include "host/tool/train/prediction_time.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"
#include "host/tool/train/patient_random.hpp"

namespace ragtime {
namespace {

constexpr double max_days = 1e6;

[[noreturn]] void refuse(std::string_view text, const char* expected) {
  fail(ErrorCode::invalid_argument, "--predict-at is ", excerpt(text), ": expected ", expected);
}

double number_in(std::string_view digits, std::string_view text, const char* expected) {
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(number))
    refuse(text, expected);
  return number;
}

}  // namespace

PredictAt predict_at_from_text(std::string_view text) {
  PredictAt result;
  result.text = text;
  const std::string_view name = text.substr(0, text.find(':'));
  const std::string_view value =
      name.size() < text.size() ? text.substr(name.size() + 1) : std::string_view();
  if (text == "visits") {
    result.rule = PredictionRule::visits;
  } else if (name == "visit") {
    constexpr const char* expected = "visit:N with an integer N from 1, the N-th visit";
    result.rule = PredictionRule::visit;
    result.number = number_in(value, text, expected);
    if (result.number < 1 || result.number > INT32_MAX || result.number != std::floor(result.number))
      refuse(text, expected);
  } else if (name == "days") {
    constexpr const char* expected = "days:N with N from 0 to 1000000, so many days after the first visit";
    result.rule = PredictionRule::days;
    result.number = number_in(value, text, expected);
    if (result.number < 0 || result.number > max_days) refuse(text, expected);
  } else if (name == "date") {
    Timestamp date;
    if (!parse_timestamp(value, date)) refuse(text, "date:YYYY-MM-DD, such as date:2020-01-31");
    result.rule = PredictionRule::date;
    result.date = date;
  } else if (name == "sample") {
    constexpr const char* expected = "sample:P with P above 0, at most 1: each visit with this probability";
    result.rule = PredictionRule::sample;
    result.number = number_in(value, text, expected);
    if (result.number <= 0 || result.number > 1) refuse(text, expected);
  } else {
    refuse(text, "visit:N, days:N, date:YYYY-MM-DD, visits or sample:P");
  }
  return result;
}

std::string to_sentence(const PredictAt& predict_at) {
  const double number = predict_at.number;
  switch (predict_at.rule) {
    case PredictionRule::none:
      return "at no time";
    case PredictionRule::visit:
      return concat("at visit ", number);
    case PredictionRule::days:
      return concat(number, number == 1 ? " day" : " days", " after the first visit");
    case PredictionRule::date:
      return "at " + predict_at.text;
    case PredictionRule::visits:
      return "at every visit";
    case PredictionRule::sample:
      return concat("at each visit with probability ", number);
  }
  return {};
}

bool is_at_visits(PredictionRule rule) {
  return rule == PredictionRule::visit || rule == PredictionRule::visits || rule == PredictionRule::sample;
}

bool is_known_by(const Cohort& cohort, std::int64_t visit, Time time) {
  const auto begin = cohort.code_times.begin() + cohort.code_offsets[visit];
  const auto end = cohort.code_times.begin() + cohort.code_offsets[visit + 1];
  return cohort.visit_ends[visit] <= time ||
         std::any_of(begin, end, [&](Time known) { return known <= time; });
}

std::int32_t visits_by(const Cohort& cohort, std::int64_t patient, Time time) {
  const auto begin = cohort.visit_ends.begin() + cohort.visit_offsets[patient];
  const auto end = cohort.visit_ends.begin() + cohort.visit_offsets[patient + 1];
  const auto open = std::upper_bound(begin, end, time);
  std::ptrdiff_t visits = open - begin;
  // Of the visits whose day is not over, some may have a code by then. A visit's codes are of the 24 hours of
  // one date, in offsets that differ by at most 26 hours: less than three days before its end.
  for (auto visit = open; visit != end && *visit - 3 * time_per_day <= time; ++visit)
    visits += is_known_by(cohort, visit - cohort.visit_ends.begin(), time);
  check(visits <= std::numeric_limits<std::int32_t>::max(), ErrorCode::out_of_range, "patient ",
        cohort.patient_ids[patient], " has ", visits, " visits: expected fewer than 2^31");
  return static_cast<std::int32_t>(visits);
}

std::vector<PredictionPoint> prediction_points(const Cohort& cohort, std::int64_t patient,
                                               const PredictAt& predict_at, std::uint64_t seed) {
  const std::int64_t first = cohort.visit_offsets[patient];
  const std::int64_t count = cohort.visit_offsets[patient + 1] - first;
  const auto at_time = [&](Time time, std::int64_t visit = -1) {
    return PredictionPoint{time, visits_by(cohort, patient, time), static_cast<std::int32_t>(visit)};
  };
  std::vector<PredictionPoint> points;
  switch (predict_at.rule) {
    case PredictionRule::none:
      break;
    case PredictionRule::visit:
      if (predict_at.number <= static_cast<double>(count)) {
        const std::int64_t visit = static_cast<std::int64_t>(predict_at.number) - 1;
        points.push_back(at_time(cohort.visit_ends[first + visit], visit));
      }
      break;
    case PredictionRule::days:
      points.push_back(at_time(cohort.visit_ends[first] +
                               std::llround(predict_at.number * static_cast<double>(time_per_day))));
      break;
    case PredictionRule::date:
      points.push_back(at_time(cohort.end_of(predict_at.date)));
      break;
    case PredictionRule::visits:
    case PredictionRule::sample:
      for (std::int64_t t = 0; t < count; ++t) {
        const Time time = cohort.visit_ends[first + t];
        if (t + 1 < count && cohort.visit_ends[first + t + 1] == time) continue;
        // The number of the visit counts those up to this time alone.
        if (predict_at.rule == PredictionRule::sample &&
            patient_random(cohort.patient_ids[patient], seed, PatientDraw::sample,
                           static_cast<std::uint32_t>(t)) >= predict_at.number)
          continue;
        points.push_back(at_time(time, t));
      }
      break;
  }
  return points;
}

}  // namespace ragtime
