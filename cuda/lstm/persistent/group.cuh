#pragma once

// A group: blocks that share the recurrent weights as those of a cluster do, but stand anywhere on the device
// and tell each other through memory, which for what is so small and so fresh means the second-level cache.
//
// What a block has for step t it writes, then publishes: a barrier of the block, and one thread sets the
// block's flag to t + 1 (release). Who begins step t waits for the flags of the whole group: every warp for
// those of some of the blocks, a lane each (acquire), after which it brings what these have written; then a
// barrier of the block. Flags only grow, from 0, which lstm_prepare sets before every launch.
//
// Two buffers for the parts are enough: what is written in step t, for step t + 1, goes where the parts of
// step t - 1 were. Its writer has waited for step t, so every block of the group has published step t; it did
// so behind a barrier of the block at the end of its step t - 1, when nobody in it had anything left to read
// of that step's parts. Announcements, in a ring like that in shared memory, are read the step they are
// published for, and stay longer than two steps.
//
// Forward progress: the launch is cooperative, so all blocks of all groups are resident and run. A block
// publishes step 0 without waiting, and step t + 1 after waiting for nothing but step t of its own group; by
// induction all steps are published. All blocks of a group read the same announcements, so they leave at the
// same step, and whoever leaves has published the step that it leaves at, the last one waited for.

#include "cuda/lstm/persistent/schedule.cuh"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// A group's memory: [ring][S] announcements, then `part_bytes` for the passes' parts.
template <class Shape>
class LstmGroup {
 public:
  static constexpr std::size_t announced_bytes =
      std::size_t{LstmScheduleTuning::ring} * Shape::slots * sizeof(SlotStep);
  static constexpr std::size_t bytes = announced_bytes + Shape::exchanged_bytes;
  static_assert(!Shape::grid || Shape::cluster <= lstm_group_flags, "a flag for each block");

  RAGTIME_DEVICE LstmGroup(const LstmGroups& groups, unsigned which, unsigned rank)
      : published_(groups.published + which * lstm_group_flags),
        memory_(groups.memory + which * bytes),
        rank_(rank) {}

  RAGTIME_DEVICE unsigned char* parts() const { return memory_ + announced_bytes; }
  // [S], of that step.
  RAGTIME_DEVICE arch::Chunk<16>* announced(unsigned step) const {
    return reinterpret_cast<arch::Chunk<16>*>(memory_) + step % LstmScheduleTuning::ring * Shape::slots;
  }

  // Until the group has published `step`; brings its announcements to `announced`, [ring][S] in shared
  // memory. bring(block): by cp.async, what that block has published besides, if it is wanted in shared
  // memory. The whole block comes here, and sees all of it when it leaves.
  template <class Bring>
  RAGTIME_DEVICE void wait(unsigned step, SlotStep* announced_here, Bring bring) const {
    constexpr unsigned blocks = Shape::cluster, warps = Shape::warps, slots = Shape::slots;
    const unsigned lane = arch::lane(), warp = arch::warp();
    if (warp + lane * warps < blocks)
      arch::spin_until(published_ + warp + lane * warps, [step](unsigned steps) { return steps > step; });
    arch::warp_sync();
    for (unsigned from = warp; from < blocks; from += warps) bring(from);
    // From each block those of the slots it owns; before step 0 it announced more than one step.
    const bool is_ours = lane < slots && lane % blocks % warps == warp;
    for (unsigned then = step == 0 ? 1 : step + Shape::ahead - 1; is_ours && then < step + Shape::ahead;
         ++then)
      arch::cp_async<16>(announced_here + then % LstmScheduleTuning::ring * slots + lane,
                         announced(then) + lane);
    arch::cp_async_commit();
    arch::cp_async_wait<0>();
    arch::block_sync();
  }

  // All that the block has written so far, for `step`. The whole block comes here.
  RAGTIME_DEVICE void publish(unsigned step) const {
    arch::block_sync();
    if (arch::thread_rank() == 0) arch::store_release(published_ + rank_, step + 1);
  }

 private:
  unsigned* published_;    // [G] the group's
  unsigned char* memory_;  // the group's
  unsigned rank_;
};

// What a launch of a kernel with that shape takes.
template <class Shape, class Args>
LstmPersistentKernel<Args> lstm_kernel(void (*run)(Args)) {
  constexpr std::size_t bytes = [] {
    arch::SharedSize shared;
    Shape::carve(shared);
    return shared.bytes();
  }();
  static_assert(bytes <= most_shared_bytes);
  return {Shape::tile, run, Shape::threads, bytes, Shape::grid ? LstmGroup<Shape>::bytes : 0};
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
