#pragma once

// The LSTM backward in one launch: the walk of forward.cuh from the last visit to the first.
//
//   dh_t = what comes from above + W_hh^T dgates_{t+1},  dc_t += dh o (1 - tanh(c_t)^2)
//   di = dc g i (1 - i),  df = dc c_{t-1} f (1 - f),  dg = dc i (1 - g^2),  do = dh tanh(c_t) o (1 - o)
//   dc_{t-1} = dc f
//
// Block r owns the same Hp / C units as forward, and multiplies the gradients of their gates, which it has,
// by its own rows of W_hh: that gives a part of dh for every unit, of which it sends each block its own, in
// f32. The owner adds up what came from the C blocks in the order of their ranks, so the bits do not depend
// on who was first. This moves 4 H S bytes out of a block and step; collecting all dgates in every block
// would move twice that in 16 bits, and need a reduction over warps besides.
//
// A step: wait for the parts of dh; a thread per cell (unit and slot) makes dgates from it, to memory and to
// the block's shared memory; barrier of the block; every warp multiplies 16 units of dh a tile and sends.
//
// Where the cluster is a group (LstmTile::grid), parts go through memory (group.cuh): a block writes 4
// Hp S bytes and reads as many, 32 KB each at Hp = 1024 and S = 8, through the second-level cache. Collecting
// dgates would write 8 Hp S / C bytes and read 8 Hp S, so as much together, but 64 KB at S = 8 would have to
// lie in shared memory, of which the weights take more than half, and each block would have to add up over
// its warps: K is 4 Hp there. The parts need no place in shared memory; the thread that has the cell reads
// them where they are, C loads that do not wait for each other.
//
// Buffers. Parts and dgates have two each. A part of step t + 1 is sent after the sender has waited for the
// parts of step t, each of which left its block after that block's barrier of step t - 1, behind which nobody
// there reads parts of step t - 1 any more: so the buffer that it arrives in is free. A warp may multiply
// dgates of step t while others are at those of step t + 1; nobody is two steps on, for the barrier between.
//
// Rows of the tiles of W_hh^T are arranged so that a thread's four sums are two neighbouring units of two
// neighbouring slots: one message of 16 bytes, whose place is that of the four cells in the receiver's order.
//
// Forward progress: as in forward.cuh. Every block sends in every step as many bytes as its
// peers expect, idle slots zeros; every thread of a block comes to every barrier; all leave at the same step,
// one after the last sequence has ended, for what reaches its h_0 arrives then.
//
// Per step and cell: 4 T of gates, 4 bytes of c and T of dy, asked for two steps ahead and made into factors
// a step ahead; 4 T of dgates written. All of that, and what the schedule decides, stands behind the sends,
// while the parts travel.

#include "cuda/lstm/persistent/group.cuh"
#include "cuda/lstm/persistent/schedule.cuh"
#include "cuda/support/elements.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// What a cell reads from memory for a step; asked for two steps before.
template <class T>
struct LstmCellInputs {
  arch::Chunk<4 * sizeof(T)> gates;
  float c, c_before;  // of this visit (where the walk begins), of the one before it
  T c0;               // in place of c_before at the first visit
  T d_y, d_h_n, d_final_state, d_c_n;
  bool ends;  // the walk
};

// The same as factors, made while the parts of dh are under way: d = dc + dh * cell, d gate = d * gate ...
struct LstmCellFactors {
  float in, forget, cell_gate, out, cell, to_c_before, d_h, d_c;
};

template <class T, class Tiling>
struct LstmBackwardShape {
  static constexpr LstmTile tile = Tiling::tile;
  static constexpr int hidden = tile.hidden, cluster = tile.cluster, slots = tile.slots;
  static constexpr bool grid = tile.grid, clustered = cluster > 1 && !grid;
  static constexpr int units = hidden / cluster;  // of a block
  static constexpr int tiles = tile.tiles_per_warp;
  static constexpr int warps = hidden / 16 / tiles;
  static constexpr int threads = warps * static_cast<int>(arch::warp_size);
  static constexpr int slot_tiles = slots / 8;
  static constexpr int cells = units * slots;  // of a block
  static constexpr int own_cells = (cells + threads - 1) / threads;
  static constexpr int steps = units * 4 * static_cast<int>(sizeof(T)) / 32;  // k steps of a product
  static constexpr int register_steps = tile.register_steps;
  static constexpr int shared_steps = steps - register_steps;
  static constexpr int row_bytes = units * 4 * static_cast<int>(sizeof(T)) + 16;
  // Slot tiles multiplied at once: as many as hide mma's latency; all where weights are read again for each.
  static constexpr int at_once = shared_steps > 0 || tiles* slot_tiles <= 4 ? slot_tiles : tiles >= 4 ? 1 : 2;
  // Tiles likewise: half of them where registers are short.
  static constexpr bool is_tight = shared_steps > 0;
  static constexpr int tiles_at_once = !is_tight ? tiles : tiles == 6 ? 1 : tiles % 2 == 0 ? 2 : tiles;
  static constexpr int ahead = 3;
  static constexpr unsigned announced_bytes = slots * sizeof(SlotStep);
  static constexpr unsigned part_bytes = cluster * cells * sizeof(float);
  // Parts in memory are of the whole group, those in shared memory of one block.
  static constexpr int receivers = grid ? cluster : 1;
  static constexpr std::size_t exchanged_bytes = grid ? std::size_t{2} * receivers * part_bytes : 0;

