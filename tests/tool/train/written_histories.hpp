#pragma once

// Patient histories that a test makes up, as a MEDS-style CSV file, and what a prediction rule makes of them,
// counted by days and events alone.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "host/tool/data/timestamp.hpp"
#include "host/tool/train/patient_random.hpp"

namespace ragtime::test {

inline constexpr std::int64_t first_day = 14610;  // 2010-01-01

struct Event {
  std::int64_t day = 0;  // since 1970-01-01
  int second = -1;       // of the day; -1: only the day is known
  std::string code;

  Time known_by() const {
    return second < 0 ? (day + 1) * time_per_day - 1 : day * time_per_day + second * time_per_second;
  }
};

using Histories = std::map<std::string, std::vector<Event>>;  // by patient

inline std::string day_text(std::int64_t day) {
  return to_text(day * time_per_day).substr(0, 10);
}

inline std::string time_text(const Event& event) {
  return event.second < 0 ? day_text(event.day)
                          : to_text(event.day * time_per_day + event.second * time_per_second);
}

inline std::string meds_text(const Histories& histories) {
  std::string text = "subject_id,time,code\n";
  for (const auto& [patient, events] : histories)
    for (const Event& event : events) text += patient + "," + time_text(event) + "," + event.code + "\n";
  return text;
}

// 1 to 15 visits of days that are some weeks apart, with codes c0 to c9; of every third patient X in the
// second half. A fifth of the events have no time of day.
inline Histories make_histories(int patients, std::uint32_t seed = 1) {
  std::mt19937 engine(seed);
  const auto below = [&](std::uint32_t limit) { return static_cast<int>(engine() % limit); };
  Histories histories;
  for (int p = 0; p < patients; ++p) {
    std::vector<Event>& events = histories["p" + std::to_string(1000 + p)];
    std::int64_t day = first_day + below(1500);
    const int visits = 1 + below(15);
    for (int v = 0; v < visits; ++v, day += 1 + below(120)) {
      for (int i = below(3); i >= 0; --i)
        events.push_back({day, below(5) == 0 ? -1 : below(86400), "c" + std::to_string(below(10))});
      if (p % 3 == 0 && 2 * v >= visits && below(2) == 0)
        events.push_back({day, below(5) == 0 ? -1 : below(86400), "X"});
    }
  }
  return histories;
}

struct RuleCounts {
  std::int64_t patients = 0, without_history = 0, times = 0, code_before = 0, unobserved = 0, used = 0,
               positives = 0, used_patients = 0;
  std::vector<std::int64_t> visits;  // [used] of the history
  std::vector<double> days;          // [used] from its first event to the prediction
};

// rule: as --predict-at has it. ends: of observation, by patient; a patient without one is not observed.
inline RuleCounts count_rule(const Histories& histories, const std::string& rule, double horizon, double gap,
                             const std::map<std::string, Time>& ends, std::uint64_t seed = 0) {
  RuleCounts counts;
  const std::string name = rule.substr(0, rule.find(':'));
  const std::string value = rule.substr(std::min(rule.size(), name.size() + 1));
  for (const auto& [patient, events] : histories) {
    ++counts.patients;
    std::set<std::int64_t> day_set;
    for (const Event& event : events) day_set.insert(event.day);
    const std::vector<std::int64_t> days(day_set.begin(), day_set.end());
    const auto end_of = [](std::int64_t day) { return (day + 1) * time_per_day - 1; };
    std::vector<Time> times;
    if (name == "visit") {
      if (std::stoul(value) <= days.size()) times.push_back(end_of(days[std::stoul(value) - 1]));
    } else if (name == "days") {
      times.push_back(end_of(days[0]) + std::stoll(value) * time_per_day);
    } else if (name == "date") {
      Timestamp date;
      parse_timestamp(value, date);
      times.push_back(end_of(date.day()));
    } else {
      for (std::size_t v = 0; v < days.size(); ++v)
        if (name == "visits" || patient_random(patient, seed, PatientDraw::sample,
                                               static_cast<std::uint32_t>(v)) < std::stod(value))
          times.push_back(end_of(days[v]));
    }
    bool has_history = false, is_used = false;
    for (const Time time : times) {
      Time first = last_time_of_all;
      for (const Event& event : events) first = std::min(first, event.known_by());
      if (first > time) continue;
      has_history = true;
      ++counts.times;
      const Time begin = time + std::llround(gap * static_cast<double>(time_per_day));
      const Time end = begin + std::llround(horizon * static_cast<double>(time_per_day));
      bool before = false, inside = false;
      for (const Event& event : events) {
        if (event.code != "X") continue;
        before = before || event.known_by() <= time;
        inside = inside || (event.known_by() > begin && event.known_by() <= end);
      }
      if (before) {
        ++counts.code_before;
        continue;
      }
      if (!ends.contains(patient) || end > ends.at(patient)) {
        ++counts.unobserved;
        continue;
      }
      is_used = true;
      ++counts.used;
      counts.positives += inside;
      counts.visits.push_back(std::count_if(days.begin(), days.end(),
                                            [&](std::int64_t day) { return day * time_per_day <= time; }));
      counts.days.push_back(static_cast<double>(time - first) / static_cast<double>(time_per_day));
    }
    counts.without_history += !has_history;
    counts.used_patients += is_used;
  }
  return counts;
}

// Until the last time in the data, for every patient.
inline std::map<std::string, Time> ends_of_data(const Histories& histories) {
  Time last = 0;
  for (const auto& [patient, events] : histories)
    for (const Event& event : events) last = std::max(last, event.known_by());
  std::map<std::string, Time> ends;
  for (const auto& [patient, events] : histories) ends[patient] = last;
  return ends;
}

}  // namespace ragtime::test
