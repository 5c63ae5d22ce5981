// Batches built in device memory are what RaggedLayout builds on the host, bit for bit, for lengths and masks
// of every shape and alignment, whatever the capacity, and write nothing beyond the counts in use. Faults
// come with their first position, and leave a batch that operations can run on.

#include "ragtime/batch_builder.hpp"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <optional>

#include "ragtime/final_state.hpp"
#include "ragtime/layout.hpp"
#include "ragtime/status.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

using Lengths = std::vector<std::int32_t>;
using Mask = std::vector<std::uint8_t>;

Capacity size_of(const RaggedLayout& layout) {
  return {.sequences = layout.sequences(), .rows = layout.rows(), .steps = layout.steps()};
}

// Memory as the builder must leave it: poison, but for what is in use.
std::vector<std::int32_t> memory_with(const RaggedLayout& layout, std::int32_t codes,
                                      const Capacity& capacity, const DeviceArray<std::int32_t>& memory) {
  std::vector<std::int32_t> values(memory.host().size(), -1);
  const RaggedArrays arrays = RaggedArrays::in(memory.data(), capacity);
  const auto put = [&](const std::int32_t* at, const std::vector<std::int32_t>& array) {
    std::copy(array.begin(), array.end(), values.begin() + (at - memory.data()));
  };
  put(arrays.counts, {layout.sequences(), layout.rows(), codes, layout.steps()});
  put(arrays.visit_offsets, layout.visit_offsets);
  put(arrays.order, layout.order);
  put(arrays.inverse_order, layout.inverse_order);
  put(arrays.batch_sizes, layout.batch_sizes);
  return values;
}

class BatchBuilder : public OnBackend {
 protected:
  // What a build works on: outputs and workspace poisoned, a tail behind each.
  struct Site {
    Site(const std::shared_ptr<Backend>& backend, const BatchBuilderDesc& desc)
        : capacity(desc.capacity),
          plan(backend, desc),
          memory(DeviceArray<std::int32_t>::poisoned(
              backend, static_cast<std::int64_t>(RaggedArrays::bytes(desc.capacity) / 4 + 16))),
          workspace(poisoned_workspace(backend, plan.workspace_bytes())),
          status(backend) {}

    BatchBuild build(const std::int32_t* sequences, const std::int32_t* codes = nullptr) const {
      return {sequences, codes, RaggedArrays::in(memory.data(), capacity), workspace.data(), status.word()};
    }
    testing::AssertionResult holds(const RaggedLayout& layout, std::int32_t codes = 0) const {
      return same_bits(memory.host(), memory_with(layout, codes, capacity, memory));
    }

    Capacity capacity;
    BatchBuilderPlan plan;
    DeviceArray<std::int32_t> memory;
    DeviceArray<std::byte> workspace;
    Status status;
  };

  DeviceArray<std::int32_t> one(std::int32_t value) { return {backend, {value}}; }

  std::optional<std::uint64_t> word_of(Site& site) {
    std::uint64_t word = 0;
    backend->copy(&word, site.status.word(), sizeof(word), CopyKind::to_host);
    backend->synchronize();
    return word == no_fault ? std::nullopt : std::optional(word);
  }

  // Behind the batch's own, up to the capacity, come lengths that would be faults.
  void run_lengths(Site& site, Lengths lengths) {
    const auto sequences = one(static_cast<std::int32_t>(lengths.size()));
    lengths.resize(std::max<std::size_t>(lengths.size(), static_cast<std::size_t>(site.capacity.sequences)),
                   -7);
    const DeviceArray<std::int32_t> device(backend, lengths);
    site.plan.from_lengths(device.data(), site.build(sequences.data()));
    backend->synchronize();
  }
  // mask [sequences, steps], `shift` bytes behind an aligned address.
  void run_mask(Site& site, const Mask& mask, std::int64_t sequences, std::int64_t steps,
                std::int64_t shift = 0) {
    const auto count = one(static_cast<std::int32_t>(sequences));
    Mask bytes(static_cast<std::size_t>(shift), 0xFF);
    bytes.insert(bytes.end(), mask.begin(), mask.end());
    bytes.resize(bytes.size() + 64, 0xFF);
    const DeviceArray<std::uint8_t> device(backend, bytes);
    site.plan.from_mask(device.data() + shift, steps, site.build(count.data()));
    backend->synchronize();
  }

