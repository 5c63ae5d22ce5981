#include "host/tool/data/statistics.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <span>
#include <vector>

#include "host/base/check.hpp"

namespace ragtime {
namespace {

Quantiles quantiles(std::vector<std::int64_t> counts) {
  if (counts.empty()) return {};
  std::sort(counts.begin(), counts.end());
  const auto size = static_cast<std::int64_t>(counts.size());
  const auto at = [&](std::int64_t percent) { return counts[(percent * size + 99) / 100 - 1]; };
  const std::int64_t sum = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  return {at(10), at(50), at(90), at(99), at(100), static_cast<double>(sum) / static_cast<double>(size)};
}

std::vector<std::int64_t> differences(const std::vector<std::int64_t>& offsets) {
  std::vector<std::int64_t> counts(offsets.size() - 1);
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = offsets[i + 1] - offsets[i];
  return counts;
}

PaddedSlots padded_slots(const std::vector<std::int64_t>& visits, const std::vector<std::int64_t>& most_codes,
                         std::span<const std::int64_t> order, std::int64_t batch_size) {
  PaddedSlots slots;
  while (!order.empty()) {
    const auto batch = order.first(std::min(order.size(), static_cast<std::size_t>(batch_size)));
    order = order.subspan(batch.size());
    std::int64_t steps = 0;
    std::int64_t codes = 0;
    for (const std::int64_t patient : batch) {
      steps = std::max(steps, visits[patient]);
      codes = std::max(codes, most_codes[patient]);
    }
    slots.visits += static_cast<std::int64_t>(batch.size()) * steps;
    slots.codes += static_cast<std::int64_t>(batch.size()) * steps * codes;
  }
  return slots;
}

template <class... Values>
void append_line(std::string& text, const char* format, Values... values) {
  char line[160];
  std::snprintf(line, sizeof line, format, values...);
  text += line;
}

void append_quantiles(std::string& text, const char* name, const Quantiles& counts) {
  append_line(text, "%-20s %8lld %8lld %8lld %8lld %8lld %10.1f\n", name, static_cast<long long>(counts.p10),
              static_cast<long long>(counts.median), static_cast<long long>(counts.p90),
              static_cast<long long>(counts.p99), static_cast<long long>(counts.max), counts.mean);
}

void append_slots(std::string& text, const char* name, const RaggedStatistics& statistics,
                  const PaddedSlots& slots) {
  const auto percent = [](std::int64_t real, std::int64_t padded) {
    return padded == 0 ? 100.0 : 100.0 * static_cast<double>(real) / static_cast<double>(padded);
  };
  append_line(text, "%-20s %14lld %6.1f %%  %15lld %6.1f %%\n", name, static_cast<long long>(slots.visits),
              percent(statistics.visits, slots.visits), static_cast<long long>(slots.codes),
              percent(statistics.codes, slots.codes));
}

}  // namespace

RaggedStatistics ragged_statistics(const Cohort& cohort, std::int64_t batch_size) {
  check(batch_size > 0, ErrorCode::invalid_argument, "batch_size is ", batch_size, ": expected 1 or more");
  const std::vector<std::int64_t> visits = differences(cohort.visit_offsets);
  const std::vector<std::int64_t> codes = differences(cohort.code_offsets);
  std::vector<std::int64_t> most_codes(visits.size());
  for (std::size_t patient = 0; patient < visits.size(); ++patient)
    for (std::int64_t visit = cohort.visit_offsets[patient]; visit < cohort.visit_offsets[patient + 1];
         ++visit)
      most_codes[patient] = std::max(most_codes[patient], codes[visit]);

  RaggedStatistics statistics;
  statistics.patients = cohort.patients();
  statistics.visits = cohort.visits();
  statistics.codes = static_cast<std::int64_t>(cohort.codes.size());
  statistics.vocabulary = static_cast<std::int64_t>(cohort.code_names.size());
  statistics.visits_per_patient = quantiles(visits);
  statistics.codes_per_visit = quantiles(codes);
  statistics.batch_size = batch_size;

  std::vector<std::int64_t> order(visits.size());
  std::iota(order.begin(), order.end(), 0);
  statistics.in_patient_order = padded_slots(visits, most_codes, order, batch_size);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t left, std::int64_t right) { return visits[left] > visits[right]; });
  statistics.longest_first = padded_slots(visits, most_codes, order, batch_size);
  return statistics;
}

std::string to_text(const RaggedStatistics& statistics) {
  std::string text =
      concat("patients    ", statistics.patients, "\nvisits      ", statistics.visits, "\ncodes       ",
             statistics.codes, "\nvocabulary  ", statistics.vocabulary, "\n\n");
  append_line(text, "%-20s %8s %8s %8s %8s %8s %10s\n", "", "p10", "median", "p90", "p99", "max", "mean");
  append_quantiles(text, "visits per patient", statistics.visits_per_patient);
  append_quantiles(text, "codes per visit", statistics.codes_per_visit);
  text += concat("\nPadded batches of ", statistics.batch_size, " patients would hold\n");
  append_line(text, "%-20s %14s %8s  %15s %8s\n", "", "visits [B, T]", "real", "codes [B, T, C]", "real");
  append_slots(text, "in patient order", statistics, statistics.in_patient_order);
  append_slots(text, "longest first", statistics, statistics.longest_first);
  return text;
}

}  // namespace ragtime
