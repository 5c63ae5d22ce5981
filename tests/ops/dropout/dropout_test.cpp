// Dropout: the mask is the one that plain Philox draws give, element by element, and so depends on nothing
// but seed, step, site, sequence and position; kept values are scaled by 1 / (1 - p), dropped ones are 0 even
// where they hold NaN; backward uses the same mask.

#include "ragtime/dropout.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "ragtime/status.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

// Philox4x32-10 as the paper writes it down, on its own here.
std::vector<std::uint32_t> philox_draw(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d,
                                       std::uint32_t key_low, std::uint32_t key_high) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t left = 0xD2511F53ull * a, right = 0xCD9E8D57ull * c;
    const std::uint32_t next_a = static_cast<std::uint32_t>(right >> 32) ^ b ^ key_low;
    const std::uint32_t next_c = static_cast<std::uint32_t>(left >> 32) ^ d ^ key_high;
    b = static_cast<std::uint32_t>(right);
    d = static_cast<std::uint32_t>(left);
    a = next_a;
    c = next_c;
    key_low += 0x9E3779B9u;
    key_high += 0xBB67AE85u;
  }
  return {a, b, c, d};
}

// The reference's known answers (Random123, kat_vectors), so that the draw above is Philox indeed.
TEST(PhiloxReference, GivesTheKnownAnswers) {
  EXPECT_EQ(philox_draw(0, 0, 0, 0, 0, 0),
            (std::vector<std::uint32_t>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox_draw(~0u, ~0u, ~0u, ~0u, ~0u, ~0u),
            (std::vector<std::uint32_t>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox_draw(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0),
            (std::vector<std::uint32_t>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

struct Key {
  std::uint64_t seed = 42, step = 3;
  std::uint32_t site = 2;
};

bool is_kept(const Key& key, std::uint32_t sequence_id, std::int64_t element, double probability) {
  const auto numbers = philox_draw(static_cast<std::uint32_t>(element / 4), key.site << 16, sequence_id,
                                   static_cast<std::uint32_t>(key.step), static_cast<std::uint32_t>(key.seed),
                                   static_cast<std::uint32_t>(key.seed >> 32));
  return numbers[static_cast<std::size_t>(element % 4)] >=
         static_cast<std::uint32_t>(probability * 4294967296.0);
}

// In double, and else in float, whatever the values are stored in.
template <class T>
T scaled(T value, double scale) {
  using Arithmetic = std::conditional_t<std::is_same_v<T, double>, double, float>;
  return static_cast<T>(static_cast<Arithmetic>(value) * static_cast<Arithmetic>(scale));
}

class DropoutTest : public OnBackend {
 protected:
  template <class T>
  std::vector<T> run(const RaggedBatch& host, std::int64_t width, double probability, const Key& key,
                     const std::vector<T>& x, bool per_sequence = false, bool in_place = false) {
    DeviceBatch batch(backend);
    batch.load(host);
    DropoutDesc desc;
    desc.dtype = dtype_of<T>;
    desc.width = width;
    desc.probability = probability;
    desc.per_sequence = per_sequence;
    desc.capacity = batch.size();
    const DropoutPlan plan(backend, desc);
    const DeviceArray<std::uint64_t> step(backend, {key.step});
    const DeviceArray<T> in(backend, x);
    const auto out = DeviceArray<T>::poisoned(backend, static_cast<std::int64_t>(x.size()));
    plan.run(batch.view(), {key.seed, step.data(), key.site}, in.data(), in_place ? in.data() : out.data());
    return in_place ? in.host() : out.host();
  }

  static RaggedBatch batch_of(const std::vector<std::int32_t>& lengths,
                              const std::vector<std::uint32_t>& ids = {}) {
    RaggedBatch batch;
    batch.layout = layout_of(lengths);
    batch.code_offsets.assign(static_cast<std::size_t>(batch.layout.rows()) + 1, 0);
    batch.sequence_ids = ids;
    return batch;
  }

  template <class T>
  void check_against_plain_draws() {
    Numbers numbers(1);
    for (const auto& lengths : ragged_lengths())
      for (const std::int64_t width : {1, 5, 64, 130})
        for (const double probability : {0.0, 0.1, 0.5, 0.9}) {
          RaggedBatch batch = batch_of(lengths);
          for (std::int32_t b = 0; b < batch.layout.sequences(); ++b)
            batch.sequence_ids.push_back(static_cast<std::uint32_t>(4'000'000'000u + b * 17));
          const Key key{0x123456789abcdefull, 77, 65535};
          for (const bool per_sequence : {false, true}) {
            const std::int64_t rows = per_sequence ? batch.layout.sequences() : batch.layout.rows();
            const auto x = numbers.vector<T>(rows * width, 1, 2);
            const auto y = run(batch, width, probability, key, x, per_sequence);
            std::vector<T> expected(x.size());
            for (std::int32_t b = 0; b < batch.layout.sequences(); ++b) {
              const std::int64_t first = (per_sequence ? b : batch.layout.visit_offsets[b]) * width;
              const std::int64_t count = (per_sequence ? 1 : batch.layout.length(b)) * width;
              for (std::int64_t i = 0; i < count; ++i)
                expected[first + i] = is_kept(key, batch.sequence_ids[b], i, probability)
                                          ? scaled(x[first + i], 1 / (1 - probability))
                                          : T(0);
            }
            EXPECT_TRUE(same_bits(y, expected)) << "width " << width << ", p " << probability;
          }
        }
  }
};
RAGTIME_TEST_ON_BACKENDS(DropoutTest);

TEST_P(DropoutTest, TheMaskIsThatOfPlainDrawsFloat) {
  check_against_plain_draws<float>();
}
TEST_P(DropoutTest, TheMaskIsThatOfPlainDrawsDouble) {
  RAGTIME_NEEDS_DOUBLE();
  check_against_plain_draws<double>();
}

TEST_P(DropoutTest, TheMaskIsThatOfPlainDrawsBf16) {
  RAGTIME_NEEDS(bf16);
  check_against_plain_draws<bf16>();
}
TEST_P(DropoutTest, TheMaskIsThatOfPlainDrawsF16) {
  RAGTIME_NEEDS(f16);
  check_against_plain_draws<f16>();
}

TEST_P(DropoutTest, NothingIsDroppedAtZero) {
  const auto x = Numbers(2).vector<float>(9 * 31);
  EXPECT_TRUE(same_bits(run(batch_of({4, 5}), 31, 0.0, {}, x), x));
}

TEST_P(DropoutTest, AlmostEverythingIsDroppedNearOne) {
  const double probability = std::nextafter(1.0, 0.0);
  const std::vector<float> x(64 * 100, 1.0f);
  for (const float value : run(batch_of({100}), 64, probability, {}, x)) EXPECT_EQ(value, 0);
}

// Without ids a sequence's id is its place in the batch; without a step the step is 0.
TEST_P(DropoutTest, IdsAndStepHaveDefaults) {
  const auto x = Numbers(3).vector<float>(10 * 7);
  const RaggedBatch anonymous = batch_of({4, 1, 5});
  EXPECT_TRUE(same_bits(run(anonymous, 7, 0.5, {}, x), run(batch_of({4, 1, 5}, {0, 1, 2}), 7, 0.5, {}, x)));
  DeviceBatch batch(backend);
  batch.load(anonymous);
  DropoutDesc desc;
  desc.width = 7;
  desc.probability = 0.5;
  desc.capacity = batch.size();
  const DeviceArray<float> in(backend, x);
  const auto out = DeviceArray<float>::poisoned(backend, 70);
  DropoutPlan(backend, desc).run(batch.view(), {42, nullptr, 2}, in.data(), out.data());
  EXPECT_TRUE(same_bits(out.host(), run(anonymous, 7, 0.5, {42, 0, 2}, x)));
}

TEST_P(DropoutTest, AMaskDependsOnItsSequenceAloneWhateverElseIsInTheBatch) {
  constexpr std::int64_t width = 13;
  const std::vector<float> ones(static_cast<std::size_t>(20 * width), 1.0f);
  const auto alone = run<float>(batch_of({6}, {7}), width, 0.4, {}, {ones.begin(), ones.begin() + 6 * width});
  const auto among = run(batch_of({3, 0, 6, 11}, {9, 8, 7, 6}), width, 0.4, {}, ones);
  EXPECT_TRUE(same_bits(alone, std::vector<float>(among.begin() + 3 * width, among.begin() + 9 * width)));
  // A longer sequence goes on where the shorter one ends.
  const auto longer =
      run<float>(batch_of({9}, {7}), width, 0.4, {}, {ones.begin(), ones.begin() + 9 * width});
  EXPECT_TRUE(same_bits(alone, std::vector<float>(longer.begin(), longer.begin() + 6 * width)));
}

TEST_P(DropoutTest, SeedStepSiteAndSequenceEachDrawAnotherMask) {
  const std::vector<float> ones(256, 1.0f);
  const auto mask = [&](const Key& key, std::uint32_t id) {
    return run(batch_of({4}, {id}), 64, 0.5, key, ones);
  };
  const auto first = mask({1, 1, 1}, 1);
  EXPECT_TRUE(same_bits(first, mask({1, 1, 1}, 1)));
  for (const auto& other : {mask({2, 1, 1}, 1), mask({1ull << 32 | 1, 1, 1}, 1), mask({1, 2, 1}, 1),
                            mask({1, 1, 2}, 1), mask({1, 1, 1}, 2)}) {
    // Independent fair masks of 256 elements agree in 128 places, give or take 8.
    int agree = 0;
    for (std::size_t i = 0; i < other.size(); ++i) agree += first[i] == other[i] ? 1 : 0;
    EXPECT_NEAR(agree, 128, 5 * 8);
  }
}

// 2^20 elements: the share kept, its share in every column and row, and the agreement of neighbours are
// within five standard deviations of independent draws.
TEST_P(DropoutTest, KeepsItsShareWithoutAPattern) {
  constexpr std::int64_t width = 256, rows = 4096;
  const std::vector<float> ones(static_cast<std::size_t>(rows * width), 1.0f);
  for (const double probability : {0.1, 0.5, 0.8}) {
    const auto y = run(batch_of({rows / 2, rows / 2}), width, probability, {}, ones);
    const double keep = 1 - probability, spread = std::sqrt(keep * probability);
    std::vector<double> columns(width, 0), by_row(rows, 0);
    double neighbours = 0, mean = 0;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t e = 0; e < width; ++e) {
        const bool kept = y[r * width + e] != 0;
        columns[e] += kept;
        by_row[r] += kept;
        mean += static_cast<double>(y[r * width + e]);
        if (e > 0) neighbours += kept && y[r * width + e - 1] != 0;
      }
    EXPECT_NEAR(mean / (rows * width), 1, 5 * spread / keep / std::sqrt(rows * width));
    for (const double count : columns) EXPECT_NEAR(count, keep * rows, 5 * spread * std::sqrt(rows));
    for (const double count : by_row) EXPECT_NEAR(count, keep * width, 5 * spread * std::sqrt(width));
    // Products of neighbours overlap, which at most triples the variance of their sum.
    const double pairs = rows * (width - 1);
    EXPECT_NEAR(neighbours / pairs, keep * keep, 5 * std::sqrt(3 * keep * keep * (1 - keep * keep) / pairs));
  }
}

TEST_P(DropoutTest, ADroppedValueIsZeroWhateverItHeld) {
  const std::vector<float> poison(200, nan<float>);
  const auto ones = run(batch_of({10}), 20, 0.5, {}, std::vector<float>(200, 1.0f));
  const auto y = run(batch_of({10}), 20, 0.5, {}, poison);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), ones[i] != 0);
}

// y is linear in x, so that the call on the gradients is its backward; checked by differences all the same.
TEST_P(DropoutTest, TheSameCallIsItsBackward) {
  RAGTIME_NEEDS_DOUBLE();
  const RaggedBatch batch = batch_of({3, 0, 4});
  auto x = Numbers(5).vector<double>(7 * 3);
  const auto d_y = Numbers(6).vector<double>(7 * 3);
  const auto numeric = finite_differences(x, [&] {
    const auto y = run(batch, 3, 0.3, {}, x);
    return std::inner_product(y.begin(), y.end(), d_y.begin(), 0.0);
  });
  EXPECT_TRUE(close(run(batch, 3, 0.3, {}, d_y), numeric, 1e-9));
}

TEST_P(DropoutTest, WorksInPlaceAndOnAnyNumberOfThreads) {
  const RaggedBatch batch = batch_of({1, 30, 0, 2, 9, 9, 17});
  const auto x = Numbers(7).vector<float>(68 * 37);
  const auto expected = run(batch, 37, 0.25, {}, x);
  EXPECT_TRUE(same_bits(run(batch, 37, 0.25, {}, x, false, true), expected));
  for (const int threads : {1, 2, 5}) {
    set_cpu_threads(threads);
    EXPECT_TRUE(same_bits(run(batch, 37, 0.25, {}, x), expected)) << threads << " threads";
  }
}

TEST_P(DropoutTest, RefusesBadDescriptionsAndArguments) {
  const auto refused = [&](std::initializer_list<std::string> parts, std::int64_t width, double probability) {
    expect_error(ErrorCode::invalid_argument, parts, [&] {
      DropoutDesc desc;
      desc.width = width;
      desc.probability = probability;
      DropoutPlan plan(backend, desc);
    });
  };
  refused({"width is 0", "at least 1"}, 0, 0.5);
  refused({"probability is 1: expected a number in [0, 1)"}, 4, 1.0);
  refused({"probability is -0.1"}, 4, -0.1);
  refused({"probability is nan"}, 4, nan<double>);

  DropoutDesc desc;
  desc.width = 4;
  const DropoutPlan plan(backend, desc);
  DeviceBatch batch(backend);
  batch.load(layout_of({2}));
  const auto memory = DeviceArray<float>::poisoned(backend, 8);
  const auto call = [&](const std::string& text, const RaggedView& view, DropoutKey key, const float* x,
                        float* y) {
    expect_error(ErrorCode::invalid_argument, {text}, [&] { plan.run(view, key, x, y); });
  };
  call("x is null", batch.view(), {}, nullptr, memory.data());
  call("y is null", batch.view(), {}, memory.data(), nullptr);
  call("batch.counts is null", {}, {}, memory.data(), memory.data());
  call("key.site is 65536: expected less than 65536", batch.view(), {1, nullptr, 65536}, memory.data(),
       memory.data());
}

// Where only the device sees the counts: rows that do not fit are reported and left alone.
TEST_P(DropoutTest, RowsBeyondTheCapacityOfADeviceAreLeftAlone) {
  if (backend->device() == DeviceType::cpu) GTEST_SKIP() << "the cpu backend reads the counts of the batch";
  DeviceBatch batch(backend);
  batch.load(layout_of({2, 3}));
  DropoutDesc desc;
  desc.width = 2;
  desc.capacity = {.sequences = 2, .rows = 4};
  const DropoutPlan plan(backend, desc);  // probability 0: a copy
  const DeviceArray<float> x(backend, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}),
      y(backend, std::vector<float>(10, -1));
  Status status(backend);
  RaggedView view = batch.view();
  view.status = status.word();
  plan.run(view, {}, x.data(), y.data());
  EXPECT_EQ(y.host(), (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, -1, -1}));
  expect_error(ErrorCode::out_of_range, {"has 5 rows"}, [&] { status.check(); });
}

}  // namespace
}  // namespace ragtime::test
