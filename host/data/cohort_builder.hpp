#pragma once

// Events in any order become a cohort: grouped into visits, sorted, distinct.

#include <cstdint>
#include <string_view>
#include <vector>

#include "host/data/cohort.hpp"
#include "host/data/interner.hpp"

namespace ragtime {

class CohortBuilder {
 public:
  CohortBuilder() { encounters_.intern(""); }

  // A visit is one (patient, encounter); where the encounter is empty, one (patient, day in UTC).
  void add(std::string_view patient, std::string_view encounter, std::int64_t time, std::string_view code);

  bool empty() const { return events_.empty(); }

  Cohort finish() &&;

 private:
  struct Event {
    std::int64_t time;
    std::int32_t patient;
    std::int32_t encounter;
    std::int32_t code;
  };

  Interner patients_;
  Interner encounters_;  // 0 is the empty one
  Interner codes_;
  std::vector<Event> events_;
};

}  // namespace ragtime
