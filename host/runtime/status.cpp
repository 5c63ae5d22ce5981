#include "ragtime/status.hpp"

#include <iterator>
#include <string>

#include "host/base/check.hpp"

namespace ragtime {
namespace {

const char* explain(Fault fault) {
  switch (fault) {
    case Fault::code_out_of_range:
      return "a code is outside the vocabulary, at codes index ";
    case Fault::bad_code_weight:
      return "a code weight is negative or not finite, at code_weights index ";
    case Fault::label_out_of_range:
      return "a label is not a class, at row ";
    case Fault::bad_target:
      return "a target is not finite or outside the range of its loss, at element ";
    case Fault::bad_event_time:
      return "an event time lies beyond the sequence's last visit, at sequence ";
    case Fault::bad_row_weight:
      return "a row weight is negative or not finite, at row ";
    case Fault::mask_hole:
      return "a mask has a 1 behind a 0, at element ";
    case Fault::bad_mask_value:
      return "a mask holds a value other than 0 and 1, at element ";
    case Fault::bad_length:
      return "a length is negative, at sequence ";
    case Fault::zero_length:
      return "a sequence has zero length, which needs BatchBuilderDesc::allow_zero_length, at sequence ";
    case Fault::too_many_steps:
      return "a sequence is longer than the capacity of the plan, at sequence ";
    case Fault::too_many_rows:
      return "a batch has more rows than the capacity of the plan, beginning at sequence ";
    case Fault::negative_count:
      return "the number of sequences is negative: -";
    case Fault::beyond_capacity:
      break;  // see explain_beyond
  }
  return "an unknown fault, at position ";
}

std::string explain_beyond(std::uint64_t position) {
  constexpr const char* parts[] = {"sequences", "rows", "steps", "segments", "items"};
  const std::uint64_t part = position >> 52, capacity = position >> 21 & 0x7FFF'FFFF,
                      excess = position & largest_excess;
  if (part >= std::size(parts)) return concat(explain(Fault{}), position);
  return concat("the batch has ", excess == largest_excess ? "at least " : "", capacity + excess, " ",
                parts[part], "; the plan's capacity is ", capacity);
}

}  // namespace

Status::Status(std::shared_ptr<Backend> backend)
    : backend_(std::move(backend)), memory_(backend_, sizeof(std::uint64_t)) {
  const std::uint64_t clear = no_fault;
  backend_->copy(memory_.data(), &clear, sizeof(clear), CopyKind::to_device);
  backend_->synchronize();
}

void Status::check(Stream stream) {
  std::uint64_t word = no_fault;
  backend_->copy(&word, memory_.data(), sizeof(word), CopyKind::to_host, stream);
  backend_->synchronize(stream);
  if (word == no_fault) return;
  const std::uint64_t clear = no_fault;
  backend_->copy(memory_.data(), &clear, sizeof(clear), CopyKind::to_device, stream);
  backend_->synchronize(stream);
  const auto fault = static_cast<Fault>(word & 0xFF);
  const std::uint64_t position = word << 1 >> 9;  // without the highest bit
  if (fault == Fault::beyond_capacity) fail(ErrorCode::out_of_range, explain_beyond(position));
  fail(ErrorCode::out_of_range, explain(fault), position);
}

}  // namespace ragtime
