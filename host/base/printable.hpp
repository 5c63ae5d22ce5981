#pragma once

// Text from a file, fit for an error message: short, and printable whatever the file holds.

#include <string>
#include <string_view>

namespace ragtime {

inline std::string printable(std::string_view text, std::size_t longest) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string shown;
  for (const char character : text.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte >= 0x20 && byte < 0x7f) {
      shown += character;
    } else {
      shown += "\\x";
      shown += digits[byte >> 4];
      shown += digits[byte & 15];
    }
  }
  return shown + (text.size() > longest ? "..." : "");
}

}  // namespace ragtime
