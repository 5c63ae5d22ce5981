#pragma once

// Events in any order become a cohort: grouped into visits, sorted, distinct.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "host/tool/data/cohort.hpp"
#include "host/tool/data/interner.hpp"

namespace ragtime {

class CohortBuilder {
 public:
  explicit CohortBuilder(VisitBy visit_by = VisitBy::day) : visit_by_(visit_by) { encounters_.intern(""); }

  // An encounter of a patient began then. Of two for one (patient, encounter) the first holds, and the answer
  // is false where the second says otherwise. A patient of whom there is nothing else is not in the cohort.
  // The encounter is not empty.
  bool begin_encounter(std::string_view patient, std::string_view encounter, const Timestamp& begin);

  // A visit is what happened in one (patient, encounter) on one day; where the encounter is empty, to a
  // patient on one day, or at one time. An event counts from the beginning of its encounter, where that is
  // known, if its own time is before it. A day is that of the time's own offset from UTC. It ends when it
  // ends in the westmost offset of all times, and a date without a time of day is of that offset: so when a
  // day ends does not depend on what else happens to the patient on it.
  void add(std::string_view patient, std::string_view encounter, const Timestamp& time,
           std::string_view code);

  // A patient of whom there may be nothing else.
  void add_static(std::string_view patient);

  bool empty() const { return events_.empty(); }

  // static_patients: how many patients of add_static have no event, and the first of them in string order.
  Cohort finish(std::int64_t* static_patients = nullptr, std::string* first_static_patient = nullptr) &&;

 private:
  // 24 bytes: there is one per row.
  struct Event {
    Time time;
    std::int32_t offset_and_kind;  // twice the seconds of the offset, plus 1 for a date without a time of day
    std::int32_t patient;
    std::int32_t encounter;
    std::int32_t code;

    Timestamp timestamp() const {
      return {time, (offset_and_kind >> 1) * time_per_second, (offset_and_kind & 1) != 0};
    }
    void set(const Timestamp& timestamp) {
      time = timestamp.time;
      offset_and_kind =
          static_cast<std::int32_t>(2 * (timestamp.offset / time_per_second)) + (timestamp.date_only ? 1 : 0);
    }
  };
  using EncounterKey = std::pair<std::int32_t, std::int32_t>;  // patient, encounter
  struct EncounterHash {
    std::size_t operator()(const EncounterKey& key) const {
      return std::hash<std::uint64_t>{}(static_cast<std::uint64_t>(key.first) << 32 |
                                        static_cast<std::uint32_t>(key.second));
    }
  };

  void note_offset(const Timestamp& time);
  void move_dates();  // into the westmost offset

  VisitBy visit_by_;
  Interner patients_;
  Interner encounters_;  // 0 is the empty one
  Interner codes_;
  std::vector<Event> events_;
  std::vector<std::int32_t> static_patients_;  // in any order, perhaps more than once
  std::unordered_map<EncounterKey, Timestamp, EncounterHash> begins_;
  bool has_times_ = false;                  // a time of day was met
  Time west_offset_ = 0, east_offset_ = 0;  // the least and the largest offset of times of day
};

}  // namespace ragtime
