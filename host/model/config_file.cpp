#include <nlohmann/json.hpp>

#include "host/base/atomic_file.hpp"
#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"
#include "host/base/json_object.hpp"
#include "ragtime/model_directory.hpp"

namespace ragtime {
namespace {

PoolMode aggregation_from_name(const std::string& name) {
  for (const PoolMode mode : {PoolMode::mean, PoolMode::sum, PoolMode::max, PoolMode::attention})
    if (name == name_of(mode)) return mode;
  fail(ErrorCode::invalid_argument, "visit_aggregation is ", excerpt(name),
       ": expected mean, sum, max or attention");
}

}  // namespace

// Only vocab_size has no default; the others are those of the reference constructor.
ModelConfig read_config(const std::filesystem::path& file) {
  JsonObject reader(file.string(), read_file(file));
  ModelConfig config;
  reader.read("vocab_size", config.vocab_size, true);
  reader.read("embedding_dim", config.embedding_dim);
  reader.read("hidden_dim", config.hidden_dim);
  reader.read("num_layers", config.num_layers);
  reader.read("dropout", config.dropout);
  reader.read("bidirectional", config.bidirectional);
  reader.read("output_dim", config.output_dim);
  reader.read("padding_idx", config.padding_idx);
  std::string aggregation = name_of(config.visit_aggregation), task = name_of(config.task);
  reader.read("visit_aggregation", aggregation);
  reader.read("task", task);
  reader.refuse_the_rest();
  try {
    config.visit_aggregation = aggregation_from_name(aggregation);
    config.task = task_from_name(task);
    validate(config);
  } catch (const Error& problem) {
    fail(problem.code(), file.string(), ": ", problem.what());
  }
  return config;
}

void write_config(const std::filesystem::path& file, const ModelConfig& config) {
  validate(config);
  nlohmann::ordered_json object;
  object["vocab_size"] = config.vocab_size;
  object["embedding_dim"] = config.embedding_dim;
  object["hidden_dim"] = config.hidden_dim;
  object["num_layers"] = config.num_layers;
  object["dropout"] = config.dropout;
  object["bidirectional"] = config.bidirectional;
  object["visit_aggregation"] = name_of(config.visit_aggregation);
  object["output_dim"] = config.output_dim;
  object["task"] = name_of(config.task);
  object["padding_idx"] = config.padding_idx;
  write_file_atomically(file, object.dump(2) + "\n");
}

}  // namespace ragtime
