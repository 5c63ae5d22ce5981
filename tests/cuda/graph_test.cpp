// A run allocates nothing and waits for nothing: a whole training step is captured as one CUDA graph, which
// fails on either. Replayed, the graph gives the bits of the steps run one by one, with new dropout masks and
// a new step of the optimizer each time, also over another batch of the same lengths in the same memory, and
// skips its step while the status word is set. With the persistent LSTM and a fixed batch, one graph serves
// batches of any lengths within the capacity.

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "ragtime/adamw.hpp"
#include "ragtime/status.hpp"
#include "ragtime/visit_lstm.hpp"
#include "tests/model/support.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

class CudaGraph : public testing::Test {
 protected:
  void SetUp() override {
    try {
      backend = make_backend("cuda");
    } catch (const Error& error) {
      GTEST_SKIP() << "no GPU here: " << error.what();
    }
  }

  std::shared_ptr<Backend> backend;
};

void expect_success(cudaError_t status) {
  ASSERT_EQ(status, cudaSuccess) << cudaGetErrorString(status);
}

std::vector<PatientVisits> other_codes() {
  std::vector<PatientVisits> patients = some_patients();
  for (PatientVisits& patient : patients)
    for (VisitCodes& visit : patient)
      for (std::int32_t& code : visit) code = (code + 3) % vocabulary;
  return patients;
}

// One training step with all it needs, on a stream of its own.
template <class T>
struct Step {
  // capacity: of the plans; fixed: and of a batch that has its places for good.
  Step(const std::shared_ptr<Backend>& given, const ModelConfig& config, bool tf32 = false,
       const Capacity& capacity = {}, bool fixed = false)
      : backend(given),
        stream(backend->make_stream()),
        model(backend, config, dtype_of<T>, tf32),
        optimizer(backend, model.parameter_count(), {.clip_norm = 1}, dtype_of<T>),
        batch(backend),
        loss(backend, {0, 0}),
        status(backend),
        config_(config),
        values_(backend, cast<T>(Targets<double>(config.task).values)),
        row_weight_(backend, Targets<float>(config.task).row_weight) {
    model.initialize(1);
    if constexpr (!std::is_same_v<T, float>) optimizer.load_master(model.parameter_data());
    if (fixed) batch.fix(capacity);
    load(some_patients());
    model.reserve(batch.capacity(), true);
    model.reserve(capacity, true);
    backend->synchronize();
  }
  ~Step() { backend->free_stream(stream); }

  void load(const std::vector<PatientVisits>& patients) {
    batch.load(RaggedBatch::from_patients(patients), stream);
    backend->synchronize(stream);
  }
  void run() {
    ModelTargets targets;
    targets.values = values_.data();
    targets.row_weight = row_weight_.data();
    model.forward_backward(batch, targets, 7, &optimizer.state()->step, loss.data(), loss.data() + 1, stream,
                           status.word());
    optimizer.step(model.parameter_data(), model.gradient_data(), stream, status.word());
  }
  std::vector<T> parameters() const {
    backend->synchronize(stream);
    std::vector<T> values(static_cast<std::size_t>(model.parameter_count()));
    backend->copy(values.data(), model.parameter_data(), values.size() * sizeof(T), CopyKind::to_host);
    backend->synchronize();
    return values;
  }

  std::shared_ptr<Backend> backend;
  Stream stream;
  VisitLstm model;
  AdamW optimizer;
  DeviceBatch batch;
  DeviceArray<float> loss;
  Status status;

 private:
  ModelConfig config_;
  DeviceArray<T> values_;
  DeviceArray<float> row_weight_;
};

