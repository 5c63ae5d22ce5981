// The ragged batch: every builder gives the same layout as a plain count does, padding is never read whatever
// it holds, and each kind of bad input is refused with a text that names it.

#include "ragtime/ragged_batch.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/operation_test.hpp"

namespace ragtime {
namespace {

constexpr RaggedOptions zeros_allowed{.allow_zero_length = true};

// The definitions of order, inverse_order and batch_sizes, each counted on its own.
void expect_layout(const RaggedLayout& layout, const std::vector<std::int32_t>& lengths) {
  const auto sequences = static_cast<std::int32_t>(lengths.size());
  ASSERT_EQ(layout.sequences(), sequences);
  ASSERT_EQ(layout.visit_offsets.size(), lengths.size() + 1);
  std::int32_t rows = 0, steps = 0;
  for (std::int32_t b = 0; b < sequences; ++b) {
    EXPECT_EQ(layout.visit_offsets[b], rows);
    EXPECT_EQ(layout.length(b), lengths[b]);
    rows += lengths[b];
    steps = std::max(steps, lengths[b]);
    // Those before b: all longer ones, and equally long ones with a smaller index.
    std::int32_t before = 0;
    for (std::int32_t other = 0; other < sequences; ++other)
      before += lengths[other] > lengths[b] || (lengths[other] == lengths[b] && other < b) ? 1 : 0;
    EXPECT_EQ(layout.inverse_order[b], before);
    EXPECT_EQ(layout.order[before], b);
  }
  EXPECT_EQ(layout.rows(), rows);
  ASSERT_EQ(layout.steps(), steps);
  for (std::int32_t t = 0; t < steps; ++t)
    EXPECT_EQ(layout.batch_sizes[t],
              std::count_if(lengths.begin(), lengths.end(), [&](std::int32_t length) { return length > t; }));
}

TEST(RaggedLayoutTest, BuildersAgreeWithAPlainCount) {
  auto cases = test::ragged_lengths();
  cases.push_back({});
  cases.push_back({0});
  for (const auto& lengths : cases) {
    const auto layout = RaggedLayout::from_lengths(lengths, zeros_allowed);
    expect_layout(layout, lengths);
    expect_layout(RaggedLayout::from_offsets(layout.visit_offsets, zeros_allowed), lengths);
    for (const std::int32_t extra : {0, 3}) {
      const std::int32_t steps = layout.steps() + extra;
      std::vector<std::uint8_t> mask;
      for (const std::int32_t length : lengths)
        for (std::int32_t t = 0; t < steps; ++t) mask.push_back(t < length ? 1 : 0);
      expect_layout(RaggedLayout::from_mask(mask, layout.sequences(), steps, zeros_allowed), lengths);
    }
  }
}

TEST(RaggedLayoutTest, AnEmptyLayoutIsTheDefaultOne) {
  const RaggedLayout layout;
  EXPECT_EQ(layout.sequences(), 0);
  EXPECT_EQ(layout.rows(), 0);
  EXPECT_EQ(layout.steps(), 0);
}

TEST(RaggedLayoutTest, ZeroLengthsAreCountedAndTheFirstIsNamed) {
  std::vector<std::int32_t> lengths(40, 2);
  lengths[17] = lengths[20] = lengths[39] = 0;
  const std::string text = "3 sequences have zero length, first at 17";
  expect_error(ErrorCode::invalid_argument, {text}, [&] { RaggedLayout::from_lengths(lengths); });
  const auto offsets = RaggedLayout::from_lengths(lengths, zeros_allowed).visit_offsets;
  expect_error(ErrorCode::invalid_argument, {text}, [&] { RaggedLayout::from_offsets(offsets); });
  expect_error(ErrorCode::invalid_argument, {"1 sequence has zero length, first at 0"}, [] {
    RaggedLayout::from_mask(std::vector<std::uint8_t>{0, 0}, 1, 2);
  });
}

TEST(RaggedLayoutTest, RefusesBadLengths) {
  expect_error(ErrorCode::invalid_argument, {"lengths[1] = -4", "0 or more"}, [] {
    RaggedLayout::from_lengths(std::vector<std::int32_t>{1, -4});
  });
  expect_error(ErrorCode::invalid_argument, {"more than 2147483647 rows", "lengths[2]"}, [] {
    RaggedLayout::from_lengths(std::vector<std::int32_t>{INT32_MAX - 1, 1, 1});
  });
}

TEST(RaggedLayoutTest, RefusesBadOffsets) {
  expect_error(ErrorCode::shape_mismatch, {"visit_offsets is empty"}, [] { RaggedLayout::from_offsets({}); });
  expect_error(ErrorCode::invalid_argument, {"visit_offsets[0] = 1: expected 0"}, [] {
    RaggedLayout::from_offsets(std::vector<std::int32_t>{1, 2});
  });
  expect_error(ErrorCode::invalid_argument,
               {"visit_offsets[3] = 7 is smaller than visit_offsets[2] = 9: offsets must not decrease"}, [] {
                 RaggedLayout::from_offsets(std::vector<std::int32_t>{0, 4, 9, 7, 12});
               });
}

TEST(RaggedLayoutTest, RefusesBadMasks) {
  std::vector<std::uint8_t> mask(5 * 8, 1);
  mask[4 * 8 + 6] = 0;
  expect_error(ErrorCode::invalid_argument, {"sequence_mask[4, 7] = 1 follows a 0", "hole"},
               [&] { RaggedLayout::from_mask(mask, 5, 8); });
  mask[2 * 8 + 3] = 255;
  expect_error(ErrorCode::invalid_argument, {"sequence_mask[2, 3] = 255: expected 0 or 1"},
               [&] { RaggedLayout::from_mask(mask, 5, 8); });
  expect_error(ErrorCode::shape_mismatch, {"sequence_mask has 40 elements: expected 45, [B, T]"},
               [&] { RaggedLayout::from_mask(mask, 5, 9); });
  expect_error(ErrorCode::invalid_argument, {"sequences is -5"},
               [&] { RaggedLayout::from_mask(mask, -5, -8); });
  expect_error(ErrorCode::invalid_argument, {"steps is 9223372036854775807"},
               [&] { RaggedLayout::from_mask(mask, 5, INT64_MAX); });
}

TEST(RaggedBatchTest, FromPatientsPutsEveryCodeInItsPlace) {
  const std::vector<PatientVisits> patients = {{{3}, {}, {1, 1, 2}}, {{0}}, {{}, {4, 3}}};
  const auto batch = RaggedBatch::from_patients(patients, 5);
  expect_layout(batch.layout, {3, 1, 2});
  EXPECT_EQ(batch.code_offsets, (std::vector<std::int32_t>{0, 1, 1, 4, 5, 5, 7}));
  EXPECT_EQ(batch.codes, (std::vector<std::int32_t>{3, 1, 1, 2, 0, 4, 3}));
  EXPECT_TRUE(batch.code_weights.empty());
  EXPECT_TRUE(batch.sequence_ids.empty());
  const Capacity size = batch.size();
  EXPECT_EQ(size.sequences, 3);
  EXPECT_EQ(size.rows, 6);
  EXPECT_EQ(size.codes, 7);
  EXPECT_EQ(size.steps, 3);
}

TEST(RaggedBatchTest, FromPatientsRefusesBadInput) {
  const std::vector<PatientVisits> patients = {{{1}}, {{0}, {2, 9}}};
  expect_error(ErrorCode::out_of_range, {"codes[1][1][1] = 9", "[0, 9)"},
               [&] { RaggedBatch::from_patients(patients, 9); });
  EXPECT_NO_THROW(RaggedBatch::from_patients(patients, 10));
  EXPECT_NO_THROW(RaggedBatch::from_patients(patients));
  expect_error(ErrorCode::out_of_range, {"codes[0][0][0] = -1"},
               [] { RaggedBatch::from_patients(std::vector<PatientVisits>{{{-1}}}, 10); });
  expect_error(ErrorCode::invalid_argument, {"vocab_size is -1"},
               [&] { RaggedBatch::from_patients(patients, -1); });
  expect_error(ErrorCode::invalid_argument, {"1 sequence has zero length, first at 1"}, [] {
    RaggedBatch::from_patients(std::vector<PatientVisits>{{{1}}, {}}, 10);
  });
  expect_layout(RaggedBatch::from_patients(std::vector<PatientVisits>{{{1}}, {}}, 10, zeros_allowed).layout,
                {1, 0});
}

// The tensors of a padded batch whose padding holds what must never be read: garbage ids, and behind the end
// of a sequence garbage in visit_mask too.
struct Padded {
  std::int64_t sequences, steps, codes_per_visit;
  std::vector<std::int32_t> codes;
  std::vector<std::uint8_t> visit_mask, sequence_mask;

