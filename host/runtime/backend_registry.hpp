#pragma once

// The backends that make_backend knows.

#include <memory>
#include <string>
#include <vector>

#include "ragtime/backend.hpp"

namespace ragtime {

struct BackendEntry {
  std::string name;
  std::shared_ptr<Backend> (*make)();  // throws Error(unsupported) when its device is missing
};

// Those that the library was built with: first "cpu", which is always there, last the one that "auto" prefers.
// Defined in host/backends.cpp, which knows them; this layer does not.
std::vector<BackendEntry> backends_of_library();

// For backends that are linked in beside the library, as the tests do with the emulated one. "auto" does not
// take them.
void register_backend(BackendEntry entry);

}  // namespace ragtime
