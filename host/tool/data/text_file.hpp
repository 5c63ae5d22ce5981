#pragma once

// Text files as people keep them: plain or gzipped. A file in another format is named, not read as text.

#include <filesystem>
#include <string>

namespace ragtime {

// The whole text. A gzip file, known by its first bytes whatever its name, is decompressed, all its members.
// Throws Error(parse_error) with the file's name where it is truncated or corrupt, or where the file is in a
// format that is no text (Parquet, zip, zstd, UTF-16, ...), which the message names;
// Error(out_of_memory) where the text does not fit; Error(io_error) as read_file does.
std::string read_text_file(const std::filesystem::path& file);

}  // namespace ragtime
