#pragma once

// `ragtime-bench plan KEY=VALUE,...`: by what an LSTM would run.

#include <memory>
#include <string>

#include "ragtime/lstm_tuning.hpp"

namespace ragtime::benchmarks {

// The description that the text means. Throws Error(invalid_argument) that names the key and the value.
LstmDesc plan_from_text(const std::string& text);

// What keys there are and what they default to, for --help.
std::string plan_keys();

// On the device that answers, or on the model (ragtime/lstm_tuning.hpp), which "" leaves open: where no GPU
// answers it is an H200 that the choice is printed for.
std::string plan_text(const LstmDesc& desc, const std::string& device_model);

}  // namespace ragtime::benchmarks
