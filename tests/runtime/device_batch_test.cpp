// DeviceBatch: what arrives on the device is what the host batch holds, memory is reused from load to load,
// and a batch that was filled by hand and does not add up is refused and leaves the loaded one as it was.

#include <gtest/gtest.h>

#include "tests/support/operation_test.hpp"

namespace ragtime {
namespace {

class DeviceBatchTest : public test::OnBackend {
 protected:
  template <class T>
  std::vector<T> host(const T* memory, std::size_t count) {
    std::vector<T> values(count);
    backend->copy(values.data(), memory, count * sizeof(T), CopyKind::to_host);
    backend->synchronize();
    return values;
  }

  void expect_loaded(const DeviceBatch& device, const RaggedLayout& layout, std::int32_t codes) {
    const auto& view = device.view();
    EXPECT_EQ(host(view.counts, 4),
              (std::vector<std::int32_t>{layout.sequences(), layout.rows(), codes, layout.steps()}));
    EXPECT_EQ(host(view.visit_offsets, layout.visit_offsets.size()), layout.visit_offsets);
    EXPECT_EQ(host(view.order, layout.order.size()), layout.order);
    EXPECT_EQ(host(view.inverse_order, layout.order.size()), layout.inverse_order);
    EXPECT_EQ(host(view.batch_sizes, layout.batch_sizes.size()), layout.batch_sizes);
    EXPECT_EQ(std::vector(view.host_batch_sizes, view.host_batch_sizes + layout.steps()), layout.batch_sizes);
    EXPECT_EQ(device.size().sequences, layout.sequences());
    EXPECT_EQ(device.size().rows, layout.rows());
    EXPECT_EQ(device.size().codes, codes);
    EXPECT_EQ(device.size().steps, layout.steps());
  }

