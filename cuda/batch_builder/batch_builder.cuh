#pragma once

// A ragged batch from lengths or a mask in device memory.
//
//   length[b]           lengths[b], or the ones at the beginning of mask row b; 0 for b >= B
//   visit_offsets[b+1]  = min(capacity of rows, length[0] + ... + length[b])            scan
//   order               sequences by capacity of steps - their length, stable           radix sort
//   batch_sizes[t]      how many lengths are above t: a search in the sorted ones
//
// Scan and sort run over the capacity of sequences, in the workspace; those beyond B have length 0, and a
// stable sort leaves them last. Only what is in use goes out to the caller. Where the scan stopped counting
// rows, lengths are what the offsets leave of them, before anything is sorted, so that all arrays agree
// whatever came in.
//
// Bytes: the mask once, and some 40 a sequence. A row of the mask belongs to a warp, or to a block when it is
// long. Its threads only count on the way (the first element that is not 1, and the elements that are not 0:
// equally many when the row is right), so all loads are under way at once; where the first wrong element is,
// is looked for in wrong rows alone. No thread waits for another but at the barriers of its block, which all
// of it reaches: the rows of a block are the same for all its threads.

#include "cuda/arch/arch.cuh"
#include "cuda/support/status_word.cuh"
#include "ragtime/batch_builder.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct BatchBuilderTuning {
  static constexpr unsigned threads = 256;
  static constexpr unsigned warps = threads / arch::warp_size;
  static constexpr std::int64_t steps_for_a_block = 8192;  // mask rows from that long on take a block each
};

struct BatchBuilderArgs {
  BatchBuild build;  // its workspace is cut into:
  // [B] of the capacity
  std::int32_t* lengths;
  std::int32_t* ends;  // of each sequence's rows
  std::int32_t* keys;
  std::int32_t* sorted_keys;
  std::int32_t* sequences;
  std::int32_t* sorted_sequences;
  std::int32_t capacity, most_rows, most_steps;
  bool allow_zero_length;
};

RAGTIME_DEVICE std::int64_t sequences_in_use(const BatchBuilderArgs& args) {
  if (args.build.sequences == nullptr) return args.capacity;
  const std::int32_t given = *args.build.sequences;
  return given < 0 ? 0 : given < args.capacity ? given : args.capacity;
}

// By one thread a sequence; what was wrong with a mask's row has been reported before.
RAGTIME_DEVICE void keep_length(const BatchBuilderArgs& args, std::int64_t b, std::int64_t length,
                                bool reported) {
  std::uint64_t* const status = args.build.status;
  if (length < 0) report(status, Fault::bad_length, b);
  if (length == 0 && !args.allow_zero_length && !reported) report(status, Fault::zero_length, b);
  if (length > args.most_steps) report(status, Fault::too_many_steps, b);
  length = length < 0 ? 0 : length < args.most_steps ? length : args.most_steps;
  // Rows are summed up to their capacity, and no summand may be above it.
  if (length > args.most_rows) report(status, Fault::too_many_rows, b);
  args.lengths[b] = static_cast<std::int32_t>(length < args.most_rows ? length : args.most_rows);
}

RAGTIME_KERNEL(BatchBuilderTuning::threads, 1)
batch_from_lengths(BatchBuilderArgs args, const std::int32_t* lengths) {
  const std::int64_t sequences = sequences_in_use(args);
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * BatchBuilderTuning::threads;
  for (std::int64_t b =
           std::int64_t{arch::block_index().x} * BatchBuilderTuning::threads + arch::thread_rank();
       b < args.capacity; b += stride) {
    if (b < sequences)
      keep_length(args, b, lengths[b], false);
    else
      args.lengths[b] = 0;
  }
}

// What threads find in their part of a mask row.
struct MaskRow {
  std::int64_t first_not_one;
  std::int64_t not_zero;  // how many

  RAGTIME_DEVICE void add(std::int64_t t, unsigned value) {
    if (value != 1 && t < first_not_one) first_not_one = t;
    not_zero += value != 0;
  }
  RAGTIME_DEVICE void add(const MaskRow& other) {
    if (other.first_not_one < first_not_one) first_not_one = other.first_not_one;
    not_zero += other.not_zero;
  }
};

RAGTIME_DEVICE MaskRow combine_in_warp(MaskRow row) {
  for (unsigned flip = arch::warp_size / 2; flip > 0; flip /= 2)
    row.add({arch::shfl_xor(row.first_not_one, flip), arch::shfl_xor(row.not_zero, flip)});
  return row;
}

// each(t, value) for this thread's share of the row: 16 bytes at once between the first and the last address
// that allow it, single ones before and behind.
template <class Each>
RAGTIME_DEVICE void for_mask_row(const std::uint8_t* row, std::int64_t steps, unsigned thread,
                                 unsigned threads, Each each) {
  const auto misaligned = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(row) % 16);
  const std::int64_t to_aligned = (16 - misaligned) % 16;
  const std::int64_t head = to_aligned < steps ? to_aligned : steps;
  const std::int64_t body_end = head + (steps - head) / 16 * 16;
  for (std::int64_t t = thread; t < head; t += threads) each(t, row[t]);
  for (std::int64_t t = head + std::int64_t{thread} * 16; t < body_end; t += std::int64_t{threads} * 16) {
    const arch::Chunk<16> chunk = arch::load_once<16>(row + t);
    RAGTIME_UNROLL
    for (int i = 0; i < 16; ++i) each(t + i, chunk.word[i / 4] >> (i % 4 * 8) & 0xFFu);
  }
  for (std::int64_t t = body_end + thread; t < steps; t += threads) each(t, row[t]);
}

