#pragma once

// What the emulated primitives (the headers one folder up) ask of the emulation. Each call is one primitive
// of the running thread; those that may wait are where another thread may go on.

#include <cstddef>
#include <cstdint>
#include <functional>

#include "cuda/arch/simt/machine/site.hpp"
#include "cuda/arch/types.cuh"

namespace ragtime::simt {

using arch::Extent;
using arch::LaunchConfig;
using arch::LaunchResult;

// Who the running thread is.
struct Identity {
  Extent thread, block;  // indices
  unsigned rank = 0;     // in the block
  unsigned lane = 0;
  unsigned cluster_rank = 0;
};
const Identity& identity();  // throws Error outside of a kernel
const LaunchConfig& launched();

// Ends the launch with an Error that names the running thread.
[[noreturn]] void fail(const std::string& what, Site site);

// A launch that a GPU would refuse comes back as a result; a kernel that goes wrong throws Error.
LaunchResult run(const LaunchConfig& config, const std::function<void()>& kernel);

// Warp. An absent lane's value reads as 0xDEAD...
std::uint64_t shuffle(const char* operation, std::uint64_t value, unsigned from, std::uint32_t mask,
                      Site site);
std::uint32_t ballot(const char* operation, bool vote, std::uint32_t mask, Site site);
void warp_sync(std::uint32_t mask, Site site);
// Matrices. `row`: the 16 bytes this lane supplies.
void load_matrices(const char* operation, unsigned matrices, bool transposed, const void* row,
                   std::uint32_t* result, Site site);
enum class Format { bf16, f16, tf32 };
void multiply_accumulate(const char* operation, Format format, float (&c)[4], const std::uint32_t (&a)[4],
                         const std::uint32_t (&b)[2], Site site);

// Block and cluster. `threads` 0: the whole block.
void block_barrier(unsigned id, unsigned threads, bool wait, Site site);
void cluster_arrive(Site site);
void cluster_wait(Site site);

// Memory.
void may_switch();                          // at an atomic
void poll(const void* address, Site site);  // looking at a value that others change; again: nothing to do yet
void wake_spinning();                       // such a value may have changed
void check_aligned(const void* pointer, std::size_t bytes, const char* operation, Site site);
void* take_shared(std::size_t offset, std::size_t bytes, std::size_t alignment, Site site);
void* static_shared(const void* key, std::size_t bytes, Site site);
// Fails unless all bytes are in one array of this block's shared memory.
void check_shared(const void* pointer, std::size_t bytes, const char* operation, Site site);
void* map_rank(const void* pointer, unsigned rank, Site site);

// Asynchronous.
void cp_async(void* to, const void* from, unsigned bytes, unsigned valid, Site site);
void cp_async_commit(Site site);
void cp_async_wait(unsigned pending, Site site);
void mbarrier_init(void* barrier, unsigned arrivals, Site site);
void mbarrier_arrive(void* barrier, unsigned rank, unsigned arrivals, unsigned bytes, Site site);
bool mbarrier_test(void* barrier, unsigned parity, Site site);
void mbarrier_wait(void* barrier, unsigned parity, Site site);
void st_async(void* place, const void* value, unsigned bytes, void* barrier, unsigned rank, Site site);
inline constexpr unsigned own_block = ~0u;  // as a rank

}  // namespace ragtime::simt
