#pragma once

// The LSTM forward in one launch: the recurrent weights stay on chip, sequences pass through slots.
//
//   z = x gates + bias + W_hh h_{t-1},  i, f, o = sigmoid(z), g = tanh(z)
//   c_t = f c_{t-1} + i g,  h_t = o tanh(c_t)
//
// A cluster of C blocks runs S slots. Block r owns Hp / C units, all four gates of each, and keeps their rows
// of W_hh as fragments of mma: gates^T [4 units x S] = W [4 units x Hp] . h^T [Hp x S]. A tile of 16 rows is
// 4 units; after one exchange between neighbouring lanes a thread has the four gates of one unit and slot,
// its cell, and keeps c of it in a register from step to step.
//
// Every block has two buffers [S, Hp] of h, of this step and of the next, each with an mbarrier. A warp that
// has its part of h_t sends it to every block of the cluster, itself included, by st.async, counted in bytes
// on the receiver's barrier of step t + 1. A step waits for nothing else: there is no barrier of the block or
// the cluster in the loop (for C = 1, where nothing is sent, there is one of the block).
//
// Two buffers are enough, without a barrier that says "empty": what step t writes into the buffer that step
// t - 1 read comes after the wait for step t, which was for the parts of all warps of the cluster, and a warp
// sends its part of h_t after it has read all it wants of h_{t-1}. So idle slots send too (zeros).
//
// Where the cluster is a group (LstmTile::grid), a block writes its part of h_t to memory, and brings all of
// h to its buffer in shared memory as the next step begins. That is 2 Hp S bytes a block and step from the
// second-level cache, in 16 bits: 16 KB at Hp = 1024 and S = 8, and 2 MB for all blocks of four groups.
// group.cuh says how, why two buffers are enough, and why nobody waits for ever.
//
// Where a slot's sequence ends, its cells send h_0 of the next one in place of h and take its c_0: the next
// step need not know. Step 0 runs no sequence and sends the h_0 of the first ones.
//
// Forward progress: a cluster's blocks are resident together, by the definition of a cluster. Every block
// sends, in every step, as many bytes as its peers expect of it, whatever its slots do; all blocks read the
// same announcements and so leave the loop at the same step; nothing waits for another cluster, the queue is
// only counted up. By induction over t the barrier of every step completes. Nothing is under way when a block
// leaves: all that was sent to it was counted on the barrier it waited for last; the last barrier of the
// cluster keeps a block's memory until its peers are through.
//
// What a step needs is at hand when h arrives: x gates are asked for two steps ahead, by cp.async into the
// reader's own place, and are where the sums begin; h_0 and c_0 of the sequences that begin next are asked
// for a step ahead. Between h's arrival and the last send stands nothing but the product and the cell; what
// is written (y, and for training 4 T + 4 bytes of gates and c a cell), asked for or decided comes behind it,
// while h travels.

#include "cuda/lstm/persistent/group.cuh"
#include "cuda/lstm/persistent/schedule.cuh"
#include "cuda/lstm/stepwise/forward.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <class T, class Tiling>
struct LstmForwardShape {
  static constexpr LstmTile tile = Tiling::tile;
  static constexpr int hidden = tile.hidden, cluster = tile.cluster, slots = tile.slots;
  static constexpr bool grid = tile.grid, clustered = cluster > 1 && !grid;
  static constexpr int units = hidden / cluster;  // of a block
  static constexpr int tiles = tile.tiles_per_warp;
  static constexpr int warps = units / 4 / tiles;
  static constexpr int threads = warps * static_cast<int>(arch::warp_size);
  static constexpr int slot_tiles = slots / 8;
  static constexpr int steps = hidden * static_cast<int>(sizeof(T)) / 32;  // k steps of a product
  static constexpr int register_steps = tile.register_steps;
  static constexpr int shared_steps = steps - register_steps;
  static constexpr int row_bytes =
      hidden * static_cast<int>(sizeof(T)) + 16;  // 16: ldmatrix without conflicts
  static constexpr int ahead = 3;                 // announcements; x gates are asked for two steps ahead
  static constexpr int stages = ahead;            // of x gates
  static constexpr unsigned announced_bytes = slots * sizeof(SlotStep);
  static constexpr unsigned h_bytes = slots * hidden * sizeof(T);
  static constexpr unsigned sent_bytes = slots * units * sizeof(T);       // of h, by a block in a step
  static constexpr std::size_t exchanged_bytes = grid ? 2 * h_bytes : 0;  // of a group's memory

