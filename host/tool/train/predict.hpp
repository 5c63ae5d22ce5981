#pragma once

// Predictions of a model for a cohort, as a CSV file.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "host/tool/train/tasks.hpp"
#include "ragtime/backend.hpp"
#include "ragtime/visit_lstm.hpp"

namespace ragtime {

struct PredictionSummary {
  std::int64_t examples = 0;  // sequences: a patient, or a patient at a prediction time
  std::int64_t lines = 0;     // without the header
};

// What stands between the patient's id and the numbers, besides the visit.
struct PredictionColumns {
  bool prediction_time = false;  // of the examples, as the label file has it
  std::string time_text = {};    // instead: one for all, as given; empty: none
  const std::unordered_map<std::string, Part>* parts = nullptr;  // by patient; null: no column
};

// patient_id[,prediction_time][,part],p0[,p1...], and for visit-level tasks a column visit, counted from 0,
// before p0, and a line per visit, or that of the last visit alone where examples have a prediction time
// each; probabilities (regression: the number), rounded to float, with 9 significant digits, which give the
// same float back. Patients in string order, each by time. A regular file appears whole or not at all; a pipe
// or a device is written directly. progress(done) gets the number of examples done. Throws
// Error(out_of_range) on a prediction that is not finite.
PredictionSummary write_predictions(VisitLstm& model, const std::shared_ptr<Backend>& backend,
                                    const EncodedCohort& encoded, const ExampleSet& examples,
                                    const std::filesystem::path& out, const PredictionColumns& columns = {},
                                    const std::function<void(std::int64_t)>& progress = {});

}  // namespace ragtime
