#pragma once

// Kernels as they should be and, chosen by a parameter, with a mistake that is easily made.

#include "tests/simt/fault_kernels.cuh"

namespace ragtime::test {
inline namespace RAGTIME_ARCH {

enum class Bug {
  none,
  no_barrier,         // between writing and reading shared memory
  no_second_barrier,  // between reading it and writing the next round's
  row_too_far,        // writes one row behind the array
  no_wait,            // reads what cp.async is still fetching
  wrong_rank,         // sends to the block after the next
  too_few_bytes,      // counted on the mbarrier
  too_many_bytes,
  one_buffer,          // where two are needed
  no_cluster_barrier,  // between initialising mbarriers and sending to them
};

// Rows of 32, each the sum of itself and the row before it (of the last one before the first), `rounds`
// times. values [4, 32]
template <Bug bug>
RAGTIME_KERNEL(128, 1)
add_neighbours(int rounds, int* values) {
  arch::SharedMemory shared;
  int* const rows = shared.take<int>(4 * 32);
  const unsigned row = arch::warp(), lane = arch::lane();
  const unsigned before = (row + 3) % 4, place = row + (bug == Bug::row_too_far ? 1 : 0);
  int value = values[row * 32 + lane];
  for (int round = 0; round < rounds; ++round) {
    rows[place * 32 + lane] = value;
    if constexpr (bug != Bug::no_barrier) arch::block_sync();
    value += rows[before * 32 + lane];
    if constexpr (bug != Bug::no_second_barrier) arch::block_sync();
  }
  values[row * 32 + lane] = value;
}

// out[i] = in[i] + 1, [tiles, 128], through shared memory, one tile ahead.
template <Bug bug>
RAGTIME_KERNEL(32, 1)
stream_tiles(int tiles, const int* in, int* out) {
  arch::SharedMemory shared;
  int* const stage = shared.take<int>(2 * 128);
  const unsigned place = arch::lane() * 4;
  const auto fetch = [&](int tile) {
    if (tile < tiles) arch::cp_async<16>(stage + tile % 2 * 128 + place, in + tile * 128 + place);
    arch::cp_async_commit();
  };
  fetch(0);
  for (int tile = 0; tile < tiles; ++tile) {
    fetch(tile + 1);
    if constexpr (bug != Bug::no_wait) arch::cp_async_wait<1>();
    for (int i = 0; i < 4; ++i) out[tile * 128 + place + i] = stage[tile % 2 * 128 + place + i] + 1;
  }
  arch::cp_async_wait<0>();
}

// The exchange of a recurrence: each step every block sends its number to all, waits for all, and goes on
// with the sum of what it got, each weighted by the sender's rank + 1. Two buffers need no barrier that says
// they are empty: whoever has all numbers of a step knows that every block has read those of the step before.
// state [blocks]
template <Bug bug>
RAGTIME_KERNEL(32, 1)
recur_in_a_cluster(int steps, unsigned* state) {
  arch::SharedMemory shared;
  std::uint32_t* const inbox = shared.take<std::uint32_t>(2 * 8);
  arch::Mbarrier* const full = shared.take<arch::Mbarrier>(2);
  const unsigned lane = arch::lane(), size = arch::cluster_size();
  unsigned bytes = 4 * size;
  if constexpr (bug == Bug::too_few_bytes) bytes -= 4;
  if constexpr (bug == Bug::too_many_bytes) bytes += 4;
  if (lane == 0)
    for (int b = 0; b < 2; ++b) {
      arch::mbarrier_init(&full[b], 1);
      arch::mbarrier_arrive_expect_tx(&full[b], bytes);
    }
  arch::mbarrier_fence_init();
  if constexpr (bug == Bug::no_cluster_barrier)
    arch::block_sync();
  else
    arch::cluster_sync();
  unsigned value = state[arch::block_index().x];
  for (int step = 0; step < steps; ++step) {
    const int b = bug == Bug::one_buffer ? 0 : step % 2;
    const unsigned parity = static_cast<unsigned>(bug == Bug::one_buffer ? step : step / 2) & 1;
    const unsigned to = bug == Bug::wrong_rank && lane == size - 1 ? 0 : lane;
    if (lane < size)
      arch::st_async(inbox + 8 * b + arch::cluster_rank(), arch::Chunk<4>{{value}}, &full[b], to);
    arch::mbarrier_wait(&full[b], parity);
    value = 0;
    for (unsigned rank = 0; rank < size; ++rank) value += (rank + 1) * inbox[8 * b + rank];
    value %= 1009;
    arch::warp_sync();  // all lanes have read
    if (lane == 0) arch::mbarrier_arrive_expect_tx(&full[b], bytes);
    arch::warp_sync();  // and the barrier is armed, before this block's next number lets others go on
  }
  arch::cluster_sync();
  if (lane == 0) state[arch::block_index().x] = value;
}

enum class Signal { release, relaxed };
struct Mail {
  int* letter;
  unsigned* flag;
  int* received;
};
// Block 0 writes a letter and raises a flag; block 1 waits for the flag and reads.
template <Signal signal>
RAGTIME_KERNEL(32, 1)
send_a_letter(Mail mail) {
  if (arch::thread_rank() != 0) return;
  if (arch::block_index().x == 0) {
    *mail.letter = 42;
    if constexpr (signal == Signal::release)
      arch::store_release(mail.flag, 1u);
    else
      arch::atomic_add(mail.flag, 1u);
  } else {
    arch::spin_until(mail.flag, [](unsigned flag) { return flag == 1; });
    *mail.received = *mail.letter;
  }
}

// Every round each block writes its number where all read it; the second barrier keeps a fast block from
// writing the next round's while a slow one still reads. numbers [blocks], sums [blocks]; counter [1] zero.
template <bool second_barrier>
RAGTIME_KERNEL(32, 1)
sum_over_the_grid(int rounds, unsigned* counter, int* numbers, int* sums) {
  const unsigned block = arch::block_index().x, blocks = arch::grid_extent().x;
  unsigned barriers = 0;
  int sum = 0;
  for (int round = 0; round < rounds; ++round) {
    if (arch::thread_rank() == 0) numbers[block] = round * 100 + static_cast<int>(block);
    grid_barrier(counter, ++barriers);
    if (arch::thread_rank() == 0)
      for (unsigned b = 0; b < blocks; ++b) sum += numbers[b];
    if constexpr (second_barrier) grid_barrier(counter, ++barriers);
  }
  if (arch::thread_rank() == 0) sums[block] = sum;
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::test
