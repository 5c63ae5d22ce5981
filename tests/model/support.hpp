#pragma once

// What the tests of the whole model share: a few ragged patients, targets for every task, and a device whose
// fresh memory reads as NaN and whose allocations are counted.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ragtime/ragged_batch.hpp"
#include "ragtime/visit_lstm.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {

inline constexpr std::int32_t vocabulary = 11;

inline constexpr Task all_tasks[] = {
    Task::binary_classification, Task::multi_class, Task::regression, Task::next_visit,
    Task::visit_binary,          Task::survival};

// Visits without codes, one visit, one code, a code twice (where the task allows it), the padding code.
inline std::vector<PatientVisits> some_patients() {
  return {{{1, 2}, {3}, {}, {10, 4, 5}}, {{6}}, {{7, 8, 9}, {1}, {2, 3}}, {{4}, {5, 0}}};
}

inline ModelConfig config_for(Task task, PoolMode aggregation = PoolMode::mean, bool bidirectional = false,
                              std::int64_t layers = 1, double dropout = 0) {
  ModelConfig config;
  config.vocab_size = vocabulary;
  config.embedding_dim = 5;
  config.hidden_dim = 4;
  config.num_layers = layers;
  config.dropout = dropout;
  config.bidirectional = bidirectional;
  config.visit_aggregation = aggregation;
  config.output_dim = task == Task::multi_class ? 3 : task == Task::next_visit ? vocabulary : 1;
  config.task = task;
  return config;
}

// Targets of a batch with the lengths of some_patients, some masked, in host memory.
template <class T>
struct Targets {
  std::vector<T> values;
  std::vector<std::int32_t> labels = {2, 0, 1, -100};
  std::vector<std::int32_t> event_time = {2, -1, 1, 1};
  std::vector<std::uint8_t> observed = {1, 0, 0, 1};
  std::vector<float> row_weight;

  explicit Targets(Task task) {
    const int rows = is_patient_level(task) ? 4 : 10;
    for (int i = 0; i < rows; ++i)
      values.push_back(task == Task::regression ? static_cast<T>(0.3 * i - 0.5) : static_cast<T>(i % 2));
    if (task == Task::binary_classification) row_weight = {1, 2, 0, 1};
    if (task == Task::next_visit) row_weight = {1, 1, 1, 0, 0, 1, 1, 0, 1, 0};
    if (task == Task::visit_binary) row_weight = {1, 0, 1, 1, 1, 1, 0, 1, 1, 1};
  }
  void mask_all() {
    row_weight.assign(10, 0.0f);
    labels.assign(4, -100);
    event_time.assign(4, -1);
  }
  // Where the host's memory is the device's.
  ModelTargets view() const {
    return {values.data(), labels.data(), event_time.data(), observed.data(),
            row_weight.empty() ? nullptr : row_weight.data()};
  }
};

// The same on any device.
template <class T>
class DeviceTargets {
 public:
  DeviceTargets(const std::shared_ptr<Backend>& backend, const Targets<T>& host)
      : values_(backend, host.values),
        labels_(backend, host.labels),
        event_time_(backend, host.event_time),
        observed_(backend, host.observed),
        row_weight_(backend, host.row_weight) {}
  ModelTargets view() const {
    return {values_.data(), labels_.data(), event_time_.data(), observed_.data(), row_weight_.data()};
  }

 private:
  DeviceArray<T> values_;
  DeviceArray<std::int32_t> labels_, event_time_;
  DeviceArray<std::uint8_t> observed_;
  DeviceArray<float> row_weight_;  // null where there are none
};

// A backend, the CPU's unless another is given, behind a counter. Its memory begins as bytes that are NaN as
// a float or a double and -1 as an integer.
class PoisonedBackend final : public Backend {
 public:
  explicit PoisonedBackend(std::shared_ptr<Backend> inner = make_backend("cpu")) : inner_(std::move(inner)) {}

  int allocations = 0;

  DeviceType device() const override { return inner_->device(); }
  std::string description() const override { return "poisoned " + inner_->description(); }
  void* allocate(std::size_t bytes) override {
    ++allocations;
    void* memory = inner_->allocate(bytes);
    const std::vector<std::uint8_t> poison(bytes, 0xFF);
    inner_->copy(memory, poison.data(), bytes, CopyKind::to_device, {});
    inner_->synchronize({});
    return memory;
  }
  void deallocate(void* memory, std::size_t bytes) noexcept override { inner_->deallocate(memory, bytes); }
  void copy(void* to, const void* from, std::size_t bytes, CopyKind kind, Stream stream) override {
    inner_->copy(to, from, bytes, kind, stream);
  }
  void zero(void* memory, std::size_t bytes, Stream stream) override { inner_->zero(memory, bytes, stream); }
  void synchronize(Stream stream) override { inner_->synchronize(stream); }
  void* allocate_host(std::size_t bytes) override { return inner_->allocate_host(bytes); }
  void deallocate_host(void* memory, std::size_t bytes) noexcept override {
    inner_->deallocate_host(memory, bytes);
  }
  Stream make_stream() override { return inner_->make_stream(); }
  void free_stream(Stream stream) noexcept override { inner_->free_stream(stream); }
  void order(Stream earlier, Stream later) override { inner_->order(earlier, later); }
  const OperationFactory& operations() const override { return inner_->operations(); }

 private:
  std::shared_ptr<Backend> inner_;
};

inline DeviceBatch load(const std::shared_ptr<Backend>& backend, std::span<const PatientVisits> patients,
                        std::vector<std::uint32_t> sequence_ids = {}) {
  RaggedBatch batch = RaggedBatch::from_patients(patients, vocabulary, {.allow_zero_length = true});
  batch.sequence_ids = std::move(sequence_ids);
  DeviceBatch loaded(backend);
  loaded.load(batch);
  return loaded;
}

template <class T>
std::vector<T> copied(Backend& backend, const void* from, std::int64_t elements) {
  std::vector<T> values(static_cast<std::size_t>(elements));
  backend.copy(values.data(), from, values.size() * sizeof(T), CopyKind::to_host);
  backend.synchronize();
  return values;
}

}  // namespace ragtime::test
