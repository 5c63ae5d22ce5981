// Batches of an epoch: shuffled, yet made of sequences of like length.

#include <algorithm>
#include <numeric>

#include "host/base/check.hpp"
#include "host/base/philox.hpp"
#include "ragtime/ragged_batch.hpp"

namespace ragtime {
namespace {

// A window of this many batches is sorted by length before it is cut: wide enough that batches are even,
// narrow enough that who meets whom stays random.
constexpr std::int64_t window_batches = 32;

enum class Draw : std::uint32_t { sequences = 1, batches = 2 };

// Fisher and Yates with counter-based numbers: the same permutation on every platform.
template <class T>
void shuffle(std::vector<T>& values, std::uint64_t seed, std::uint64_t epoch, Draw draw) {
  for (std::size_t i = values.size(); i > 1; --i) {
    const auto numbers = philox({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(draw),
                                 static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(epoch >> 32)},
                                seed);
    const std::uint64_t number = std::uint64_t{numbers[0]} << 32 | numbers[1];
    std::swap(values[i - 1], values[static_cast<std::size_t>(number % i)]);
  }
}

std::vector<std::vector<std::int32_t>> cut(std::span<const std::int32_t> indices,
                                           std::span<const std::int32_t> lengths,
                                           const EpochOptions& options) {
  std::vector<std::vector<std::int32_t>> batches;
  std::int64_t rows = 0;
  for (const std::int32_t index : indices) {
    const bool full =
        batches.empty() ||
        (options.batch_size > 0 ? static_cast<std::int64_t>(batches.back().size()) >= options.batch_size
                                : rows + lengths[index] > options.batch_rows);
    if (full) {
      batches.emplace_back();
      rows = 0;
    }
    batches.back().push_back(index);
    rows += lengths[index];
  }
  return batches;
}

}  // namespace

std::vector<std::vector<std::int32_t>> plan_epoch(std::span<const std::int32_t> lengths,
                                                  const EpochOptions& options) {
  check(options.batch_rows >= 0, ErrorCode::invalid_argument, "batch_rows is ", options.batch_rows,
        ": expected at least 1, or 0 with batch_size");
  check(options.batch_size >= 0, ErrorCode::invalid_argument, "batch_size is ", options.batch_size,
        ": expected at least 1, or 0 with batch_rows");
  check((options.batch_rows > 0) != (options.batch_size > 0), ErrorCode::invalid_argument, "batch_rows is ",
        options.batch_rows, " and batch_size is ", options.batch_size,
        ": expected exactly one of them above 0");
  check(lengths.size() <= INT32_MAX, ErrorCode::invalid_argument, "lengths has ", lengths.size(),
        " elements: expected less than 2^31");
  for (std::size_t i = 0; i < lengths.size(); ++i)
    check(lengths[i] >= 0, ErrorCode::invalid_argument, "lengths[", i, "] = ", lengths[i],
          ": expected a length, 0 or more");

  std::vector<std::int32_t> indices(lengths.size());
  std::iota(indices.begin(), indices.end(), 0);
  if (!options.shuffle) return cut(indices, lengths, options);

  shuffle(indices, options.seed, options.epoch, Draw::sequences);
  // How many sequences a window holds: by count exactly, by rows from their mean length.
  const std::int64_t count = static_cast<std::int64_t>(lengths.size());
  std::int64_t batch_sequences = options.batch_size;
  if (options.batch_rows > 0) {
    const std::int64_t rows = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    const std::int64_t mean_length = std::max<std::int64_t>(rows / std::max<std::int64_t>(count, 1), 1);
    batch_sequences = std::max<std::int64_t>(options.batch_rows / mean_length, 1);
  }
  const std::int64_t window = std::min(batch_sequences, count) * window_batches;
  std::vector<std::vector<std::int32_t>> batches;
  for (std::int64_t begin = 0; begin < count; begin += window) {
    const std::int64_t end = std::min(begin + window, count);
    std::stable_sort(indices.begin() + begin, indices.begin() + end,
                     [&](std::int32_t a, std::int32_t b) { return lengths[a] < lengths[b]; });
    auto part = cut(std::span(indices).subspan(begin, end - begin), lengths, options);
    std::move(part.begin(), part.end(), std::back_inserter(batches));
  }
  shuffle(batches, options.seed, options.epoch, Draw::batches);
  return batches;
}

}  // namespace ragtime