  static Mask mask_of(const Lengths& lengths, std::int64_t steps) {
    Mask mask(lengths.size() * static_cast<std::size_t>(steps), 0);
    for (std::size_t b = 0; b < lengths.size(); ++b)
      std::fill_n(mask.begin() + static_cast<std::int64_t>(b) * steps, lengths[b], 1);
    return mask;
  }

  static std::vector<Lengths> all_lengths() {
    auto all = ragged_lengths();
    all.push_back({});
    all.push_back({0, 0});
    Numbers numbers(4);
    all.emplace_back();
    for (int b = 0; b < 600; ++b)
      all.back().push_back(static_cast<std::int32_t>(numbers.integer(0, b % 50 == 0 ? 300 : 9)));
    return all;
  }
};
RAGTIME_TEST_ON_BACKENDS(BatchBuilder);

TEST_P(BatchBuilder, LengthsBecomeWhatTheHostMakesOfThem) {
  for (const auto& lengths : all_lengths())
    for (const std::int64_t spare : {0, 1, 40}) {
      SCOPED_TRACE(testing::Message() << lengths.size() << " sequences, room for " << spare << " more");
      const RaggedLayout layout = layout_of(lengths);
      Capacity capacity = size_of(layout);
      capacity.sequences += spare;
      capacity.rows += 3 * spare;
      capacity.steps += 2 * spare;
      Site site(backend, {capacity, true});
      run_lengths(site, lengths);
      EXPECT_TRUE(site.holds(layout));
      EXPECT_EQ(word_of(site), std::nullopt);
    }
}

TEST_P(BatchBuilder, MasksBecomeWhatTheHostMakesOfThem) {
  for (const int threads : {1, 3}) {
    set_cpu_threads(threads);
    for (const auto& lengths : all_lengths())
      for (const std::int64_t spare : {0, 1, 29})
        for (const std::int64_t shift : {0, 1, 13}) {
          SCOPED_TRACE(testing::Message()
                       << lengths.size() << " sequences, " << spare << " steps more, mask at " << shift);
          const RaggedLayout layout = layout_of(lengths);
          const std::int64_t steps = layout.steps() + spare;
          const Mask mask = mask_of(lengths, steps);
          const auto sequences = static_cast<std::int64_t>(lengths.size());
          ASSERT_EQ(RaggedLayout::from_mask(mask, sequences, steps, {true}).visit_offsets,
                    layout.visit_offsets);
          Site site(backend, {{.sequences = sequences + spare, .rows = layout.rows(), .steps = steps}, true});
          run_mask(site, mask, sequences, steps, shift);
          EXPECT_TRUE(site.holds(layout));
          EXPECT_EQ(word_of(site), std::nullopt);
        }
  }
}

TEST_P(BatchBuilder, LongMasksToo) {
  const std::int64_t steps = 8195;
  const Lengths lengths = {8195, 1, 8192, 0, 4097, 8192};
  for (const std::int64_t shift : {0, 5}) {
    Site site(backend, {{.sequences = 8, .rows = 30000, .steps = steps}, true});
    run_mask(site, mask_of(lengths, steps), 6, steps, shift);
    EXPECT_TRUE(site.holds(layout_of(lengths)));
    EXPECT_EQ(word_of(site), std::nullopt);
  }
  Mask broken = mask_of(lengths, steps);
  broken[5 * steps + 100] = 0;
  broken[4 * steps + 8000] = 1;
  broken[4 * steps + 8100] = 2;
  Site site(backend, {{.sequences = 6, .rows = 30000, .steps = steps}, true});
  run_mask(site, broken, 6, steps);
  EXPECT_TRUE(site.holds(layout_of({8195, 1, 8192, 0, 4097, 100})));
  EXPECT_EQ(word_of(site), fault_word(Fault::mask_hole, 4 * steps + 8000));
}

