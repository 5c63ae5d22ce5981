#include "ragtime/ragged_batch.hpp"

#include <algorithm>
#include <numeric>

#include "host/base/check.hpp"

namespace ragtime {
namespace {

constexpr std::int64_t most = INT32_MAX;

void check_span(std::size_t got, std::int64_t expected, const char* name, const char* shape) {
  check(static_cast<std::int64_t>(got) == expected, ErrorCode::shape_mismatch, name, " has ", got,
        " elements: expected ", expected, ", ", shape);
}

void check_side(std::int64_t size, const char* name) {
  check(size >= 0 && size < most, ErrorCode::invalid_argument, name, " is ", size,
        ": expected 0 or more, less than 2147483647");
}

// B * T * C. Each side is below 2^31, so B * T cannot overflow.
std::int64_t volume(std::int64_t sequences, std::int64_t steps, std::int64_t codes_per_visit) {
  check_side(sequences, "sequences");
  check_side(steps, "steps");
  check_side(codes_per_visit, "codes_per_visit");
  std::int64_t product = 0;
  check(!__builtin_mul_overflow(sequences * steps, codes_per_visit, &product), ErrorCode::invalid_argument,
        "sequences, steps, codes_per_visit are ", sequences, ", ", steps, ", ", codes_per_visit,
        ": expected a product below 2^63");
  return product;
}

void check_vocab_size(std::int64_t vocab_size) {
  check(vocab_size >= 0, ErrorCode::invalid_argument, "vocab_size is ", vocab_size,
        ": expected the size of the vocabulary, or 0 for no check");
}

// Everything that follows from visit_offsets, which are right by now.
void complete(RaggedLayout& layout, const RaggedOptions& options) {
  const auto& offsets = layout.visit_offsets;
  const std::int32_t sequences = static_cast<std::int32_t>(offsets.size()) - 1;
  std::int32_t zeros = 0, first_zero = 0, longest = 0;
  for (std::int32_t b = 0; b < sequences; ++b) {
    const std::int32_t length = offsets[b + 1] - offsets[b];
    if (length == 0 && zeros++ == 0) first_zero = b;
    longest = std::max(longest, length);
  }
  check(options.allow_zero_length || zeros == 0, ErrorCode::invalid_argument, zeros,
        zeros == 1 ? " sequence has" : " sequences have", " zero length, first at ", first_zero,
        ": expected at least one visit each (RaggedOptions::allow_zero_length lets them pass)");

  layout.order.resize(sequences);
  std::iota(layout.order.begin(), layout.order.end(), 0);
  std::stable_sort(layout.order.begin(), layout.order.end(), [&](std::int32_t a, std::int32_t b) {
    return offsets[a + 1] - offsets[a] > offsets[b + 1] - offsets[b];
  });
  layout.inverse_order.resize(sequences);
  for (std::int32_t i = 0; i < sequences; ++i) layout.inverse_order[layout.order[i]] = i;

  layout.batch_sizes.assign(longest, 0);
  for (std::int32_t alive = sequences, t = 0; t < longest; ++t) {
    while (layout.length(layout.order[alive - 1]) <= t) --alive;
    layout.batch_sizes[t] = alive;
  }
}

void check_code(std::int32_t code, std::int64_t vocab_size, std::size_t patient, std::size_t visit,
                std::size_t position) {
  check(vocab_size == 0 || (code >= 0 && code < vocab_size), ErrorCode::out_of_range, "codes[", patient, "][",
        visit, "][", position, "] = ", code, ": expected a code id in [0, ", vocab_size, ")");
}

std::int64_t prefix_length(std::span<const std::uint8_t> mask, std::int64_t b, std::int64_t steps) {
  std::int64_t length = 0;
  for (std::int64_t t = 0; t < steps; ++t) {
    const int value = mask[b * steps + t];
    check(value <= 1, ErrorCode::invalid_argument, "sequence_mask[", b, ", ", t, "] = ", value,
          ": expected 0 or 1");
    check(value == 0 || length == t, ErrorCode::invalid_argument, "sequence_mask[", b, ", ", t,
          "] = 1 follows a 0: expected the real visits first, without a hole");
    length += value;
  }
  return length;
}

}  // namespace

RaggedLayout RaggedLayout::from_lengths(std::span<const std::int32_t> lengths, RaggedOptions options) {
  RaggedLayout layout;
  check(static_cast<std::int64_t>(lengths.size()) < most, ErrorCode::invalid_argument, "lengths has ",
        lengths.size(), " elements: expected at most 2^31 - 2");
  layout.visit_offsets.reserve(lengths.size() + 1);
  std::int64_t rows = 0;
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    check(lengths[b] >= 0, ErrorCode::invalid_argument, "lengths[", b, "] = ", lengths[b],
          ": expected a length, 0 or more");
    rows += lengths[b];
    check(rows <= most, ErrorCode::invalid_argument,
          "lengths add up to more than 2147483647 rows, at lengths[", b, "]");
    layout.visit_offsets.push_back(static_cast<std::int32_t>(rows));
  }
  complete(layout, options);
  return layout;
}

