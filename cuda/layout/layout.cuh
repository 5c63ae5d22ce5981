#pragma once

// Rows from one layout to another: ragged, packed, padded, any to any.
//
// A row is bytes, moved in the widest chunks that its length and both addresses allow, so one kernel serves
// every dtype. Sequence order[i] at step t is
//   ragged row  visit_offsets[order[i]] + t
//   packed row  batch_sizes[0] + ... + batch_sizes[t - 1] + i
//   padded row  order[i] * padded_steps + t
// and is real for i < batch_sizes[t]. A block takes tiles of `steps_per_tile` steps and its share of their
// sequences; groups of lanes take a row each, as many lanes as it has chunks, so that neighbouring narrow
// rows are moved by neighbouring lanes. The packed rows before a tile are summed by the whole block, which
// reads no more than T numbers altogether. Blocks do not wait for each other, so nothing can be stuck.

#include <algorithm>

#include "cuda/arch/arch.cuh"
#include "cuda/support/status_word.cuh"
#include "ragtime/layout.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct LayoutTuning {
  static constexpr unsigned threads = 256;
  static constexpr int steps_per_tile = 8;
  static constexpr unsigned most_blocks_along_steps = 1024;
  static constexpr unsigned most_blocks_along_sequences = 64;
};

struct LayoutArgs {
  RaggedView batch;
  Layout from, to;
  const void* source;
  void* target;
  std::int64_t row_bytes;
  std::int64_t padded_steps;  // T_pad, where one side is padded
  Capacity capacity;          // sequences and rows: what a batch has beyond them is left alone
  arch::Chunk<16> padding;    // the padding value over and over, for a padded target
};

// Of values [count], by all threads of the block, each of which gets it.
RAGTIME_DEVICE std::int64_t sum_in_block(const std::int32_t* values, std::int64_t count) {
  constexpr unsigned warps = LayoutTuning::threads / arch::warp_size;
  RAGTIME_SHARED(std::int64_t, partial, warps);
  std::int64_t sum = 0;
  for (std::int64_t i = arch::thread_rank(); i < count; i += LayoutTuning::threads) sum += values[i];
  for (unsigned flip = arch::warp_size / 2; flip > 0; flip /= 2) sum += arch::shfl_xor(sum, flip);
  if (arch::lane() == 0) partial[arch::warp()] = sum;
  arch::block_sync();
  sum = 0;
  for (unsigned warp = 0; warp < warps; ++warp) sum += partial[warp];
  arch::block_sync();  // before the next sum overwrites them
  return sum;
}

// The first bytes of a pattern.
template <int Bytes>
RAGTIME_DEVICE arch::Chunk<Bytes> beginning(const arch::Chunk<16>& pattern) {
  arch::Chunk<Bytes> chunk;
  if constexpr (Bytes == 2)
    chunk.half = static_cast<std::uint16_t>(pattern.word[0]);
  else
    for (int i = 0; i < Bytes / 4; ++i) chunk.word[i] = pattern.word[i];
  return chunk;
}

struct RowPlace {
  std::int64_t ragged, packed, padded;
  RAGTIME_DEVICE std::int64_t in(Layout layout) const {
    return layout == Layout::ragged ? ragged : layout == Layout::packed ? packed : padded;
  }
};

// One row, by `lanes` lanes of which this is number `lane`. Without a source the target gets `otherwise`.
template <int Bytes>
RAGTIME_DEVICE void move_row(const LayoutArgs& args, const RowPlace& place, bool has_source,
                             arch::Chunk<Bytes> otherwise, unsigned lane, unsigned lanes) {
  auto* const to = static_cast<unsigned char*>(args.target) + place.in(args.to) * args.row_bytes;
  const auto* const from =
      static_cast<const unsigned char*>(args.source) + place.in(args.from) * args.row_bytes;
  for (std::int64_t byte = std::int64_t{lane} * Bytes; byte < args.row_bytes;
       byte += std::int64_t{lanes} * Bytes)
    arch::store_once(to + byte, has_source ? arch::load_once<Bytes>(from + byte) : otherwise);
}

