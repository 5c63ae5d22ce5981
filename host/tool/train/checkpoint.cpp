#include "host/tool/train/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"
#include "host/base/json_object.hpp"
#include "host/base/safetensors.hpp"

namespace ragtime {
namespace {

constexpr const char* format_name = "ragtime checkpoint 1";

constexpr std::array<const char*, 4> texts = {"format", "settings", "history", "position"};
constexpr std::array<const char*, 3> tensors = {"parameters", "first_moment", "second_moment"};

// What write_checkpoint writes, and nothing else.
void check_pieces(const TensorFile& content, const std::string& file) {
  constexpr const char* expected = ": expected a checkpoint of ragtime train";
  for (const char* key : texts)
    check(content.metadata.contains(key), ErrorCode::parse_error, file, ": \"", key, "\" is missing",
          expected);
  const std::string& format = content.metadata.at("format");
  check(format == format_name, ErrorCode::parse_error, file, ": format is ", excerpt(format), ": expected \"",
        format_name, "\", a checkpoint of ragtime train");
  for (const char* name : tensors) {
    const auto found = content.tensors.find(name);
    check(found != content.tensors.end() && found->second.dtype == "F32" && found->second.shape.size() == 1,
          ErrorCode::parse_error, file, ": tensor \"", name, "\", F32 in one dimension, is missing",
          expected);
  }
  for (const auto& [key, text] : content.metadata)
    check(std::find(texts.begin(), texts.end(), key) != texts.end(), ErrorCode::parse_error, file,
          ": unknown metadata ", excerpt(key), expected);
  for (const auto& [name, tensor] : content.tensors)
    check(std::find(tensors.begin(), tensors.end(), name) != tensors.end(), ErrorCode::parse_error, file,
          ": unknown tensor ", excerpt(name), expected);
}

std::vector<float> floats(const Tensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

}  // namespace

void write_checkpoint(const std::filesystem::path& file, const Checkpoint& checkpoint) {
  for (const auto& [key, sum] : {std::pair("loss_sum", checkpoint.position.loss_sum),
                                 std::pair("weight_sum", checkpoint.position.weight_sum)})
    check(std::isfinite(sum), ErrorCode::invalid_argument, file.string(), ": ", key, " is ", sum,
          ": expected a finite number");
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
  check_pieces(content, name);
  Checkpoint checkpoint;
  checkpoint.settings = content.metadata.at("settings");
  static_cast<void>(JsonObject(name, checkpoint.settings, JsonLists::allowed));
  checkpoint.history = history_from_json(content.metadata.at("history"), name);
  JsonObject position(name, content.metadata.at("position"));
  position.read("fingerprint", checkpoint.fingerprint, true);
  position.read("epoch", checkpoint.position.epoch, true);
  position.read("batch", checkpoint.position.batch, true);
  position.read("loss_sum", checkpoint.position.loss_sum, true);
  position.read("weight_sum", checkpoint.position.weight_sum, true);
  position.read("step", checkpoint.optimizer.step, true);
  position.read("skipped", checkpoint.optimizer.skipped, true);
  position.refuse_the_rest();
  check(checkpoint.position.epoch >= 1 && checkpoint.position.batch >= 0, ErrorCode::parse_error, name,
        ": epoch ", checkpoint.position.epoch, ", batch ", checkpoint.position.batch,
        ": expected epochs from 1, batches from 0");
  checkpoint.parameters = floats(content.tensors.at("parameters"));
  checkpoint.first_moment = floats(content.tensors.at("first_moment"));
  checkpoint.second_moment = floats(content.tensors.at("second_moment"));
  const std::size_t size = checkpoint.parameters.size();
  check(checkpoint.first_moment.size() == size && checkpoint.second_moment.size() == size,
        ErrorCode::parse_error, name,
        ": its tensors have different sizes: expected one of each for every parameter");
  return checkpoint;
}

}  // namespace ragtime