  RaggedBatch batch(std::int64_t vocab_size = 100) const {
    return RaggedBatch::from_padded(codes, visit_mask, sequence_mask, sequences, steps, codes_per_visit,
                                    vocab_size);
  }
};

Padded poisoned(const std::vector<PatientVisits>& patients, std::int64_t steps,
                std::int64_t codes_per_visit) {
  Padded padded{static_cast<std::int64_t>(patients.size()), steps, codes_per_visit, {}, {}, {}};
  std::int32_t garbage = 1 << 30;
  for (const auto& visits : patients)
    for (std::size_t t = 0; t < static_cast<std::size_t>(steps); ++t) {
      const bool real_visit = t < visits.size();
      padded.sequence_mask.push_back(real_visit ? 1 : 0);
      // The real codes stand at the end of the visit here: only the mask says where they are.
      const std::size_t real = real_visit ? visits[t].size() : 0;
      const std::size_t skipped = static_cast<std::size_t>(codes_per_visit) - real;
      for (std::size_t i = 0; i < static_cast<std::size_t>(codes_per_visit); ++i) {
        const bool real_code = real_visit && i >= skipped;
        padded.codes.push_back(real_code ? visits[t][i - skipped] : (garbage = -garbage));
        padded.visit_mask.push_back(real_code ? 1 : real_visit ? 0 : 77);
      }
    }
  return padded;
}

TEST(RaggedBatchTest, FromPaddedNeverReadsWhatTheMasksLeaveOut) {
  const std::vector<PatientVisits> patients = {{{3}, {}, {1, 1, 2}}, {{0}}, {{}, {4, 3}, {7}, {8, 9}}};
  const auto expected = RaggedBatch::from_patients(patients);
  for (const std::int64_t steps : {4, 6})
    for (const std::int64_t codes_per_visit : {3, 5}) {
      const auto batch = poisoned(patients, steps, codes_per_visit).batch();
      EXPECT_EQ(batch.layout.visit_offsets, expected.layout.visit_offsets);
      EXPECT_EQ(batch.layout.order, expected.layout.order);
      EXPECT_EQ(batch.code_offsets, expected.code_offsets);
      EXPECT_EQ(batch.codes, expected.codes);
    }
}

TEST(RaggedBatchTest, FromPaddedWithoutMasksTakesEverything) {
  const std::vector<std::int32_t> codes = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto batch = RaggedBatch::from_padded(codes, {}, {}, 2, 2, 2, 9);
  expect_layout(batch.layout, {2, 2});
  EXPECT_EQ(batch.codes, codes);
  EXPECT_EQ(batch.code_offsets, (std::vector<std::int32_t>{0, 2, 4, 6, 8}));
  const auto first_visits =
      RaggedBatch::from_padded(codes, {}, std::vector<std::uint8_t>{1, 1, 1, 0}, 2, 2, 2);
  EXPECT_EQ(first_visits.codes, (std::vector<std::int32_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(RaggedBatch::from_padded({}, {}, {}, 0, 0, 0).layout.sequences(), 0);
  expect_layout(RaggedBatch::from_padded({}, {}, {}, 3, 2, 0).layout, {2, 2, 2});
}

TEST(RaggedBatchTest, FromPaddedRefusesBadInput) {
  const std::vector<PatientVisits> patients = {{{3}, {1, 2}}, {{0}}};
  Padded padded = poisoned(patients, 2, 2);
  expect_error(ErrorCode::out_of_range, {"codes[0][0][1] = 3", "[0, 3)"}, [&] { padded.batch(3); });
  padded.visit_mask[2] = 2;
  expect_error(ErrorCode::invalid_argument, {"visit_mask[0, 1, 0] = 2: expected 0 or 1"},
               [&] { padded.batch(); });
  padded.sequence_mask = {0, 1, 1, 0};
  expect_error(ErrorCode::invalid_argument, {"sequence_mask[0, 1] = 1 follows a 0"}, [&] { padded.batch(); });
  padded.sequence_mask.pop_back();
  expect_error(ErrorCode::shape_mismatch, {"sequence_mask has 3 elements: expected 4, [B, T]"},
               [&] { padded.batch(); });
  padded.visit_mask.pop_back();
  expect_error(ErrorCode::shape_mismatch, {"visit_mask has 7 elements: expected 8, [B, T, C]"},
               [&] { padded.batch(); });
  padded.codes.pop_back();
  expect_error(ErrorCode::shape_mismatch, {"codes has 7 elements: expected 8, [B, T, C]"},
               [&] { padded.batch(); });
  // 2^20 * 2^22 * 2^22 elements wrap around to 0 in 64 bits.
  expect_error(ErrorCode::invalid_argument, {"1048576, 4194304, 4194304"}, [] {
    RaggedBatch::from_padded({}, {}, {}, std::int64_t{1} << 20, std::int64_t{1} << 22, std::int64_t{1} << 22);
  });
  expect_error(ErrorCode::invalid_argument, {"codes_per_visit is -1"},
               [] { RaggedBatch::from_padded({}, {}, {}, 1, 1, -1); });
}

}  // namespace
}  // namespace ragtime
