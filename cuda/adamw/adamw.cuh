#pragma once

// AdamW over all parameters at once, in three launches that no number on the host decides about.
//
//   squares   partial[c] = sum of g^2 over chunk c, in double
//   decide    norm = sqrt(sum of partial): one block; whether the step is taken, the state, and the factors
//   update    g' = g gradient_scale,  m = beta1 m + (1 - beta1) g',  v = beta2 v + (1 - beta2) g'^2,
//             p = p decay - step_size m / (sqrt(v) root_scale + epsilon)
//
// What is summed with what depends on the element's index alone: chunks have a fixed size, and a thread has
// the same groups of elements of every chunk. The parameters are added up in f32: those themselves, or for
// bf16 and f16 the master, of which they are the rounded copy. Bytes moved an element, f32 and 16 bits alike:
// 28 by update; 4 or 2 more by squares. A step that is not taken moves what squares reads. Each launch
// reads what the one before it wrote; within one, only the threads of a block wait for each other.

#include <cmath>
#include <limits>

#include "cuda/arch/arch.cuh"
#include "cuda/support/elements.cuh"
#include "ragtime/adamw.hpp"
#include "ragtime/status.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct AdamWTuning {
  static constexpr unsigned threads = 256;
  static constexpr unsigned warps = threads / arch::warp_size;
  static constexpr int group = 4;         // elements that a thread updates at a time
  static constexpr int chunk = 16 * 256;  // elements of a partial sum
};

// What decide tells update.
struct AdamWDecision {
  std::uint32_t is_taken;
  float gradient_scale, decay;
  float beta1, rest1, beta2, rest2;
  float step_size, root_scale, epsilon;
};

struct AdamWWork {
  double* partials;  // [ceil(n / chunk)]
  AdamWDecision* decision;
};

// The first thread gets the sum of the block's.
RAGTIME_DEVICE double adamw_block_sum(double sum) {
  RAGTIME_SHARED(double, of_warps, AdamWTuning::warps);
  for (unsigned flip = arch::warp_size / 2; flip > 0; flip /= 2) sum += arch::shfl_xor(sum, flip);
  if (arch::lane() == 0) of_warps[arch::warp()] = sum;
  arch::block_sync();
  sum = 0;
  if (arch::thread_rank() == 0)
    for (unsigned warp = 0; warp < AdamWTuning::warps; ++warp) sum += of_warps[warp];
  arch::block_sync();  // before the next sum overwrites them
  return sum;
}

// Aligned: gradients are, to 16 bytes.
template <class T, bool Aligned>
RAGTIME_KERNEL(AdamWTuning::threads, 1)
adamw_squares(std::int64_t n, const T* gradients, AdamWWork work) {
  constexpr int group = widest_elements<T>;
  for (std::int64_t chunk = arch::block_index().x; chunk * AdamWTuning::chunk < n;
       chunk += arch::grid_extent().x) {
    double sum = 0;
    RAGTIME_UNROLL
    for (int i = 0; i < AdamWTuning::chunk; i += group * static_cast<int>(AdamWTuning::threads)) {
      const std::int64_t from = chunk * AdamWTuning::chunk + i + std::int64_t{arch::thread_rank()} * group;
      float g[group] = {};
      if (Aligned && from + group <= n) {
        load_floats(gradients + from, g);
      } else {
        for (int k = 0; k < group; ++k)
          if (from + k < n) g[k] = arch::to_float(gradients[from + k]);
      }
      RAGTIME_UNROLL
      for (int k = 0; k < group; ++k) sum += static_cast<double>(g[k]) * static_cast<double>(g[k]);
    }
    sum = adamw_block_sum(sum);
    if (arch::thread_rank() == 0) work.partials[chunk] = sum;
  }
}

