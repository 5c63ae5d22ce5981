#include "host/train/checkpoint.hpp"

#include <cstring>
#include <nlohmann/json.hpp>

#include "host/core/check.hpp"
#include "host/core/json_object.hpp"
#include "host/core/safetensors.hpp"

namespace ragtime {
namespace {

constexpr const char* format_name = "ragtime checkpoint 1";

std::vector<float> floats(const TensorFile& content, const std::string& file, const char* name) {
  const auto found = content.tensors.find(name);
  check(found != content.tensors.end() && found->second.dtype == "F32", ErrorCode::parse_error, file,
        ": tensor \"", name, "\" of dtype F32 is missing: expected a checkpoint of ragtime train");
  const std::vector<std::byte>& bytes = found->second.bytes;
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

const std::string& text(const TensorFile& content, const std::string& file, const char* key) {
  const auto found = content.metadata.find(key);
  check(found != content.metadata.end(), ErrorCode::parse_error, file, ": \"", key,
        "\" is missing: expected a checkpoint of ragtime train");
  return found->second;
}

}  // namespace

void write_checkpoint(const std::filesystem::path& file, const Checkpoint& checkpoint) {
  // Doubles go through JSON and back without losing a bit.
  nlohmann::ordered_json position;
  position["fingerprint"] = checkpoint.fingerprint;
  position["epoch"] = checkpoint.position.epoch;
  position["batch"] = checkpoint.position.batch;
  position["loss_sum"] = checkpoint.position.loss_sum;
  position["weight_sum"] = checkpoint.position.weight_sum;
  position["step"] = checkpoint.optimizer.step;
  position["skipped"] = checkpoint.optimizer.skipped;

  TensorFile content;
  content.metadata = {{"format", format_name},
                      {"settings", checkpoint.settings},
                      {"history", to_json(checkpoint.history)},
                      {"position", position.dump()}};
  const auto add = [&](const char* name, const std::vector<float>& values) {
    content.tensors.emplace(
        name, Tensor::from(std::span<const float>(values), {static_cast<std::int64_t>(values.size())}));
  };
  add("parameters", checkpoint.parameters);
  add("first_moment", checkpoint.first_moment);
  add("second_moment", checkpoint.second_moment);
  write_safetensors(file, content);
}

Checkpoint read_checkpoint(const std::filesystem::path& file) {
  const std::string name = file.string();
  const TensorFile content = read_safetensors(file);
  check(text(content, name, "format") == format_name, ErrorCode::parse_error, name, ": format is \"",
        text(content, name, "format"), "\": expected \"", format_name, "\"");
  Checkpoint checkpoint;
  checkpoint.settings = text(content, name, "settings");
  checkpoint.history = history_from_json(text(content, name, "history"), name);
  JsonObject position(name, text(content, name, "position"));
  position.read("fingerprint", checkpoint.fingerprint);
  position.read("epoch", checkpoint.position.epoch, true);
  position.read("batch", checkpoint.position.batch, true);
  position.read("loss_sum", checkpoint.position.loss_sum);
  position.read("weight_sum", checkpoint.position.weight_sum);
  position.read("step", checkpoint.optimizer.step);
  position.read("skipped", checkpoint.optimizer.skipped);
  position.refuse_the_rest();
  check(checkpoint.position.epoch >= 1 && checkpoint.position.batch >= 0, ErrorCode::parse_error, name,
        ": epoch ", checkpoint.position.epoch, ", batch ", checkpoint.position.batch,
        ": expected epochs from 1, batches from 0");
  checkpoint.parameters = floats(content, name, "parameters");
  checkpoint.first_moment = floats(content, name, "first_moment");
  checkpoint.second_moment = floats(content, name, "second_moment");
  const std::size_t size = checkpoint.parameters.size();
  check(checkpoint.first_moment.size() == size && checkpoint.second_moment.size() == size,
        ErrorCode::parse_error, name,
        ": its tensors have different sizes: expected one of each for every parameter");
  return checkpoint;
}

}  // namespace ragtime