RaggedLayout RaggedLayout::from_offsets(std::span<const std::int32_t> visit_offsets, RaggedOptions options) {
  check(!visit_offsets.empty(), ErrorCode::shape_mismatch,
        "visit_offsets is empty: expected B+1 elements, at least one");
  check(static_cast<std::int64_t>(visit_offsets.size()) <= most, ErrorCode::invalid_argument,
        "visit_offsets has ", visit_offsets.size(), " elements: expected less than 2^31");
  check(visit_offsets[0] == 0, ErrorCode::invalid_argument, "visit_offsets[0] = ", visit_offsets[0],
        ": expected 0");
  for (std::size_t b = 1; b < visit_offsets.size(); ++b)
    check(visit_offsets[b] >= visit_offsets[b - 1], ErrorCode::invalid_argument, "visit_offsets[", b,
          "] = ", visit_offsets[b], " is smaller than visit_offsets[", b - 1, "] = ", visit_offsets[b - 1],
          ": offsets must not decrease");
  RaggedLayout layout;
  layout.visit_offsets.assign(visit_offsets.begin(), visit_offsets.end());
  complete(layout, options);
  return layout;
}

RaggedLayout RaggedLayout::from_mask(std::span<const std::uint8_t> mask, std::int64_t sequences,
                                     std::int64_t steps, RaggedOptions options) {
  check_span(mask.size(), volume(sequences, steps, 1), "sequence_mask", "[B, T]");
  std::vector<std::int32_t> lengths(sequences);
  for (std::int64_t b = 0; b < sequences; ++b)
    lengths[b] = static_cast<std::int32_t>(prefix_length(mask, b, steps));
  return from_lengths(lengths, options);
}

Capacity RaggedBatch::size() const {
  return {layout.sequences(), layout.rows(), static_cast<std::int64_t>(codes.size()), layout.steps()};
}

RaggedBatch RaggedBatch::from_patients(std::span<const PatientVisits> patients, std::int64_t vocab_size,
                                       RaggedOptions options) {
  check_vocab_size(vocab_size);
  RaggedBatch batch;
  std::vector<std::int32_t> lengths;
  lengths.reserve(patients.size());
  for (std::size_t b = 0; b < patients.size(); ++b) {
    check(static_cast<std::int64_t>(patients[b].size()) <= most, ErrorCode::invalid_argument, "patients[", b,
          "] has ", patients[b].size(), " visits: expected less than 2^31");
    lengths.push_back(static_cast<std::int32_t>(patients[b].size()));
    for (std::size_t t = 0; t < patients[b].size(); ++t) {
      const VisitCodes& visit = patients[b][t];
      for (std::size_t i = 0; i < visit.size(); ++i) check_code(visit[i], vocab_size, b, t, i);
      batch.codes.insert(batch.codes.end(), visit.begin(), visit.end());
      check(static_cast<std::int64_t>(batch.codes.size()) <= most, ErrorCode::invalid_argument,
            "the batch has more than 2147483647 codes, at patients[", b, "]");
      batch.code_offsets.push_back(static_cast<std::int32_t>(batch.codes.size()));
    }
  }
  batch.layout = RaggedLayout::from_lengths(lengths, options);
  return batch;
}

RaggedBatch RaggedBatch::from_padded(std::span<const std::int32_t> codes,
                                     std::span<const std::uint8_t> visit_mask,
                                     std::span<const std::uint8_t> sequence_mask, std::int64_t sequences,
                                     std::int64_t steps, std::int64_t codes_per_visit,
                                     std::int64_t vocab_size, RaggedOptions options) {
  check_vocab_size(vocab_size);
  const std::int64_t elements = volume(sequences, steps, codes_per_visit);
  check_span(codes.size(), elements, "codes", "[B, T, C]");
  if (!visit_mask.empty()) check_span(visit_mask.size(), elements, "visit_mask", "[B, T, C]");
  RaggedBatch batch;
  if (sequence_mask.empty() && sequences * steps > 0) {
    batch.layout = RaggedLayout::from_lengths(
        std::vector<std::int32_t>(sequences, static_cast<std::int32_t>(steps)), options);
  } else {
    batch.layout = RaggedLayout::from_mask(sequence_mask, sequences, steps, options);
  }

  for (std::int64_t b = 0; b < sequences; ++b)
    for (std::int64_t t = 0; t < batch.layout.length(static_cast<std::int32_t>(b)); ++t) {
      for (std::int64_t i = 0; i < codes_per_visit; ++i) {
        const std::int64_t element = (b * steps + t) * codes_per_visit + i;
        const int real = visit_mask.empty() ? 1 : visit_mask[element];
        check(real <= 1, ErrorCode::invalid_argument, "visit_mask[", b, ", ", t, ", ", i, "] = ", real,
              ": expected 0 or 1");
        if (real == 0) continue;
        check_code(codes[element], vocab_size, b, t, i);
        batch.codes.push_back(codes[element]);
      }
      check(static_cast<std::int64_t>(batch.codes.size()) <= most, ErrorCode::invalid_argument,
            "the batch has more than 2147483647 codes, at codes[", b, "]");
      batch.code_offsets.push_back(static_cast<std::int32_t>(batch.codes.size()));
    }
  return batch;
}

}  // namespace ragtime
