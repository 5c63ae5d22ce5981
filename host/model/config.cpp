#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"
#include "ragtime/visit_lstm.hpp"

namespace ragtime {
namespace {

struct TaskName {
  Task task;
  const char* name;
};

constexpr TaskName task_names[] = {
    {Task::binary_classification, "binary_classification"},
    {Task::multi_class, "multi_class"},
    {Task::regression, "regression"},
    {Task::next_visit, "next_visit"},
    {Task::visit_binary, "visit_binary"},
    {Task::survival, "survival"},
};

// Sizes small enough that no count of parameters below can overflow.
void check_range(std::int64_t value, std::int64_t low, std::int64_t high, const char* name) {
  check(value >= low && value <= high, ErrorCode::invalid_argument, name, " is ", value, ": expected ", low,
        " to ", high);
}

}  // namespace

const char* name_of(Task task) {
  for (const TaskName& known : task_names)
    if (known.task == task) return known.name;
  return "?";
}

Task task_from_name(std::string_view name) {
  std::string names;
  for (const TaskName& known : task_names) {
    if (name == known.name) return known.task;
    names += concat(names.empty() ? "" : ", ", known.name);
  }
  fail(ErrorCode::invalid_argument, "task is ", excerpt(name), ": expected one of ", names);
}

bool is_patient_level(Task task) {
  return task == Task::binary_classification || task == Task::multi_class || task == Task::regression;
}

ModelConfig preset(std::string_view name) {
  ModelConfig config;
  const auto sized = [&](std::int64_t embedding, std::int64_t hidden, std::int64_t layers) {
    config.embedding_dim = embedding;
    config.hidden_dim = hidden;
    config.num_layers = layers;
    return config;
  };
  if (name == "small") return sized(128, 256, 1);
  if (name == "medium") return sized(256, 512, 2);
  if (name == "large") return sized(512, 1024, 3);
  fail(ErrorCode::invalid_argument, "preset is ", excerpt(name), ": expected small, medium or large");
}

void validate(const ModelConfig& config) {
  constexpr std::int64_t widest = std::int64_t{1} << 20;
  check_range(config.vocab_size, 1, INT32_MAX, "vocab_size");
  check_range(config.embedding_dim, 1, widest, "embedding_dim");
  check_range(config.hidden_dim, 1, widest, "hidden_dim");
  check_range(config.num_layers, 1, 1024, "num_layers");
  check(config.dropout >= 0 && config.dropout < 1, ErrorCode::invalid_argument, "dropout is ", config.dropout,
        ": expected a number in [0, 1)");
  check(config.visit_aggregation != PoolMode::last, ErrorCode::invalid_argument,
        "visit_aggregation is \"last\": expected mean, sum, max or attention");
  check(config.visit_aggregation != PoolMode::attention || config.embedding_dim >= 2,
        ErrorCode::invalid_argument,
        "embedding_dim is 1 with visit_aggregation attention, whose hidden width is half of it: expected at "
        "least 2");
  check_range(config.padding_idx, 0, config.vocab_size - 1, "padding_idx");
  switch (config.task) {
    case Task::multi_class:
      check_range(config.output_dim, 2, INT32_MAX, "output_dim (multi_class)");
      break;
    case Task::next_visit:
      check(config.output_dim == config.vocab_size, ErrorCode::invalid_argument, "output_dim is ",
            config.output_dim, " with task next_visit: expected vocab_size, ", config.vocab_size);
      break;
    default:
      check(config.output_dim == 1, ErrorCode::invalid_argument, "output_dim is ", config.output_dim,
            " with task ", name_of(config.task), ": expected 1");
  }
  // In floating point first: the sizes above allow products beyond 2^63.
  const double directions = config.bidirectional ? 2 : 1, h = static_cast<double>(config.hidden_dim);
  const double e = static_cast<double>(config.embedding_dim);
  const double count =
      static_cast<double>(config.vocab_size) * e + e * e + directions * 4 * h * (e + h) +
      static_cast<double>(config.num_layers - 1) * directions * 4 * h * (directions + 1) * h +
      static_cast<double>(config.output_dim) * directions * h;
  check(count <= 0x1p33, ErrorCode::invalid_argument, "the model would have about ", count,
        " parameters (vocab_size ", config.vocab_size, ", embedding_dim ", config.embedding_dim,
        ", hidden_dim ", config.hidden_dim, ", num_layers ", config.num_layers, "): expected at most 2^33");
}

std::vector<ParameterInfo> model_parameters(const ModelConfig& config) {
  validate(config);
  // Each parameter begins at a multiple of this many elements, so that vectors of any backend may load from
  // it.
  constexpr std::int64_t alignment = 16;
  std::vector<ParameterInfo> parameters;
  std::int64_t next = 0;
  const auto add = [&](std::string name, std::vector<std::int64_t> shape) {
    std::int64_t elements = 1;
    for (const std::int64_t size : shape) elements *= size;
    parameters.push_back({std::move(name), std::move(shape), next, elements});
    next += (elements + alignment - 1) / alignment * alignment;
  };
  const std::int64_t width = config.embedding_dim, hidden = config.hidden_dim;
  const std::int64_t directions = config.bidirectional ? 2 : 1;
  add("embedding.weight", {config.vocab_size, width});
  if (config.visit_aggregation == PoolMode::attention) {
    add("visit_encoder.attention.0.weight", {width / 2, width});
    add("visit_encoder.attention.0.bias", {width / 2});
    add("visit_encoder.attention.2.weight", {1, width / 2});
    add("visit_encoder.attention.2.bias", {1});
  }
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer)
    for (std::int64_t d = 0; d < directions; ++d) {
      const std::string suffix = concat("_l", layer, d == 0 ? "" : "_reverse");
      add("lstm.weight_ih" + suffix, {4 * hidden, layer == 0 ? width : directions * hidden});
      add("lstm.weight_hh" + suffix, {4 * hidden, hidden});
      add("lstm.bias_ih" + suffix, {4 * hidden});
      add("lstm.bias_hh" + suffix, {4 * hidden});
    }
  add("fc.weight", {config.output_dim, directions * hidden});
  add("fc.bias", {config.output_dim});
  return parameters;
}

std::int64_t parameter_count(const ModelConfig& config) {
  std::int64_t count = 0;
  for (const ParameterInfo& parameter : model_parameters(config)) count += parameter.elements;
  return count;
}

}  // namespace ragtime
