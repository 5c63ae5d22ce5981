#pragma once

// Text from a file as error messages quote it.

#include "host/base/printable.hpp"

namespace ragtime {

inline std::string excerpt(std::string_view text) {
  return '"' + printable(text, 60) + '"';
}

}  // namespace ragtime
