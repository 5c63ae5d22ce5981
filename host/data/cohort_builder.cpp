#include "host/data/cohort_builder.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

namespace ragtime {
namespace {

std::vector<std::int32_t> in_string_order(const Interner& texts) {
  std::vector<std::int32_t> order(texts.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](std::int32_t left, std::int32_t right) { return texts[left] < texts[right]; });
  return order;
}

std::vector<std::int32_t> inverse(const std::vector<std::int32_t>& order) {
  std::vector<std::int32_t> ranks(order.size());
  for (std::size_t rank = 0; rank < order.size(); ++rank)
    ranks[order[rank]] = static_cast<std::int32_t>(rank);
  return ranks;
}

std::vector<std::string> strings(const Interner& texts, const std::vector<std::int32_t>& order) {
  std::vector<std::string> result;
  result.reserve(order.size());
  for (const std::int32_t id : order) result.emplace_back(texts[id]);
  return result;
}

// An event as its visit needs it.
struct OrderedEvent {
  Time visit;       // with the encounter, what tells the visit: its day, or its time
  Time visit_time;  // when the visit began, as far as this event knows
  Time visit_end;
  Time known_by;
  std::int32_t encounter;
  std::int32_t code;
};

// begin: of the event's encounter, null where that is not known.
OrderedEvent ordered(const Timestamp& time, const Timestamp* begin, std::int32_t encounter, std::int32_t code,
                     VisitBy visit_by) {
  const bool early = begin != nullptr && time.known_by() < begin->time;
  const Timestamp& counts = early ? *begin : time;
  const Time day_end = counts.day_end();
  const Time known_by = counts.date_only ? day_end : counts.time;
  OrderedEvent event{
      (day_end + counts.offset + 1) / time_per_day - 1, known_by, day_end, known_by, encounter, code};
  if (begin != nullptr && begin->day() == event.visit)
    event.visit_time = std::min(known_by, begin->known_by());
  if (encounter == 0 && visit_by == VisitBy::time) event.visit = event.visit_end = known_by;
  return event;
}

struct Visit {
  Time time;
  Time end;
  Time key;
  std::int32_t encounter;
  std::span<const OrderedEvent> events;  // by code, each code's earliest first
};

void append_patient(std::span<OrderedEvent> events, const Interner& encounters, std::vector<Visit>& visits,
                    Cohort& cohort) {
  std::sort(events.begin(), events.end(), [](const OrderedEvent& left, const OrderedEvent& right) {
    return std::tie(left.encounter, left.visit, left.code, left.known_by) <
           std::tie(right.encounter, right.visit, right.code, right.known_by);
  });
  visits.clear();
  for (std::size_t begin = 0, end = 0; begin < events.size(); begin = end) {
    const OrderedEvent& first = events[begin];
    Visit visit{first.visit_time, first.visit_end, first.visit, first.encounter, {}};
    for (end = begin + 1;
         end < events.size() && events[end].encounter == first.encounter && events[end].visit == first.visit;
         ++end) {
      visit.time = std::min(visit.time, events[end].visit_time);
      visit.end = std::max(visit.end, events[end].visit_end);
    }
    visit.events = events.subspan(begin, end - begin);
    visits.push_back(visit);
  }
  // One encounter has two visits of one time where two offsets give that time two days.
  std::sort(visits.begin(), visits.end(), [&](const Visit& left, const Visit& right) {
    if (left.time != right.time) return left.time < right.time;
    if (left.encounter != right.encounter) return encounters[left.encounter] < encounters[right.encounter];
    return left.key < right.key;
  });
  // Where a patient's times come in several offsets, an earlier visit's day may end after a later one's.
  Time end = std::numeric_limits<Time>::min();
  for (const Visit& visit : visits) {
    cohort.visit_times.push_back(visit.time);
    cohort.visit_ends.push_back(end = std::max(end, visit.end));
    for (std::size_t i = 0; i < visit.events.size(); ++i) {
      if (i > 0 && visit.events[i].code == visit.events[i - 1].code) continue;
      cohort.codes.push_back(visit.events[i].code);
      cohort.code_times.push_back(visit.events[i].known_by);
    }
    cohort.code_offsets.push_back(static_cast<std::int64_t>(cohort.codes.size()));
  }
  cohort.visit_offsets.push_back(static_cast<std::int64_t>(cohort.visit_times.size()));
}

}  // namespace

bool CohortBuilder::begin_encounter(std::string_view patient, std::string_view encounter,
                                    const Timestamp& begin) {
  const EncounterKey key{patients_.intern(patient), encounters_.intern(encounter)};
  const auto [found, is_new] = begins_.emplace(key, begin);
  note_offset(begin);
  return is_new || found->second == begin;
}

