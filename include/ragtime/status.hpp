#pragma once

// The device status word: how an operation reports bad data it only sees while it runs (a code id beyond the
// vocabulary, a label beyond the classes), without stopping or synchronising. What is wrong is treated as
// padding, the optimizer skips its step while the word is set, and check_status, called where the host waits
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
  beyond_capacity = 7,     // a batch larger than the plan; position: how many of them it has
  mask_hole = 8,           // a 1 behind a 0; position: element of the mask
  bad_mask_value = 9,      // neither 0 nor 1; position: element of the mask
  bad_length = 10,         // negative; position: sequence
  zero_length = 11,        // where they are not allowed; position: sequence
  too_many_steps = 12,     // a sequence longer than the capacity; position: sequence
  too_many_rows = 13,      // the rows so far are beyond the capacity; position: first such sequence
};

// The word of memory that has seen no fault.
inline constexpr std::uint64_t no_fault = ~std::uint64_t{0};

// The word of a fault at a position, below 2^56. The smaller word wins (atomicMin), so the first position is
// the one reported.
constexpr std::uint64_t fault_word(Fault fault, std::uint64_t position) {
  return position << 8 | static_cast<std::uint64_t>(fault);
}

// One status word in device memory, clear when made.
class Status {
 public:
  // Takes 8 bytes of the backend's memory, and waits until they are clear. Throws Error(out_of_memory).
  explicit Status(std::shared_ptr<Backend> backend);
  // Device [1], for the `status` of operations.
  std::uint64_t* word() const { return memory_.as<std::uint64_t>(); }

  // Waits for the stream, reads and clears the word; throws Error(out_of_range) naming the fault and its
  // position.
  void check(Stream stream = {});

 private:
  std::shared_ptr<Backend> backend_;
  Buffer memory_;
};

}  // namespace ragtime
