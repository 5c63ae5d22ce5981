#pragma once

// The safetensors format (huggingface/safetensors): 8 bytes little-endian header length, a JSON header
// {"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {string: string}}, then the bytes.

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ragtime {

struct Tensor {
  std::string dtype;  // as in the file: "F32", "F64", "I32", "I64", "U8", ...
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;  // row-major, little-endian

  std::int64_t elements() const;
  // Element i as a double, whatever the dtype of the file (F16, BF16, F32, F64, I32, I64, U8, BOOL).
  double at(std::int64_t i) const;

  static Tensor from(std::span<const float> values, std::vector<std::int64_t> shape);
  static Tensor from(std::span<const double> values, std::vector<std::int64_t> shape);
};

struct TensorFile {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Throws Error(parse_error) on anything the format does not allow (`name` is used in messages): truncation, a
// header length beyond the file, unknown dtypes, shapes that overflow or disagree with their bytes, holes,
// overlaps, duplicate names.
TensorFile parse_safetensors(std::span<const std::byte> bytes, std::string_view name);
TensorFile read_safetensors(const std::filesystem::path& file);
// Temporary file, fsync, rename: the old file stays whole until the new one is.
void write_safetensors(const std::filesystem::path& file, const TensorFile& content);

}  // namespace ragtime