  static_assert(hidden % cluster == 0 && units % (4 * tiles) == 0 && slots % 8 == 0 && slots <= 32);
  static_assert(steps % 2 == 0 && register_steps % 2 == 0 && shared_steps >= 0);
  static_assert(threads <= 1024 && (!grid || units * sizeof(T) % 16 == 0));

  unsigned char* h;          // [2][S][row_bytes]
  arch::Chunk<8>* x_gates;   // [stages][two slots of a lane][tiles and slot tiles][threads]
  arch::Chunk<16>* weights;  // [warps][tiles][shared_steps][32]
  SlotStep* announced;       // [ring][S]
  arch::Mbarrier* full;      // [2]

  template <class Shared>
  RAGTIME_HOST_DEVICE static constexpr LstmForwardShape carve(Shared& shared) {
    LstmForwardShape at{};
    at.h = shared.template take<unsigned char>(2 * slots * row_bytes);
    at.x_gates = shared.template take<arch::Chunk<8>>(stages * 2 * slot_tiles * tiles * threads);
    if constexpr (shared_steps > 0)
      at.weights = shared.template take<arch::Chunk<16>>(warps * tiles * shared_steps * 32);
    at.announced = shared.template take<SlotStep>(LstmScheduleTuning::ring * slots);
    at.full = shared.template take<arch::Mbarrier>(2);
    return at;
  }
};

// h as it is stored, sent and multiplied.
template <class T>
RAGTIME_DEVICE T stored_h(float h) {
  if constexpr (std::is_same_v<T, float>)
    return arch::float_from_bits(arch::to_tf32(h));
  else
    return arch::from_float<T>(h);
}

// sums += W_hh h of this step. The k steps are added up even and odd apart, which hides half of mma's
// latency; in every tile alike, so that no bit depends on which one is chosen.
template <class T, class Shape, int kept>
RAGTIME_DEVICE void lstm_recurrent_product(const Shape& at, unsigned now,
                                           const arch::Chunk<16> (&weights)[Shape::tiles][kept],
                                           float (&sums)[Shape::tiles][Shape::slot_tiles][4]) {
  constexpr int tiles = Shape::tiles, slot_tiles = Shape::slot_tiles;
  const unsigned lane = arch::lane();
  const unsigned char* const h =
      at.h + (now * Shape::slots + (lane & 7)) * Shape::row_bytes + (lane >> 3) * 16;
  const arch::Chunk<16>* const shared_weights =
      at.weights + arch::warp() * tiles * Shape::shared_steps * 32 + lane;
  float odd[tiles][slot_tiles][4] = {};
  RAGTIME_UNROLL
  for (int k = 0; k < Shape::steps; k += 2) {
    std::uint32_t b[slot_tiles][4];
    RAGTIME_UNROLL
    for (int n = 0; n < slot_tiles; ++n) arch::ldmatrix_x4(b[n], h + n * 8 * Shape::row_bytes + k * 32);
    RAGTIME_UNROLL
    for (int m = 0; m < tiles; ++m) {
      arch::Chunk<16> a[2];
      RAGTIME_UNROLL
      for (int i = 0; i < 2; ++i)
        a[i] = k < Shape::register_steps
                   ? weights[m][k < Shape::register_steps ? k + i : 0]
                   : arch::load<16>(shared_weights +
                                    (m * Shape::shared_steps + k + i - Shape::register_steps) * 32);
      RAGTIME_UNROLL
      for (int n = 0; n < slot_tiles; ++n) {
        multiply_fragments<T>(sums[m][n], a[0], b[n][0], b[n][1]);
        multiply_fragments<T>(odd[m][n], a[1], b[n][2], b[n][3]);
      }
    }
  }
  RAGTIME_UNROLL
  for (int m = 0; m < tiles; ++m) {
    RAGTIME_UNROLL
    for (int n = 0; n < slot_tiles; ++n) {
      RAGTIME_UNROLL
      for (int i = 0; i < 4; ++i) sums[m][n][i] += odd[m][n][i];
    }
  }
}

// What a block of the group has written of h, [S][units], to its place in this block's.
template <class T, class Shape>
RAGTIME_DEVICE void lstm_bring_h(const Shape& at, unsigned now, unsigned from, const unsigned char* sent) {
  constexpr unsigned row = Shape::units * sizeof(T), chunks = row / 16;  // of a slot
  unsigned char* const to = at.h + now * Shape::slots * Shape::row_bytes + from * row;
  RAGTIME_UNROLL
  for (unsigned i = arch::lane(); i < Shape::slots * chunks; i += arch::warp_size)
    arch::cp_async<16>(to + i / chunks * Shape::row_bytes + i % chunks * 16, sent + i * 16);
}

