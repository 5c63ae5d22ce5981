// cp.async. Until the wait the destination holds 0xFF, not what was there before and not yet what is coming;
// memory is read at any time between the two.

#include <cstring>

#include "cuda/arch/simt/machine/machine.hpp"

namespace ragtime::simt {
namespace {

void read(Copy& copy) {
  std::memset(copy.value, 0, sizeof(copy.value));
  std::memcpy(copy.value, copy.from, copy.valid);
  copy.read = true;
}

}  // namespace

void cp_async(void* to, const void* from, unsigned bytes, unsigned valid, Site site) {
  check_aligned(to, bytes, "cp_async to shared memory", site);
  check_aligned(from, bytes, "cp_async from global memory", site);
  if (valid > bytes)
    fail("cp_async: " + std::to_string(valid) + " valid bytes of " + std::to_string(bytes), site);
  check_shared(to, bytes, "cp_async", site);
  note_read(from, valid);
  note_write(to, bytes);
  const Unwatched unwatched;
  std::memset(to, 0xFF, bytes);
  self().copies.push_back({to, from, bytes, valid, false, {}, site});
  if (machine.random.once_in(2)) read(self().copies.back());
}

void cp_async_commit(Site) {
  const Unwatched unwatched;
  Thread& thread = self();
  std::size_t committed = 0;
  for (const std::size_t group : thread.groups) committed += group;
  thread.groups.push_back(thread.copies.size() - committed);
}

void cp_async_wait(unsigned pending, Site) {
  Thread& thread = self();
  while (thread.groups.size() > pending) {
    for (std::size_t i = 0; i < thread.groups.front(); ++i) {
      Copy& copy = thread.copies[i];
      // Once more: whoever wrote or read there since the copy was issued was not to.
      note_read(copy.from, copy.valid);
      note_write(copy.to, copy.bytes);
      const Unwatched unwatched;
      if (!copy.read) read(copy);
      std::memcpy(copy.to, copy.value, copy.bytes);
    }
    const Unwatched unwatched;
    thread.copies.erase(thread.copies.begin(),
                        thread.copies.begin() + static_cast<std::ptrdiff_t>(thread.groups.front()));
    thread.groups.erase(thread.groups.begin());
  }
}

}  // namespace ragtime::simt
