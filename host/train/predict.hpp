#pragma once

// Predictions of a model for a cohort, as a CSV file.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "host/train/tasks.hpp"
#include "ragtime/backend.hpp"
#include "ragtime/visit_lstm.hpp"

namespace ragtime {

struct PredictionSummary {
  std::int64_t patients = 0;
  std::int64_t lines = 0;  // without the header
};

// patient_id,p0[,p1...], or patient_id,visit,p0[,...] for visit-level tasks, visits counted from 0;
// probabilities (regression: the number), rounded to float, with 9 significant digits, which give the same
// float back. Patients in string order. A regular file appears whole or not at all; a pipe or a device is
// written directly. progress(done) gets the number of patients done. Throws Error(out_of_range) on a
// prediction that is not finite.
PredictionSummary write_predictions(VisitLstm& model, const std::shared_ptr<Backend>& backend,
                                    const EncodedCohort& encoded, const ExampleSet& examples,
                                    const std::filesystem::path& out,
                                    const std::function<void(std::int64_t)>& progress = {});

}  // namespace ragtime
