// Once room is reserved, a run takes no memory from the heap: a training step and a prediction of the whole
// model, the LSTM with all that the model does not use, and the building of a batch are counted at operator
// new.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "ragtime/batch_builder.hpp"
#include "ragtime/lstm_step.hpp"
#include "tests/c_api/fixture.hpp"
#include "tests/model/support.hpp"
#include "tests/ops/lstm/run.hpp"

namespace {

std::atomic<std::int64_t> allocations = 0;

void* counted(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) {
  ++allocations;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  if (void* memory = std::aligned_alloc(alignment, rounded > 0 ? rounded : alignment)) return memory;
  throw std::bad_alloc();
}

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t bytes) {
  return counted(bytes);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
// libstdc++ makes these of those above, AddressSanitizer does not.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return counted(bytes);
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace ragtime::test {
namespace {

TEST(Allocation, ARunOfTheModelTakesNothingFromTheHeap) {
  const auto backend = make_backend("cpu");
  const auto patients = some_patients();
  const DeviceBatch batch = load(backend, patients);
  set_cpu_threads(3);
  for (const Task task : all_tasks)
    for (const PoolMode mode : {PoolMode::mean, PoolMode::sum, PoolMode::max, PoolMode::attention}) {
      VisitLstm model(backend, config_for(task, mode, true, 2, 0.3));
      model.initialize(1);
      const Targets<float> targets(task);
      const ModelTargets view = targets.view();
      float loss = 0, weight = 0;
      const auto run = [&] {
        model.forward_backward(batch, view, 1, nullptr, &loss, &weight);
        model.evaluate(batch, view, &loss, &weight);
      };
      model.reserve(batch.size(), true);
      model.reserve(batch.size(), false);
      if (task == all_tasks[0] && mode == PoolMode::mean) run();  // the threads start once in a process
      const std::int64_t before = allocations;
      run();
      EXPECT_EQ(allocations - before, 0) << name_of(task) << " " << name_of(mode);
    }
  set_cpu_threads(0);
  EXPECT_GT(allocations, 0);
}

TEST(Allocation, ARunOfTheLstmTakesNothingFromTheHeap) {
  const auto backend = make_backend("cpu");
  set_cpu_threads(3);
  for (const bool training : {true, false}) {
    LstmProblem problem =
        lstm_problem({.layers = 2, .directions = 2, .projection = 2}, std::vector<std::int32_t>(40, 3));
    problem.dropout = 0.5;
    LstmOptions options;
    options.training = training;
    LstmRun<float> lstm(backend, problem, lstm_loss(problem), options);
    // A step of its forward direction's first layer.
    const LstmStepPlan step(backend, {DType::f32, problem.input, problem.hidden, 1, true, problem.projection,
                                      false, problem.sequences()});
    const Buffer workspace(backend, step.workspace_bytes());
    const auto run = [&] {
      lstm.plan.forward(lstm.forward);
      if (training) lstm.plan.backward(lstm.backward);
      step.forward({lstm.forward.x, lstm.weight_table.data(), lstm.forward.h0, lstm.forward.c0,
                    lstm.forward.h_n, lstm.forward.c_n, workspace.data(), nullptr});
    };
    run();
    const std::int64_t before = allocations;
    run();
    EXPECT_EQ(allocations - before, 0);
  }
  set_cpu_threads(0);
}

TEST(Allocation, BuildingABatchTakesNothingFromTheHeap) {
  const auto backend = make_backend("cpu");
  set_cpu_threads(3);
  const Capacity capacity = {.sequences = 300, .rows = 900, .steps = 3};
  const BatchBuilderPlan builder(backend, {.capacity = capacity});
  const Buffer memory(backend, RaggedArrays::bytes(capacity)), workspace(backend, builder.workspace_bytes());
  const BatchBuild build = {.batch = RaggedArrays::in(memory.data(), capacity),
                            .workspace = workspace.data()};
  const std::vector<std::int32_t> lengths(300, 3);
  const std::vector<std::uint8_t> mask(900, 1);
  HostCounts host_counts(backend, capacity);
  const auto run = [&] {
    builder.from_lengths(lengths.data(), build);
    builder.from_mask(mask.data(), 3, build);
    host_counts.fetch(build.batch.view());
  };
  run();
  const std::int64_t before = allocations;
  run();
  EXPECT_EQ(allocations - before, 0);
  set_cpu_threads(0);
}

// The C API looks handles up, checks every tensor and gathers the weights' pointers, all in memory it has.
TEST_P(CApi, ARunTakesNothingFromTheHeap) {
  ASSERT_EQ(run_forward(), RAGTIME_OK) << ragtime_last_error();
  ASSERT_EQ(run_backward(), RAGTIME_OK) << ragtime_last_error();
  const std::int64_t before = allocations;
  run_forward();
  run_backward();
  EXPECT_EQ(allocations - before, 0);
}

INSTANTIATE_TEST_SUITE_P(Cpu, CApi, testing::Values("cpu"));

}  // namespace
}  // namespace ragtime::test
