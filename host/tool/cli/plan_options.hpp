#pragma once

// `ragtime info --plan KEY=VALUE,...`: what an LSTM would run by.

#include <string>

#include "ragtime/lstm.hpp"

namespace ragtime::cli {

// The description that the text means. Throws Error(invalid_argument) that names the key and the value.
LstmDesc plan_from_text(const std::string& text);

// What keys there are and what they default to, for --help.
std::string plan_keys();

// On the device that answers, or on the model (ragtime/lstm_choice.hpp), which "" leaves open: where no GPU
// answers it is an H200 that the choice is printed for.
std::string plan_text(const std::string& plan, const std::string& device_model);

}  // namespace ragtime::cli
