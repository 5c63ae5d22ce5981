#pragma once

// Set from a handler of signals by a program that has one. What waits for something outside the process, as
// a write to a pipe does, then gives up when a signal comes, instead of going on to wait.

#include <atomic>

namespace ragtime {

inline std::atomic<bool> interrupt_is_noted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a handler of signals may set it");

}  // namespace ragtime
