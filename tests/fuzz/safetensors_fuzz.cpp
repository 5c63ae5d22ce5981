// Whatever bytes come in, the safetensors reader returns tensors that agree with their shapes or throws
// Error.

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "host/base/safetensors.hpp"
#include "ragtime/error.hpp"

namespace {

void read(std::span<const std::byte> bytes) {
  ragtime::TensorFile file;
  try {
    file = ragtime::parse_safetensors(bytes, "fuzzed");
  } catch (const ragtime::Error&) {
    return;
  }
  std::size_t total = 0;
  for (const auto& [name, tensor] : file.tensors) {
    total += tensor.bytes.size();
    const std::int64_t elements = tensor.elements();
    if (elements > static_cast<std::int64_t>(tensor.bytes.size())) std::abort();
    if (elements == 0) continue;
    try {
      static_cast<void>(tensor.at(0) + tensor.at(elements - 1));
    } catch (const ragtime::Error& error) {
      if (error.code() != ragtime::ErrorCode::unsupported) std::abort();
    }
  }
  if (total > bytes.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  read(bytes);
  // The same bytes after their first eight as a header of the right length, so that the mutator need not find
  // that length to reach what lies behind it.
  if (size < 8) return 0;
  const auto* end = static_cast<const std::uint8_t*>(std::memchr(data + 8, '\0', size - 8));
  const std::uint64_t header = end == nullptr ? size - 8 : static_cast<std::size_t>(end - data) - 8;
  std::vector<std::byte> framed(bytes.begin(), bytes.end());
  std::memcpy(framed.data(), &header, sizeof header);
  read(framed);
  return 0;
}