// BlockPerRow: a row is read by the whole block, else by a warp.
template <bool BlockPerRow>
RAGTIME_KERNEL(BatchBuilderTuning::threads, 1)
batch_from_mask(BatchBuilderArgs args, const std::uint8_t* mask, std::int64_t steps) {
  constexpr unsigned warps = BatchBuilderTuning::warps;
  RAGTIME_SHARED(MaskRow, found, warps);
  const unsigned rows_at_once = BlockPerRow ? 1 : warps;
  const unsigned threads = BlockPerRow ? BatchBuilderTuning::threads : arch::warp_size;
  const unsigned thread = BlockPerRow ? arch::thread_rank() : arch::lane();
  const std::int64_t sequences = sequences_in_use(args);
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * rows_at_once;
  for (std::int64_t b = std::int64_t{arch::block_index().x} * rows_at_once + (BlockPerRow ? 0 : arch::warp());
       b < args.capacity; b += stride) {
    if (b >= sequences) {
      if (thread == 0) args.lengths[b] = 0;
      continue;
    }
    const std::uint8_t* const row = mask + b * steps;
    MaskRow mine{steps, 0};
    for_mask_row(row, steps, thread, threads, [&](std::int64_t t, unsigned value) { mine.add(t, value); });
    MaskRow all = combine_in_warp(mine);
    if constexpr (BlockPerRow) {
      if (arch::lane() == 0) found[arch::warp()] = all;
      arch::block_sync();
      all = {steps, 0};
      for (unsigned warp = 0; warp < warps; ++warp) all.add(found[warp]);
      arch::block_sync();  // before the next row overwrites them
    }
    const bool wrong = all.not_zero != all.first_not_one;
    if (wrong) {
      bool reported = false;  // the thread's first is its smallest
      for_mask_row(row, steps, thread, threads, [&](std::int64_t t, unsigned value) {
        if (t < all.first_not_one || value == 0 || reported) return;
        report(args.build.status, value == 1 ? Fault::mask_hole : Fault::bad_mask_value, b * steps + t);
        reported = true;
      });
    }
    if (thread == 0) keep_length(args, b, all.first_not_one, wrong);
  }
}

// By what the scan left of each length.
RAGTIME_KERNEL(BatchBuilderTuning::threads, 1)
batch_sort_keys(BatchBuilderArgs args) {
  const std::int64_t sequences = sequences_in_use(args);
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * BatchBuilderTuning::threads;
  const std::int64_t first =
      std::int64_t{arch::block_index().x} * BatchBuilderTuning::threads + arch::thread_rank();
  for (std::int64_t b = first; b < args.capacity; b += stride) {
    const std::int32_t length = args.ends[b] - (b == 0 ? 0 : args.ends[b - 1]);
    args.keys[b] = args.most_steps - length;
    args.sequences[b] = static_cast<std::int32_t>(b);
    if (b >= sequences) continue;
    if (length != args.lengths[b]) report(args.build.status, Fault::too_many_rows, b);
    args.build.batch.visit_offsets[b + 1] = args.ends[b];
  }
  if (first != 0) return;
  args.build.batch.visit_offsets[0] = 0;
  const std::int32_t given = args.build.sequences == nullptr ? args.capacity : *args.build.sequences;
  if (given < 0) report(args.build.status, Fault::negative_count, -std::int64_t{given});
  report_beyond(args.build.status, BatchPart::sequences, given, args.capacity);
}

// How many of the keys [count], which ascend, are below `limit`.
RAGTIME_DEVICE std::int64_t count_below(const std::int32_t* keys, std::int64_t count, std::int64_t limit) {
  std::int64_t begin = 0, end = count;
  while (begin < end) {
    const std::int64_t middle = begin + (end - begin) / 2;
    if (keys[middle] < limit)
      begin = middle + 1;
    else
      end = middle;
  }
  return begin;
}

RAGTIME_KERNEL(BatchBuilderTuning::threads, 1)
batch_write(BatchBuilderArgs args) {
  const RaggedArrays& batch = args.build.batch;
  const std::int64_t sequences = sequences_in_use(args);
  const std::int64_t longest = sequences == 0 ? 0 : args.most_steps - args.sorted_keys[0];
  const std::int64_t stride = std::int64_t{arch::grid_extent().x} * BatchBuilderTuning::threads;
  const std::int64_t first =
      std::int64_t{arch::block_index().x} * BatchBuilderTuning::threads + arch::thread_rank();
  for (std::int64_t i = first; i < sequences; i += stride) {
    const std::int32_t b = args.sorted_sequences[i];
    batch.order[i] = b;
    batch.inverse_order[b] = static_cast<std::int32_t>(i);
  }
  for (std::int64_t t = first; t < longest; t += stride)
    batch.batch_sizes[t] =
        static_cast<std::int32_t>(count_below(args.sorted_keys, sequences, args.most_steps - t));
  if (first != 0) return;
  batch.counts[0] = static_cast<std::int32_t>(sequences);
  batch.counts[1] = sequences == 0 ? 0 : args.ends[sequences - 1];
  batch.counts[2] = args.build.codes == nullptr ? 0 : *args.build.codes;
  batch.counts[3] = static_cast<std::int32_t>(longest);
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
