#pragma once

#include <string>

namespace ragtime {

// A field of a CSV file, quoted where RFC 4180 asks for it.
inline std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char character : text) quoted += character == '"' ? "\"\"" : std::string(1, character);
  return quoted + '"';
}

}  // namespace ragtime
