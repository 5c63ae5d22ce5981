#pragma once

// Which sequence of a batch a fault that only the device saw is in.

#include <cstdint>
#include <optional>

#include "ragtime/status.hpp"
#include "ragtime/visit_lstm.hpp"

namespace ragtime {

// In [0, B), or nothing where the fault is of the batch as a whole. config: of the model that reported it.
std::optional<std::int32_t> sequence_of(const FaultError& fault, const RaggedBatch& batch,
                                        const ModelConfig& config);

}  // namespace ragtime
