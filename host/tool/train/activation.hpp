#pragma once

// From logits to what a prediction means.

#include <algorithm>
#include <cmath>
#include <span>

#include "ragtime/visit_lstm.hpp"

namespace ragtime {

inline double sigmoid(double logit) {
  return logit >= 0 ? 1 / (1 + std::exp(-logit)) : std::exp(logit) / (1 + std::exp(logit));
}

// One row of K logits becomes probabilities (multi_class: of the classes; survival: the hazard) or, for
// regression, stays.
inline void activate(Task task, std::span<double> row) {
  if (task == Task::regression) return;
  if (task != Task::multi_class) {
    for (double& value : row) value = sigmoid(value);
    return;
  }
  const double largest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (double& value : row) sum += value = std::exp(value - largest);
  for (double& value : row) value /= sum;
}

}  // namespace ragtime