// Any bytes: lengths are what stands before the first byte that is not 1, the fault is the first byte that
// RaggedLayout::from_mask would name, or the first empty sequence if that has the smaller number.
TEST_P(BatchBuilder, BrokenMasksAreNamedAndCut) {
  Numbers numbers(9);
  int holes = 0, values = 0, zeros = 0, right = 0;
  for (int repeat = 0; repeat < 60; ++repeat) {
    const std::int64_t sequences = numbers.integer(1, 12), steps = numbers.integer(1, 70);
    const bool allow = repeat % 2 == 0;
    Lengths lengths;
    for (std::int64_t b = 0; b < sequences; ++b)
      lengths.push_back(static_cast<std::int32_t>(numbers.integer(repeat % 3 == 0 ? 0 : 1, steps)));
    Mask mask = mask_of(lengths, steps);
    for (std::int64_t wrong = numbers.integer(0, 2); wrong > 0; --wrong)
      mask[static_cast<std::size_t>(numbers.integer(0, sequences * steps - 1))] =
          static_cast<std::uint8_t>(std::array{0, 1, 2, 128, 255}[numbers.integer(0, 4)]);

    std::uint64_t expected = no_fault;
    for (std::int64_t b = 0; b < sequences; ++b) {
      std::uint64_t fault = no_fault;
      const auto* const row = mask.data() + b * steps;
      lengths[b] = 0;
      while (lengths[b] < steps && row[lengths[b]] == 1) ++lengths[b];
      for (std::int64_t t = lengths[b]; t < steps && fault == no_fault; ++t)
        if (row[t] != 0)
          fault = fault_word(row[t] == 1 ? Fault::mask_hole : Fault::bad_mask_value, b * steps + t);
      if (fault == no_fault && lengths[b] == 0 && !allow) fault = fault_word(Fault::zero_length, b);
      expected = std::min(expected, fault);
    }
    right += expected == no_fault;
    holes += (expected & 0xFF) == static_cast<int>(Fault::mask_hole);
    values += (expected & 0xFF) == static_cast<int>(Fault::bad_mask_value);
    zeros += (expected & 0xFF) == static_cast<int>(Fault::zero_length);

    SCOPED_TRACE(testing::Message() << "repeat " << repeat << ", [" << sequences << ", " << steps << "]");
    Site site(backend, {{.sequences = sequences + 2, .rows = sequences * steps, .steps = steps + 1}, allow});
    run_mask(site, mask, sequences, steps, repeat % 16);
    EXPECT_TRUE(site.holds(layout_of(lengths)));
    EXPECT_EQ(word_of(site), expected == no_fault ? std::nullopt : std::optional(expected));
  }
  EXPECT_GT(std::min({holes, values, zeros, right}), 2) << "the masks no longer break in every way";
}

TEST_P(BatchBuilder, BadLengthsAreNamedAndCountAsNone) {
  const auto run = [&](const Lengths& lengths, bool allow, const Lengths& kept) {
    Site site(backend, {{.sequences = 5, .rows = 20, .steps = 9}, allow});
    run_lengths(site, lengths);
    EXPECT_TRUE(site.holds(layout_of(kept)));
    return word_of(site);
  };
  EXPECT_EQ(run({3, -2, 0, INT32_MIN}, true, {3, 0, 0, 0}), fault_word(Fault::bad_length, 1));
  EXPECT_EQ(run({3, 2, 0, -1}, false, {3, 2, 0, 0}), fault_word(Fault::zero_length, 2));
  EXPECT_EQ(run({3, 2, 0, 0}, false, {3, 2, 0, 0}), fault_word(Fault::zero_length, 2));
  EXPECT_EQ(run({-5, 2, 0, 0}, false, {0, 2, 0, 0}), fault_word(Fault::bad_length, 0));
  EXPECT_EQ(run({3, 2}, false, {3, 2}), std::nullopt);
}

