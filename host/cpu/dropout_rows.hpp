#pragma once

// Dropout masks over the rows of a batch, for the dropout operation and between LSTM layers.

#include <cstdint>

#include "host/base/philox.hpp"
#include "host/cpu/kernels.hpp"
#include "host/cpu/parallel.hpp"
#include "ragtime/types.hpp"

namespace ragtime::cpu {

inline DropoutStream dropout_stream(const DropoutKey& key, double probability) {
  const std::uint64_t step = key.step == nullptr ? 0 : *key.step;
  return {key.seed, static_cast<std::uint32_t>(step), key.site,
          0,        dropout_threshold(probability),   1 / (1 - probability)};
}

// x, y [N, width], or [B, width] when per_sequence. May be the same memory.
template <class T>
void dropout_rows(const RaggedView& batch, const DropoutKey& key, double probability, std::int64_t width,
                  bool per_sequence, const T* x, T* y) {
  const DropoutStream stream = dropout_stream(key, probability);
  parallel_for(batch.counts[0], [&](std::int64_t b) {
    DropoutStream own = stream;
    own.sequence_id = batch.sequence_ids == nullptr ? static_cast<std::uint32_t>(b) : batch.sequence_ids[b];
    const std::int64_t first = per_sequence ? b : batch.visit_offsets[b];
    const std::int64_t rows = per_sequence ? 1 : batch.visit_offsets[b + 1] - first;
    kernels<T>().dropout(rows * width, x + first * width, y + first * width, own, 0);
  });
}

}  // namespace ragtime::cpu
