// benchmarks/measure/device.hpp by the CUDA runtime; the cpu backend by the clock.

#include <cuda_runtime_api.h>

#include <chrono>
#include <fstream>
#include <regex>
#include <stdexcept>

#include "benchmarks/measure/device.hpp"

namespace ragtime::benchmarks {
namespace {

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw std::runtime_error(std::string(what) + " failed: " + cudaGetErrorString(status));
}

cudaStream_t handle_of(Stream stream) {
  return static_cast<cudaStream_t>(stream.handle);
}

using Clock = std::chrono::steady_clock;

}  // namespace

DeviceFacts facts_of(Backend& backend) {
  if (backend.device() != DeviceType::cuda) return {backend.description(), "", 0};
  int device = 0;
  cudaDeviceProp properties;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  DeviceFacts facts{properties.name, "", static_cast<std::size_t>(properties.l2CacheSize)};
  std::ifstream about("/proc/driver/nvidia/version");
  std::string line;
  std::getline(about, line);
  std::smatch found;
  if (std::regex_search(line, found, std::regex(R"(\b(\d+\.\d+(\.\d+)?)\b)"))) facts.driver = found[1];
  return facts;
}

bool is_gpu(const Backend& backend) {
  return backend.device() == DeviceType::cuda;
}

struct Timer::State {
  bool cuda = false;
  cudaEvent_t first = nullptr, last = nullptr;
  Clock::time_point begin, end;
};

Timer::Timer(DeviceType device) : state_(std::make_unique<State>()) {
  state_->cuda = device == DeviceType::cuda;
  if (!state_->cuda) return;
  check(cudaEventCreate(&state_->first), "cudaEventCreate");
  check(cudaEventCreate(&state_->last), "cudaEventCreate");
}
Timer::~Timer() {
  if (state_->first != nullptr) cudaEventDestroy(state_->first);
  if (state_->last != nullptr) cudaEventDestroy(state_->last);
}
void Timer::start(Stream stream) {
  if (state_->cuda)
    check(cudaEventRecord(state_->first, handle_of(stream)), "cudaEventRecord");
  else
    state_->begin = Clock::now();
}
void Timer::stop(Stream stream) {
  if (state_->cuda)
    check(cudaEventRecord(state_->last, handle_of(stream)), "cudaEventRecord");
  else
    state_->end = Clock::now();
}
double Timer::seconds() {
  if (!state_->cuda) return std::chrono::duration<double>(state_->end - state_->begin).count();
  float milliseconds = 0;
  check(cudaEventSynchronize(state_->last), "cudaEventSynchronize");
  check(cudaEventElapsedTime(&milliseconds, state_->first, state_->last), "cudaEventElapsedTime");
  return milliseconds * 1e-3;
}

struct Graph::State {
  cudaGraphExec_t executable = nullptr;
  ~State() {
    if (executable != nullptr) cudaGraphExecDestroy(executable);
  }
};

Graph::Graph(Stream stream, const std::function<void()>& work) : state_(std::make_unique<State>()) {
  check(cudaStreamBeginCapture(handle_of(stream), cudaStreamCaptureModeThreadLocal),
        "cudaStreamBeginCapture");
  cudaGraph_t graph = nullptr;
  try {
    work();
  } catch (...) {
    cudaStreamEndCapture(handle_of(stream), &graph);  // so that the stream is usable again
    if (graph != nullptr) cudaGraphDestroy(graph);
    cudaGetLastError();
    throw;
  }
  check(cudaStreamEndCapture(handle_of(stream), &graph), "cudaStreamEndCapture");
  const cudaError_t status = cudaGraphInstantiate(&state_->executable, graph, 0);
  cudaGraphDestroy(graph);
  check(status, "cudaGraphInstantiate");
}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;

void Graph::launch(Stream stream) const {
  check(cudaGraphLaunch(state_->executable, handle_of(stream)), "cudaGraphLaunch");
}

}  // namespace ragtime::benchmarks
