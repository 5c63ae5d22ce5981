#pragma once

// Which examples train and which validate, decided by patient.

#include <cstdint>
#include <string_view>
#include <vector>

#include "host/train/tasks.hpp"

namespace ragtime {

struct Split {
  std::vector<std::int32_t> training;    // indices into ExampleSet::examples, ascending
  std::vector<std::int32_t> validation;  // likewise
};

// A number in [0, 1) from the id and the seed alone: a patient stays on its side when others come or go.
double split_position(std::string_view patient_id, std::uint64_t seed);

// validation_share in (0, 1): patients whose position is below it validate. Throws when a side is empty.
Split split_examples(const Cohort& cohort, const ExampleSet& set, double validation_share,
                     std::uint64_t seed);

// What the metrics of this split cannot tell, in a sentence for a person; empty when there is nothing to say.
std::string split_warning(const Cohort& cohort, const ExampleSet& set, const Split& split);

}  // namespace ragtime