  static_assert(hidden % cluster == 0 && units % 8 == 0 && hidden % (16 * tiles) == 0 && slots % 8 == 0);
  static_assert(slots <= 32 && slots <= threads && cells % 32 == 0 && threads <= 1024);
  static_assert(steps % 2 == 0 && register_steps % 2 == 0 && shared_steps >= 0);

  float* parts;              // [2][receivers][C][cells], in shared memory or a group's
  unsigned char* d_gates;    // [2][S][row_bytes], k is unit * 4 + gate
  arch::Chunk<16>* weights;  // [warps][tiles][shared_steps][32]
  LstmCellFactors* factors;  // [cells of a thread][threads] where registers are short
  SlotStep* announced;       // [ring][S]
  arch::Mbarrier* full;      // [2]

  template <class Shared>
  RAGTIME_HOST_DEVICE static constexpr LstmBackwardShape carve(Shared& shared) {
    LstmBackwardShape at{};
    if constexpr (!grid) at.parts = shared.template take<float>(2 * cluster * cells);
    at.d_gates = shared.template take<unsigned char>(2 * slots * row_bytes);
    if constexpr (shared_steps > 0)
      at.weights = shared.template take<arch::Chunk<16>>(warps * tiles * shared_steps * 32);
    if constexpr (is_tight) at.factors = shared.template take<LstmCellFactors>(own_cells * threads);
    at.announced = shared.template take<SlotStep>(LstmScheduleTuning::ring * slots);
    at.full = shared.template take<arch::Mbarrier>(2);
    return at;
  }
  RAGTIME_DEVICE float* part(unsigned buffer, unsigned receiver, unsigned sender) const {
    return parts + ((buffer * receivers + (grid ? receiver : 0)) * cluster + sender) * cells;
  }
};

// All that does not need dh. c: of this visit.
template <class T>
RAGTIME_DEVICE LstmCellFactors lstm_cell_factors(const LstmCellInputs<T>& inputs, float c) {
  T stored[4];
  std::memcpy(static_cast<void*>(stored), &inputs.gates, sizeof(stored));
  const float in = arch::to_float(stored[0]), forget = arch::to_float(stored[1]),
              cell = arch::to_float(stored[2]), out = arch::to_float(stored[3]);
  const float bounded = arch::tanh(c), c_before = inputs.ends ? arch::to_float(inputs.c0) : inputs.c_before;
  return {cell * in * (1 - in),
          c_before * forget * (1 - forget),
          in * (1 - cell * cell),
          bounded * out * (1 - out),
          out * (1 - bounded * bounded),
          forget,
          arch::to_float(inputs.d_y) + arch::to_float(inputs.d_h_n) + arch::to_float(inputs.d_final_state),
          arch::to_float(inputs.d_c_n)};
}

