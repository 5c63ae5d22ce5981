#pragma once

// Dropout over the rows of a batch, for the operation and between LSTM layers.
//
//   y = number >= threshold ? x * scale : 0,   threshold = p 2^32, scale = 1 / (1 - p)
//
// with the numbers of host/base/philox.hpp: four of them decide on elements 4q .. 4q + 3 of a sequence, which
// are counted from its first row on. A lane takes four neighbouring elements at a time, a warp a tile of
// `quads` times as many. When the width is a multiple of four, these are the elements of one quad: one draw,
// one load and one store of four elements. When not, a lane draws again wherever the next quad or the next
// sequence begins. Which sequence an element is in is searched between those of the tile's ends, which are
// mostly the same. Each element is read once and written once by the same thread, so x may be y; 2 n
// elements are moved. Warps share nothing and wait for nobody.

#include "cuda/arch/arch.cuh"
#include "cuda/support/elements.cuh"
#include "cuda/support/sequence_of.cuh"
#include "cuda/support/status_word.cuh"
#include "host/base/philox.hpp"
#include "ragtime/types.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// Enqueues y = dropout(x) for the rows in use. x, y: device [N, width], or [B, width] with per_sequence; they
// may be the same memory. Capacity: sequences and rows; what a batch has beyond them is left alone.
// T: float, arch::bf16, arch::f16.
template <class T>
void enqueue_dropout(const RaggedView& batch, const DropoutKey& key, double probability, std::int64_t width,
                     bool per_sequence, const T* x, T* y, const Capacity& capacity, Stream stream);

struct DropoutTuning {
  static constexpr unsigned threads = 256;
  static constexpr unsigned warps = threads / arch::warp_size;
  static constexpr int quad = 4;   // elements that one draw decides on
  static constexpr int quads = 4;  // a lane of each tile
  static constexpr int tile = quad * quads * static_cast<int>(arch::warp_size);  // elements
};

struct DropoutArgs {
  RaggedView batch;
  DropoutKey key;
  std::uint32_t threshold;
  float scale;
  std::int64_t width;
  bool per_sequence;
  std::int64_t most_sequences, most_rows;
};

// One of four, without an array that would have to be in memory.
RAGTIME_DEVICE std::uint32_t pick(const std::array<std::uint32_t, 4>& numbers, unsigned which) {
  const std::uint32_t low = which == 0 ? numbers[0] : numbers[1];
  const std::uint32_t high = which == 2 ? numbers[2] : numbers[3];
  return which < 2 ? low : high;
}

// Whole: width is a multiple of a quad, and the addresses are of its bytes.
template <class T, bool Whole>
RAGTIME_KERNEL(DropoutTuning::threads, 1)
dropout_tiles(DropoutArgs args, const T* x, T* y) {
  constexpr int quad = DropoutTuning::quad;
  const RaggedView& batch = args.batch;
  const std::int64_t width = args.width;
  report_beyond(batch, args.most_sequences, args.per_sequence ? INT32_MAX : args.most_rows);
  const std::int64_t given = batch.counts[0];
  const std::int64_t sequences = given < args.most_sequences ? given : args.most_sequences;
  if (sequences <= 0) return;
  const std::int64_t ragged = batch.visit_offsets[sequences];
  const std::int64_t rows = args.per_sequence ? sequences : ragged < args.most_rows ? ragged : args.most_rows;
  const std::int64_t elements = rows * width;
  const std::uint64_t step = args.key.step == nullptr ? 0 : *args.key.step;

  const std::int64_t stride =
      std::int64_t{arch::grid_extent().x} * DropoutTuning::warps * DropoutTuning::tile;
  for (std::int64_t first =
           (std::int64_t{arch::block_index().x} * DropoutTuning::warps + arch::warp()) * DropoutTuning::tile;
       first < elements; first += stride) {
    const std::int64_t end = first + DropoutTuning::tile < elements ? first + DropoutTuning::tile : elements;
    std::int64_t low = 0, high = sequences - 1;
    if (!args.per_sequence) {
      low = sequence_of(batch.visit_offsets, low, high, width, first);
      high = sequence_of(batch.visit_offsets, low, high, width, end - 1);
    }
    const auto sequence_at = [&](std::int64_t e) {
      return args.per_sequence ? e / width : sequence_of(batch.visit_offsets, low, high, width, e);
    };
    const auto start_of = [&](std::int64_t b) {
      return (args.per_sequence ? b : std::int64_t{batch.visit_offsets[b]}) * width;
    };
    RAGTIME_UNROLL
    for (int i = 0; i < DropoutTuning::quads; ++i) {
      const std::int64_t from = first + (i * std::int64_t{arch::warp_size} + arch::lane()) * quad;
      if (from >= end) continue;
      std::int64_t b = sequence_at(from), start = start_of(b);
      const auto draw = [&](std::uint64_t quad_in_sequence) {
        const std::uint32_t id =
            batch.sequence_ids == nullptr ? static_cast<std::uint32_t>(b) : batch.sequence_ids[b];
        return dropout_numbers(args.key.seed, step, args.key.site, id, quad_in_sequence);
      };
      const auto result = [&](float value, std::uint32_t number) {
        return number >= args.threshold ? value * args.scale : 0.0f;
      };
      if constexpr (Whole) {
        float values[quad];
        load_floats(x + from, values);
        const auto numbers = draw(static_cast<std::uint64_t>(from - start) / quad);
        RAGTIME_UNROLL
        for (int k = 0; k < quad; ++k) values[k] = result(values[k], numbers[k]);
        store_floats(y + from, values);
      } else {
        auto numbers = draw(static_cast<std::uint64_t>(from - start) / quad);
        for (std::int64_t e = from; e < from + quad && e < end; ++e) {
          const std::int64_t now = sequence_at(e);
          if (now != b) start = start_of(b = now);
          const auto in_sequence = static_cast<std::uint64_t>(e - start);
          if (e > from && (e == start || in_sequence % quad == 0)) numbers = draw(in_sequence / quad);
          const std::uint32_t number = pick(numbers, static_cast<unsigned>(in_sequence % quad));
          y[e] = arch::from_float<T>(result(arch::to_float(x[e]), number));
        }
      }
    }
  }
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
