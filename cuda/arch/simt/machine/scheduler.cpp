// Who runs next, and how a thread waits, spins, ends.

#include <algorithm>
#include <bit>
#include <exception>

#include "cuda/arch/simt/machine/machine.hpp"

namespace ragtime::simt {

Machine machine;

namespace {

void take_from_ready(Thread& thread) {
  Warp& warp = *thread.warp;
  warp.ready &= ~(1u << thread.identity.lane);
  if (warp.ready != 0 || warp.place < 0) return;
  Warp* const last = machine.ready.back();
  machine.ready[static_cast<std::size_t>(warp.place)] = last;
  last->place = warp.place;
  machine.ready.pop_back();
  warp.place = -1;
}

Warp& first_by_priority(bool highest) {
  return **std::min_element(machine.ready.begin(), machine.ready.end(), [&](const Warp* a, const Warp* b) {
    return highest ? a->priority > b->priority : a->priority < b->priority;
  });
}

Warp& pick_warp() {
  const bool keep = machine.warp != nullptr && machine.warp->place >= 0;
  switch (machine.policy) {
    case Policy::sequential:
    case Policy::reverse:
      return keep ? *machine.warp : first_by_priority(machine.policy == Policy::reverse);
    case Policy::random:
      return keep && !machine.random.once_in(8) ? *machine.warp
                                                : *machine.ready[machine.random.below(machine.ready.size())];
    case Policy::priority:
      // As in probabilistic concurrency testing: a few changes of priority at random places find what depends
      // on few orderings sooner than many switches do.
      if (keep && machine.random.once_in(512))
        machine.warp->priority = machine.random.next() & 0xFFFF;
      else if (keep)
        return *machine.warp;
      return first_by_priority(true);
  }
  return *machine.ready[0];
}

unsigned pick_lane(std::uint32_t ready) {
  const auto first = [](std::uint32_t lanes) { return static_cast<unsigned>(std::countr_zero(lanes)); };
  if (machine.lanes == Machine::Lanes::ascending) return first(ready);
  if (machine.lanes == Machine::Lanes::descending) return 31 - static_cast<unsigned>(std::countl_zero(ready));
  const unsigned start = machine.random.below(arch::warp_size);
  return ready >> start != 0 ? start + first(ready >> start) : first(ready);
}

bool message_is_due() {
  if (machine.messages.empty()) return false;
  return machine.ready.empty() || machine.delivery == Machine::Eagerness::at_once ||
         (machine.delivery == Machine::Eagerness::random && machine.random.once_in(8));
}

bool anyone_alive() {
  return std::any_of(machine.clusters.begin(), machine.clusters.end(),
                     [](const auto& cluster) { return cluster->alive != 0; });
}

// All that must hold when a thread has come to the end of its kernel.
void exit_thread() {
  Thread& thread = self();
  Block& block = *thread.block;
  const Unwatched unwatched;
  if (!thread.copies.empty())
    fail("exits with " + std::to_string(thread.copies.size()) + " cp_async under way, the first",
         thread.copies[0].site);
  for (const Meeting& meeting : thread.warp->meetings)
    if (meeting.mask >> thread.identity.lane & 1)
      fail(std::string("exits while its warp waits for it in ") + meeting.operation, meeting.site);
  if (block.barriers[0].arrived != 0 && !machine.options.allow_exited)
    fail("exits while others of its block wait in block_sync", block.barriers[0].site);
  thread.state = Thread::State::exited;
  take_from_ready(thread);
  thread.warp->alive &= ~(1u << thread.identity.lane);
  if (--block.alive == 0) {
    check_red_zones(block);
    check_mbarriers(block);
    close_shared(block);
  }
  leave_cluster(thread);
}

}  // namespace

void make_ready(Thread& thread) {
  thread.state = Thread::State::ready;
  Warp& warp = *thread.warp;
  warp.ready |= 1u << thread.identity.lane;
  if (warp.place >= 0) return;
  warp.place = static_cast<int>(machine.ready.size());
  machine.ready.push_back(&warp);
}

void make_ready(std::vector<Thread*>& waiting) {
  for (Thread* thread : waiting) make_ready(*thread);
  waiting.clear();
}

Thread* pick() {
  const Unwatched unwatched;
  for (;;) {
    if (machine.stopped != nullptr) record(machine.stopped);
    if (!machine.error.empty()) return nullptr;
    if (message_is_due()) {
      deliver(machine.delivery == Machine::Eagerness::at_once
                  ? 0
                  : machine.random.below(machine.messages.size()));
      continue;
    }
    if (machine.ready.empty()) {
      if (!anyone_alive()) return nullptr;
      if (machine.spinning.empty() || machine.idle_rounds++ >= machine.options.idle_rounds) {
        record(stuck());
        return nullptr;
      }
      make_ready(machine.spinning);
    }
    if (++machine.switches > machine.options.switch_limit) {
      record(stuck());
      return nullptr;
    }
    machine.warp = &pick_warp();
    return machine.warp->lanes[pick_lane(machine.warp->ready)];
  }
}

void switch_to(Thread* to) {
  Thread* const from = machine.running;
  if (from == to) return;
  machine.running = to;
  Fiber::switch_between(from ? *from->fiber : machine.launcher, to ? *to->fiber : machine.launcher);
}

void wait_in(const char* operation, Site site) {
  Thread& thread = self();
  thread.waits_in = operation;
  thread.site = site;
  thread.state = Thread::State::waiting;
  take_from_ready(thread);
  switch_to(pick());
  if (machine.unwinding) throw Unwound{};
}

void yield() {
  machine.warp = nullptr;  // the policy chooses anew
  switch_to(pick());
  if (machine.unwinding) throw Unwound{};
}

void may_switch() {
  const Unwatched unwatched;
  if (in_random_order() && machine.random.once_in(4)) yield();
}

void poll(const void* address, Site site) {
  const Unwatched unwatched;
  Thread& thread = self();
  if (thread.polled != address) {
    thread.polled = address;
    may_switch();
    return;
  }
  thread.spinning = true;
  machine.spinning.push_back(&thread);
  wait_in("a spin loop", site);
  thread.spinning = false;
}

void wake_spinning() {
  const Unwatched unwatched;
  machine.idle_rounds = 0;
  make_ready(machine.spinning);
}

// Where every thread begins and ends.
void thread_main() {
  Fiber::entered(machine.launcher);
  Thread& thread = self();
  thread.started = true;
  acquire(&machine.begin_order);
  try {
    (*machine.kernel)();
    exit_thread();
  } catch (const Unwound&) {
  } catch (const std::exception& exception) {
    record(who(thread) + " throws: " + exception.what());
  } catch (...) {
    record(who(thread) + " throws");
  }
  release(&machine.end_order);
  // Only here, with the exception gone: the runtime keeps those being handled per thread of the machine.
  if (thread.state != Thread::State::exited) {
    thread.state = Thread::State::exited;
    take_from_ready(thread);
  }
  if (machine.stopped != nullptr) record(machine.stopped);
  Thread* const next = machine.unwinding || thread.block->cluster->alive == 0 ? nullptr : pick();
  machine.running = next;
  Fiber::finish_to(*thread.fiber, next ? *next->fiber : machine.launcher);
}

}  // namespace ragtime::simt
