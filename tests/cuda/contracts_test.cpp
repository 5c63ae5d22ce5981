// What holds for every operation on a device with memory and queues of its own: out of memory is an error
// that leaves the backend usable; work goes to the caller's stream; several plans may run on several streams
// at once; elements are found beyond 2^31 of them.

#include <gtest/gtest.h>

#include "ragtime/dropout.hpp"
#include "ragtime/final_state.hpp"
#include "ragtime/layout.hpp"
#include "tests/ops/lstm/run.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

class CudaContracts : public OnBackend {
 protected:
  void SetUp() override {
    OnBackend::SetUp();
    if (!IsSkipped() && backend->device() == DeviceType::cpu)
      GTEST_SKIP() << "the cpu backend has no streams";
  }
};
RAGTIME_TEST_ON_BACKENDS(CudaContracts);

TEST_P(CudaContracts, OutOfMemoryLeavesTheBackendUsable) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    expect_error(ErrorCode::out_of_memory, {"bytes of device memory"},
                 [&] { Buffer(backend, std::size_t{1} << 50); });
    const DeviceArray<float> numbers(backend, {1, 2, 3});
    EXPECT_EQ(numbers.host(), (std::vector<float>{1, 2, 3}));
    const LstmProblem problem = lstm_problem({}, {2, 1});
    EXPECT_NO_THROW(run_lstm<float>(backend, problem));
  }
}

TEST_P(CudaContracts, PinnedMemoryIsCopiedBothWays) {
  constexpr std::size_t bytes = 1000;
  auto* const memory = static_cast<unsigned char*>(backend->allocate_host(bytes));
  for (std::size_t i = 0; i < bytes; ++i) memory[i] = static_cast<unsigned char>(i);
  const Buffer device(backend, bytes);
  const Stream stream = backend->make_stream();
  backend->copy(device.data(), memory, bytes, CopyKind::to_device, stream);
  backend->synchronize(stream);
  std::fill_n(memory, bytes, static_cast<unsigned char>(0));
  backend->copy(memory, device.data(), bytes, CopyKind::to_host, stream);
  backend->synchronize(stream);
  for (std::size_t i = 0; i < bytes; ++i) ASSERT_EQ(memory[i], static_cast<unsigned char>(i));
  backend->free_stream(stream);
  backend->deallocate_host(memory, bytes);
}

// Forwards of one problem feed backwards on another stream, ordered; several at once give what each gives
// alone.
TEST_P(CudaContracts, PlansRunOnSeveralStreamsAtOnce) {
  constexpr int runs = 4;
  std::vector<LstmOutputs<float>> expected;
  std::vector<std::unique_ptr<LstmRun<float>>> problems;
  for (int i = 0; i < runs; ++i) {
    const LstmProblem problem = lstm_problem({.layers = 1 + i % 2}, {3, 1 + i, 2});
    const LstmLoss loss = lstm_loss(problem);
    expected.push_back(run_lstm<float>(backend, problem, &loss));
    problems.push_back(std::make_unique<LstmRun<float>>(backend, problem, loss));
  }
  std::vector<Stream> forwards, backwards;
  for (int i = 0; i < runs; ++i) {
    forwards.push_back(backend->make_stream());
    backwards.push_back(backend->make_stream());
  }
  for (int i = 0; i < runs; ++i) problems[i]->plan.forward(problems[i]->forward, forwards[i]);
  for (int i = 0; i < runs; ++i) {
    backend->order(forwards[i], backwards[i]);
    problems[i]->plan.backward(problems[i]->backward, backwards[i]);
  }
  for (int i = 0; i < runs; ++i) {
    backend->synchronize(backwards[i]);
    const LstmOutputs<float> outputs = problems[i]->outputs();
    EXPECT_TRUE(same_bits(outputs.y, expected[i].y)) << i;
    EXPECT_TRUE(same_bits(outputs.d_x, expected[i].d_x)) << i;
    for (std::size_t w = 0; w < outputs.gradients.size(); ++w)
      EXPECT_TRUE(same_bits(outputs.gradients[w], expected[i].gradients[w])) << i << ", weight " << w;
    backend->free_stream(forwards[i]);
    backend->free_stream(backwards[i]);
  }
}

// Rows x width beyond 2^31. The rows at both ends are looked at, and those around the 2^31st element.
TEST_P(CudaContracts, ElementsBeyondTwoToTheThirtyFirst) {
  constexpr std::int64_t rows = 2100, width = (std::int64_t{1} << 31) / 2048 + 8;
  static_assert(rows * width > (std::int64_t{1} << 31));
  if (GetParam() != "cuda") GTEST_SKIP() << "this takes 10 GB of a GPU's memory";
  const std::size_t bytes = static_cast<std::size_t>(rows * width) * sizeof(bf16);
  std::unique_ptr<Buffer> from, to;
  try {
    from = std::make_unique<Buffer>(backend, bytes);
    to = std::make_unique<Buffer>(backend, bytes);
  } catch (const Error&) {
    GTEST_SKIP() << "this takes " << 2 * bytes << " bytes of device memory";
  }
  DeviceBatch batch(backend);
  batch.load(layout_of({1500, 600}));
  const auto row_in = [&](const Buffer& buffer, std::int64_t row) { return buffer.as<bf16>() + row * width; };
  const auto fill = [&](std::int64_t row) {
    const std::vector<bf16> values(static_cast<std::size_t>(width), bf16(static_cast<double>(row % 100 + 1)));
    backend->copy(row_in(*from, row), values.data(), values.size() * sizeof(bf16), CopyKind::to_device);
    backend->synchronize();
  };
  const auto expect_row = [&](std::int64_t row, double value) {
    std::vector<bf16> values(static_cast<std::size_t>(width));
    backend->copy(values.data(), row_in(*to, row), values.size() * sizeof(bf16), CopyKind::to_host);
    backend->synchronize();
    for (const bf16 got : values) ASSERT_EQ(static_cast<double>(got), value) << "row " << row;
  };
  const std::vector<std::int64_t> watched = {0, 1499, 1500, 2047, 2048, 2049, 2099};
  for (const std::int64_t row : watched) fill(row);

  const LayoutPlan layout(backend, {.dtype = DType::bf16,
                                    .width = width,
                                    .from = Layout::ragged,
                                    .to = Layout::packed,
                                    .capacity = batch.size()});
  layout.forward(batch.view(), from->data(), to->data());
  const auto packed_row = [](std::int64_t row) {
    const std::int64_t t = row < 1500 ? row : row - 1500, i = row < 1500 ? 0 : 1;
    return t < 600 ? 2 * t + i : 600 + t;
  };
  for (const std::int64_t row : watched) expect_row(packed_row(row), static_cast<double>(row % 100 + 1));

  const DropoutPlan dropout(backend, {.dtype = DType::bf16, .width = width, .capacity = batch.size()});
  dropout.run(batch.view(), {}, from->data(), to->data());  // probability 0: a copy
  for (const std::int64_t row : watched) expect_row(row, static_cast<double>(row % 100 + 1));
}

}  // namespace
}  // namespace ragtime::test