// `lanes` a row: a power of two, at most a warp. Row length and addresses are multiples of Bytes.
template <int Bytes>
RAGTIME_KERNEL(LayoutTuning::threads, 1)
convert_layout(LayoutArgs args, unsigned lanes) {
  const RaggedView& batch = args.batch;
  report_beyond(batch, args.capacity.sequences, args.capacity.rows);
  const std::int64_t sequences = batch.counts[0], longest = batch.counts[3];
  const bool pads = args.to == Layout::padded;
  const bool packs = args.from == Layout::packed || args.to == Layout::packed;
  const std::int64_t steps = pads ? args.padded_steps : longest;
  // What a row without a source gets: padding, or, when a sequence is longer than the padded layout it comes
  // from, zeros.
  const arch::Chunk<Bytes> otherwise = beginning<Bytes>(pads ? args.padding : arch::Chunk<16>{});
  const unsigned rows_at_once = LayoutTuning::threads / lanes;
  const std::int64_t first_sequence =
      std::int64_t{arch::block_index().y} * rows_at_once + arch::thread_rank() / lanes;
  const std::int64_t sequence_stride = std::int64_t{arch::grid_extent().y} * rows_at_once;

  std::int64_t packed = 0, packed_steps = 0;  // rows of the steps before packed_steps
  const auto advance = [&](std::int64_t to) {
    if (!packs || to <= packed_steps) return;
    packed += sum_in_block(batch.batch_sizes + packed_steps, to - packed_steps);
    packed_steps = to;
  };
  for (std::int64_t first = std::int64_t{arch::block_index().x} * LayoutTuning::steps_per_tile; first < steps;
       first += std::int64_t{arch::grid_extent().x} * LayoutTuning::steps_per_tile) {
    advance(first < longest ? first : longest);
    std::int64_t row = packed;
    for (std::int64_t t = first; t < first + LayoutTuning::steps_per_tile && t < steps; ++t) {
      const std::int64_t alive = t < longest ? batch.batch_sizes[t] : 0;
      const bool has_source = args.from != Layout::padded || t < args.padded_steps;
      for (std::int64_t i = first_sequence; i < (pads ? sequences : alive); i += sequence_stride) {
        const std::int64_t b = batch.order[i];
        const RowPlace place{batch.visit_offsets[b] + t, row + i, b * args.padded_steps + t};
        const bool is_row = i < alive;
        if (b >= args.capacity.sequences ||
            (is_row && (place.ragged >= args.capacity.rows || place.packed >= args.capacity.rows)))
          continue;
        move_row(args, place, has_source && is_row, otherwise, arch::thread_rank() % lanes, lanes);
      }
      row += alive;
    }
  }
}

template <int Bytes>
arch::LaunchResult launch_layout(const LayoutArgs& args, Stream stream) {
  const Capacity& capacity = args.capacity;
  unsigned lanes = 1;
  while (lanes < arch::warp_size && lanes * std::int64_t{Bytes} < args.row_bytes) lanes *= 2;
  const std::int64_t steps = args.to == Layout::padded ? args.padded_steps : capacity.steps;
  const auto blocks = [](std::int64_t items, std::int64_t per_block, unsigned most) {
    return static_cast<unsigned>(std::clamp<std::int64_t>((items + per_block - 1) / per_block, 1, most));
  };
  return arch::launch(
      {.name = "convert_layout",
       .grid = {blocks(steps, LayoutTuning::steps_per_tile, LayoutTuning::most_blocks_along_steps),
                blocks(capacity.sequences, LayoutTuning::threads / lanes,
                       LayoutTuning::most_blocks_along_sequences)},
       .block = {LayoutTuning::threads},
       .stream = stream.handle},
      convert_layout<Bytes>, args, lanes);
}

// The capacity's sequences and steps make the size of the launch; the actual counts are read on the device.
inline arch::LaunchResult convert_layout_of(const LayoutArgs& args, Stream stream) {
  const auto both = reinterpret_cast<std::uintptr_t>(args.source) |
                    reinterpret_cast<std::uintptr_t>(args.target) |
                    static_cast<std::uintptr_t>(args.row_bytes);
  if (both % 16 == 0) return launch_layout<16>(args, stream);
  if (both % 8 == 0) return launch_layout<8>(args, stream);
  if (both % 4 == 0) return launch_layout<4>(args, stream);
  return launch_layout<2>(args, stream);
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
