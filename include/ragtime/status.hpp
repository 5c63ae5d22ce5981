#pragma once

// The device status word: how an operation reports bad data it only sees while it runs (a code id beyond the
// vocabulary, a label beyond the classes), without stopping or synchronising. What is wrong is treated as
// padding, the optimizer skips its step while the word is set, and Status::check, called where the host waits
// anyway, turns it into an Error.

#include <cstdint>
#include <memory>
#include <string>

#include "ragtime/backend.hpp"

namespace ragtime {

// What is wrong with the data, and what the position counts.
enum class Fault : std::uint8_t {
  code_out_of_range = 1,   // position: index into codes
  bad_code_weight = 2,     // negative, NaN or infinite; position: index into code_weights
  label_out_of_range = 3,  // class label outside [0, K) and not ignore_index; position: row
  bad_target = 4,          // NaN or infinite target, or BCE target outside [0, 1]; position: element
  bad_event_time = 5,      // survival: event_time at or beyond the sequence's length; position: sequence
  bad_row_weight = 6,      // negative, NaN or infinite; position: row (survival: sequence)
  beyond_capacity = 7,     // a batch larger than the plan; position: see beyond_capacity_word
  mask_hole = 8,           // a 1 behind a 0; position: element of the mask
  bad_mask_value = 9,      // neither 0 nor 1; position: element of the mask
  bad_length = 10,         // negative; position: sequence
  zero_length = 11,        // where they are not allowed; position: sequence
  too_many_steps = 12,     // a sequence longer than the capacity; position: sequence
  too_many_rows = 13,      // the rows so far are beyond the capacity; position: first such sequence
  negative_count = 14,     // of sequences; position: how far below 0
};

// The word of memory that has seen no fault.
inline constexpr std::uint64_t no_fault = ~std::uint64_t{0};

// The word of a fault at a position, below 2^55. The smaller word wins (atomicMin), so the first position is
// the one reported.
constexpr std::uint64_t fault_word(Fault fault, std::uint64_t position) {
  return std::uint64_t{1} << 63 | position << 8 | static_cast<std::uint64_t>(fault);
}

// What a batch has too many of.
enum class BatchPart : std::uint8_t {
  sequences,  // B
  rows,       // N
  steps,      // T
  segments,   // of pooling
  items,      // of pooling
};

inline constexpr std::uint64_t largest_excess = (std::uint64_t{1} << 21) - 1;  // that a word has room for

// The word of a batch with `count` of a part, more than `capacity`, which is below 2^31. It is smaller than that of any
// other fault, which may follow from this one. The position holds the part in 3 bits, the capacity in 31, and by how many
// the count is beyond it in 21, which stay at largest_excess for more.
constexpr std::uint64_t beyond_capacity_word(BatchPart part, std::int64_t count, std::int64_t capacity) {
  const auto excess = static_cast<std::uint64_t>(count - capacity);
  const std::uint64_t position = static_cast<std::uint64_t>(part) << 52 |
                                 static_cast<std::uint64_t>(capacity) << 21 |
                                 (excess < largest_excess ? excess : largest_excess);
  return position << 8 | static_cast<std::uint64_t>(Fault::beyond_capacity);
}

// One status word in device memory, clear when made.
class Status {
 public:
  // Takes 8 bytes of the backend's memory, and waits until they are clear. Throws Error(out_of_memory).
  explicit Status(std::shared_ptr<Backend> backend);
  // Device [1], for the `status` of operations.
  std::uint64_t* word() const { return memory_.as<std::uint64_t>(); }

  // Waits for the stream, reads and clears the word; throws Error(out_of_range) naming the fault and its
  // position, or what the batch has too many of and the capacity.
  void check(Stream stream = {});

 private:
  std::shared_ptr<Backend> backend_;
  Buffer memory_;
};

}  // namespace ragtime
