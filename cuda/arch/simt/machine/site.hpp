#pragma once

// A line of source, taken by a defaulted argument where a primitive is called.

#include <string>

namespace ragtime::simt {

struct Site {
  const char* file = "";
  int line = 0;

  static constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
  bool operator==(const Site&) const = default;
};

std::string text(Site site);  // "layout.cuh:42"

}  // namespace ragtime::simt