RAGTIME_KERNEL(AdamWTuning::threads, 1)
adamw_decide(std::int64_t n, AdamWOptions options, AdamWState* state, const std::uint64_t* status,
             AdamWWork work) {
  double sum = 0;
  for (std::int64_t i = arch::thread_rank(); i * AdamWTuning::chunk < n; i += AdamWTuning::threads)
    sum += work.partials[i];
  sum = adamw_block_sum(sum);
  if (arch::thread_rank() != 0) return;

  const double norm = sqrt(sum);
  state->gradient_norm = norm;
  AdamWDecision decision{};
  decision.is_taken = norm <= std::numeric_limits<double>::max() &&  // not so for NaN
                      (status == nullptr || *status == no_fault);
  if (decision.is_taken == 0) {
    ++state->skipped;
    *work.decision = decision;
    return;
  }
  const auto step = static_cast<double>(++state->step);
  const double clipping = options.clip_norm / (norm + 1e-6);
  decision.gradient_scale = options.clip_norm > 0 && clipping < 1 ? static_cast<float>(clipping) : 1.0f;
  decision.decay = static_cast<float>(1 - options.learning_rate * options.weight_decay);
  decision.beta1 = static_cast<float>(options.beta1);
  decision.rest1 = static_cast<float>(1 - options.beta1);
  decision.beta2 = static_cast<float>(options.beta2);
  decision.rest2 = static_cast<float>(1 - options.beta2);
  decision.step_size = static_cast<float>(options.learning_rate / (1 - pow(options.beta1, step)));
  decision.root_scale = static_cast<float>(1 / sqrt(1 - pow(options.beta2, step)));
  decision.epsilon = static_cast<float>(options.epsilon);
  *work.decision = decision;
}

// What update reads and writes. values: the parameters that are added up in; rounded: their 16-bit copy, or
// null.
template <class T>
struct AdamWArrays {
  const T* gradients;
  float *values, *first_moment, *second_moment;
  T* rounded;
};

template <int N, class T>
RAGTIME_DEVICE void adamw_elements(const AdamWDecision& now, const AdamWArrays<T>& arrays,
                                   std::int64_t from) {
  float g[N], p[N], m[N], v[N];
  load_floats(arrays.gradients + from, g);
  load_floats(arrays.values + from, p);
  load_floats(arrays.first_moment + from, m);
  load_floats(arrays.second_moment + from, v);
  RAGTIME_UNROLL
  for (int k = 0; k < N; ++k) {
    const float scaled = g[k] * now.gradient_scale;
    // Each rounded where it is written so, or the compiler may do it one way for N elements and another
    // for 1.
    m[k] = arch::fma(now.beta1, m[k], now.rest1 * scaled);
    v[k] = arch::fma(now.beta2, v[k], now.rest2 * scaled * scaled);
    const float step = now.step_size * m[k] / arch::fma(sqrtf(v[k]), now.root_scale, now.epsilon);
    p[k] = arch::fma(p[k], now.decay, -step);
  }
  store_floats(arrays.values + from, p);
  store_floats(arrays.first_moment + from, m);
  store_floats(arrays.second_moment + from, v);
  if (arrays.rounded != nullptr) store_floats(arrays.rounded + from, p);
}

// Aligned: every array is, to 16 bytes.
template <class T, bool Aligned>
RAGTIME_KERNEL(AdamWTuning::threads, 1)
adamw_update(std::int64_t n, AdamWArrays<T> arrays, AdamWWork work) {
  constexpr int group = AdamWTuning::group;
  const AdamWDecision now = *work.decision;
  if (now.is_taken == 0) return;
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * AdamWTuning::threads * group;
  for (std::int64_t from =
           (std::int64_t{arch::block_index().x} * AdamWTuning::threads + arch::thread_rank()) * group;
       from < n; from += stride) {
    if (Aligned && from + group <= n)
      adamw_elements<group>(now, arrays, from);
    else
      for (std::int64_t e = from; e < from + group && e < n; ++e) adamw_elements<1>(now, arrays, e);
  }
}

// to[i] = from[i], for a master from parameters and the other way round.
template <class From, class To, bool Aligned>
RAGTIME_KERNEL(AdamWTuning::threads, 1)
adamw_convert(std::int64_t n, const From* from, To* to) {
  constexpr int group = AdamWTuning::group;
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * AdamWTuning::threads * group;
  for (std::int64_t i =
           (std::int64_t{arch::block_index().x} * AdamWTuning::threads + arch::thread_rank()) * group;
       i < n; i += stride) {
    if (Aligned && i + group <= n) {
      float values[group];
      load_floats(from + i, values);
      store_floats(to + i, values);
    } else {
      for (std::int64_t e = i; e < i + group && e < n; ++e)
        to[e] = arch::from_float<To>(arch::to_float(from[e]));
    }
  }
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
