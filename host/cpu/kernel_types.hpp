#pragma once

// Plain arguments of the per-instruction-set kernels. Those are compiled with flags that not every processor
// has, so nothing with inline functions from the standard library may be included on the way there.

#include <stdint.h>

namespace ragtime {

struct DropoutStream {
  uint64_t seed;
  uint32_t step;
  uint32_t site;
  uint32_t sequence_id;
  uint32_t threshold;  // numbers below drop
  double scale;        // 1 / (1 - p)
};

struct AdamWStep {
  double gradient_scale;  // clipping
  double decay;           // 1 - learning_rate * weight_decay
  double beta1, beta2;
  double step_size;   // learning_rate / (1 - beta1^t)
  double root_scale;  // 1 / sqrt(1 - beta2^t)
  double epsilon;
};

}  // namespace ragtime
