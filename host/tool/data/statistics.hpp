#pragma once

// How ragged a cohort is, and what padding it would cost.

#include <cstdint>
#include <string>

#include "host/tool/data/cohort.hpp"

namespace ragtime {

// Of counts, by nearest rank: each is a count that occurs.
struct Quantiles {
  std::int64_t p10 = 0;
  std::int64_t median = 0;
  std::int64_t p90 = 0;
  std::int64_t p99 = 0;
  std::int64_t max = 0;
  double mean = 0;
};

// What padded batches of all patients would hold: [B, T] visits and [B, T, C] codes, T and C the largest of
// each batch.
struct PaddedSlots {
  std::int64_t visits = 0;
  std::int64_t codes = 0;
};

struct RaggedStatistics {
  std::int64_t patients = 0;
  std::int64_t visits = 0;
  std::int64_t codes = 0;
  std::int64_t vocabulary = 0;
  Quantiles visits_per_patient;
  Quantiles codes_per_visit;
  std::int64_t batch_size = 0;
  PaddedSlots in_patient_order;
  PaddedSlots longest_first;
};

RaggedStatistics ragged_statistics(const Cohort& cohort, std::int64_t batch_size = 64);

// A few lines of text for a person.
std::string to_text(const RaggedStatistics& statistics);

}  // namespace ragtime