template <class T>
void check_replays(const std::shared_ptr<Backend>& backend, const ModelConfig& config) {
  SCOPED_TRACE(testing::Message() << name_of(config.task) << ", " << name_of(config.visit_aggregation) << ", "
                                  << name_of(dtype_of<T>)
                                  << (config.bidirectional ? ", both directions" : ""));
  Step<T> eager(backend, config), graph(backend, config);
  eager.run();
  graph.run();  // opens libraries and loads kernels

  const auto stream = static_cast<cudaStream_t>(graph.stream.handle);
  cudaGraph_t captured = nullptr;
  cudaGraphExec_t executable = nullptr;
  expect_success(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  graph.run();
  expect_success(cudaStreamEndCapture(stream, &captured));
  expect_success(cudaGraphInstantiate(&executable, captured, 0));
  for (int replay = 0; replay < 5; ++replay) {
    std::vector<PatientVisits> patients = replay < 2 ? some_patients() : other_codes();
    const bool is_bad = replay == 3;
    if (is_bad) patients[0][0][0] = vocabulary + 5;
    eager.load(patients);
    graph.load(patients);
    const auto before = graph.parameters();
    eager.run();
    expect_success(cudaGraphLaunch(executable, stream));
    EXPECT_TRUE(same_bits(graph.parameters(), eager.parameters())) << "replay " << replay;
    EXPECT_TRUE(same_bits(graph.loss.host(), eager.loss.host())) << "replay " << replay;
    EXPECT_EQ(same_bits(graph.parameters(), before), is_bad) << "replay " << replay;
    for (Step<T>* step : {&eager, &graph}) {
      if (is_bad)
        expect_error(ErrorCode::out_of_range, {"codes index 0"}, [&] { step->status.check(step->stream); });
      else
        EXPECT_NO_THROW(step->status.check(step->stream));
    }
  }
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(captured);
}

// Batches of other lengths than the one captured; their targets are those of the first rows.
template <class T>
void check_any_batch(const std::shared_ptr<Backend>& backend, const ModelConfig& config) {
  SCOPED_TRACE(testing::Message() << name_of(config.task) << ", " << name_of(dtype_of<T>)
                                  << (config.bidirectional ? ", both directions" : ""));
  constexpr Capacity capacity = {.sequences = 6, .rows = 10, .codes = 40, .steps = 9};
  const bool tf32 = std::is_same_v<T, float>;
  Step<T> eager(backend, config, tf32, capacity), graph(backend, config, tf32, capacity, true);
  eager.run();
  graph.run();

  const auto stream = static_cast<cudaStream_t>(graph.stream.handle);
  cudaGraph_t captured = nullptr;
  cudaGraphExec_t executable = nullptr;
  expect_success(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  graph.run();
  expect_success(cudaStreamEndCapture(stream, &captured));
  expect_success(cudaGraphInstantiate(&executable, captured, 0));
  const auto all = some_patients();
  const std::vector<std::vector<PatientVisits>> batches = {
      all, {all[3], all[1]}, {all[1]}, {all[0], all[0]}, {all[3], all[2], all[1], all[0]}};
  for (std::size_t replay = 0; replay < batches.size(); ++replay) {
    eager.load(batches[replay]);
    graph.load(batches[replay]);
    eager.run();
    expect_success(cudaGraphLaunch(executable, stream));
    EXPECT_TRUE(same_bits(graph.parameters(), eager.parameters())) << "replay " << replay;
    EXPECT_TRUE(same_bits(graph.loss.host(), eager.loss.host())) << "replay " << replay;
  }
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(captured);
}

TEST_F(CudaGraph, OneGraphServesAnyBatchWithinCapacity) {
  for (const Task task : {Task::visit_binary, Task::binary_classification})
    for (const bool bidirectional : {false, true}) {
      ModelConfig config = config_for(task, PoolMode::mean, bidirectional && is_patient_level(task), 2, 0.3);
      config.hidden_dim = 40;
      check_any_batch<float>(backend, config);
      check_any_batch<bf16>(backend, config);
    }
}

TEST_F(CudaGraph, ATrainingStepIsCapturedAndReplayed) {
  for (const Task task : {Task::next_visit, Task::binary_classification, Task::visit_binary})
    for (const PoolMode aggregation : {PoolMode::mean, PoolMode::max, PoolMode::attention}) {
      const bool bidirectional = is_patient_level(task) && aggregation == PoolMode::mean;
      const ModelConfig config = config_for(task, aggregation, bidirectional, 2, 0.3);
      check_replays<float>(backend, config);
      check_replays<bf16>(backend, config);
    }
}

}  // namespace
}  // namespace ragtime::test
