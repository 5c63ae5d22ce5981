#pragma once

// Names of descriptors that are open already: /dev/stdout, /dev/fd/3, /proc/self/fd/3 and links to them.

#include <filesystem>
#include <optional>

#include "host/base/file_lock.hpp"

namespace ragtime {

// A duplicate of the open descriptor that `path` names, which shares its offset and flags; nothing when it
// names none. Throws Error(io_error) when that descriptor is closed, or open for reading only.
std::optional<Descriptor> duplicate_named_descriptor(const std::filesystem::path& path);

}  // namespace ragtime
