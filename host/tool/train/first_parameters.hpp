#pragma once

// What a run begins with: the reference model's initial parameters, but for what the training examples tell
// beforehand.

#include <vector>

#include "host/tool/train/trainer.hpp"

namespace ragtime {

// The parameters of initial_parameters(model, options.seed), except
//
//   embedding rows   of [UNK], and of ids that no training example's input holds: 0, when
//                    options.min_code_count is above 1 or options.code_dropout above 0.
//   the head's bias  of classification: the log odds, or the logarithms of the classes' shares, of the
//                    training examples' targets; binary_classification and visit_binary
//                    log((positives + 0.5) / (negatives + 0.5)), multi_class log((n_k + 0.5) / (n + K / 2)).
std::vector<float> first_parameters(const VisitLstm& model, const TrainingData& data,
                                    const TrainOptions& options);

}  // namespace ragtime
