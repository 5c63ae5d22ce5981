#pragma once

// What both persistent kernels share: products of fragments, and the schedule of the slots.
//
// The schedule. A cluster has S slots, each of which runs one sequence at a time. Every slot belongs to one
// block, whose first warp decides what the slot does `ahead` steps from now and tells every block of the
// cluster: C lanes keep the same books for a slot, and each sends to one block. The announcement (a SlotStep)
// is counted on the barrier of the step that it travels with, so whoever has waited for step t knows steps up
// to t + ahead - 1.
//
// Which sequence a slot gets next comes from a counter in device memory, so a cluster that is through early
// takes more. Nobody waits for it: a slot asks `reserve` visits before its sequence ends, takes the answer a
// step later and the job it names another step later. Only sequences shorter than that make it wait.
//
// What a sequence computes does not depend on its slot, so the order in which blocks come to the counter
// shows in no result.

#include "cuda/arch/arch.cuh"
#include "cuda/lstm/persistent/persistent.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// c += a b, with fragments of T; float means tf32.
template <class T>
RAGTIME_DEVICE void multiply_fragments(float (&c)[4], const arch::Chunk<16>& a, std::uint32_t b0,
                                       std::uint32_t b1) {
  const std::uint32_t b[2] = {b0, b1};
  if constexpr (std::is_same_v<T, float>)
    arch::mma_tf32(c, a.word, b);
  else if constexpr (std::is_same_v<T, arch::bf16>)
    arch::mma_bf16(c, a.word, b);
  else
    arch::mma_f16(c, a.word, b);
}

// row * stride: one instruction, where both have 32 bits.
RAGTIME_DEVICE std::int64_t row_offset(std::int32_t row, std::int64_t stride) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(static_cast<std::uint32_t>(row)) *
                                   static_cast<std::uint32_t>(stride));
}

// What a slot does in a step. 16 bytes, sent at once.
struct alignas(16) SlotStep {
  static constexpr std::int32_t none = -1;
  static constexpr std::int32_t first = 1, last = 2;  // flags, in the order of the walk

  std::int32_t row;       // of the visit, or none
  std::int32_t sequence;  // whose
  std::int32_t flags;
  std::int32_t ended;  // the sequence whose last visit was the step before, or none
};

// A warp's weights: the first k steps of each of its tiles into registers, the others into `shared`,
// [tiles][Shape::shared_steps][32] of this warp. tile(m): where tile m begins for this block, [steps][32].
template <class Shape, int kept, class Tile>
RAGTIME_DEVICE void lstm_load_weights(arch::Chunk<16> (&weights)[Shape::tiles][kept], arch::Chunk<16>* shared,
                                      Tile tile) {
  const unsigned lane = arch::lane();
  RAGTIME_UNROLL
  for (int m = 0; m < Shape::tiles; ++m) {
    const arch::Chunk<16>* const from = tile(m) + lane;
    RAGTIME_UNROLL
    for (int k = 0; k < Shape::register_steps; ++k) weights[m][k] = arch::load<16>(from + k * 32);
    for (int k = Shape::register_steps; k < Shape::steps; ++k)
      shared[(m * Shape::shared_steps + k - Shape::register_steps) * 32 + lane] =
          arch::load<16>(from + k * 32);
  }
}

// Step 0, in which no slot does anything, and in a cluster the barriers of the first two steps: step 0 waits
// for the announcements that come before it, step 1 for `step_bytes`, as all that follow.
template <class Shape>
RAGTIME_DEVICE void lstm_begin(const Shape& at, [[maybe_unused]] unsigned step_bytes) {
  const unsigned thread = arch::thread_rank();
  if (thread < Shape::slots) at.announced[thread] = {SlotStep::none, 0, 0, SlotStep::none};
  if constexpr (Shape::clustered) {
    if (thread == 0) {
      arch::mbarrier_init(&at.full[0], 1);
      arch::mbarrier_init(&at.full[1], 1);
      arch::mbarrier_fence_init();
      arch::mbarrier_arrive_expect_tx(&at.full[0], (Shape::ahead - 1) * Shape::announced_bytes);
      arch::mbarrier_arrive_expect_tx(&at.full[1], step_bytes);
    }
    arch::cluster_sync();
  }
}

struct LstmScheduleTuning {
  static constexpr int ring = 8;     // announcements kept; more than twice `ahead`
  static constexpr int reserve = 4;  // visits before its sequence's end at which a slot asks for the next
};