// h of 4 units (lanes 8 apart) of a slot, to every block; `sent`: in a group, where this one's h goes. All
// lanes of the warp come here.
template <class T, class Shape>
RAGTIME_DEVICE void lstm_send_h(const Shape& at, unsigned next, int slot, int unit, T h,
                                [[maybe_unused]] unsigned char* sent) {
  constexpr int cluster = Shape::cluster;
  const int u = unit & 3;
  constexpr int bytes = 4 * static_cast<int>(sizeof(T));
  arch::Chunk<bytes> chunk;
  if constexpr (std::is_same_v<T, float>) {
    const std::uint32_t own = arch::to_tf32(h), beside = arch::shfl_xor(own, 8);
    const std::uint32_t low = u & 1 ? beside : own, high = u & 1 ? own : beside;
    const std::uint32_t other_low = arch::shfl_xor(low, 16), other_high = arch::shfl_xor(high, 16);
    chunk = u & 2 ? arch::Chunk<bytes>{{other_low, other_high, low, high}}
                  : arch::Chunk<bytes>{{low, high, other_low, other_high}};
  } else {
    std::uint16_t bits;
    std::memcpy(&bits, static_cast<const void*>(&h), sizeof bits);
    const std::uint32_t own = bits, beside = arch::shfl_xor(own, 8);
    const std::uint32_t two = u & 1 ? beside | own << 16 : own | beside << 16;
    const std::uint32_t other = arch::shfl_xor(two, 16);
    chunk = u & 2 ? arch::Chunk<bytes>{{other, two}} : arch::Chunk<bytes>{{two, other}};
  }
  unsigned char* const to = at.h + (next * Shape::slots + slot) * Shape::row_bytes + (unit & ~3) * sizeof(T);
  if constexpr (Shape::grid) {
    if (u == 0) arch::store(sent + (slot * Shape::units + unit % Shape::units) * sizeof(T), chunk);
  } else if constexpr (cluster == 1) {
    if (u == 0) arch::store(to, chunk);
  } else {
    // The four lanes that hold a chunk share the receivers.
    RAGTIME_UNROLL
    for (int r = 0; r < cluster; r += 4)
      if (cluster % 4 == 0 || u < cluster)
        arch::st_async(to, chunk, &at.full[next], static_cast<unsigned>(r + u));
  }
}

