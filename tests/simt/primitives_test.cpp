// The emulated primitives against their definitions: who is who, warps, barriers, atomics, copies, clusters.
// Matrices and numbers have a file of their own.

#include <numeric>

#include "tests/simt/primitive_kernels.cuh"
#include "tests/simt/support.hpp"

namespace ragtime::test {
namespace {

TEST(PrimitivesTest, EveryThreadKnowsItsPlace) {
  const arch::Extent grid{2, 3, 2}, block{5, 4, 3};
  for_seeds([&] {
    std::vector<unsigned> identities(grid.count() * block.count() * identity_fields, ~0u);
    run({.name = "tell_identity", .grid = grid, .block = block}, tell_identity, identities.data());
    const unsigned* got = identities.data();
    for (unsigned b = 0; b < grid.count(); ++b)
      for (unsigned t = 0; t < block.count(); ++t, got += identity_fields) {
        const unsigned expected[] = {b % 2, b / 2 % 3, b / 6, t % 5, t / 5 % 4, t / 20, t, t % 32, t / 32};
        ASSERT_THAT(std::vector<unsigned>(got, got + identity_fields), testing::ElementsAreArray(expected));
      }
  });
}

template <class T>
void check_exchanges() {
  for_seeds([] {
    std::vector<T> value(32), results = unwritten<T>(7 * 32);
    for (int i = 0; i < 32; ++i) value[static_cast<std::size_t>(i)] = static_cast<T>(i * 3 + 1);
    run({.name = "exchange_values", .block = {32}}, exchange_values<T>, value.data(), results.data());
    for (unsigned lane = 0; lane < 32; ++lane) {
      const unsigned from[] = {5,
                               lane * 7 % 32,
                               lane ^ 9,
                               lane < 3 ? lane : lane - 3,
                               lane + 30 < 32 ? lane + 30 : lane,
                               lane < 16 ? 2u : 20u,
                               lane ^ 1};
      for (unsigned i = 0; i < 7; ++i)
        ASSERT_EQ(results[i * 32 + lane], value[from[i]]) << i << " lane " << lane;
    }
  });
}

TEST(PrimitivesTest, ShufflesMoveValuesBetweenLanes) {
  check_exchanges<int>();
  check_exchanges<float>();
  check_exchanges<std::uint64_t>();
  check_exchanges<double>();
}

TEST(PrimitivesTest, VotesAreTakenAmongTheLanesOfTheMask) {
  for_seeds([] {
    auto votes = unwritten<std::uint32_t>(4 * 32);
    run({.name = "vote", .block = {32}}, vote, votes.data());
    std::uint32_t thirds = 0;
    for (unsigned lane = 0; lane < 32; lane += 3) thirds |= 1u << lane;
    for (unsigned lane = 0; lane < 32; ++lane) {
      EXPECT_EQ(votes[lane], thirds);
      EXPECT_EQ(votes[32 + lane], 1u);
      EXPECT_EQ(votes[64 + lane], 0u);
      EXPECT_EQ(votes[96 + lane], lane < 8 ? 1u : ~0u);
    }
  });
}

TEST(PrimitivesTest, BlockBarriersSeparateRounds) {
  for (const unsigned threads : {1u, 31u, 33u, 100u})
    for_seeds([&] {
      auto sums = unwritten<int>(threads);
      run({.name = "rotate_and_sum", .block = {threads}}, rotate_and_sum, sums.data());
      EXPECT_THAT(sums, testing::Each(static_cast<int>(threads * (threads + 1) / 2)));
    });
}

TEST(PrimitivesTest, NamedBarriersHandABufferOver) {
  for_seeds([] {
    constexpr int rounds = 5;
    auto received = unwritten<int>(rounds * 32);
    run({.name = "hand_over", .block = {64}}, hand_over, rounds, received.data());
    for (int i = 0; i < rounds * 32; ++i)
      EXPECT_EQ(received[static_cast<std::size_t>(i)], i / 32 * 100 + 31 - i % 32);
  });
}

TEST(PrimitivesTest, AtomicsAddUpFromAllBlocks) {
  for_seeds([] {
    AtomicResults results{0, 0, 0, ~std::uint64_t{0}, -100, 0, ~0u, 0};
    run({.name = "update_atomically", .grid = {3}, .block = {64}}, update_atomically, &results);
    EXPECT_EQ(results.sum, -192);
    EXPECT_EQ(results.unsigned_sum, 384u);
    EXPECT_EQ(results.wide_sum, std::uint64_t{192} << 40);
    EXPECT_EQ(results.least, 1000u - 191);
    EXPECT_EQ(results.most, 186);
    EXPECT_EQ(results.float_sum, 96.0f);
    EXPECT_LT(results.owner, 192u);
    EXPECT_EQ(results.owners, 1u);
  });
}

TEST(PrimitivesTest, ChunksAreCopiedWhole) {
  alignas(16) unsigned char from[960], to[960] = {};
  std::iota(std::begin(from), std::end(from), static_cast<unsigned char>(1));
  run({.name = "copy_chunks", .block = {32}}, copy_chunks, from, to);
  EXPECT_EQ(std::memcmp(from, to, sizeof(from)), 0);
}

template <int Bytes>
void check_async_copies() {
  for_seeds([] {
    for (unsigned valid = 0; valid <= Bytes; ++valid) {
      alignas(16) unsigned char from[2 * 32 * Bytes];
      std::iota(std::begin(from), std::end(from), static_cast<unsigned char>(1));
      auto first = unwritten<unsigned char>(32 * Bytes), second = first;
      run({.name = "copy_async", .block = {32}, .shared_bytes = 2 * 32 * Bytes}, copy_async<Bytes>, from,
          valid, first.data(), second.data());
      for (unsigned i = 0; i < 32 * Bytes; ++i) {
        ASSERT_EQ(first[i], i % Bytes < valid ? from[i] : 0) << i << " of " << valid;
        ASSERT_EQ(second[i], i % Bytes < valid ? from[32 * Bytes + i] : 0) << i << " of " << valid;
      }
    }
  });
}

TEST(PrimitivesTest, AsynchronousCopiesFillUpWithZeros) {
  check_async_copies<4>();
  check_async_copies<8>();
  check_async_copies<16>();
}

TEST(PrimitivesTest, BlocksOfACooperativeLaunchWaitForEachOther) {
  for_seeds([] {
    constexpr unsigned blocks = 7;
    std::vector<unsigned> flags(blocks);
    auto data = unwritten<int>(blocks);
    unsigned done = 0;
    int total = -1;
    run({.name = "chain_blocks", .grid = {blocks}, .block = {32}, .cooperative = true}, chain_blocks,
        Chained{flags.data(), data.data(), &done, &total});
    EXPECT_EQ(total, (1 << blocks) - 1);
  });
}

TEST(PrimitivesTest, BlocksOfAClusterReachEachOthersSharedMemory) {
  for (const unsigned size : {1u, 2u, 4u, 16u})
    for_seeds([&] {
      const unsigned blocks = 2 * size;
      auto seen = unwritten<unsigned>(blocks * size);
      run({.name = "write_to_peers", .grid = {blocks}, .block = {32}, .cluster = size, .shared_bytes = 64},
          write_to_peers, seen.data());
      for (unsigned block = 0; block < blocks; ++block)
        for (unsigned from = 0; from < size; ++from)
          ASSERT_EQ(seen[block * size + from], 100 * from + block % size);
    });
}

TEST(PrimitivesTest, StoresToOtherBlocksAreCountedByTheirMbarrier) {
  for (const unsigned size : {1u, 2u, 4u, 8u})
    for_seeds([&] {
      constexpr int rounds = 6;
      auto received = unwritten<std::uint32_t>(size * 7);
      run({.name = "pass_around", .grid = {size}, .block = {32}, .cluster = size, .shared_bytes = 128},
          pass_around, rounds, received.data());
      for (unsigned block = 0; block < size; ++block)
        for (unsigned i = 0; i < 7; ++i)
          ASSERT_EQ(received[block * 7 + i], 1000 * ((block + 8 * size - rounds) % size) + i + rounds);
    });
}

TEST(PrimitivesTest, ArrivalsComeFromOtherBlocks) {
  for_seeds([] {
    int passed[2] = {-1, -1};
    run({.name = "gather_arrivals", .grid = {4}, .block = {32}, .cluster = 4}, gather_arrivals, passed);
    EXPECT_THAT(passed, testing::Each(1));
  });
}

}  // namespace
}  // namespace ragtime::test
