// Shared memory of a block. Every array stands between red zones and begins as 0xFF, which is NaN in every
// float; what a kernel sees of a place is only which array it is in. A red zone is poisoned for
// AddressSanitizer, and holds a pattern that is looked at when the block ends.

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "cuda/arch/simt/machine/machine.hpp"

namespace ragtime::simt {
namespace {

constexpr std::size_t red_zone = 64;
constexpr std::size_t most_arrays = 64;
constexpr std::size_t most_static = 48 * 1024;  // bytes, as on a GPU
constexpr std::size_t page = 4096;
constexpr unsigned char pattern = 0xC5;

std::string name_of(const SharedArray& array) {
  return "the shared array of " + std::to_string(array.bytes) + " bytes from " + text(array.site);
}

SharedArray* find(Block& block, const void* key, std::size_t offset) {
  for (SharedArray& array : block.arrays)
    if (array.key == key && (key != nullptr || array.offset == offset)) return &array;
  return nullptr;
}

SharedArray& add(Block& block, const void* key, std::size_t offset, std::size_t bytes, std::size_t alignment,
                 Site site) {
  const std::size_t place = (block.used + alignment - 1) / alignment * alignment;
  if (block.arrays.size() >= most_arrays || place + bytes + red_zone > block.reserved)
    fail("more than " + std::to_string(most_arrays) + " shared arrays", site);
  block.arrays.push_back({key, offset, bytes, place, site});
  block.used = place + bytes + red_zone;
  unpoison(block.shared + place, bytes);
  std::memset(block.shared + place, 0xFF, bytes);
  return block.arrays.back();
}

SharedArray* containing(Block& block, const void* pointer, std::size_t bytes) {
  const auto* const at = static_cast<const unsigned char*>(pointer);
  for (SharedArray& array : block.arrays) {
    const unsigned char* const begin = block.shared + array.place;
    if (at >= begin && at + bytes <= begin + array.bytes) return &array;
  }
  return nullptr;
}

SharedArray& must_contain(const void* pointer, std::size_t bytes, const char* operation, Site site) {
  Block& block = *self().block;
  if (SharedArray* const array = containing(block, pointer, bytes)) return *array;
  const auto* const at = static_cast<const unsigned char*>(pointer);
  std::string where = "memory that is not this block's shared memory";
  if (at >= block.shared && at < block.shared + block.reserved) {
    where = "shared memory outside of every array";
    for (const SharedArray& array : block.arrays)
      if (at >= block.shared + array.place && at < block.shared + array.place + array.bytes + red_zone)
        where = std::to_string(at + bytes - (block.shared + array.place)) + " bytes into " + name_of(array);
  }
  fail(std::string(operation) + ": reaches " + where, site);
}

}  // namespace

void reserve_shared(Block& block) {
  const std::size_t bytes =
      machine.config.shared_bytes + most_static + red_zone + most_arrays * (red_zone + 16) + 2048;
  block.reserved = (bytes + page - 1) / page * page;
  // The page behind all arrays stops what jumps over the last red zone.
  void* const memory =
      mmap(nullptr, block.reserved + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw Error("no memory for the shared memory of one more block");
  mprotect(static_cast<unsigned char*>(memory) + block.reserved, page, PROT_NONE);
  block.shared = static_cast<unsigned char*>(memory);
  unpoison(block.shared, block.reserved);
  std::memset(block.shared, pattern, block.reserved);
  poison(block.shared, block.reserved);
  block.used = red_zone;
}

void check_red_zones(const Block& block) {
  std::vector<const SharedArray*> arrays;
  for (const SharedArray& array : block.arrays) arrays.push_back(&array);
  std::sort(arrays.begin(), arrays.end(), [](auto* a, auto* b) { return a->place < b->place; });
  unpoison(block.shared, block.reserved);
  std::size_t at = 0;
  const SharedArray* before = nullptr;
  const auto check_until = [&](std::size_t end) {
    for (; at < end; ++at)
      if (block.shared[at] != pattern)
        fail(before ? "something wrote " + std::to_string(at - before->place - before->bytes) +
                          " bytes behind the end of " + name_of(*before)
                    : "something wrote before the first shared array",
             before ? before->site : Site{});
  };
  for (const SharedArray* array : arrays) {
    check_until(array->place);
    at = array->place + array->bytes;
    before = array;
  }
  check_until(std::min(block.used + red_zone, block.reserved));
}

void close_shared(Block& block) {
  poison(block.shared, block.reserved);
#ifndef RAGTIME_SIMT_ASAN
  mprotect(block.shared, block.reserved, PROT_NONE);
#endif
}

void free_shared(Block& block) {
  if (block.shared == nullptr) return;
  unpoison(block.shared, block.reserved);
  munmap(block.shared, block.reserved + page);
  block.shared = nullptr;
}

void* take_shared(std::size_t offset, std::size_t bytes, std::size_t alignment, Site site) {
  const Unwatched unwatched;
  Block& block = *self().block;
  if (SharedArray* const array = find(block, nullptr, offset)) {
    if (array->bytes != bytes)
      fail("takes " + std::to_string(bytes) + " bytes where another thread took " + name_of(*array), site);
    return block.shared + array->place;
  }
  if (offset + bytes > machine.config.shared_bytes)
    fail("takes shared memory up to byte " + std::to_string(offset + bytes) + ", but the launch has " +
             std::to_string(machine.config.shared_bytes),
         site);
  return block.shared + add(block, nullptr, offset, bytes, std::max<std::size_t>(alignment, 16), site).place;
}

void* static_shared(const void* key, std::size_t bytes, Site site) {
  const Unwatched unwatched;
  Block& block = *self().block;
  if (SharedArray* const array = find(block, key, 0)) return block.shared + array->place;
  std::size_t all = bytes;
  for (const SharedArray& array : block.arrays) all += array.key != nullptr ? array.bytes : 0;
  if (all > most_static)
    fail("has " + std::to_string(all) + " bytes of static shared memory, a GPU at most 48 KiB", site);
  return block.shared + add(block, key, 0, bytes, 16, site).place;
}

void check_shared(const void* pointer, std::size_t bytes, const char* operation, Site site) {
  const Unwatched unwatched;
  must_contain(pointer, bytes, operation, site);
}

// The block of that rank, and the same place of the same array in it.
std::pair<Block*, void*> in_rank(const void* pointer, unsigned rank, const char* operation, Site site) {
  Block& block = *self().block;
  const SharedArray array = must_contain(pointer, 1, operation, site);
  if (rank == own_block) rank = block.rank;
  const auto& blocks = block.cluster->blocks;
  if (rank >= blocks.size())
    fail(std::string(operation) + ": rank " + std::to_string(rank) + " in a cluster of " +
             std::to_string(blocks.size()),
         site);
  Block& other = *blocks[rank];
  if (other.alive == 0)
    fail(std::string(operation) + ": block " + std::to_string(rank) + " of the cluster has exited", site);
  SharedArray* there = find(other, array.key, array.offset);
  if (there == nullptr) there = &add(other, array.key, array.offset, array.bytes, 16, array.site);
  const std::size_t inside =
      static_cast<std::size_t>(static_cast<const unsigned char*>(pointer) - block.shared) - array.place;
  if (inside >= there->bytes)
    fail(std::string(operation) + ": beyond " + name_of(*there) + " in block " + std::to_string(rank), site);
  return {&other, other.shared + there->place + inside};
}

void* map_rank(const void* pointer, unsigned rank, Site site) {
  const Unwatched unwatched;
  return in_rank(pointer, rank, "map_rank", site).second;
}

void check_aligned(const void* pointer, std::size_t bytes, const char* operation, Site site) {
  if (reinterpret_cast<std::uintptr_t>(pointer) % bytes != 0)
    fail(std::string(operation) + ": the address is not a multiple of " + std::to_string(bytes), site);
}

}  // namespace ragtime::simt
