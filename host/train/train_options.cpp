#include "host/train/train_options.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "host/core/atomic_file.hpp"
#include "host/core/check.hpp"
#include "host/core/json_object.hpp"
#include "host/data/excerpt.hpp"

namespace ragtime {
namespace {

using Json = nlohmann::ordered_json;

void require(bool condition, const char* option, const auto& value, const char* expected) {
  check(condition, ErrorCode::invalid_argument, option, " is ", value, ": expected ", expected);
}

// The sizes alone: what the data decide gets values that fit every task.
void validate_sizes(const TrainOptions& options) {
  ModelConfig config = options.model;
  config.task = options.task.task;
  config.vocab_size = 2;
  config.output_dim = config.task == Task::multi_class || config.task == Task::next_visit ? 2 : 1;
  validate(config);
  check(!config.bidirectional || is_patient_level(config.task), ErrorCode::invalid_argument,
        "--bidirectional with --task ", name_of(config.task),
        ": the backward direction would read the visits that are to be predicted; expected a patient-level "
        "task");
}

// What is written into JSON, which holds no other text.
void require_utf8(const char* option, const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
  } catch (const Json::exception&) {
    fail(ErrorCode::invalid_argument, option, " is ", excerpt(text), ": expected UTF-8");
  }
}

Json nullable(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json task_json(const TaskOptions& task) {
  Json object;
  object["task"] = name_of(task.task);
  object["label_code"] = nullable(task.label_code);
  object["labels"] = nullable(task.labels_file);
  object["horizon_days"] = task.horizon_days;
  return object;
}

}  // namespace

void validate(const TrainOptions& options) {
  constexpr std::int64_t most = INT32_MAX;
  const auto positive = [](double value) { return std::isfinite(value) && value > 0; };
  const auto not_negative = [](double value) { return std::isfinite(value) && value >= 0; };
  const AdamWOptions& optimizer = options.optimizer;
  require(options.epochs >= 1 && options.epochs <= most, "--epochs", options.epochs, "1 or more");
  require(options.patience >= 0 && options.patience <= most, "--patience", options.patience,
          "0 (never) or more");
  require(options.batch_size >= 0 && options.batch_size <= most, "--batch-size", options.batch_size,
          "1 or more");
  require(options.batch_rows >= 0 && options.batch_rows <= most, "--batch-rows", options.batch_rows,
          "1 or more");
  check((options.batch_size > 0) != (options.batch_rows > 0), ErrorCode::invalid_argument, "--batch-size is ",
        options.batch_size, " and --batch-rows is ", options.batch_rows,
        ": expected exactly one of them above 0");
  require(positive(optimizer.learning_rate), "--lr", optimizer.learning_rate, "a finite number above 0");
  require(not_negative(optimizer.weight_decay), "--weight-decay", optimizer.weight_decay,
          "a finite number, 0 or more");
  require(not_negative(optimizer.clip_norm), "--clip", optimizer.clip_norm,
          "a finite number, 0 (no clipping) or more");
  require(options.validation > 0 && options.validation < 1, "--validation", options.validation,
          "a share above 0 and below 1");
  require_utf8("--label-code", options.task.label_code);
  require_utf8("--labels", options.task.labels_file);
  for (const std::string& table : options.tables) require_utf8("--tables", table);
  validate(options.task);
  validate_sizes(options);
}

std::string settings_json(const TrainOptions& options) {
  Json object = task_json(options.task);
  object.erase("labels");  // where a file is, not what it holds
  object["tables"] = options.tables;
  object["embedding_dim"] = options.model.embedding_dim;
  object["hidden_dim"] = options.model.hidden_dim;
  object["num_layers"] = options.model.num_layers;
  object["aggregation"] = name_of(options.model.visit_aggregation);
  object["bidirectional"] = options.model.bidirectional;
  object["dropout"] = options.model.dropout;
  object["batch_size"] = options.batch_size;
  object["batch_rows"] = options.batch_rows;
  object["lr"] = options.optimizer.learning_rate;
  object["weight_decay"] = options.optimizer.weight_decay;
  object["clip"] = options.optimizer.clip_norm;
  object["validation"] = options.validation;
  object["seed"] = options.seed;
  object["precision"] = name_of(options.precision);
  return object.dump();
}

void check_same_settings(const TrainOptions& options, const std::string& settings) {
  const Json now = Json::parse(settings_json(options));
  const Json then = Json::parse(settings, nullptr, false);
  check(then.is_object(), ErrorCode::parse_error, "the checkpoint's settings are not a JSON object");
  for (const auto& [key, value] : now.items()) {
    const auto found = then.find(key);
    if (found != then.end() && *found == value) continue;
    std::string option = "--" + key;
    std::replace(option.begin(), option.end(), '_', '-');
    fail(ErrorCode::invalid_argument, "--resume with ", option, " ", value.dump(),
         ", but the run was begun with ", found == then.end() ? "another version" : found->dump(),
         ": expected the same options, or another --out");
  }
  for (const auto& [key, value] : then.items())
    check(now.contains(key), ErrorCode::invalid_argument,
          "--resume: the run was begun by another version, with ", excerpt(key), ": expected another --out");
}

void write_training_file(const std::filesystem::path& file, const TrainOptions& options) {
  Json object = task_json(options.task);
  object["tables"] = options.tables;
  object["seed"] = options.seed;
  object["validation"] = options.validation;
  object["precision"] = name_of(options.precision);
  write_file_atomically(file, object.dump(2) + "\n");
}

TrainingFile read_training_file(const std::filesystem::path& file) {
  JsonObject reader(file.string(), read_file(file), JsonLists::allowed);
  TrainingFile training;
  std::string task = name_of(training.task.task), precision = name_of(training.precision);
  reader.read("task", task, true);
  reader.read_nullable("label_code", training.task.label_code);
  reader.read_nullable("labels", training.task.labels_file);
  reader.read("horizon_days", training.task.horizon_days);
  reader.read("tables", training.tables);
  reader.read("seed", training.seed);
  reader.read("validation", training.validation);
  reader.read("precision", precision);
  reader.refuse_the_rest();
  try {
    training.task.task = task_from_name(task);
    training.precision = precision_from_name(precision);
    validate(training.task);
    const auto known = event_tables();
    for (const std::string& table : training.tables)
      check(std::find(known.begin(), known.end(), table) != known.end(), ErrorCode::parse_error,
            "tables names ", excerpt(table), ": expected names such as ", known.front());
  } catch (const Error& problem) {
    fail(problem.code(), file.string(), ": ", problem.what());
  }
  return training;
}

}  // namespace ragtime
