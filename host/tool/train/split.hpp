#pragma once

// Which examples train, which validate and which test, decided by patient.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/tool/train/tasks.hpp"

namespace ragtime {

struct SplitOptions {
  double validation = 0.2;  // shares of the patients; the others train
  double test = 0;
  std::string file = {};     // subject_id,part, instead of shares
  bool is_explicit = false;  // given as --split or --split-file: predictions name each patient's part

  bool operator==(const SplitOptions&) const = default;
};

// Throws Error(invalid_argument).
void validate(const SplitOptions& options);

struct Split {
  std::vector<std::int32_t> training;    // indices into ExampleSet::examples, ascending
  std::vector<std::int32_t> validation;  // likewise
  std::vector<std::int32_t> test;        // likewise
  std::vector<PatientPart> patients;     // every patient of the data that is in a part, in string order
  std::int64_t unmatched = 0;            // patients of the file that are not in the data
  std::int64_t without_part = 0;         // examples of patients that are not in the file, in no part

  const std::vector<std::int32_t>& part(Part part) const {
    return part == Part::training ? training : part == Part::validation ? validation : test;
  }
};

// A number in [0, 1) from the id and the seed alone: a patient stays in its part when others come or go.
// Below options.validation it validates, below options.validation + options.test it tests.
double split_position(std::string_view patient_id, std::uint64_t seed);

// file: what read_patient_parts read from options.file. Throws when there is nothing to train or to validate.
Split split_examples(const Cohort& cohort, const ExampleSet& set, const SplitOptions& options,
                     std::span<const PatientPart> file, std::uint64_t seed);

// patient_id,part of Split::patients, as read_patient_parts reads it.
std::string to_csv(std::span<const PatientPart> patients);

// What the metrics of this split cannot tell, each in a sentence for a person.
std::vector<std::string> split_warnings(const ExampleSet& set, const Split& split);

}  // namespace ragtime
