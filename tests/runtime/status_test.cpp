// The status word: clear when made, the first position wins whoever reports it and in whatever order, a check
// names the fault, clears the word and leaves it usable; what operations and the host write there agrees.

#include "ragtime/status.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "host/cpu/parallel.hpp"
#include "host/cpu/status_word.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime {
namespace {

class StatusTest : public test::OnBackend {
 protected:
  void set(const Status& status, std::uint64_t word) {
    backend->copy(status.word(), &word, sizeof(word), CopyKind::to_device);
  }
};
RAGTIME_TEST_ON_BACKENDS(StatusTest);

TEST_P(StatusTest, IsClearWhenMade) {
  Status status(backend);
  EXPECT_NO_THROW(status.check());
  std::uint64_t word = 0;
  backend->copy(&word, status.word(), sizeof(word), CopyKind::to_host);
  EXPECT_EQ(word, no_fault);
}

TEST_P(StatusTest, CheckNamesTheFaultAndItsPosition) {
  const std::pair<Fault, std::string> faults[] = {
      {Fault::code_out_of_range, "code is outside the vocabulary, at codes index "},
      {Fault::bad_code_weight, "code weight is negative or not finite, at code_weights index "},
      {Fault::label_out_of_range, "label is not a class, at row "},
      {Fault::bad_target, "target is not finite or outside the range of its loss, at element "},
      {Fault::bad_event_time, "event time lies beyond the sequence's last visit, at sequence "},
      {Fault::bad_row_weight, "row weight is negative or not finite, at row "},
      {Fault::mask_hole, "mask has a 1 behind a 0, at element "},
      {Fault::bad_mask_value, "mask holds a value other than 0 and 1, at element "},
      {Fault::bad_length, "length is negative, at sequence "},
      {Fault::zero_length,
       "sequence has zero length, which needs BatchBuilderDesc::allow_zero_length, at sequence "},
      {Fault::too_many_steps, "sequence is longer than the capacity of the plan, at sequence "},
      {Fault::too_many_rows, "batch has more rows than the capacity of the plan, beginning at sequence "},
      {Fault::negative_count, "the number of sequences is negative: -"},
  };
  Status status(backend);
  for (const auto& [fault, text] : faults)
    for (const std::uint64_t position :
         {std::uint64_t{0}, std::uint64_t{255}, std::uint64_t{256}, (std::uint64_t{1} << 54) + 3}) {
      set(status, fault_word(fault, position));
      expect_error(ErrorCode::out_of_range, {text + std::to_string(position)}, [&] { status.check(); });
    }
}

TEST_P(StatusTest, CheckNamesTheCountAndTheCapacity) {
  Status status(backend);
  const auto says = [&](std::uint64_t word, const std::string& text) {
    set(status, word);
    try {
      status.check();
      ADD_FAILURE() << "no error for: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::out_of_range);
      EXPECT_EQ(error.what(), text);
    }
  };
  constexpr std::int64_t largest = std::numeric_limits<std::int32_t>::max();
  says(beyond_capacity_word(BatchPart::rows, 65, 64), "the batch has 65 rows; the plan's capacity is 64");
  says(beyond_capacity_word(BatchPart::sequences, 1, 0),
       "the batch has 1 sequences; the plan's capacity is 0");
  says(beyond_capacity_word(BatchPart::steps, largest, largest - 1),
       "the batch has 2147483647 steps; the plan's capacity is 2147483646");
  says(beyond_capacity_word(BatchPart::segments, 2097150, 0),
       "the batch has 2097150 segments; the plan's capacity is 0");
  says(beyond_capacity_word(BatchPart::items, largest, 10),  // more than the word has room for
       "the batch has at least 2097161 items; the plan's capacity is 10");
  set(status, std::uint64_t{7} << 60 | static_cast<std::uint64_t>(Fault::beyond_capacity));  // no such part
  EXPECT_THROW(status.check(), Error);
}

TEST_P(StatusTest, CheckClearsTheWord) {
  Status status(backend);
  set(status, fault_word(Fault::bad_target, 7));
  EXPECT_THROW(status.check(), Error);
  EXPECT_NO_THROW(status.check());
  set(status, fault_word(Fault::bad_target, 8));
  expect_error(ErrorCode::out_of_range, {"element 8"}, [&] { status.check(); });
}

TEST_P(StatusTest, AWordOfNoKnownFaultIsStillAnError) {
  Status status(backend);
  set(status, 0);
  expect_error(ErrorCode::out_of_range, {"unknown fault, at position 0"}, [&] { status.check(); });
}

TEST(StatusWord, EveryFaultIsSmallerThanNone) {
  EXPECT_LT(fault_word(Fault::bad_row_weight, (std::uint64_t{1} << 54)), no_fault);
  EXPECT_LT(beyond_capacity_word(BatchPart::items, INT32_MAX, 0), fault_word(Fault::code_out_of_range, 0));
}

TEST(StatusWord, OrdersByPositionBeforeFault) {
  EXPECT_LT(fault_word(Fault::bad_row_weight, 3), fault_word(Fault::code_out_of_range, 4));
  EXPECT_LT(fault_word(Fault::code_out_of_range, 4), fault_word(Fault::bad_row_weight, 4));
}

TEST(StatusWord, TheFirstPositionWinsInAnyOrder) {
  for (const std::vector<std::int64_t>& positions :
       std::vector<std::vector<std::int64_t>>{{5, 9, 7}, {9, 7, 5}, {7, 5, 9}}) {
    std::uint64_t word = no_fault;
    for (const std::int64_t position : positions) cpu::report(&word, Fault::bad_target, position);
    EXPECT_EQ(word, fault_word(Fault::bad_target, 5));
  }
}

TEST(StatusWord, TheFirstPositionWinsFromManyThreads) {
  set_cpu_threads(4);
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::uint64_t word = no_fault;
    cpu::parallel_for(
        1000, [&](std::int64_t i) { cpu::report(&word, Fault::bad_target, 3 + 7 * (i * 37 % 1000)); });
    EXPECT_EQ(word, fault_word(Fault::bad_target, 3));
  }
  set_cpu_threads(0);
}

TEST(StatusWord, WithoutAWordAReportIsDropped) {
  cpu::report(nullptr, Fault::bad_target, 1);
}

}  // namespace
}  // namespace ragtime
