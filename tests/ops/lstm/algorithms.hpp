#pragma once

// The ways in which the CUDA backend runs an LSTM, for tests that go through all of them.

#include <vector>

#include "tests/ops/lstm/run.hpp"

namespace ragtime::test {

inline LstmOptions by(LstmAlgorithm algorithm) {
  LstmOptions options;
  options.algorithm = algorithm;
  return options;
}
inline LstmOptions persistent(int cluster = 0, int slots = 0) {
  LstmOptions options = by(LstmAlgorithm::persistent);
  options.cluster = cluster;
  options.slots = slots;
  return options;
}

// float can be persistent only where its products may be in tf32.
template <class T>
constexpr bool is_tf32 = std::is_same_v<T, float>;

// Every (cluster, slots) of the persistent algorithm that can be asked for; none on the cpu backend.
template <class T>
std::vector<LstmCut> lstm_cuts(const std::shared_ptr<Backend>& backend, std::int64_t hidden,
                               std::int64_t projection = 0, bool training = true) {
  LstmDesc desc;
  desc.dtype = dtype_of<T>;
  desc.tf32 = is_tf32<T>;
  desc.input_size = 3;
  desc.hidden_size = hidden;
  desc.proj_size = projection;
  desc.training = training;
  desc.capacity = {4, 16, 0, 4};
  return LstmPlan(backend, desc).choice().cuts;
}

// What a test of the LSTM as such goes through: on the cpu backend its own way, elsewhere stepwise, and in 16
// bits persistent where the problem can be.
template <class T>
std::vector<LstmAlgorithm> lstm_algorithms(const std::shared_ptr<Backend>& backend,
                                           const LstmProblem& problem) {
  if (backend->device() == DeviceType::cpu) return {LstmAlgorithm::automatic};
  if constexpr (sizeof(T) == 2)
    if (!lstm_cuts<T>(backend, problem.hidden, problem.projection).empty())
      return {LstmAlgorithm::stepwise, LstmAlgorithm::persistent};
  return {LstmAlgorithm::stepwise};
}

}  // namespace ragtime::test
