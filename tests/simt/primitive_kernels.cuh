#pragma once

// A kernel around each primitive. nvcc compiles them too, so what the tests pass is what a GPU would be
// given.

#include "cuda/arch/arch.cuh"

namespace ragtime::test {
inline namespace RAGTIME_ARCH {

inline constexpr int identity_fields = 9;

// identities [blocks, threads, 9], blocks and threads numbered x first.
RAGTIME_KERNEL(128, 1) tell_identity(unsigned* identities) {
  const auto [bx, by, bz] = arch::block_index();
  const auto [tx, ty, tz] = arch::thread_index();
  const arch::Extent grid = arch::grid_extent(), block = arch::block_extent();
  const unsigned place =
      (bx + grid.x * (by + grid.y * bz)) * block.count() + tx + block.x * (ty + block.y * tz);
  const unsigned fields[identity_fields] = {bx,           by,          bz, tx, ty, tz, arch::thread_rank(),
                                            arch::lane(), arch::warp()};
  for (int i = 0; i < identity_fields; ++i) identities[place * identity_fields + i] = fields[i];
}

// results [9, 32]: one warp. `value` [32].
template <class T>
RAGTIME_KERNEL(32, 1)
exchange_values(const T* value, T* results) {
  const unsigned lane = arch::lane();
  const T mine = value[lane];
  results[0 * 32 + lane] = arch::shfl(mine, 5);
  results[1 * 32 + lane] = arch::shfl(mine, (lane * 7) % 32);
  results[2 * 32 + lane] = arch::shfl_xor(mine, 9);
  results[3 * 32 + lane] = arch::shfl_up(mine, 3);
  results[4 * 32 + lane] = arch::shfl_down(mine, 30);
  // Each half of the warp for itself.
  const std::uint32_t half = lane < 16 ? 0x0000FFFFu : 0xFFFF0000u;
  results[5 * 32 + lane] = lane < 16 ? arch::shfl(mine, 2, half) : arch::shfl(mine, 20, half);
  results[6 * 32 + lane] = arch::shfl_xor(mine, 1, half);
}

// votes [4, 32]
RAGTIME_KERNEL(32, 1) vote(std::uint32_t* votes) {
  const unsigned lane = arch::lane();
  votes[0 * 32 + lane] = arch::ballot(lane % 3 == 0);
  votes[1 * 32 + lane] = arch::any(lane == 31);
  votes[2 * 32 + lane] = arch::all(lane < 31);
  if (lane < 8) votes[3 * 32 + lane] = arch::all(lane < 8, 0xFF);
}

// sums [threads]: of all threads, in as many rounds as there are threads, through one shared array.
RAGTIME_KERNEL(128, 1) rotate_and_sum(int* sums) {
  RAGTIME_SHARED(int, values, 128);
  const unsigned rank = arch::thread_rank(), count = arch::block_extent().count();
  int value = static_cast<int>(rank) + 1, sum = 0;
  for (unsigned round = 0; round < count; ++round) {
    sum += value;
    values[rank] = value;
    arch::block_sync();
    value = values[(rank + 1) % count];
    arch::block_sync();
  }
  sums[rank] = sum;
}

// Warp 0 produces, warp 1 consumes, `rounds` times, one buffer; full and empty are named barriers.
RAGTIME_KERNEL(64, 1) hand_over(int rounds, int* received) {
  RAGTIME_SHARED(int, buffer, 32);
  constexpr unsigned full = 1, empty = 2;
  const unsigned lane = arch::lane();
  if (arch::warp() == 0)
    for (int round = 0; round < rounds; ++round) {
      if (round > 0) arch::named_sync(empty, 64);
      buffer[lane] = round * 100 + static_cast<int>(lane);
      arch::named_arrive(full, 64);
    }
  else
    for (int round = 0; round < rounds; ++round) {
      arch::named_sync(full, 64);
      received[round * 32 + static_cast<int>(lane)] = buffer[31 - lane];
      if (round + 1 < rounds) arch::named_arrive(empty, 64);
    }
}

struct AtomicResults {
  int sum;
  unsigned unsigned_sum;
  std::uint64_t wide_sum, least;
  int most;
  float float_sum;
  unsigned owner;   // the one thread that found nobody
  unsigned owners;  // how many believe to be it
};
RAGTIME_KERNEL(64, 1) update_atomically(AtomicResults* results) {
  const unsigned place = arch::block_index().x * 64 + arch::thread_rank();
  arch::atomic_add(&results->sum, -1);
  arch::atomic_add(&results->unsigned_sum, 2u);
  arch::atomic_add(&results->wide_sum, std::uint64_t{1} << 40);
  arch::atomic_min(&results->least, std::uint64_t{1000} - place);
  arch::atomic_max(&results->most, static_cast<int>(place) - 5);
  arch::atomic_add(&results->float_sum, 0.5f);
  constexpr unsigned nobody = ~0u;
  if (arch::atomic_cas(&results->owner, nobody, place) == nobody) arch::atomic_add(&results->owners, 1u);
}

// Fills `to` with `from`, 16, 8, 4 and 2 bytes at a time, one warp.
RAGTIME_KERNEL(32, 1) copy_chunks(const unsigned char* from, unsigned char* to) {
  const unsigned lane = arch::lane();
  arch::store(to + lane * 16, arch::load<16>(from + lane * 16));
  arch::store_once(to + 512 + lane * 8, arch::load_once<8>(from + 512 + lane * 8));
  arch::store(to + 768 + lane * 4, arch::load<4>(from + 768 + lane * 4));
  arch::store_once(to + 896 + lane * 2, arch::load_once<2>(from + 896 + lane * 2));
}

// Copies `valid` bytes in pieces of Bytes, the rest of each piece 0; two groups, waited for one by one.
template <int Bytes>
RAGTIME_KERNEL(32, 1)
copy_async(const unsigned char* from, unsigned valid, unsigned char* first, unsigned char* second) {
  arch::SharedMemory shared;
  auto* const stage = shared.take<unsigned char>(2 * 32 * Bytes);
  const unsigned lane = arch::lane();
  for (int group = 0; group < 2; ++group) {
    const unsigned place = (group * 32 + lane) * Bytes;
    arch::cp_async<Bytes>(stage + place, from + place, valid);
    arch::cp_async_commit();
  }
  arch::cp_async_wait<1>();
  for (int i = 0; i < Bytes; ++i) first[lane * Bytes + i] = stage[lane * Bytes + i];
  arch::cp_async_wait<0>();
  arch::warp_sync();
  const unsigned other = 31 - lane;
  for (int i = 0; i < Bytes; ++i) second[other * Bytes + i] = stage[(32 + other) * Bytes + i];
}

struct Chained {
  unsigned* flags;  // [blocks] zero
  int* data;        // [blocks]
  unsigned* done;   // zero
  int* total;
};
// Each block waits for the one before it, which must be running: a cooperative launch. The last to finish
// adds up what all have written.
RAGTIME_KERNEL(32, 1) chain_blocks(Chained p) {
  const unsigned block = arch::block_index().x, blocks = arch::grid_extent().x;
  if (arch::thread_rank() == 0) {
    if (block > 0) arch::spin_until(&p.flags[block - 1], [](unsigned flag) { return flag == 1; });
    p.data[block] = block == 0 ? 1 : 2 * p.data[block - 1];
    arch::store_release(&p.flags[block], 1u);
    if (arch::atomic_add_acq_rel(p.done, 1u) == blocks - 1) {
      *p.total = 0;
      for (unsigned b = 0; b < blocks; ++b) *p.total += p.data[b];
    }
  }
}

// Every block writes into every other one's shared memory, between cluster barriers. seen [blocks, cluster].
RAGTIME_KERNEL(32, 1) write_to_peers(unsigned* seen) {
  arch::SharedMemory shared;
  unsigned* const inbox = shared.take<unsigned>(16);
  const unsigned rank = arch::cluster_rank(), size = arch::cluster_size();
  arch::cluster_sync();
  if (arch::lane() < size) arch::map_rank(inbox, arch::lane())[rank] = 100 * rank + arch::lane();
  arch::cluster_arrive();
  arch::cluster_wait();
  if (arch::lane() < size) seen[arch::block_index().x * size + arch::lane()] = inbox[arch::lane()];
}

// Each block sends 28 bytes to the next, in stores of 16, 8 and 4, `rounds` times, each what it got last time
// plus 1; two buffers. received [blocks, 7]
RAGTIME_KERNEL(32, 1) pass_around(int rounds, std::uint32_t* received) {
  arch::SharedMemory shared;
  std::uint32_t* const inbox = shared.take<std::uint32_t>(2 * 8);
  arch::Mbarrier* const full = shared.take<arch::Mbarrier>(2);
  const unsigned rank = arch::cluster_rank(), next = (rank + 1) % arch::cluster_size();
  constexpr unsigned bytes = 28;
  if (arch::thread_rank() == 0)
    for (int i = 0; i < 2; ++i) {
      arch::mbarrier_init(&full[i], 1);
      arch::mbarrier_arrive_expect_tx(&full[i], bytes);
    }
  arch::mbarrier_fence_init();
  arch::cluster_sync();
  std::uint32_t value[7];
  for (int i = 0; i < 7; ++i) value[i] = 1000 * rank + i;
  for (int round = 0; round < rounds; ++round) {
    const int b = round % 2;
    std::uint32_t* const to = inbox + 8 * b;
    if (arch::thread_rank() == 0) {
      arch::st_async(to, arch::Chunk<16>{{value[0], value[1], value[2], value[3]}}, &full[b], next);
      arch::st_async(to + 4, arch::Chunk<8>{{value[4], value[5]}}, &full[b], next);
      arch::st_async(to + 6, arch::Chunk<4>{{value[6]}}, &full[b], next);
    }
    arch::mbarrier_wait(&full[b], static_cast<unsigned>(round / 2) & 1);
    for (int i = 0; i < 7; ++i) value[i] = to[i] + 1;
    arch::block_sync();
    if (arch::thread_rank() == 0 && round + 2 < rounds) arch::mbarrier_arrive_expect_tx(&full[b], bytes);
    // The one who sends here must not begin the round after next before this one is read and armed again.
    arch::cluster_sync();
  }
  if (arch::thread_rank() < 7)
    received[arch::block_index().x * 7 + arch::thread_rank()] = value[arch::thread_rank()];
}

// Block 0 waits, by test, for one thread of each block of its cluster. order [2]
RAGTIME_KERNEL(32, 1) gather_arrivals(int* passed) {
  RAGTIME_SHARED(arch::Mbarrier, gate, 1);
  if (arch::cluster_rank() == 0 && arch::lane() == 0) arch::mbarrier_init(gate, arch::cluster_size() + 1);
  arch::mbarrier_fence_init();
  arch::cluster_sync();
  if (arch::lane() == 0) arch::mbarrier_arrive_at(gate, 0);
  if (arch::cluster_rank() == 0 && arch::lane() == 1) {
    passed[0] = arch::mbarrier_test(gate, 1);  // of the phase before the first, which counts as over
    arch::mbarrier_arrive(gate);
    while (!arch::mbarrier_test(gate, 0)) {
    }
    passed[1] = 1;
  }
  arch::cluster_sync();
}

enum class Load { x1, x1_trans, x2, x2_trans, x4, x4_trans };
// matrices [4, 8, 8], 16 bits each -> registers [32, 4]
template <Load form>
RAGTIME_KERNEL(32, 1)
load_matrices(const std::uint16_t* matrices, std::uint32_t* registers) {
  arch::SharedMemory shared;
  auto* const tile = shared.take<std::uint16_t>(4 * 64);
  for (unsigned i = arch::lane(); i < 4 * 64; i += 32) tile[i] = matrices[i];
  arch::block_sync();
  const void* const row = tile + arch::lane() * 8;
  std::uint32_t r[4] = {};
  std::uint32_t(&one)[1] = *reinterpret_cast<std::uint32_t(*)[1]>(r);
  std::uint32_t(&two)[2] = *reinterpret_cast<std::uint32_t(*)[2]>(r);
  if constexpr (form == Load::x1) arch::ldmatrix_x1(one, row);
  if constexpr (form == Load::x1_trans) arch::ldmatrix_x1_trans(one, row);
  if constexpr (form == Load::x2) arch::ldmatrix_x2(two, row);
  if constexpr (form == Load::x2_trans) arch::ldmatrix_x2_trans(two, row);
  if constexpr (form == Load::x4) arch::ldmatrix_x4(r, row);
  if constexpr (form == Load::x4_trans) arch::ldmatrix_x4_trans(r, row);
  for (int i = 0; i < 4; ++i) registers[arch::lane() * 4 + i] = r[i];
}

enum class Product { bf16, f16, tf32 };
// Fragments as registers: a [32, 4], b [32, 2], c [32, 4]; c += a . b
template <Product form>
RAGTIME_KERNEL(32, 1)
multiply_fragments(const std::uint32_t* a, const std::uint32_t* b, float* c) {
  const unsigned lane = arch::lane();
  std::uint32_t fragment_a[4], fragment_b[2];
  float sums[4];
  for (int i = 0; i < 4; ++i) fragment_a[i] = a[lane * 4 + i];
  for (int i = 0; i < 2; ++i) fragment_b[i] = b[lane * 2 + i];
  for (int i = 0; i < 4; ++i) sums[i] = c[lane * 4 + i];
  if constexpr (form == Product::bf16) arch::mma_bf16(sums, fragment_a, fragment_b);
  if constexpr (form == Product::f16) arch::mma_f16(sums, fragment_a, fragment_b);
  if constexpr (form == Product::tf32) arch::mma_tf32(sums, fragment_a, fragment_b);
  for (int i = 0; i < 4; ++i) c[lane * 4 + i] = sums[i];
}

// results [5, count]: exp, tanh, rsqrt(|x|), fma(x, x, 1), to_tf32
RAGTIME_KERNEL(32, 1) compute_functions(int count, const float* x, float* results) {
  for (int i = static_cast<int>(arch::lane()); i < count; i += 32) {
    results[0 * count + i] = arch::exp(x[i]);
    results[1 * count + i] = arch::tanh(x[i]);
    results[2 * count + i] = arch::rsqrt(fabsf(x[i]));
    results[3 * count + i] = arch::fma(x[i], x[i], 1.0f);
    results[4 * count + i] = arch::float_from_bits(arch::to_tf32(x[i]));
  }
}

// results [4, count]: through bf16 and f16, one by one and as pairs
RAGTIME_KERNEL(32, 1) round_numbers(int count, const float* x, float* results) {
  for (int i = static_cast<int>(arch::lane()); i < count; i += 32) {
    results[0 * count + i] = arch::to_float(arch::from_float<arch::bf16>(x[i]));
    results[1 * count + i] = arch::to_float(arch::from_float<arch::f16>(x[i]));
    results[2 * count + i] = arch::float_from_bits(arch::pack2<arch::bf16>(0, x[i]) & 0xFFFF0000u);
    results[3 * count + i] = arch::float_from_bits(arch::pack2<arch::bf16>(x[i], 0) << 16);
  }
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::test
