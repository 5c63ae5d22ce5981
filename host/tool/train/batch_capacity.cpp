#include "host/tool/train/batch_capacity.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

namespace ragtime {
namespace {

struct Size {
  std::int64_t visits = 0;
  std::int64_t codes = 0;
};

Size size_of(const EncodedCohort& encoded, const Example& example) {
  Size size{.visits = example.visits};
  for_each_visit(*encoded.cohort, example, [&](std::int64_t visit) {
    size.codes += encoded.code_offsets[visit + 1] - encoded.code_offsets[visit];
  });
  return size;
}

Capacity widened(const Capacity& a, const Capacity& b) {
  return {std::max(a.sequences, b.sequences), std::max(a.rows, b.rows), std::max(a.codes, b.codes),
          std::max(a.steps, b.steps)};
}

// Of the `count` largest.
std::int64_t sum_of_largest(std::vector<std::int64_t> values, std::int64_t count) {
  const auto end = values.begin() + std::min(count, static_cast<std::int64_t>(values.size()));
  std::partial_sort(values.begin(), end, values.end(), std::greater<>());
  return std::accumulate(values.begin(), end, std::int64_t{0});
}

// A batch has counts of 31 bits, or is refused when it is made.
std::int64_t clamped(std::int64_t count) {
  return std::min<std::int64_t>(count, std::numeric_limits<std::int32_t>::max());
}

// As many sequences as there are short ones that fit; as many codes as those sequences have that have the
// most of them a visit, until the rows are full, the last one counted whole.
Capacity capacity_by_rows(std::vector<Size> sizes, std::int64_t batch_rows) {
  Capacity capacity;
  std::sort(sizes.begin(), sizes.end(), [](const Size& a, const Size& b) { return a.visits < b.visits; });
  std::int64_t rows = 0;
  for (const Size& size : sizes)
    if ((rows += size.visits) <= batch_rows || capacity.sequences == 0) ++capacity.sequences;
  capacity.rows = std::min(rows, std::max(batch_rows, sizes.back().visits));
  std::sort(sizes.begin(), sizes.end(),
            [](const Size& a, const Size& b) { return a.codes * b.visits > b.codes * a.visits; });
  rows = 0;
  for (const Size& size : sizes) {
    if (rows < capacity.rows) capacity.codes += size.codes;
    rows += size.visits;
  }
  return capacity;
}

}  // namespace

Capacity capacity_of(const EncodedCohort& encoded, const ExampleSet& set,
                     std::span<const std::vector<std::int32_t>> batches) {
  Capacity most;
  for (const std::vector<std::int32_t>& batch : batches) {
    Capacity own;
    own.sequences = static_cast<std::int64_t>(batch.size());
    for (const std::int32_t index : batch) {
      const Size size = size_of(encoded, set.examples[index]);
      own.rows += size.visits;
      own.codes += size.codes;
      own.steps = std::max(own.steps, size.visits);
    }
    most = widened(most, own);
  }
  return {most.sequences, clamped(most.rows), clamped(most.codes), most.steps};
}

Capacity epoch_capacity(const EncodedCohort& encoded, const ExampleSet& set,
                        std::span<const std::int32_t> indices, const EpochOptions& options) {
  if (indices.empty()) return {};
  std::vector<Size> sizes;
  std::vector<std::int64_t> visits, codes;
  for (const std::int32_t index : indices) {
    sizes.push_back(size_of(encoded, set.examples[index]));
    visits.push_back(sizes.back().visits);
    codes.push_back(sizes.back().codes);
  }
  Capacity capacity;
  if (options.batch_size > 0) {
    capacity.sequences = std::min(options.batch_size, static_cast<std::int64_t>(indices.size()));
    capacity.rows = sum_of_largest(visits, capacity.sequences);
    capacity.codes = sum_of_largest(codes, capacity.sequences);
  } else {
    capacity = capacity_by_rows(std::move(sizes), options.batch_rows);
  }
  capacity.steps = *std::max_element(visits.begin(), visits.end());
  return {capacity.sequences, clamped(capacity.rows), clamped(capacity.codes), capacity.steps};
}

}  // namespace ragtime
