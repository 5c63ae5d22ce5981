#pragma once

// One line on standard error that says how far something is, where that is a terminal; nothing elsewhere.

#include <cstdint>
#include <string>

namespace ragtime::cli {

// A bar filled to done / total between a label and a text. Drawn at most some ten times a second.
void show_progress(const std::string& label, std::int64_t done, std::int64_t total, const std::string& text);

// Takes the line away, so that something else can be written there.
void clear_progress();

std::string with_separators(std::int64_t number);  // 1234567 as 1,234,567
std::string as_duration(double seconds);           // 0:07, 12:34, 1:02:03

}  // namespace ragtime::cli