TEST_P(BatchBuilder, WithoutAStatusWordFaultsAreDroppedSilently) {
  Site site(backend, {{.sequences = 2, .rows = 9, .steps = 4}, false});
  const DeviceArray<std::int32_t> lengths(backend, {-3, 0});
  BatchBuild build = site.build(nullptr);
  build.status = nullptr;
  site.plan.from_lengths(lengths.data(), build);
  const DeviceArray<std::uint8_t> mask(backend, {0, 1, 7, 0});
  site.plan.from_mask(mask.data(), 2, build);
  backend->synchronize();
  EXPECT_TRUE(site.holds(layout_of({0, 0})));
}

TEST_P(BatchBuilder, WhatIsBeyondTheCapacityIsCutOrRefused) {
  const auto run = [&](const Capacity& capacity, const Lengths& lengths, std::int32_t sequences,
                       std::uint64_t fault, const Lengths& kept, const std::string& refusal) {
    SCOPED_TRACE(refusal);
    Site site(backend, {capacity, true});
    const auto count = one(sequences);
    const DeviceArray<std::int32_t> device(backend, lengths);
    const auto build = [&] {
      site.plan.from_lengths(device.data(), site.build(count.data()));
      backend->synchronize();
    };
    if (backend->device() == DeviceType::cpu) {
      expect_error(ErrorCode::out_of_range, {refusal}, build);
      const auto memory = site.memory.host();
      EXPECT_EQ(memory, std::vector<std::int32_t>(memory.size(), -1));
      EXPECT_EQ(word_of(site), std::nullopt);
    } else {
      build();
      EXPECT_TRUE(site.holds(layout_of(kept)));
      EXPECT_EQ(word_of(site), fault);
    }
  };
  const Capacity small = {.sequences = 3, .rows = 8, .steps = 5};
  run(small, {1, 2, 3, 4}, 4, beyond_capacity_word(BatchPart::sequences, 4, 3), {1, 2, 3},
      "4 sequences: expected at most 3");
  run(small, {1, 2, 3}, -1, fault_word(Fault::negative_count, 1), {}, "-1 sequences: expected at most 3");
  run(small, {1, 6, 1}, 3, fault_word(Fault::too_many_steps, 1), {1, 5, 1}, "6 steps: expected at most 5");
  run(small, {4, 3, 2}, 3, fault_word(Fault::too_many_rows, 2), {4, 3, 1}, "9 rows: expected at most 8");
  run(small, {5, 4, 3}, 3, fault_word(Fault::too_many_rows, 1), {5, 3, 0}, "12 rows: expected at most 8");
  const Capacity few_rows = {.sequences = 3, .rows = 2, .steps = 5};
  run(few_rows, {0, 4, 5}, 3, fault_word(Fault::too_many_rows, 1), {0, 2, 0}, "9 rows: expected at most 2");
  run({}, {1}, 1, beyond_capacity_word(BatchPart::sequences, 1, 0), {}, "1 sequences: expected at most 0");
}

TEST_P(BatchBuilder, MoreThanTwoToThe31RowsDoNotWrapAround) {
  const std::int32_t length = 1 << 20;
  const Lengths lengths(2049, length);  // 2^31 + 2^20 rows
  Site site(backend, {{.sequences = 2049, .rows = INT32_MAX, .steps = length}, false});
  if (backend->device() == DeviceType::cpu) {
    expect_error(ErrorCode::out_of_range, {"2148532224 rows: expected at most 2147483647"},
                 [&] { run_lengths(site, lengths); });
    return;
  }
  run_lengths(site, lengths);
  Lengths kept = lengths;
  kept[2047] = length - 1;
  kept[2048] = 0;
  EXPECT_TRUE(site.holds(layout_of(kept)));
  EXPECT_EQ(word_of(site), fault_word(Fault::too_many_rows, 2047));
}

