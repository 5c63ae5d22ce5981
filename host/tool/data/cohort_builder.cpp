#include "host/tool/data/cohort_builder.hpp"

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
  Time known_by;
  Time visit_time;  // when the visit began, as far as this event knows
  Time visit_end;   // with the encounter, what tells the visit
  std::int32_t encounter;
  std::int32_t code;
};

// begin: of the event's encounter, null where that is not known. An event dated before it counts from it.
OrderedEvent ordered(const Timestamp& time, const Timestamp* begin, std::int32_t encounter, std::int32_t code,
                     VisitBy visit_by, Time west_offset) {
  const bool is_early = begin != nullptr && time.known_by() < begin->time;
  const Timestamp& counts = is_early ? *begin : time;
  const Time known_by = counts.known_by();
  if (encounter == 0 && visit_by == VisitBy::time) return {known_by, known_by, known_by, encounter, code};
  const std::int64_t day = counts.day();
  OrderedEvent event{known_by, known_by, (day + 1) * time_per_day - west_offset - 1, encounter, code};
  if (begin != nullptr && begin->day() == day) event.visit_time = std::min(known_by, begin->known_by());
  return event;
}

struct Visit {
  Time time;
  Time end;
  std::int32_t encounter;
  std::span<const OrderedEvent> events;  // by code, each code's earliest first
};

void append_patient(std::span<OrderedEvent> events, const Interner& encounters, std::vector<Visit>& visits,
                    Cohort& cohort) {
  std::sort(events.begin(), events.end(), [](const OrderedEvent& left, const OrderedEvent& right) {
    return std::tie(left.encounter, left.visit_end, left.code, left.known_by) <
           std::tie(right.encounter, right.visit_end, right.code, right.known_by);
  });
  visits.clear();
  for (std::size_t begin = 0, end = 0; begin < events.size(); begin = end) {
    Visit visit{events[begin].visit_time, events[begin].visit_end, events[begin].encounter, {}};
    for (end = begin + 1; end < events.size() && events[end].encounter == visit.encounter &&
                          events[end].visit_end == visit.end;
         ++end)
      visit.time = std::min(visit.time, events[end].visit_time);
    visit.events = events.subspan(begin, end - begin);
    visits.push_back(visit);
  }
  // By their ends, so that all codes of the visits up to one are known when it ends. That is the order of
  // their times, too, unless times come in several offsets.
  std::sort(visits.begin(), visits.end(), [&](const Visit& left, const Visit& right) {
    if (left.end != right.end) return left.end < right.end;
    if (left.time != right.time) return left.time < right.time;
    return encounters[left.encounter] < encounters[right.encounter];
  });
  for (const Visit& visit : visits) {
    cohort.visit_times.push_back(visit.time);
    cohort.visit_ends.push_back(visit.end);
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
  if (time.date_only) return;
  west_offset_ = has_times_ ? std::min(west_offset_, time.offset) : time.offset;
  east_offset_ = has_times_ ? std::max(east_offset_, time.offset) : time.offset;
  has_times_ = true;
}

void CohortBuilder::move_dates() {
  const auto move = [&](Timestamp& time) {
    if (time.date_only) time = {time.time + time.offset - west_offset_, west_offset_, true};
  };
  for (Event& event : events_) {
    Timestamp time = event.timestamp();
    move(time);
    event.set(time);
  }
  for (auto& [key, begin] : begins_) move(begin);
}

Cohort CohortBuilder::finish(std::int64_t* static_patients, std::string* first_static_patient) && {
  if (west_offset_ != 0) move_dates();

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
  cohort.west_offset = west_offset_;
  cohort.east_offset = east_offset_;
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
                code_ranks[event.code], visit_by_, west_offset_);
  }
  events_ = {};

  std::vector<Visit> visits;
  for (std::size_t patient = 0; patient + 1 < starts.size(); ++patient)
    append_patient({sorted.data() + starts[patient], sorted.data() + starts[patient + 1]}, encounters_,
                   visits, cohort);
  return cohort;
}

}  // namespace ragtime
