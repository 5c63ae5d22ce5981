#include "host/tool/train/fault_position.hpp"

#include <algorithm>

namespace ragtime {
namespace {

// The part that an element is in, of those that begin at offsets; the last offset is the end.
std::optional<std::int32_t> part_of(std::int64_t element, const std::vector<std::int32_t>& offsets) {
  if (element < 0 || element >= offsets.back()) return std::nullopt;
  const auto next = std::upper_bound(offsets.begin(), offsets.end(), static_cast<std::int32_t>(element));
  return static_cast<std::int32_t>(next - offsets.begin()) - 1;
}

}  // namespace

std::optional<std::int32_t> sequence_of(const FaultError& fault, const RaggedBatch& batch,
                                        const ModelConfig& config) {
  const auto position = static_cast<std::int64_t>(fault.position());
  const auto of_sequence = [&](std::int64_t sequence) {
    return sequence < batch.layout.sequences() ? std::optional(static_cast<std::int32_t>(sequence))
                                               : std::nullopt;
  };
  // Rows of the loss: patients, or visits.
  const auto of_row = [&](std::int64_t row) {
    return is_patient_level(config.task) ? of_sequence(row) : part_of(row, batch.layout.visit_offsets());
  };
  switch (fault.fault()) {
    case Fault::code_out_of_range:
    case Fault::bad_code_weight: {
      const auto row = part_of(position, batch.code_offsets);
      return row ? part_of(*row, batch.layout.visit_offsets()) : std::nullopt;
    }
    case Fault::label_out_of_range:
      return of_row(position);
    case Fault::bad_target:
      return of_row(position / config.output_dim);
    case Fault::bad_event_time:
      return of_sequence(position);
    case Fault::bad_row_weight:
      return config.task == Task::survival ? of_sequence(position) : of_row(position);
    default:
      return std::nullopt;
  }
}

}  // namespace ragtime