TEST_P(BatchBuilder, WithoutACountTheWholeCapacityIsMeant) {
  Site site(backend, {{.sequences = 3, .rows = 20, .steps = 9}, false});
  const DeviceArray<std::int32_t> lengths(backend, {2, 7, 1});
  const auto codes = one(1234);
  site.plan.from_lengths(lengths.data(), site.build(nullptr, codes.data()));
  backend->synchronize();
  EXPECT_TRUE(site.holds(layout_of({2, 7, 1}), 1234));
  EXPECT_EQ(word_of(site), std::nullopt);
}

TEST_P(BatchBuilder, TheSameMemoryServesBatchAfterBatch) {
  Site site(backend, {{.sequences = 4, .rows = 20, .steps = 9}, false});
  run_lengths(site, {1, 5, 9, 2});
  run_mask(site, mask_of({2, 3}, 4), 2, 4);
  auto expected = memory_with(layout_of({1, 5, 9, 2}), 0, site.capacity, site.memory);
  const auto second = memory_with(layout_of({2, 3}), 0, site.capacity, site.memory);
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (second[i] != -1) expected[i] = second[i];
  EXPECT_TRUE(same_bits(site.memory.host(), expected));
}

TEST_P(BatchBuilder, OperationsRunOnWhatItMakes) {
  const Lengths lengths = {2, 0, 5, 1, 5};
  const std::int64_t width = 3;
  const Capacity capacity = {.sequences = 7, .rows = 15, .steps = 6};
  const BatchBuilderPlan builder(backend, {capacity, true});
  const Buffer memory(backend, RaggedArrays::bytes(capacity)), workspace(backend, builder.workspace_bytes());
  const RaggedArrays batch = RaggedArrays::in(memory.data(), capacity);
  const DeviceArray<std::uint8_t> mask(backend, mask_of(lengths, 6));
  const auto sequences = one(5);
  Status status(backend);
  builder.from_mask(mask.data(), 6,
                    {.sequences = sequences.data(),
                     .batch = batch,
                     .workspace = workspace.data(),
                     .status = status.word()});
  status.check();

  DeviceBatch host_made(backend);
  host_made.load(layout_of(lengths));
  std::vector<float> rows(13 * width);
  std::iota(rows.begin(), rows.end(), 1.0f);
  const DeviceArray<float> y(backend, rows);
  const FinalStatePlan final_state(backend, {.width = width, .capacity = capacity});
  const LayoutPlan to_packed(
      backend, {.width = width, .from = Layout::ragged, .to = Layout::packed, .capacity = capacity});
  const auto both = [&](const RaggedView& view) {
    const auto states = DeviceArray<float>::poisoned(backend, 7 * width);
    const auto packed = DeviceArray<float>::poisoned(backend, 15 * width);
    final_state.forward(view, y.data(), states.data());
    to_packed.forward(view, y.data(), packed.data());
    backend->synchronize();
    return std::pair(states.host(), packed.host());
  };
  const auto [states, packed] = both(batch.view());
  const auto [expected_states, expected_packed] = both(host_made.view());
  EXPECT_TRUE(same_bits(states, expected_states));
  EXPECT_TRUE(same_bits(packed, expected_packed));
  EXPECT_EQ(std::vector(states.begin(), states.begin() + 6), (std::vector<float>{4, 5, 6, 0, 0, 0}));
}

