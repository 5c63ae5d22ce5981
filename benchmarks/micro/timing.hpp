#pragma once

// Time of a call on the CPU, for programs of one measurement each.

#include <algorithm>
#include <chrono>
#include <vector>

namespace ragtime::benchmarks {

// Seconds of one call: the median of five repetitions, each of at least `seconds`, after one call for warming up.
template <class Call>
double median_seconds(Call&& call, double seconds = 0.05) {
  using Clock = std::chrono::steady_clock;
  const auto time = [&](std::int64_t calls) {
    const auto begin = Clock::now();
    for (std::int64_t i = 0; i < calls; ++i) call();
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  call();
  std::int64_t calls = 1;
  while (time(calls) < seconds) calls *= 2;
  std::vector<double> repetitions;
  for (int i = 0; i < 5; ++i) repetitions.push_back(time(calls) / static_cast<double>(calls));
  std::sort(repetitions.begin(), repetitions.end());
  return repetitions[2];
}

}  // namespace ragtime::benchmarks
