#include "host/data/cohort_builder.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

namespace ragtime {
namespace {

constexpr std::int64_t seconds_per_day = 86400;

std::int64_t day_of(std::int64_t seconds) {
  return (seconds >= 0 ? seconds : seconds - seconds_per_day + 1) / seconds_per_day;
}

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

struct OrderedEvent {
  std::int64_t time;
  std::int64_t day;  // 0 where the encounter tells the visit
  std::int32_t encounter;
  std::int32_t code;

  auto visit() const { return std::tie(encounter, day); }
};

struct Visit {
  std::int64_t time;
  std::int32_t encounter;
  std::span<const OrderedEvent> events;  // by code
};

void append_patient(std::span<OrderedEvent> events, const Interner& encounters, std::vector<Visit>& visits,
                    Cohort& cohort) {
  std::sort(events.begin(), events.end(), [](const OrderedEvent& left, const OrderedEvent& right) {
    return std::tie(left.encounter, left.day, left.code) < std::tie(right.encounter, right.day, right.code);
  });
  visits.clear();
  for (std::size_t begin = 0, end = 0; begin < events.size(); begin = end) {
    std::int64_t time = events[begin].time;
    for (end = begin + 1; end < events.size() && events[end].visit() == events[begin].visit(); ++end)
      time = std::min(time, events[end].time);
    visits.push_back({time, events[begin].encounter, events.subspan(begin, end - begin)});
  }
  std::sort(visits.begin(), visits.end(), [&](const Visit& left, const Visit& right) {
    if (left.time != right.time) return left.time < right.time;
    return encounters[left.encounter] < encounters[right.encounter];
  });
  for (const Visit& visit : visits) {
    cohort.visit_times.push_back(visit.time);
    for (std::size_t i = 0; i < visit.events.size(); ++i)
      if (i == 0 || visit.events[i].code != visit.events[i - 1].code)
        cohort.codes.push_back(visit.events[i].code);
    cohort.code_offsets.push_back(static_cast<std::int64_t>(cohort.codes.size()));
  }
  cohort.visit_offsets.push_back(static_cast<std::int64_t>(cohort.visit_times.size()));
}

}  // namespace

void CohortBuilder::add(std::string_view patient, std::string_view encounter, std::int64_t time,
                        std::string_view code) {
  events_.push_back({time, patients_.intern(patient), encounters_.intern(encounter), codes_.intern(code)});
}

Cohort CohortBuilder::finish() && {
  Cohort cohort;
  const auto patient_order = in_string_order(patients_);
  const auto code_order = in_string_order(codes_);
  const auto patient_ranks = inverse(patient_order);
  const auto code_ranks = inverse(code_order);
  cohort.patient_ids = strings(patients_, patient_order);
  cohort.code_names = strings(codes_, code_order);

  // A counting sort by patient; each patient's few events are sorted on their own. Patients and codes are
  // ranks from here on. Encounters keep their numbers: there are about as many as visits, and the order of
  // their texts matters only where a patient's visits begin at the same time.
  std::vector<std::size_t> begins(patient_order.size() + 1);
  for (const Event& event : events_) ++begins[patient_ranks[event.patient] + 1];
  std::partial_sum(begins.begin(), begins.end(), begins.begin());
  std::vector<OrderedEvent> sorted(events_.size());
  std::vector<std::size_t> next(begins.begin(), begins.end() - 1);
  for (const Event& event : events_) {
    const std::int64_t day = event.encounter == 0 ? day_of(event.time) : 0;
    sorted[next[patient_ranks[event.patient]]++] = {event.time, day, event.encounter, code_ranks[event.code]};
  }
  events_ = {};

  std::vector<Visit> visits;
  for (std::size_t patient = 0; patient + 1 < begins.size(); ++patient)
    append_patient({sorted.data() + begins[patient], sorted.data() + begins[patient + 1]}, encounters_,
                   visits, cohort);
  return cohort;
}

}  // namespace ragtime