void CohortBuilder::add(std::string_view patient, std::string_view encounter, const Timestamp& time,
                        std::string_view code) {
  Event event{0, 0, patients_.intern(patient), encounters_.intern(encounter), codes_.intern(code)};
  event.set(time);
  events_.push_back(event);
  note_offset(time);
}

void CohortBuilder::add_static(std::string_view patient) {
  static_patients_.push_back(patients_.intern(patient));
}

void CohortBuilder::note_offset(const Timestamp& time) {
  has_dates_ = has_dates_ || time.date_only;
  has_west_ = has_west_ || time.offset < 0;
}

void CohortBuilder::end_dates_with_their_day() {
  struct WestDay {
    std::int32_t patient;
    std::int64_t day;
    Time offset;
  };
  std::vector<WestDay> west;
  for (const Event& event : events_)
    if (const Timestamp time = event.timestamp(); time.offset < 0)
      west.push_back({event.patient, time.day(), time.offset});
  for (const auto& [key, begin] : begins_)
    if (begin.offset < 0) west.push_back({key.first, begin.day(), begin.offset});
  std::sort(west.begin(), west.end(), [](const WestDay& left, const WestDay& right) {
    return std::tie(left.patient, left.day, left.offset) < std::tie(right.patient, right.day, right.offset);
  });

  const auto adjust = [&](std::int32_t patient, Timestamp& time) {
    if (!time.date_only) return;
    const WestDay wanted{patient, time.day(), 0};
    const auto found =
        std::lower_bound(west.begin(), west.end(), wanted, [](const WestDay& left, const WestDay& right) {
          return std::tie(left.patient, left.day) < std::tie(right.patient, right.day);
        });
    if (found == west.end() || found->patient != patient || found->day != wanted.day) return;
    time = {time.time + time.offset - found->offset, found->offset, true};
  };
  for (Event& event : events_) {
    Timestamp time = event.timestamp();
    adjust(event.patient, time);
    event.set(time);
  }
  for (auto& [key, begin] : begins_) adjust(key.first, begin);
}

Cohort CohortBuilder::finish(std::int64_t* static_patients, std::string* first_static_patient) && {
  if (has_dates_ && has_west_) end_dates_with_their_day();

  std::vector<std::uint8_t> has_event(static_cast<std::size_t>(patients_.size()));
  for (const Event& event : events_) has_event[event.patient] = 1;
  std::vector<std::uint8_t> is_static(has_event.size());
  for (const std::int32_t patient : static_patients_) is_static[patient] = !has_event[patient];
  auto patient_order = in_string_order(patients_);
  if (static_patients != nullptr) *static_patients = std::count(is_static.begin(), is_static.end(), 1);
  if (first_static_patient != nullptr) {
    const auto first = std::find_if(patient_order.begin(), patient_order.end(),
                                    [&](std::int32_t patient) { return is_static[patient] != 0; });
    *first_static_patient = first == patient_order.end() ? std::string_view() : patients_[*first];
  }
  std::erase_if(patient_order, [&](std::int32_t patient) { return has_event[patient] == 0; });
  std::vector<std::int32_t> patient_ranks(has_event.size());  // of those with an event
  for (std::size_t rank = 0; rank < patient_order.size(); ++rank)
    patient_ranks[patient_order[rank]] = static_cast<std::int32_t>(rank);

  Cohort cohort;
  const auto code_order = in_string_order(codes_);
  const auto code_ranks = inverse(code_order);
  cohort.patient_ids = strings(patients_, patient_order);
  cohort.code_names = strings(codes_, code_order);
  cohort.last_time = std::numeric_limits<Time>::min();
  for (const auto& [key, begin] : begins_) cohort.last_time = std::max(cohort.last_time, begin.known_by());

  // A counting sort by patient; each patient's few events are sorted on their own. Patients and codes are
  // ranks from here on. Encounters keep their numbers: there are about as many as visits, and the order of
  // their texts matters only where a patient's visits begin at the same time.
  std::vector<std::size_t> starts(patient_order.size() + 1);
  for (const Event& event : events_) ++starts[patient_ranks[event.patient] + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  std::vector<OrderedEvent> sorted(events_.size());
  std::vector<std::size_t> next(starts.begin(), starts.end() - 1);
  for (const Event& event : events_) {
    const Timestamp time = event.timestamp();
    cohort.last_time = std::max(cohort.last_time, time.known_by());
    const auto begin = begins_.empty() ? begins_.end() : begins_.find({event.patient, event.encounter});
    sorted[next[patient_ranks[event.patient]]++] =
        ordered(time, begin == begins_.end() ? nullptr : &begin->second, event.encounter,
                code_ranks[event.code], visit_by_);
  }
  events_ = {};

  std::vector<Visit> visits;
  for (std::size_t patient = 0; patient + 1 < starts.size(); ++patient)
    append_patient({sorted.data() + starts[patient], sorted.data() + starts[patient + 1]}, encounters_,
                   visits, cohort);
  return cohort;
}

}  // namespace ragtime
