#pragma once

// What timing needs of a device: events, graphs, facts. Two implementations: device_cuda.cpp, and
// device_plain.cpp for builds without CUDA, where only the cpu backend is measured, by the clock.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "ragtime/backend.hpp"

namespace ragtime::benchmarks {

struct DeviceFacts {
  std::string name;
  std::string driver;            // "580.65.06", or empty
  std::size_t second_level = 0;  // bytes of the last cache
};

DeviceFacts facts_of(Backend& backend);

// Whether there are events and graphs: a device of CUDA's, not the emulation of one.
bool is_gpu(const Backend& backend);

// Time between two points of a stream.
class Timer {
 public:
  explicit Timer(DeviceType device);
  ~Timer();
  void start(Stream stream);
  void stop(Stream stream);
  double seconds();  // waits for stop

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Work that was captured, to be launched at once.
class Graph {
 public:
  // Throws std::runtime_error with the reason where the work cannot be captured.
  Graph(Stream stream, const std::function<void()>& work);
  ~Graph();
  Graph(Graph&&) noexcept;
  void launch(Stream stream) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ragtime::benchmarks
