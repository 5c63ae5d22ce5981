#pragma once

// Work split over the CPU backend's threads. A split is by the problem alone, never by the number of threads,
// so results do not depend on how many there are.

#include <cstdint>

namespace ragtime::cpu {

// body(context, i) for every i in [0, count), each once, on whichever thread is free. Allocates nothing.
// A call from inside a body, or while another thread's call is running, does its work on the calling thread.
void parallel_for(std::int64_t count, void (*body)(void* context, std::int64_t i), void* context);

// parallel_for(count, [&](std::int64_t i) { ... }); the body must not throw.
template <class Body>
void parallel_for(std::int64_t count, Body&& body) {
  parallel_for(
      count, [](void* context, std::int64_t i) { (*static_cast<Body*>(context))(i); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// body(begin, end) over [0, total) in blocks of `grain` (the last may be shorter).
template <class Body>
void parallel_blocks(std::int64_t total, std::int64_t grain, Body&& body) {
  parallel_for((total + grain - 1) / grain, [&](std::int64_t block) {
    const std::int64_t begin = block * grain;
    body(begin, begin + grain < total ? begin + grain : total);
  });
}

}  // namespace ragtime::cpu