// One per lane of the first warp of every block. ascending: the walk goes from a sequence's first row to its
// last.
template <int cluster, int slots>
class SlotOwner {
 public:
  // rank: of the block in its cluster; which_cluster: among the `clusters` of its direction.
  RAGTIME_DEVICE SlotOwner(const LstmQueue& queue, unsigned direction, bool ascending, unsigned rank,
                           unsigned which_cluster, unsigned clusters)
      : jobs_(queue.jobs),
        taken_(queue.taken + direction),
        count_(static_cast<unsigned>(*queue.count)),
        begun_(clusters * slots),
        slot_(static_cast<int>(rank + arch::lane() / cluster * cluster)),
        ascending_(ascending) {
    // Neighbours of the order, which are of like length, begin in different clusters.
    if (slot_ < slots) load(static_cast<unsigned>(slot_) * clusters + which_cluster);
    take();
  }

  // What the slot does in the step after the one announced last; kept until `announce`. Every lane of the
  // warp comes here, behind the sends of a step, where it delays nobody.
  RAGTIME_DEVICE void prepare() { next_ = advance(); }
  // Tells every block. `steps`: this block's place of that step, [slots]; `full`: the barrier it is counted
  // on.
  RAGTIME_DEVICE void announce(SlotStep* steps, [[maybe_unused]] arch::Mbarrier* full) const {
    if (!owns()) return;
    if constexpr (cluster > 1)
      arch::st_async(steps + slot_, chunk_of(next_), full, arch::lane() % cluster);
    else
      steps[slot_] = next_;
  }
  // The same where the blocks are a group; `steps`: that step's place in the group's memory, [slots].
  RAGTIME_DEVICE void announce(arch::Chunk<16>* steps) const {
    if (owns() && leads()) arch::store(steps + slot_, chunk_of(next_));
  }

 private:
  enum class Stage : std::int8_t { idle, asked, loaded, exhausted };

  RAGTIME_DEVICE bool owns() const { return slot_ < slots; }
  RAGTIME_DEVICE static arch::Chunk<16> chunk_of(const SlotStep& step) {
    return {{static_cast<std::uint32_t>(step.row), static_cast<std::uint32_t>(step.sequence),
             static_cast<std::uint32_t>(step.flags), static_cast<std::uint32_t>(step.ended)}};
  }
  RAGTIME_DEVICE SlotStep advance() {
    SlotStep step{SlotStep::none, 0, 0, ended_};
    ended_ = SlotStep::none;
    if (left_ > 0) {
      step.row = row_;
      step.sequence = sequence_;
      step.flags = (is_first_ ? SlotStep::first : 0) | (left_ == 1 ? SlotStep::last : 0);
      is_first_ = false;
      row_ += ascending_ ? 1 : -1;
      --left_;
      if (left_ == 0) ended_ = sequence_;
    }
    // The stages of the reservation, each a step after the one before unless time has run out.
    const bool is_over = step.row != SlotStep::none && left_ == 0;
    if (stage_ == Stage::asked)
      load(ticket_ + begun_);
    else if (stage_ == Stage::idle && step.row != SlotStep::none && left_ < LstmScheduleTuning::reserve)
      ask();
    if (arch::any(is_over)) {
      if (is_over && stage_ == Stage::asked) load(ticket_ + begun_);
      take(is_over);
    }
    return step;
  }

  // Only the lane that sends to the first block asks; the others get the job from it.
  RAGTIME_DEVICE bool leads() const { return arch::lane() % cluster == 0; }
  RAGTIME_DEVICE void ask() {
    if (leads()) ticket_ = arch::atomic_increment(taken_);
    stage_ = Stage::asked;
  }
  RAGTIME_DEVICE void load(unsigned position) {
    job_ = {};
    if (leads() && position < count_) {
      // As much as is wanted: a register for the rest would be waited for as soon as it is used again.
      const arch::Chunk<8> place = arch::load<8>(&jobs_[position].first_row);
      job_.first_row = static_cast<std::int32_t>(place.word[0]);
      job_.length = static_cast<std::int32_t>(place.word[1]);
      job_.sequence = jobs_[position].sequence;
    }
    stage_ = Stage::loaded;
  }
  RAGTIME_DEVICE void take(bool wanted = true) {
    const unsigned leader = arch::lane() / cluster * cluster;
    const std::int32_t first_row = arch::shfl(job_.first_row, leader),
                       length = arch::shfl(job_.length, leader), sequence = arch::shfl(job_.sequence, leader);
    if (!wanted || !owns()) return;
    left_ = length;
    sequence_ = sequence;
    row_ = ascending_ ? first_row : first_row + length - 1;
    is_first_ = true;
    stage_ = length > 0 ? Stage::idle : Stage::exhausted;
  }

  const LstmJob* jobs_;
  unsigned* taken_;
  unsigned count_, begun_;
  int slot_;
  bool ascending_, is_first_ = true;
  std::int32_t row_ = 0, left_ = 0, sequence_ = 0, ended_ = SlotStep::none;
  Stage stage_ = Stage::exhausted;
  unsigned ticket_ = 0;
  LstmJob job_;
  SlotStep next_{};
};

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
