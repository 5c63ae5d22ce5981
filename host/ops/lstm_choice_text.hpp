#pragma once

#include <string>

#include "ragtime/lstm.hpp"

namespace ragtime {

// The choice for a person, with the alternatives of each pass: at most `most` of them, the fastest first; 0:
// all.
std::string to_text(const LstmChoice& choice, std::size_t most = 0);

}  // namespace ragtime