TEST_P(BatchBuilder, TheHostFetchesWhatStepwiseNeeds) {
  const Capacity capacity = {.sequences = 4, .rows = 20, .steps = 9};
  Site site(backend, {capacity, false});
  HostCounts first(backend, capacity);
  HostCounts counts = std::move(first);
  const DeviceArray<std::uint32_t> ids(backend, {8, 9, 7, 6});
  const RaggedView view = site.build(nullptr).batch.view(ids.data());
  EXPECT_EQ(view.sequence_ids, ids.data());
  EXPECT_EQ(view.host_counts, nullptr);
  EXPECT_EQ(view.host_batch_sizes, nullptr);
  for (const Lengths& lengths : {Lengths{1, 5, 9, 2}, Lengths{2, 3}}) {
    run_lengths(site, lengths);
    const RaggedLayout layout = layout_of(lengths);
    const RaggedView fetched = counts.fetch(view);
    EXPECT_EQ(std::vector(fetched.host_counts, fetched.host_counts + 4),
              (Lengths{layout.sequences(), layout.rows(), 0, layout.steps()}));
    EXPECT_EQ(std::vector(fetched.host_batch_sizes, fetched.host_batch_sizes + layout.steps()),
              layout.batch_sizes);
    EXPECT_EQ(fetched.order, view.order);
    EXPECT_EQ(fetched.sequence_ids, ids.data());
  }
  HostCounts small(backend, {.steps = 2});
  expect_error(ErrorCode::out_of_range, {"3 steps: expected at most 2"}, [&] { small.fetch(view); });
  expect_error(ErrorCode::invalid_argument, {"batch.counts is null"}, [&] { counts.fetch({}); });
  expect_error(ErrorCode::invalid_argument, {"backend is null"}, [&] { HostCounts(nullptr, capacity); });
  expect_error(ErrorCode::invalid_argument, {"capacity.steps is -1"},
               [&] { HostCounts(backend, {.steps = -1}); });
}

TEST_P(BatchBuilder, WhatCannotBeRightIsRefused) {
  const auto refuses = [&](const std::string& text, auto&& run) {
    expect_error(ErrorCode::invalid_argument, {text}, run);
  };
  refuses("backend is null", [] { BatchBuilderPlan(nullptr, {}); });
  refuses("capacity.sequences is -1", [&] { BatchBuilderPlan(backend, {{.sequences = -1}, false}); });
  refuses("capacity.rows is 2147483648", [&] {
    BatchBuilderPlan(backend, {{.rows = std::int64_t{1} << 31}, false});
  });
  refuses("capacity.steps is -3", [&] { BatchBuilderPlan(backend, {{.steps = -3}, false}); });
  refuses("capacity.steps is -3", [&] { RaggedArrays::bytes({.steps = -3}); });
  refuses("memory is null", [&] { RaggedArrays::in(nullptr, {.steps = 3}); });

  Site site(backend, {{.sequences = 2, .rows = 8, .steps = 4}, false});
  const DeviceArray<std::int32_t> lengths(backend, {1, 2});
  const DeviceArray<std::uint8_t> mask(backend, {1, 0, 1, 1});
  refuses("lengths is null", [&] { site.plan.from_lengths(nullptr, site.build(nullptr)); });
  refuses("mask is null", [&] { site.plan.from_mask(nullptr, 2, site.build(nullptr)); });
  refuses("padded_steps is 5: expected 0 to 4",
          [&] { site.plan.from_mask(mask.data(), 5, site.build(nullptr)); });
  refuses("padded_steps is -1", [&] { site.plan.from_mask(mask.data(), -1, site.build(nullptr)); });
  const auto without = [&](const std::string& name, auto&& remove) {
    BatchBuild build = site.build(nullptr);
    remove(build);
    refuses(name + " is null", [&] { site.plan.from_lengths(lengths.data(), build); });
    refuses(name + " is null", [&] { site.plan.from_mask(mask.data(), 2, build); });
  };
  without("batch.counts", [](auto& build) { build.batch.counts = nullptr; });
  without("batch.visit_offsets", [](auto& build) { build.batch.visit_offsets = nullptr; });
  without("batch.order", [](auto& build) { build.batch.order = nullptr; });
  without("batch.inverse_order", [](auto& build) { build.batch.inverse_order = nullptr; });
  without("batch.batch_sizes", [](auto& build) { build.batch.batch_sizes = nullptr; });
  without("workspace", [](auto& build) { build.workspace = nullptr; });
  const auto memory = site.memory.host();
  EXPECT_EQ(memory, std::vector<std::int32_t>(memory.size(), -1));
}

}  // namespace
}  // namespace ragtime::test