  static RaggedBatch example() {
    auto batch = RaggedBatch::from_patients(
        std::vector<PatientVisits>{{{3}, {}, {1, 1, 2}}, {{0}}, {{5}, {4, 3}, {}, {}}});
    batch.code_weights = {1, 0, 2, .5f, 1, 3, 1, 1};
    batch.sequence_ids = {9, 4'000'000'000u, 7};
    return batch;
  }
};
RAGTIME_TEST_ON_BACKENDS(DeviceBatchTest);

TEST_P(DeviceBatchTest, HoldsWhatTheHostBatchHolds) {
  DeviceBatch device(backend);
  const RaggedBatch batch = example();
  device.load(batch);
  expect_loaded(device, batch.layout, 8);
  EXPECT_EQ(host(device.code_offsets(), batch.code_offsets.size()), batch.code_offsets);
  EXPECT_EQ(host(device.codes(), batch.codes.size()), batch.codes);
  EXPECT_EQ(host(device.code_weights(), batch.codes.size()), batch.code_weights);
  EXPECT_EQ(host(device.view().sequence_ids, 3), batch.sequence_ids);
}

TEST_P(DeviceBatchTest, LoadsLargerAndSmallerBatchesOneAfterTheOther) {
  DeviceBatch device(backend);
  for (const auto& lengths : test::ragged_lengths()) {
    const auto layout = test::layout_of(lengths);
    device.load(layout);
    expect_loaded(device, layout, 0);
    EXPECT_EQ(device.code_offsets(), nullptr);
    EXPECT_EQ(device.view().sequence_ids, nullptr);
  }
  device.load(RaggedLayout{});
  expect_loaded(device, RaggedLayout{}, 0);
}

TEST_P(DeviceBatchTest, KeepsItsMemoryForABatchThatFits) {
  DeviceBatch device(backend);
  device.load(test::layout_of(std::vector<std::int32_t>(100, 7)));
  const auto* before = device.view().counts;
  device.load(example());
  EXPECT_EQ(device.view().counts, before);
}

TEST_P(DeviceBatchTest, WithoutWeightsAndIdsThePointersAreNull) {
  DeviceBatch device(backend);
  RaggedBatch batch = example();
  device.load(batch);
  batch.code_weights.clear();
  batch.sequence_ids.clear();
  device.load(batch);
  EXPECT_EQ(device.code_weights(), nullptr);
  EXPECT_EQ(device.view().sequence_ids, nullptr);
}

TEST_P(DeviceBatchTest, TheHostCopyMovesAlong) {
  DeviceBatch device(backend);
  const RaggedBatch batch = example();
  device.load(batch);
  const DeviceBatch moved = std::move(device);
  expect_loaded(moved, batch.layout, 8);
}

TEST_P(DeviceBatchTest, AFixedBatchStaysInItsPlaces) {
  DeviceBatch device(backend);
  device.fix({.sequences = 4, .rows = 9, .codes = 11, .steps = 5}, true);
  RaggedBatch first = example();
  device.load(first);
  const RaggedView view = device.view();
  const auto* const offsets = device.code_offsets();
  const auto* const codes = device.codes();
  const auto* const weights = device.code_weights();
  EXPECT_EQ(view.host_counts, nullptr);
  EXPECT_EQ(view.host_batch_sizes, nullptr);

  RaggedBatch second = RaggedBatch::from_patients(std::vector<PatientVisits>{{{6, 2}}, {{1}, {3}}});
  second.code_weights = {1, 2, 3, 4};
  device.load(second);
  EXPECT_EQ(device.view().counts, view.counts);
  EXPECT_EQ(device.view().visit_offsets, view.visit_offsets);
  EXPECT_EQ(device.view().order, view.order);
  EXPECT_EQ(device.view().inverse_order, view.inverse_order);
  EXPECT_EQ(device.view().batch_sizes, view.batch_sizes);
  EXPECT_EQ(device.view().sequence_ids, view.sequence_ids);
  EXPECT_EQ(device.code_offsets(), offsets);
  EXPECT_EQ(device.codes(), codes);
  EXPECT_EQ(device.code_weights(), weights);
  EXPECT_EQ(host(view.counts, 4), (std::vector<std::int32_t>{2, 3, 4, 2}));
  EXPECT_EQ(host(view.visit_offsets, 3), second.layout.visit_offsets);
  EXPECT_EQ(host(view.order, 2), second.layout.order);
  EXPECT_EQ(host(view.batch_sizes, 2), second.layout.batch_sizes);
  EXPECT_EQ(host(view.sequence_ids, 2), (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(host(offsets, 5), (std::vector<std::int32_t>{0, 2, 3, 4, 4}));
  EXPECT_EQ(host(codes, 4), second.codes);
  EXPECT_EQ(host(weights, 4), second.code_weights);
  EXPECT_EQ(device.capacity().rows, 9);
  EXPECT_EQ(device.size().rows, 3);
}

TEST_P(DeviceBatchTest, AFixedBatchTakesNoLargerOneAndNoOtherKind) {
  DeviceBatch device(backend);
  const RaggedBatch good = example();
  device.fix({.sequences = 3, .rows = 8, .codes = 8, .steps = 4}, true);
  device.load(good);
  RaggedBatch unweighted = good;
  unweighted.code_weights.clear();
  expect_error(ErrorCode::invalid_argument, {"code_weights has 0 elements: expected 8, as fix was told"},
               [&] { device.load(unweighted); });
  const auto refused = [&](const std::vector<PatientVisits>& patients, const std::string& text) {
    RaggedBatch batch = RaggedBatch::from_patients(patients);
    batch.code_weights.assign(batch.codes.size(), 1.0f);
    expect_error(ErrorCode::out_of_range, {text}, [&] { device.load(batch); });
    EXPECT_EQ(host(device.view().counts, 4), (std::vector<std::int32_t>{3, 8, 8, 4}));
  };
  refused({{{1}}, {{1}}, {{1}}, {{1}}}, "4 sequences: expected at most 3");
  refused({{{1}, {}, {}}, {{}, {}, {}}, {{}, {}, {}}}, "9 rows: expected at most 8");
  refused({{{1, 2, 3, 4, 5, 6, 7, 8, 9}}}, "9 codes: expected at most 8");
  refused({{{1}, {}, {}, {}, {}}}, "5 steps: expected at most 4");
  expect_error(ErrorCode::invalid_argument, {"expected fix before the first load"}, [&] {
    device.fix({1, 1, 1, 1});
  });
  expect_error(ErrorCode::invalid_argument, {"capacity.rows is -1"}, [&] {
    DeviceBatch(backend).fix({1, -1, 1, 1});
  });
}

TEST_P(DeviceBatchTest, RefusesABatchThatDoesNotAddUp) {
  DeviceBatch device(backend);
  const RaggedBatch good = example();
  device.load(good);
  const auto refused = [&](ErrorCode code, const std::string& text, auto&& spoil) {
    RaggedBatch bad = good;
    spoil(bad);
    expect_error(code, {text}, [&] { device.load(bad); });
    expect_loaded(device, good.layout, 8);
  };
  const auto shape = ErrorCode::shape_mismatch, value = ErrorCode::invalid_argument;
  refused(shape, "code_offsets has 8 elements: expected 9", [](auto& b) { b.code_offsets.pop_back(); });
  refused(shape, "code_offsets has 0 elements: expected 9", [](auto& b) { b.code_offsets.clear(); });
  refused(value, "code_offsets[0] = 1: expected 0", [](auto& b) { b.code_offsets[0] = 1; });
  refused(value, "code_offsets[3] = 0 is smaller than code_offsets[2] = 1",
          [](auto& b) { b.code_offsets[3] = 0; });
  refused(shape, "codes has 7 elements: expected 8", [](auto& b) { b.codes.pop_back(); });
  refused(shape, "code_weights has 1 elements: expected 8 or none", [](auto& b) { b.code_weights = {1}; });
  refused(shape, "sequence_ids has 2 elements: expected 3 or none", [](auto& b) { b.sequence_ids = {1, 2}; });
  refused(shape, "visit_offsets has 0 elements: expected 4", [](auto& b) { b.layout.visit_offsets.clear(); });
  refused(shape, "inverse_order has 2 elements", [](auto& b) { b.layout.inverse_order.pop_back(); });
  refused(value, "visit_offsets[0] = -1", [](auto& b) { b.layout.visit_offsets[0] = -1; });
  refused(value, "visit_offsets[2] = 2 is smaller", [](auto& b) { b.layout.visit_offsets[2] = 2; });
  refused(value, "order[1] = 3: expected a permutation", [](auto& b) { b.layout.order[1] = 3; });
  refused(value, "order[1] = 2: expected a permutation", [](auto& b) { b.layout.order[1] = 2; });
  refused(value, "order[1] = 2 is a longer sequence than order[0] = 0", [](auto& b) {
    b.layout.order = {0, 2, 1};
    b.layout.inverse_order = {0, 2, 1};
  });
  refused(shape, "batch_sizes has 3 elements: expected 4", [](auto& b) { b.layout.batch_sizes.pop_back(); });
  refused(value, "batch_sizes[1] = 3: expected 2", [](auto& b) { b.layout.batch_sizes[1] = 3; });
}

TEST(DeviceBatchWithoutBackendTest, IsRefused) {
  expect_error(ErrorCode::invalid_argument, {"backend is null"}, [] { DeviceBatch device(nullptr); });
}

}  // namespace
}  // namespace ragtime
