#pragma once

// Checks whose text a person can act on: the argument, its value, what was expected.

#include <sstream>
#include <string>

#include "ragtime/error.hpp"

namespace ragtime {

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  (text << ... << parts);
  return text.str();
}

template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  throw Error(code, concat(parts...));
}

// check(sizes_agree, ErrorCode::shape_mismatch, "rows is ", rows, ": expected ", expected);
template <class... Parts>
void check(bool condition, ErrorCode code, const Parts&... parts) {
  if (!condition) [[unlikely]]
    fail(code, parts...);
}

template <class Pointer>
void check_given(const Pointer* pointer, const char* name) {
  check(pointer != nullptr, ErrorCode::invalid_argument, name, " is null: expected a device pointer");
}

}  // namespace ragtime
