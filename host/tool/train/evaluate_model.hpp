#pragma once

// How good the model of a run is on one part of its data.

#include "host/tool/train/evaluate.hpp"
#include "host/tool/train/trainer.hpp"

namespace ragtime {

// Of the model in options.out, that of the best epoch. Loss of regression: in the labels' unit.
Evaluation evaluate_model(const TrainingData& data, const TrainOptions& options, Part part,
                          const std::shared_ptr<Backend>& backend);

}  // namespace ragtime