// Parts of dh from this block's dgates, each to the block whose unit it is.
template <class T, class Shape, int kept>
RAGTIME_DEVICE void lstm_send_parts(const Shape& at, unsigned now, unsigned next, unsigned rank,
                                    const arch::Chunk<16> (&weights)[Shape::tiles][kept]) {
  constexpr int tiles = Shape::tiles, at_once = Shape::at_once, pairs = Shape::units / 2;
  constexpr int tiles_at_once = Shape::tiles_at_once;
  const unsigned lane = arch::lane(), warp = arch::warp();
  const unsigned char* const d_gates =
      at.d_gates + (now * Shape::slots + (lane & 7)) * Shape::row_bytes + (lane >> 3) * 16;
  const arch::Chunk<16>* const shared_weights = at.weights + warp * tiles * Shape::shared_steps * 32 + lane;
  RAGTIME_UNROLL
  for (int part = 0; part < Shape::slot_tiles / at_once * (tiles / tiles_at_once); ++part) {
    const int first = part / (tiles / tiles_at_once) * at_once;  // slot tile
    const int first_tile = part % (tiles / tiles_at_once) * tiles_at_once;
    float sums[2][tiles_at_once][at_once][4] = {};  // even and odd k steps
    const auto multiply = [&](int k, const auto& weights_of) {
      std::uint32_t b[at_once][4];
      RAGTIME_UNROLL
      for (int n = 0; n < at_once; ++n)
        arch::ldmatrix_x4(b[n], d_gates + (first + n) * 8 * Shape::row_bytes + k * 32);
      RAGTIME_UNROLL
      for (int m = 0; m < tiles_at_once; ++m) {
        const arch::Chunk<16> even = weights_of(first_tile + m, k), odd = weights_of(first_tile + m, k + 1);
        RAGTIME_UNROLL
        for (int n = 0; n < at_once; ++n) {
          multiply_fragments<T>(sums[0][m][n], even, b[n][0], b[n][1]);
          multiply_fragments<T>(sums[1][m][n], odd, b[n][2], b[n][3]);
        }
      }
    };
    RAGTIME_UNROLL
    for (int k = 0; k < Shape::register_steps; k += 2)
      multiply(k, [&](int m, int step) { return weights[m][step]; });
    // Not unrolled: all loads would be put in front, into registers that there are not.
    RAGTIME_NO_UNROLL
    for (int k = Shape::register_steps; k < Shape::steps; k += 2)
      multiply(k, [&](int m, int step) {
        return arch::load<16>(shared_weights + (m * Shape::shared_steps + step - Shape::register_steps) * 32);
      });
    RAGTIME_UNROLL
    for (int m = 0; m < tiles_at_once; ++m) {
      const int pair = (static_cast<int>(warp) * tiles + first_tile + m) * 8 + static_cast<int>(lane >> 2);
      const int owner = pair / pairs, place = pair % pairs;
      RAGTIME_UNROLL
      for (int n = 0; n < at_once; ++n) {
        float sum[4];
        RAGTIME_UNROLL
        for (int i = 0; i < 4; ++i) sum[i] = sums[0][m][n][i] + sums[1][m][n][i];
        const int slot_pair = (first + n) * 4 + static_cast<int>(lane & 3);
        float* const to = at.part(next, static_cast<unsigned>(owner), rank) + (slot_pair * pairs + place) * 4;
        const arch::Chunk<16> chunk = {
            {arch::bits(sum[0]), arch::bits(sum[2]), arch::bits(sum[1]), arch::bits(sum[3])}};
        if constexpr (Shape::clustered)
          arch::st_async(to, chunk, &at.full[next], static_cast<unsigned>(owner));
        else
          arch::store(to, chunk);
      }
    }
  }
}

