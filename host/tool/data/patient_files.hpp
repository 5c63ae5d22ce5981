#pragma once

// CSV files that say something of patients, beside the events: labels, ends of observation, splits.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/tool/data/timestamp.hpp"

namespace ragtime {

struct PatientLabel {
  std::string patient_id;
  double label = 0;
  Time until = last_time_of_all;  // what was known at this time, or before it, may be input
  std::string time_text = {};     // as the file gives it
  std::optional<Timestamp> time = {};
};

struct LabelTable {
  std::vector<PatientLabel> labels = {};  // in the order of the file
  bool has_times = false;                 // a file in the MEDS label schema; else labels of whole records
  bool is_categorical = false;
  std::vector<std::string> classes = {};  // of categorical_value, in string order; label k is class k
  std::int64_t null_values = 0;           // lines without a value, left out
  std::int64_t duplicates = 0;            // lines that repeat a patient, time and value, left out
};

enum class LabelValues : bool {
  required,
  ignored,  // for predictions: who and when is all that counts
};

// Labels in the MEDS label schema as CSV: subject_id, prediction_time, and of boolean_value, integer_value,
// float_value and categorical_value one that is filled, the same in every line; or the columns
// patient_id,label, one finite number a patient. Of a prediction_time without a time of day, nothing of that
// day is input, since the order within it is unknown. Throws Error(parse_error) with file and line: on two
// values in a line, on two values for one patient and time, on a value that is none of its column.
LabelTable read_labels(const std::filesystem::path& file, LabelValues values = LabelValues::required);

struct PatientTime {
  std::string patient_id;
  Timestamp time = {};
};

// subject_id,time (or patient_id,time), each patient once. Throws Error(parse_error) with file and line.
std::vector<PatientTime> read_patient_times(const std::filesystem::path& file);

enum class Part : std::uint8_t { training, validation, test };

inline constexpr Part all_parts[] = {Part::training, Part::validation, Part::test};

const char* name_of(Part part);  // "train", "validation", "test"

struct PatientPart {
  std::string patient_id;
  Part part = Part::training;
};

// subject_id or patient_id, and part or split: train, validation or test; also train, tuning and held_out, as
// MEDS calls them. Throws Error(parse_error) with file and line, also on a patient in two parts.
std::vector<PatientPart> read_patient_parts(const std::filesystem::path& file);

}  // namespace ragtime
