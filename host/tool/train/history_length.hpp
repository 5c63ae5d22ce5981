#pragma once

// What the length of a history alone tells of the label: what a model must do better than.

#include <optional>
#include <span>

#include "host/tool/train/tasks.hpp"

namespace ragtime {

enum class HistoryLength : std::uint8_t {
  visits,  // how many are input
  days,    // from the first of them to the prediction time, or to the last where there is none
};

// Of binary labels: the AUROC on `scored` of the event rate by length, learned on the `training` examples.
// The rate is taken to rise with the length, or to fall, whichever fits the training examples better, and
// fitted by isotonic regression (pool adjacent violators, Ayer et al. 1955). Empty where it is not defined.
std::optional<double> history_length_auroc(const Cohort& cohort, const ExampleSet& set, HistoryLength length,
                                           std::span<const std::int32_t> training,
                                           std::span<const std::int32_t> scored);

}  // namespace ragtime
