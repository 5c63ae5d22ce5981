// mbarriers, and the stores between the blocks of a cluster that they count.

#include <cstring>

#include "cuda/arch/simt/machine/machine.hpp"

namespace ragtime::simt {
namespace {

// What the object itself holds while it is initialised, so that an ordinary store over it shows.
std::uint64_t cookie(const void* barrier) {
  return 0x6D62617200000000u ^ static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(barrier));
}

std::string state_of(const MbarrierState& state) {
  std::string text = "the mbarrier initialised at " + simt::text(state.site) + ", phase " +
                     std::to_string(state.phase) + ": " + std::to_string(state.pending) + " of " +
                     std::to_string(state.arrivals) + " arrivals missing";
  if (state.bytes > 0) text += ", " + std::to_string(state.bytes) + " bytes expected and not received";
  if (state.bytes < 0) text += ", " + std::to_string(-state.bytes) + " bytes received and not expected";
  return text;
}

MbarrierState* find(Block& block, const void* barrier, const char* operation, std::string* fault) {
  const auto found = block.mbarriers.find(barrier);
  if (found == block.mbarriers.end()) {
    *fault = std::string(operation) + ": the mbarrier is not initialised (yet, or not in that block)";
    return nullptr;
  }
  std::uint64_t value;
  std::memcpy(&value, barrier, sizeof(value));
  if (value != cookie(barrier)) {
    *fault = std::string(operation) + ": the mbarrier has been overwritten, it was initialised at " +
             text(found->second.site);
    return nullptr;
  }
  return &found->second;
}

MbarrierState& must_find(Block& block, const void* barrier, const char* operation, Site site) {
  std::string fault;
  MbarrierState* const state = find(block, barrier, operation, &fault);
  if (state == nullptr) fail(fault, site);
  return *state;
}

void complete_if_due(MbarrierState& state) {
  if (state.pending != 0 || state.bytes != 0) return;
  ++state.phase;
  state.pending = state.arrivals;
  state.received[state.phase & 1].clear();  // of the phase before the one that ended
  make_ready(state.waiting);
  wake_spinning();
}

// What the phase that has ended ordered before its end.
void acquire_phase(MbarrierState& state, unsigned parity) {
  acquire(&state.order[parity & 1]);
  for (const auto& order : state.received[parity & 1]) acquire(order.get());
}

bool has_ended(const MbarrierState& state, unsigned parity) {
  return (state.phase & 1) != (parity & 1);
}

}  // namespace

void mbarrier_init(void* barrier, unsigned arrivals, Site site) {
  const Unwatched unwatched;
  check_aligned(barrier, 8, "mbarrier_init", site);
  check_shared(barrier, 8, "mbarrier_init", site);
  Block& block = *self().block;
  if (arrivals == 0) fail("mbarrier_init: for 0 arrivals", site);
  if (const auto before = block.mbarriers.find(barrier); before != block.mbarriers.end())
    fail("mbarrier_init: it is in use since " + text(before->second.site), site);
  const std::uint64_t value = cookie(barrier);
  std::memcpy(barrier, &value, sizeof(value));
  MbarrierState& state = block.mbarriers[barrier];
  state.arrivals = state.pending = arrivals;
  state.site = site;
}

// arrivals 0: only expects bytes.
void mbarrier_arrive(void* barrier, unsigned rank, unsigned arrivals, unsigned bytes, Site site) {
  const Unwatched unwatched;
  const char* const operation = bytes == 0      ? "mbarrier_arrive"
                                : arrivals == 0 ? "mbarrier_expect_tx"
                                                : "mbarrier_arrive_expect_tx";
  const auto [block, there] = in_rank(barrier, rank, operation, site);
  MbarrierState& state = must_find(*block, there, operation, site);
  if (state.pending < arrivals)
    fail(std::string(operation) + ": one arrival too many at " + state_of(state), site);
  release(&state.order[state.phase & 1]);
  state.bytes += bytes;
  state.pending -= arrivals;
  if (arrivals != 0) complete_if_due(state);
  may_switch();
}

bool mbarrier_test(void* barrier, unsigned parity, Site site) {
  poll(barrier, site);
  const Unwatched unwatched;
  MbarrierState& state = must_find(*self().block, barrier, "mbarrier_test", site);
  if (!has_ended(state, parity)) return false;
  acquire_phase(state, parity);
  return true;
}

void mbarrier_wait(void* barrier, unsigned parity, Site site) {
  const Unwatched unwatched;
  while (!has_ended(must_find(*self().block, barrier, "mbarrier_wait", site), parity)) {
    must_find(*self().block, barrier, "mbarrier_wait", site).waiting.push_back(&self());
    wait_in("mbarrier_wait", site);
  }
  acquire_phase(must_find(*self().block, barrier, "mbarrier_wait", site), parity);
}

void st_async(void* place, const void* value, unsigned bytes, void* barrier, unsigned rank, Site site) {
  check_aligned(place, bytes, "st_async", site);
  check_shared(place, bytes, "st_async", site);
  Message message;
  {
    const Unwatched unwatched;
    message.receiver = in_rank(place, rank, "st_async", site).first;
    message.to = in_rank(place, rank, "st_async", site).second;
    message.barrier = in_rank(barrier, rank, "st_async (its mbarrier)", site).second;
    must_find(*message.receiver, message.barrier, "st_async", site);
    message.bytes = bytes;
    std::memcpy(message.value, value, bytes);
    message.sender = who(self());
    message.site = site;
    message.order = std::make_unique<char>();
  }
  // The store happens some time after this, and before the end of the phase that counts it.
  note_write(message.to, bytes);
  release(message.order.get());
  const Unwatched unwatched;
  machine.messages.push_back(std::move(message));
  may_switch();
}

void deliver(std::size_t index) {
  Message message = std::move(machine.messages[index]);
  machine.messages.erase(machine.messages.begin() + static_cast<std::ptrdiff_t>(index));
  ++machine.statistics.messages;
  std::string fault;
  if (message.receiver->alive == 0) {
    record(message.sender + ": st_async reaches block " + std::to_string(message.receiver->rank) +
           " of the cluster after it has exited [" + text(message.site) + "]");
    return;
  }
  MbarrierState* const state = find(*message.receiver, message.barrier, "st_async", &fault);
  if (state == nullptr) return record(message.sender + ": " + fault + " [" + text(message.site) + "]");
  std::memcpy(message.to, message.value, message.bytes);
  state->bytes -= message.bytes;
  state->received[state->phase & 1].push_back(std::move(message.order));
  complete_if_due(*state);
}

// Of a block that exits.
void check_mbarriers(const Block& block) {
  for (const Message& message : machine.messages)
    if (message.receiver == &block)
      fail("exits while a st_async of " + message.sender + " is under way to its block", message.site);
  for (const auto& [barrier, state] : block.mbarriers)
    if (state.bytes < 0) fail("exits, but " + state_of(state), state.site);
}

std::string mbarrier_report(const Block& block) {
  std::string report;
  constexpr std::size_t shown = 4;
  std::size_t reported = 0;
  for (const auto& [barrier, state] : block.mbarriers)
    if (!state.waiting.empty() && reported++ < shown)
      report += "\n  block rank " + std::to_string(block.rank) + " waits for " + state_of(state);
  return report;
}

}  // namespace ragtime::simt
