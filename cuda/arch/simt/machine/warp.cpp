// Operations in which the lanes of a warp meet.

#include <bit>
#include <cstring>

#include "cuda/arch/simt/machine/warp.hpp"

namespace ragtime::simt {

void meet(const char* operation, std::uint32_t mask, void* argument, Combine combine, bool whole_warp,
          Site site) {
  Thread& thread = self();
  Warp& warp = *thread.warp;
  const std::uint32_t me = 1u << thread.identity.lane;
  ++machine.statistics.warp_operations;
  const std::string name = operation;
  if ((mask & me) == 0) fail(name + ": the calling lane is not in its mask", site);
  if ((mask & ~warp.alive) != 0) fail(name + ": the mask names lanes that have exited or never were", site);
  Meeting* meeting = nullptr;
  for (Meeting& open : warp.meetings)
    if (open.mask == mask && (open.arrived & me) == 0) {
      meeting = &open;
      break;
    }
  if (meeting == nullptr) {
    warp.meetings.push_back({operation, mask, 0, site, {}});
    meeting = &warp.meetings.back();
  } else if (std::strcmp(meeting->operation, operation) != 0) {
    fail(name + ": divergence, others of the warp wait in " + meeting->operation + " at " +
             text(meeting->site),
         site);
  } else if (whole_warp && meeting->site != site) {
    fail(name + " at two places at once: divergence, others of the warp wait at " + text(meeting->site),
         site);
  }
  meeting->arrived |= me;
  meeting->arguments[thread.identity.lane] = argument;
  if (meeting->arrived != mask) return wait_in(operation, site);
  if (combine != nullptr) combine(meeting->arguments, mask);
  *meeting = warp.meetings.back();
  warp.meetings.pop_back();
  for (std::uint32_t rest = mask & ~me; rest != 0; rest &= rest - 1)
    make_ready(*warp.lanes[std::countr_zero(rest)]);
  if (in_random_order() && machine.random.once_in(4)) yield();
}

std::uint64_t shuffle(const char* operation, std::uint64_t value, unsigned from, std::uint32_t mask,
                      Site site) {
  struct Argument {
    std::uint64_t value, result;
    unsigned from;
  };
  const Unwatched unwatched;
  Argument mine{value, 0, from % arch::warp_size};
  meet(
      operation, mask, &mine,
      [](void** arguments, std::uint32_t lanes) {
        for (std::uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
          auto& to = *static_cast<Argument*>(arguments[std::countr_zero(rest)]);
          constexpr std::uint64_t undefined = 0xDEADDEADDEADDEADu;
          to.result = lanes >> to.from & 1 ? static_cast<Argument*>(arguments[to.from])->value : undefined;
        }
      },
      false, site);
  return mine.result;
}

std::uint32_t ballot(const char* operation, bool vote, std::uint32_t mask, Site site) {
  struct Argument {
    bool vote;
    std::uint32_t result;
  };
  const Unwatched unwatched;
  Argument mine{vote, 0};
  meet(
      operation, mask, &mine,
      [](void** arguments, std::uint32_t lanes) {
        std::uint32_t votes = 0;
        for (std::uint32_t lane = 0; lane < arch::warp_size; ++lane)
          if (lanes >> lane & 1)
            votes |= std::uint32_t{static_cast<Argument*>(arguments[lane])->vote} << lane;
        for (std::uint32_t rest = lanes; rest != 0; rest &= rest - 1)
          static_cast<Argument*>(arguments[std::countr_zero(rest)])->result = votes;
      },
      false, site);
  return mine.result;
}

void warp_sync(std::uint32_t mask, Site site) {
  const Unwatched unwatched;
  char* const order = &self().warp->order;
  release(order);
  meet("warp_sync", mask, nullptr, nullptr, false, site);
  acquire(order);
}

}  // namespace ragtime::simt
