// benchmarks/measure/device.hpp without CUDA.

#include <chrono>
#include <stdexcept>

#include "benchmarks/measure/device.hpp"

namespace ragtime::benchmarks {

using Clock = std::chrono::steady_clock;

DeviceFacts facts_of(Backend& backend) {
  return {backend.description(), "", 0};
}

bool is_gpu(const Backend&) {
  return false;
}

struct Timer::State {
  Clock::time_point begin, end;
};

Timer::Timer(DeviceType) : state_(std::make_unique<State>()) {}
Timer::~Timer() = default;
void Timer::start(Stream) {
  state_->begin = Clock::now();
}
void Timer::stop(Stream) {
  state_->end = Clock::now();
}
double Timer::seconds() {
  return std::chrono::duration<double>(state_->end - state_->begin).count();
}

struct Graph::State {};

Graph::Graph(Stream, const std::function<void()>&) {
  throw std::runtime_error("this build has no CUDA, and so no graphs");
}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
void Graph::launch(Stream) const {}

}  // namespace ragtime::benchmarks