template <class T, class Tiling>
RAGTIME_KERNEL((LstmForwardShape<T, Tiling>::threads), 1)
lstm_persistent_forward(LstmPersistentForward<T> args) {
  using Shape = LstmForwardShape<T, Tiling>;
  constexpr int hidden = Shape::hidden, slots = Shape::slots, cluster = Shape::cluster, tiles = Shape::tiles;
  constexpr int slot_tiles = Shape::slot_tiles, ring = LstmScheduleTuning::ring;
  if constexpr (Shape::clustered && !arch::has_clusters) return;

  arch::SharedMemory shared;
  const Shape at = Shape::carve(shared);
  const unsigned thread = arch::thread_rank(), lane = arch::lane(), warp = arch::warp();
  const unsigned rank = Shape::clustered ? arch::cluster_rank() : arch::block_index().x % cluster;
  const unsigned which = arch::block_index().x / cluster, clusters = arch::grid_extent().x / cluster;
  const unsigned direction = which % args.directions;
  const auto side = direction == 0 ? args.side[0] : args.side[1];
  const std::int64_t states = (args.slot + direction) * std::int64_t{*args.queue.count} * args.hidden;
  // Lane (unit u, pair p, column t): rows g = 2u + p and g + 8 of a tile, slots 2t and 2t + 1. Its own cell
  // is that of slot 2t + p.
  const int u = static_cast<int>(lane >> 3), pair = static_cast<int>(lane >> 2 & 1), column = lane & 3;
  const auto unit_of = [&](int m) {
    return static_cast<int>(rank) * Shape::units + (static_cast<int>(warp) * tiles + m) * 4 + u;
  };
  const auto slot_of = [&](int n) { return n * 8 + column * 2 + pair; };

  arch::Chunk<16> weights[tiles][Shape::register_steps > 0 ? Shape::register_steps : 1];
  arch::Chunk<16>* const shared_weights = at.weights + warp * tiles * Shape::shared_steps * 32;
  lstm_load_weights<Shape>(weights, shared_weights, [&](int m) {
    return side.weights + std::int64_t{unit_of(m) / 4} * Shape::steps * 32;
  });
  float bias[tiles][2];  // of the lane's two gates
  RAGTIME_UNROLL
  for (int m = 0; m < tiles; ++m) load_floats(side.bias + std::int64_t{unit_of(m)} * 4 + pair * 2, bias[m]);

  const unsigned step_bytes = Shape::announced_bytes + Shape::h_bytes;
  lstm_begin(at, step_bytes);
  SlotOwner<cluster, slots> owner(args.queue, direction, direction == 0, rank, which / args.directions,
                                  clusters / args.directions);
  const LstmGroup<Shape> group(args.groups, which, rank);
  const auto sent_at = [&](unsigned buffer, unsigned from) {
    return group.parts() + (buffer * cluster + from) * Shape::sent_bytes;
  };
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
  const auto x_gates_at = [&](unsigned step, int m, int n, int j) {
    return at.x_gates +
           ((step % Shape::stages * 2 + j) * slot_tiles * tiles + n * tiles + m) * Shape::threads + thread;
  };
  // Two gates of two cells, as the lane adds them up; into its own place, so that nobody else need know when
  // they have arrived.
  const auto fetch_x_gates = [&](unsigned step) {
    RAGTIME_UNROLL
    for (int n = 0; n < slot_tiles; ++n) {
      RAGTIME_UNROLL
      for (int j = 0; j < 2; ++j) {
        const std::int32_t row = doing(step, n * 8 + column * 2 + j).row;
        if (row < 0) continue;
        const float* const from =
            args.x_gates + row_offset(row, args.directions * hidden * 4) + direction * hidden * 4 + pair * 2;
        RAGTIME_UNROLL
        for (int m = 0; m < tiles; ++m) arch::cp_async<8>(x_gates_at(step, m, n, j), from + unit_of(m) * 4);
      }
    }
    arch::cp_async_commit();
  };

  float c[tiles][slot_tiles], sums[tiles][slot_tiles][4] = {};
  T sent[tiles][slot_tiles];                                   // h_{t-1} of the lane's cells
  T h_begins[tiles][slot_tiles], c_begins[tiles][slot_tiles];  // of what begins in the next step, else 0
  SlotStep here[slot_tiles];
  const T zero = arch::from_float<T>(0);
  // What the sequences that begin in that step begin with.
  const auto fetch_states = [&](unsigned step) {
    RAGTIME_UNROLL
    for (int n = 0; n < slot_tiles; ++n) {
      const SlotStep then = doing(step, slot_of(n));
      const bool begins = then.row >= 0 && (then.flags & SlotStep::first) != 0;
      RAGTIME_UNROLL
      for (int m = 0; m < tiles; ++m) {
        h_begins[m][n] = c_begins[m][n] = zero;
        const std::int64_t unit = unit_of(m);
        if (!begins || unit >= args.hidden) continue;
        const std::int64_t state = states + then.sequence * args.hidden + unit;
        if (args.h0 != nullptr) h_begins[m][n] = args.h0[state];
        if (args.c0 != nullptr) c_begins[m][n] = args.c0[state];
      }
    }
  };
  RAGTIME_UNROLL
  for (int n = 0; n < slot_tiles; ++n) {
    here[n] = {SlotStep::none, 0, 0, SlotStep::none};
    RAGTIME_UNROLL
    for (int m = 0; m < tiles; ++m) {
      c[m][n] = 0;
      sent[m][n] = h_begins[m][n] = c_begins[m][n] = zero;
    }
  }
  bool is_over = false;

  for (unsigned step = 0;; ++step) {
    const unsigned now = step & 1, next = now ^ 1;
    if constexpr (Shape::grid)
      group.wait(step, at.announced, [&](unsigned from) {
        if (step > 0) lstm_bring_h<T>(at, now, from, sent_at(now, from));
      });
    else if constexpr (Shape::clustered)
      arch::mbarrier_wait(&at.full[now], step >> 1 & 1);
    else
      arch::block_sync();
    if (is_over) break;
    if (step == 0) {
      fetch_x_gates(1);
      fetch_states(1);
    } else {
      lstm_recurrent_product<T, Shape>(at, now, weights, sums);
      // A lane sends to some blocks only: what it has read of h must be before what any lane of its warp
      // sends.
      if constexpr (Shape::clustered) arch::warp_sync();
    }

    float z[tiles][slot_tiles][4], h[tiles][slot_tiles];
    T h_next[tiles][slot_tiles];
    RAGTIME_UNROLL
    for (int n = 0; n < slot_tiles; ++n) {
      const bool runs = here[n].row >= 0, ends = !runs || (here[n].flags & SlotStep::last) != 0;
      RAGTIME_UNROLL
      for (int m = 0; m < tiles; ++m) {
        // A lane has two gates of two cells; its neighbour four lanes on the other two of both.
        const float(&sum)[4] = sums[m][n];
        float(&gate)[4] = z[m][n];
        const float low = arch::shfl_xor(pair == 0 ? sum[1] : sum[0], 4),
                    high = arch::shfl_xor(pair == 0 ? sum[3] : sum[2], 4);
        gate[0] = pair == 0 ? sum[0] : low;
        gate[1] = pair == 0 ? sum[2] : high;
        gate[2] = pair == 0 ? low : sum[1];
        gate[3] = pair == 0 ? high : sum[3];
        activate(gate);
        c[m][n] = arch::fma(gate[1], c[m][n], gate[0] * gate[2]);
        h[m][n] = gate[3] * arch::tanh(c[m][n]);
        h_next[m][n] = ends ? h_begins[m][n] : stored_h<T>(h[m][n]);
      }
    }
    if (warp == 0) announce(step + Shape::ahead, next);
    RAGTIME_UNROLL
    for (int n = 0; n < slot_tiles; ++n) {
      RAGTIME_UNROLL
      for (int m = 0; m < tiles; ++m)
        lstm_send_h<T, Shape>(at, next, slot_of(n), unit_of(m), h_next[m][n], sent_at(next, rank));
    }
    if constexpr (Shape::grid) group.publish(step + 1);

    // From here on h travels.
    if (Shape::clustered && thread == 0) arch::mbarrier_arrive_expect_tx(&at.full[now], step_bytes);
    RAGTIME_UNROLL
    for (int n = 0; n < slot_tiles; ++n) {
      const bool runs = here[n].row >= 0, ends = !runs || (here[n].flags & SlotStep::last) != 0;
      RAGTIME_UNROLL
      for (int m = 0; m < tiles; ++m) {
        const std::int64_t unit = unit_of(m);
        if (runs) {
          const std::int64_t saved = (direction * args.rows + here[n].row) * hidden + unit;
          if (args.gates != nullptr) store_floats(args.gates + saved * 4, z[m][n]);
          if (args.c != nullptr) args.c[saved] = c[m][n];
          if (unit < args.hidden) {
            const std::int64_t out =
                row_offset(here[n].row, args.directions * args.hidden) + direction * args.hidden + unit;
            args.y[out] = arch::from_float<T>(h[m][n]);
            if (args.h_before != nullptr) args.h_before[out] = sent[m][n];
            if (args.c_seq != nullptr) args.c_seq[out] = arch::from_float<T>(c[m][n]);
            if ((here[n].flags & SlotStep::last) != 0) {
              const std::int64_t state = states + here[n].sequence * args.hidden + unit;
              if (args.h_n != nullptr) args.h_n[state] = arch::from_float<T>(h[m][n]);
              if (args.c_n != nullptr) args.c_n[state] = arch::from_float<T>(c[m][n]);
              if (args.final_state != nullptr)
                args.final_state[row_offset(here[n].sequence, args.directions * args.hidden) +
                                 direction * args.hidden + unit] = arch::from_float<T>(h[m][n]);
            }
          }
        }
        sent[m][n] = h_next[m][n];
        if (ends) c[m][n] = arch::to_float(c_begins[m][n]);
      }
    }
    fetch_x_gates(step + 2);
    fetch_states(step + 2);
    if (warp == 0) owner.prepare();
    arch::cp_async_wait<1>();
    bool runs_on = false;
    RAGTIME_UNROLL
    for (int n = 0; n < slot_tiles; ++n) {
      here[n] = doing(step + 1, slot_of(n));
      runs_on = runs_on || here[n].row >= 0;
      RAGTIME_UNROLL
      for (int m = 0; m < tiles; ++m) {
        RAGTIME_UNROLL
        for (int j = 0; j < 2; ++j) {
          float x[2];
          load_floats(reinterpret_cast<const float*>(x_gates_at(step + 1, m, n, j)), x);
          sums[m][n][j] = x[0] + bias[m][0];
          sums[m][n][2 + j] = x[1] + bias[m][1];
        }
      }
    }
    is_over = !arch::any(runs_on);  // a warp's lanes have every slot
  }
  if constexpr (Shape::clustered) arch::cluster_sync();
}

// What a launch of it takes.
template <class T, class Tiling>
LstmPersistentKernel<LstmPersistentForward<T>> lstm_forward_kernel() {
  return lstm_kernel<LstmForwardShape<T, Tiling>>(lstm_persistent_forward<T, Tiling>);
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
