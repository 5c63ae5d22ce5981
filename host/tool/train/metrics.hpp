#pragma once

// How good predictions are. A metric that the data do not define (one class only, no pair to compare, a
// score that is NaN) is empty.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ragtime {

// Chance that a positive scores above a negative, ties counting one half.
std::optional<double> auroc(std::span<const double> scores, std::span<const std::uint8_t> labels);

// Sum over thresholds of precision times the gain in recall, as sklearn.metrics.average_precision_score.
std::optional<double> average_precision(std::span<const double> scores, std::span<const std::uint8_t> labels);

// Of the relevant ids (distinct), the share among the k highest scores; of equal scores the lower id counts
// as higher. Undefined without relevant ids.
std::optional<double> recall_at(std::int64_t k, std::span<const float> scores,
                                std::span<const std::int32_t> relevant);

// Survival predictions of many patients, ragged.
struct SurvivalPredictions {
  std::vector<std::int64_t> offsets{0};  // [P+1] into risk
  std::vector<double> risk;              // cumulative hazard, -log S, up to and with each visit of a patient
  std::vector<std::int32_t> event_time;  // [P] visit of the event or of censoring, within the patient's rows
  std::vector<std::uint8_t> observed;    // [P]
};

// Time-dependent concordance (Antolini, Boracchi, Biganzoli 2005). A pair counts when one patient's event is
// observed at visit e and the other is known to go on beyond e (a later time, or censored at e); it agrees
// when the first one's risk at e is the higher. Both risks are taken at visit e, so they rest on the same
// number of visits and on none after e. Ties count one half.
std::optional<double> concordance(const SurvivalPredictions& predictions);

}  // namespace ragtime
