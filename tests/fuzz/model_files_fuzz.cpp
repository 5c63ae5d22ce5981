// Whatever bytes come in as vocabulary.txt or config.json, the readers throw Error or return a vocabulary
// that is read again from its own lines, and a config that a model can have.

#include <cstdint>
#include <optional>

#include "host/base/check.hpp"
#include "ragtime/model_directory.hpp"
#include "tests/fuzz/fuzzed_file.hpp"

namespace ragtime::fuzz {
namespace {

std::optional<Vocabulary> read_vocabulary(std::string_view content) {
  const FuzzedFile file(content);
  try {
    return Vocabulary::read(file.path());
  } catch (const Error& error) {
    require(error.code() == ErrorCode::parse_error, "what is wrong is the file");
    return std::nullopt;
  }
}

std::string lines_of(const Vocabulary& vocabulary) {
  std::string lines;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id)
    lines += concat(vocabulary.code(id), '\t', id, '\n');
  return lines;
}

void check_vocabulary(std::string_view content) {
  const auto vocabulary = read_vocabulary(content);
  if (!vocabulary) return;
  require(vocabulary->code(0) == Vocabulary::padding, "id 0 is padding");
  for (std::int32_t id = 0; id < vocabulary->size(); ++id)
    require(vocabulary->find(vocabulary->code(id)) == id, "a code has the id that has the code");
  const std::string lines = lines_of(*vocabulary);
  const auto again = read_vocabulary(lines);
  require(again && lines_of(*again) == lines, "a vocabulary survives writing and reading");
}

void check_config(std::string_view content) {
  const FuzzedFile file(content);
  try {
    const ModelConfig config = read_config(file.path());
    validate(config);
    std::int64_t elements = 0;
    for (const ParameterInfo& parameter : model_parameters(config)) {
      std::int64_t size = 1;
      for (const std::int64_t extent : parameter.shape) size *= extent;
      elements += size;
    }
    require(elements > 0 && elements == parameter_count(config), "shapes add up to the count");
  } catch (const Error& error) {
    require(error.code() == ErrorCode::parse_error || error.code() == ErrorCode::invalid_argument,
            "what is wrong is the file or a value in it");
  }
}

}  // namespace
}  // namespace ragtime::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view content(reinterpret_cast<const char*>(data), size);
  ragtime::fuzz::check_vocabulary(content);
  ragtime::fuzz::check_config(content);
  return 0;
}
