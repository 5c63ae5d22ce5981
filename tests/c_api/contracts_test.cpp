// What the C API promises besides right errors: memory from the caller's allocator, one plan in several
// threads, larger arrays, copies, and DLPack's layout.

#include <array>
#include <atomic>
#include <cstddef>
#include <string>
#include <thread>

#include "ragtime/lstm.hpp"
#include "ragtime/ragtime.h"  // before DLPack's own header, so that its types are the library's
#include "tests/c_api/fixture.hpp"
#include "tests/c_api/operations.hpp"

#if __has_include(<dlpack/dlpack.h>)
#include <dlpack/dlpack.h>
#define RAGTIME_TEST_DLPACK
#endif

namespace ragtime::test {
namespace {

TEST_P(CApi, LargerArraysAndContiguousStridesAreTaken) {
  ASSERT_EQ(run_forward(), RAGTIME_OK);
  const auto expected = y();
  ragtime_tensor larger = *forward.x, strided = *forward.y;
  std::vector<float> values = host(forward.x);
  values.resize(2 * rows * input, nan<float>);
  const DeviceArray<float> x(backend, values);
  std::array<std::int64_t, 2> shape = {2 * rows, input}, strides = {hidden, 1};
  larger.data = x.data();
  larger.shape = shape.data();
  strided.strides = strides.data();
  forward.x = &larger;
  forward.y = &strided;
  poison_y();
  ASSERT_EQ(run_forward(), RAGTIME_OK) << ragtime_last_error();
  EXPECT_TRUE(same_bits(y(), expected));
}

TEST_P(CApi, WhatRunsIsSaid) {
  char text[256];
  std::int32_t any_batch = -1;
  LstmDesc own;
  own.input_size = input;
  own.hidden_size = hidden;
  own.capacity = {sequences, rows, 0, steps};
  const LstmChoice choice = LstmPlan(backend, own).choice();
  EXPECT_DONE(ragtime_lstm_describe(lstm, text, sizeof(text)));
  EXPECT_EQ(text, (std::string(name_of(choice.algorithm)) + ": " + choice.reason).substr(0, 255));
  EXPECT_DONE(ragtime_lstm_graph_takes_any_batch(lstm, &any_batch));
  EXPECT_EQ(any_batch, choice.graph_takes_any_batch ? 1 : 0);
  EXPECT_DONE(ragtime_set_cpu_threads(3));
  EXPECT_EQ(cpu_threads(), 3);
}

// Memory comes from the caller, all of it goes back, and none is no crash.
TEST_P(CApi, TheCallersAllocator) {
  struct Memory {
    Backend* backend;
    std::int64_t bytes = 0, taken = 0;
    bool empty = false;
  } memory_of_caller{backend.get()};
  ragtime_allocator allocator = {};
  allocator.struct_size = sizeof(allocator);
  allocator.context = &memory_of_caller;
  allocator.allocate = [](void* context, std::size_t bytes) -> void* {
    auto& own = *static_cast<Memory*>(context);
    if (own.empty) return nullptr;
    own.bytes += static_cast<std::int64_t>(bytes);
    ++own.taken;
    return own.backend->allocate(bytes);
  };
  allocator.deallocate = [](void* context, void* pointer, std::size_t bytes) {
    auto& own = *static_cast<Memory*>(context);
    own.bytes -= static_cast<std::int64_t>(bytes);
    own.backend->deallocate(pointer, bytes);
  };
  ragtime_backend other = nullptr;
  ASSERT_EQ(ragtime_backend_open(GetParam().c_str(), &allocator, &other), RAGTIME_OK) << ragtime_last_error();
  ragtime_batch loaded = nullptr;
  ragtime_faults faults = nullptr;
  ragtime_managed_tensor* tensor = nullptr;
  const std::int32_t length = 2;
  const std::int64_t shape[2] = {3, 5};
  ASSERT_EQ(ragtime_batch_create(other, &loaded), RAGTIME_OK);
  ASSERT_EQ(ragtime_batch_load_lengths(loaded, &length, 1, 0, nullptr), RAGTIME_OK);
  ASSERT_EQ(ragtime_faults_create(other, &faults), RAGTIME_OK);
  ASSERT_EQ(ragtime_faults_check(faults, nullptr), RAGTIME_OK);
  ASSERT_EQ(ragtime_tensor_create(other, RAGTIME_F32, 2, shape, &tensor), RAGTIME_OK);
  EXPECT_EQ(memory_of_caller.taken, 3);
  EXPECT_GE(memory_of_caller.bytes, 3 * 5 * 4 + 8);
  memory_of_caller.empty = true;
  ragtime_managed_tensor* none = nullptr;
  EXPECT_REFUSED(ragtime_tensor_create(other, RAGTIME_F32, 2, shape, &none), RAGTIME_OUT_OF_MEMORY,
                 "the allocator has no 60 bytes");
  EXPECT_EQ(ragtime_backend_close(other), RAGTIME_OK);
  EXPECT_EQ(ragtime_batch_destroy(loaded), RAGTIME_OK);
  EXPECT_EQ(ragtime_faults_destroy(faults), RAGTIME_OK);
  tensor->deleter(tensor);
  EXPECT_EQ(memory_of_caller.bytes, 0);

  allocator.allocate = nullptr;
  EXPECT_REFUSED(ragtime_backend_open(GetParam().c_str(), &allocator, &other), RAGTIME_INVALID_ARGUMENT,
                 "allocator.allocate is null");
}

// One plan in four threads, each with its own workspace and output: the bits of one thread. Errors stay where
// they were made.
TEST_P(CApi, OnePlanInSeveralThreads) {
  if (GetParam() == "cuda_on_simt") GTEST_SKIP() << "the emulated device runs one kernel at a time";
  ASSERT_EQ(run_forward(), RAGTIME_OK);
  const auto expected = y();
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      const Buffer own_workspace(backend, workspace.bytes()), own_reserve(backend, reserve.bytes());
      const DeviceArray<float> own_y = DeviceArray<float>::poisoned(backend, rows * hidden);
      ragtime_lstm_forward_args args = forward;
      ragtime_tensor tensor = *forward.y;
      tensor.data = own_y.data();
      args.y = &tensor;
      args.h_n = args.c_n = args.final_state = args.c_seq = nullptr;
      args.workspace = own_workspace.data();
      args.reserve = own_reserve.data();
      for (int round = 0; round < 50; ++round) {
        backend->zero(own_y.data(), rows * hidden * sizeof(float));
        if (ragtime_lstm_forward(lstm, &args, nullptr) != RAGTIME_OK) ++wrong;
        if (!same_bits(own_y.host(), expected)) ++wrong;
        const std::int64_t ndim = 9 + i;
        ragtime_managed_tensor* none = nullptr;
        ragtime_tensor_create(opened, RAGTIME_F32, static_cast<std::int32_t>(ndim), &ndim, &none);
        const std::string text =
            "ragtime_tensor_create: ndim is " + std::to_string(ndim) + ": expected 0 to 8";
        if (ragtime_last_error() != text) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// The same for a pool, a loss and a conversion at once, with one batch that all of them read.
TEST_P(CApiOperations, PlansInSeveralThreads) {
  if (GetParam() == "cuda_on_simt") GTEST_SKIP() << "the emulated device runs one kernel at a time";
  constexpr std::int64_t width = 4;
  auto pool_desc = sized<ragtime_segment_pool_desc>();
  pool_desc.mode = RAGTIME_POOL_MEAN;
  pool_desc.width = width;
  pool_desc.segments = rows;
  pool_desc.items = codes;
  pool_desc.vocab_size = vocab;
  auto loss_desc = sized<ragtime_masked_loss_desc>();
  loss_desc.reduction = RAGTIME_REDUCTION_MEAN;
  loss_desc.kind = RAGTIME_LOSS_MSE;
  loss_desc.outputs = width;
  loss_desc.capacity = capacity;
  auto layout_desc = sized<ragtime_layout_desc>();
  layout_desc.to = RAGTIME_PACKED;
  layout_desc.width = width;
  layout_desc.capacity = capacity;
  ragtime_segment_pool pool = nullptr;
  ragtime_masked_loss loss = nullptr;
  ragtime_layout layout = nullptr;
  EXPECT_DONE(ragtime_segment_pool_create(opened, &pool_desc, &pool));
  EXPECT_DONE(ragtime_masked_loss_create(opened, &loss_desc, &loss));
  EXPECT_DONE(ragtime_layout_create(opened, &layout_desc, &layout));
  auto pooling = sized<ragtime_segment_pool_forward_args>();
  pooling.segments = array(RAGTIME_ROW_COUNT);
  pooling.offsets = array(RAGTIME_CODE_OFFSETS);
  pooling.codes = array(RAGTIME_CODES);
  pooling.values = drawn({vocab, width});
  EXPECT_DONE(ragtime_segment_pool_workspace_bytes(pool, &pooling.workspace_bytes));
  auto losing = sized<ragtime_masked_loss_args>();
  losing.batch = batch;
  losing.targets = drawn({rows, width});
  EXPECT_DONE(ragtime_masked_loss_workspace_bytes(loss, &losing.workspace_bytes));

  // Memory of each thread, made before they begin; what the first run gives is what every run must.
  struct Own {
    const ragtime_tensor *pooled, *packed, *loss, *gradient;
    void *pool_workspace, *loss_workspace;
  };
  std::vector<Own> own_memory;
  for (int i = 0; i < 4; ++i)
    own_memory.push_back({poisoned({rows, width}), poisoned({rows, width}), poisoned({1}),
                          poisoned({rows, width}), space(pooling.workspace_bytes),
                          space(losing.workspace_bytes)});
  const auto run = [&](const Own& own_of_thread) {
    ragtime_segment_pool_forward_args pool_args = pooling;
    pool_args.out = own_of_thread.pooled;
    pool_args.workspace = own_of_thread.pool_workspace;
    ragtime_masked_loss_args loss_args = losing;
    loss_args.logits = own_of_thread.pooled;
    loss_args.loss = own_of_thread.loss;
    loss_args.d_logits = own_of_thread.gradient;
    loss_args.workspace = own_of_thread.loss_workspace;
    return ragtime_segment_pool_forward(pool, &pool_args, nullptr) == RAGTIME_OK &&
           ragtime_layout_forward(layout, batch, own_of_thread.pooled, own_of_thread.packed, nullptr,
                                  nullptr) == RAGTIME_OK &&
           ragtime_masked_loss_run(loss, &loss_args, nullptr) == RAGTIME_OK &&
           ragtime_backend_synchronize(opened, nullptr) == RAGTIME_OK;
  };
  EXPECT_TRUE(run(own_memory[0]));
  const auto packed = host(own_memory[0].packed), gradient = host(own_memory[0].gradient);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (const Own& own_of_thread : own_memory)
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        if (!run(own_of_thread)) ++wrong;
        if (!same_bits(host(own_of_thread.packed), packed)) ++wrong;
        if (!same_bits(host(own_of_thread.gradient), gradient)) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_DONE(ragtime_segment_pool_destroy(pool));
  EXPECT_DONE(ragtime_masked_loss_destroy(loss));
  EXPECT_DONE(ragtime_layout_destroy(layout));
}

TEST_P(CApiOperations, CopiesTensorsOfEveryType) {
  const std::vector<std::int32_t> numbers_given = {3, 1, 2, 5, 4, 0};
  std::vector<std::int32_t> back(6);
  std::int64_t shape[2] = {2, 3};
  ragtime_tensor source = {}, target = {};
  source.data = const_cast<std::int32_t*>(numbers_given.data());
  source.device.device_type = static_cast<decltype(source.device.device_type)>(1);
  source.ndim = 2;
  source.dtype.bits = 32;
  source.dtype.lanes = 1;
  source.shape = shape;
  target = source;
  target.data = back.data();
  ragtime_managed_tensor *device = nullptr, *other = nullptr;
  EXPECT_DONE(ragtime_tensor_create(opened, RAGTIME_I32, 2, shape, &device));
  EXPECT_DONE(ragtime_tensor_create(opened, RAGTIME_I32, 2, shape, &other));
  EXPECT_DONE(ragtime_tensor_copy(opened, &source, &device->dl_tensor, nullptr));
  EXPECT_DONE(ragtime_tensor_copy(opened, &device->dl_tensor, &other->dl_tensor, nullptr));
  EXPECT_DONE(ragtime_tensor_copy(opened, &other->dl_tensor, &target, nullptr));
  EXPECT_DONE(ragtime_backend_synchronize(opened, nullptr));
  EXPECT_EQ(back, numbers_given);

  EXPECT_REFUSED(ragtime_tensor_copy(nullptr, &source, &target, nullptr), invalid, "backend is null");
  EXPECT_REFUSED(ragtime_tensor_copy(opened, nullptr, &target, nullptr), invalid, "from is null");
  EXPECT_REFUSED(ragtime_tensor_copy(opened, &source, nullptr, nullptr), invalid, "to is null");
  std::int64_t turned[2] = {3, 2}, negative[2] = {2, -3};
  target.shape = turned;
  EXPECT_REFUSED(ragtime_tensor_copy(opened, &source, &target, nullptr), mismatch,
                 "to has shape [3, 2]: expected [2, 3]");
  target.shape = shape;
  target.dtype.code = 2;
  EXPECT_REFUSED(ragtime_tensor_copy(opened, &source, &target, nullptr), mismatch,
                 "to is of float32: expected int32");
  target.dtype.bits = 8;
  EXPECT_REFUSED(ragtime_tensor_copy(opened, &target, &source, nullptr), mismatch, "from is of float8");
  source.shape = negative;
  EXPECT_REFUSED(ragtime_tensor_copy(opened, &source, &target, nullptr), mismatch, "from.shape[1] is -3");
  source.shape = nullptr;
  EXPECT_REFUSED(ragtime_tensor_copy(opened, &source, &target, nullptr), invalid, "from.shape is null");
  source.ndim = 9;
  EXPECT_REFUSED(ragtime_tensor_copy(opened, &source, &target, nullptr), mismatch, "from has 9 dimensions");
  device->deleter(device);
  other->deleter(other);
}

#ifdef RAGTIME_TEST_DLPACK
static_assert(sizeof(ragtime_tensor) == sizeof(DLTensor));
static_assert(sizeof(ragtime_managed_tensor) == sizeof(DLManagedTensor));
static_assert(offsetof(ragtime_tensor, data) == offsetof(DLTensor, data));
static_assert(offsetof(ragtime_tensor, device) == offsetof(DLTensor, device));
static_assert(offsetof(ragtime_tensor, ndim) == offsetof(DLTensor, ndim));
static_assert(offsetof(ragtime_tensor, dtype) == offsetof(DLTensor, dtype));
static_assert(offsetof(ragtime_tensor, shape) == offsetof(DLTensor, shape));
static_assert(offsetof(ragtime_tensor, strides) == offsetof(DLTensor, strides));
static_assert(offsetof(ragtime_tensor, byte_offset) == offsetof(DLTensor, byte_offset));
static_assert(offsetof(ragtime_managed_tensor, manager_ctx) == offsetof(DLManagedTensor, manager_ctx));
static_assert(offsetof(ragtime_managed_tensor, deleter) == offsetof(DLManagedTensor, deleter));
static_assert(kDLCPU == 1 && kDLCUDA == 2 && kDLCUDAManaged == 13);
static_assert(kDLInt == 0 && kDLUInt == 1 && kDLFloat == 2 && kDLBfloat == 4);
#endif

RAGTIME_TEST_ON_BACKENDS(CApi);
RAGTIME_TEST_ON_BACKENDS(CApiOperations);

}  // namespace
}  // namespace ragtime::test