template <class T, class Tiling>
RAGTIME_KERNEL((LstmBackwardShape<T, Tiling>::threads), 1)
lstm_persistent_backward(LstmPersistentBackward<T> args) {
  using Shape = LstmBackwardShape<T, Tiling>;
  constexpr int hidden = Shape::hidden, slots = Shape::slots, cluster = Shape::cluster, tiles = Shape::tiles;
  constexpr int own_cells = Shape::own_cells, ring = LstmScheduleTuning::ring;
  if constexpr (Shape::clustered && !arch::has_clusters) return;

  arch::SharedMemory shared;
  Shape at = Shape::carve(shared);
  const unsigned thread = arch::thread_rank(), lane = arch::lane(), warp = arch::warp();
  const unsigned rank = Shape::clustered ? arch::cluster_rank() : arch::block_index().x % cluster;
  const unsigned which = arch::block_index().x / cluster, clusters = arch::grid_extent().x / cluster;
  const unsigned direction = which % args.directions;
  const std::int64_t states = (args.slot + direction) * std::int64_t{*args.queue.count} * args.hidden;
  const std::int64_t before = direction == 0 ? -1 : 1;  // from a visit's row to that of the one before it

  arch::Chunk<16> weights[tiles][Shape::register_steps > 0 ? Shape::register_steps : 1];
  arch::Chunk<16>* const shared_weights = at.weights + warp * tiles * Shape::shared_steps * 32;
  lstm_load_weights<Shape>(weights, shared_weights, [&](int m) {
    return (direction == 0 ? args.weights[0] : args.weights[1]) +
           (std::int64_t{warp * tiles + m} * cluster + rank) * Shape::steps * 32;
  });

  const unsigned step_bytes = Shape::announced_bytes + Shape::part_bytes;
  lstm_begin(at, step_bytes);
  SlotOwner<cluster, slots> owner(args.queue, direction, direction == 1, rank, which / args.directions,
                                  clusters / args.directions);
  const LstmGroup<Shape> group(args.groups, which, rank);
  if constexpr (Shape::grid) at.parts = reinterpret_cast<float*>(group.parts());
  const auto announce = [&](unsigned step, unsigned barrier) {
    if constexpr (Shape::grid)
      owner.announce(group.announced(step));
    else
      owner.announce(&at.announced[step % ring * slots], &at.full[barrier]);
  };
  if (warp == 0) {
    for (unsigned step = 1; step < Shape::ahead; ++step) {
      owner.prepare();
      announce(step, 0);
    }
    owner.prepare();
  }
  if constexpr (Shape::grid) group.publish(0);
  const auto doing = [&](unsigned step, int slot) -> const SlotStep& {
    return at.announced[step % ring * slots + slot];
  };

  // Cell x of the block: units side by side in pairs, two slots of each pair together.
  const auto has_cell = [&](int i) {
    return Shape::cells % Shape::threads == 0 || thread + i * Shape::threads < unsigned{Shape::cells};
  };
  const auto unit_of = [&](int i) {  // of the block
    const int x = static_cast<int>(thread) + i * Shape::threads;
    return (x >> 2) % (Shape::units / 2) * 2 + (x & 1);
  };
  const auto slot_of = [&](int i) {
    const int x = static_cast<int>(thread) + i * Shape::threads;
    return (x >> 2) / (Shape::units / 2) * 2 + (x >> 1 & 1);
  };

  LstmCellInputs<T> inputs[own_cells] = {};
  // Of every cell from one step to the next; where registers are short, in the thread's own shared memory.
  constexpr int kept_cells = Shape::is_tight ? 1 : own_cells;
  LstmCellFactors kept_factors[kept_cells] = {};
  SlotStep kept_steps[kept_cells];
  const auto factors_of = [&](int i) -> LstmCellFactors& {
    if constexpr (Shape::is_tight)
      return at.factors[i * Shape::threads + thread];
    else
      return kept_factors[i];
  };
  float d_c[own_cells] = {};
  const auto fetch = [&](unsigned step) {
    RAGTIME_UNROLL
    for (int i = 0; i < own_cells; ++i) {
      if (!has_cell(i)) continue;
      LstmCellInputs<T>& in = inputs[i];
      const SlotStep then = doing(step, slot_of(i));
      in.c = in.c_before;
      in.ends = false;
      if (then.row < 0) continue;
      const std::int64_t unit = static_cast<std::int64_t>(rank) * Shape::units + unit_of(i);
      const std::int64_t saved = (direction * args.rows + then.row) * hidden + unit;
      const std::int64_t state = states + then.sequence * args.hidden + unit;
      const bool is_padding = unit >= args.hidden;
      in.ends = (then.flags & SlotStep::last) != 0;
      in.gates = arch::load<4 * sizeof(T)>(args.gates + saved * 4);
      in.d_y = in.d_h_n = in.d_final_state = in.d_c_n = in.c0 = arch::from_float<T>(0);
      if (args.d_y != nullptr && !is_padding)
        in.d_y =
            args.d_y[row_offset(then.row, args.directions * args.hidden) + direction * args.hidden + unit];
      if ((then.flags & SlotStep::first) != 0) {
        in.c = args.c[saved];
        if (args.d_h_n != nullptr && !is_padding) in.d_h_n = args.d_h_n[state];
        if (args.d_c_n != nullptr && !is_padding) in.d_c_n = args.d_c_n[state];
        if (args.d_final_state != nullptr && !is_padding)
          in.d_final_state = args.d_final_state[row_offset(then.sequence, args.directions * args.hidden) +
                                                direction * args.hidden + unit];
      }
      if (!in.ends)
        in.c_before = args.c[saved + before * hidden];
      else if (args.c0 != nullptr && !is_padding)
        in.c0 = args.c0[state];
    }
  };

  RAGTIME_UNROLL
  for (int i = 0; i < kept_cells; ++i) kept_steps[i] = {SlotStep::none, 0, 0, SlotStep::none};
  bool is_over = false;

  for (unsigned step = 0;; ++step) {
    const unsigned now = step & 1, next = now ^ 1;
    if constexpr (Shape::grid)
      group.wait(step, at.announced, [](unsigned) {});
    else if constexpr (Shape::clustered)
      arch::mbarrier_wait(&at.full[now], step >> 1 & 1);
    else
      arch::block_sync();
    if (is_over) break;
    const auto here_of = [&](int i) -> const SlotStep& {
      if constexpr (Shape::is_tight)
        return doing(step, slot_of(i));
      else
        return kept_steps[i];
    };

    arch::Chunk<4 * sizeof(T)> d_gates[own_cells];
    float arrived[own_cells];
    // To memory: behind the sends, or at once where there are no registers to keep it.
    const auto write_out = [&](int i) {
      const SlotStep& here = here_of(i);
      const std::int64_t unit = static_cast<std::int64_t>(rank) * Shape::units + unit_of(i);
      if (here.ended >= 0 && args.d_h0 != nullptr && unit < args.hidden)
        args.d_h0[states + here.ended * args.hidden + unit] = arch::from_float<T>(arrived[i]);
      if (here.row < 0) return;
      arch::store(
          args.d_gates + (row_offset(here.row, args.directions * hidden) + direction * hidden + unit) * 4,
          d_gates[i]);
      if ((here.flags & SlotStep::last) != 0 && args.d_c0 != nullptr && unit < args.hidden)
        args.d_c0[states + here.sequence * args.hidden + unit] = arch::from_float<T>(d_c[i]);
    };
    RAGTIME_UNROLL
    for (int i = 0; i < own_cells; ++i) {
      arrived[i] = 0;
      if (step == 0 || !has_cell(i)) continue;
      RAGTIME_UNROLL
      for (int r = 0; r < cluster; ++r) arrived[i] += at.part(now, rank, r)[thread + i * Shape::threads];
    }
    RAGTIME_UNROLL
    for (int i = 0; i < own_cells; ++i) {
      d_gates[i] = {};
      if (!has_cell(i)) continue;
      arch::Chunk<4 * sizeof(T)> factor_of_product{};
      const SlotStep& here = here_of(i);
      if (here.row >= 0) {
        const LstmCellFactors& factor = factors_of(i);
        const bool begins = (here.flags & SlotStep::first) != 0;
        const float d_h = (begins ? 0.0f : arrived[i]) + factor.d_h;
        const float d = arch::fma(d_h, factor.cell, begins ? factor.d_c : d_c[i]);
        const float z[4] = {d * factor.in, d * factor.forget, d * factor.cell_gate, d_h * factor.out};
        d_c[i] = d * factor.to_c_before;
        if constexpr (std::is_same_v<T, float>) {
          d_gates[i] = {{arch::bits(z[0]), arch::bits(z[1]), arch::bits(z[2]), arch::bits(z[3])}};
          factor_of_product = {
              {arch::to_tf32(z[0]), arch::to_tf32(z[1]), arch::to_tf32(z[2]), arch::to_tf32(z[3])}};
        } else {
          d_gates[i] = factor_of_product = {{arch::pack2<T>(z[0], z[1]), arch::pack2<T>(z[2], z[3])}};
        }
      }
      arch::store(at.d_gates + (now * slots + slot_of(i)) * Shape::row_bytes +
                      unit_of(i) * 4 * static_cast<int>(sizeof(T)),
                  factor_of_product);
      if (Shape::is_tight) write_out(i);
    }
    arch::block_sync();
    if (warp == 0) announce(step + Shape::ahead, next);
    lstm_send_parts<T>(at, now, next, rank, weights);
    if constexpr (Shape::grid) group.publish(step + 1);

    // From here on the parts travel.
    if (Shape::clustered && thread == 0) arch::mbarrier_arrive_expect_tx(&at.full[now], step_bytes);
    RAGTIME_UNROLL
    for (int i = 0; i < own_cells; ++i)
      if (!Shape::is_tight && has_cell(i)) write_out(i);
    if (step == 0) fetch(1);
    RAGTIME_UNROLL
    for (int i = 0; i < own_cells; ++i) {
      factors_of(i) = lstm_cell_factors(inputs[i], inputs[i].c);
      if (!Shape::is_tight && has_cell(i)) kept_steps[i % kept_cells] = doing(step + 1, slot_of(i));
    }
    fetch(step + 2);
    if (warp == 0) owner.prepare();
    const SlotStep& some = doing(step + 1, static_cast<int>(lane % slots));
    is_over = !arch::any(some.row >= 0 || some.ended >= 0);
  }
  if constexpr (Shape::clustered) arch::cluster_sync();
}

// What a launch of it takes.
template <class T, class Tiling>
LstmPersistentKernel<LstmPersistentBackward<T>> lstm_backward_kernel() {
  return lstm_kernel<LstmBackwardShape<T, Tiling>>(lstm_persistent_backward<T, Tiling>);
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
