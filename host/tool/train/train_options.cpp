#include "host/tool/train/train_options.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "host/base/atomic_file.hpp"
#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"
#include "host/base/json_object.hpp"

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
  object["before"] = task.before;
  object["predict_at"] = nullable(task.predict_at.text);
  object["horizon_days"] = task.horizon_days;
  object["gap_days"] = task.gap_days;
  object["observed_until"] = task.observed_until.text;
  return object;
}

void add_split(Json& object, const SplitOptions& split) {
  object["validation"] = split.validation;
  object["test"] = split.test;
  object["split_file"] = nullable(split.file);
}

template <class T, std::size_t n>
const char* name_in(const std::pair<const char*, T> (&names)[n], T value) {
  const auto has_value = [&](const auto& entry) { return entry.second == value; };
  return std::find_if(std::begin(names), std::end(names), has_value)->first;
}

template <class T, std::size_t n>
T value_of(const std::pair<const char*, T> (&names)[n], const char* key, const std::string& name) {
  std::string all;
  for (const auto& [known, value] : names) {
    if (name == known) return value;
    all += (all.empty() ? "" : ", ") + std::string(known);
  }
  fail(ErrorCode::parse_error, key, " is ", excerpt(name), ": expected one of ", all);
}

constexpr std::pair<const char*, VisitBy> visit_by_names[] = {{"day", VisitBy::day}, {"time", VisitBy::time}};
constexpr std::pair<const char*, Encounters> encounters_names[] = {
    {"if_there", Encounters::if_there}, {"required", Encounters::required}, {"ignored", Encounters::ignored}};

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
  validate(options.split);
  require(options.min_code_count >= 0 && options.min_code_count <= most, "--min-code-count",
          options.min_code_count, "0 (all codes) or more");
  require(options.code_dropout >= 0 && options.code_dropout < 1, "--code-dropout", options.code_dropout,
          "a probability, 0 or more and below 1");
  require_utf8("--label-code", options.task.label_code);
  require_utf8("--labels", options.task.labels_file);
  require_utf8("--observed-until", options.task.observed_until.text);
  require_utf8("--split-file", options.split.file);
  for (const std::string& pattern : options.exclude_codes.patterns())
    require_utf8("--exclude-codes", pattern);
  for (const std::string& table : options.tables) require_utf8("--tables", table);
  validate(options.task);
  validate_sizes(options);
}

std::string settings_json(const TrainOptions& options) {
  Json object = task_json(options.task);
  object.erase("labels");  // where a file is, not what it holds
  if (options.task.observed_until.rule == ObservationRule::file) object["observed_until"] = "a file";
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
  object["visit_by"] = name_in(visit_by_names, options.visit_by);
  object["exclude_codes"] = options.exclude_codes.patterns();
  add_split(object, options.split);
  object["split_file"] = !options.split.file.empty();
  object["min_code_count"] = options.min_code_count;
  object["code_dropout"] = options.code_dropout;
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

TrainingFile training_file(const TrainOptions& options) {
  TrainingFile training;
  training.task = options.task;
  training.tables = options.tables_read;
  training.encounters = options.encounters;
  training.visit_by = options.visit_by;
  training.exclude_codes = options.exclude_codes;
  training.split = options.split;
  training.seed = options.seed;
  training.min_code_count = options.min_code_count;
  training.code_dropout = options.code_dropout;
  training.precision = options.precision;
  return training;
}

void write_training_file(const std::filesystem::path& file, const TrainingFile& training) {
  Json object = task_json(training.task);
  object["classes"] = training.class_names;
  object["tables"] = training.tables;
  object["encounters"] = name_in(encounters_names, training.encounters);
  object["visit_by"] = name_in(visit_by_names, training.visit_by);
  object["exclude_codes"] = training.exclude_codes.patterns();
  object["seed"] = training.seed;
  add_split(object, training.split);
  object["split_given"] = training.split.is_explicit;
  object["min_code_count"] = training.min_code_count;
  object["code_dropout"] = training.code_dropout;
  object["precision"] = name_of(training.precision);
  write_file_atomically(file, object.dump(2) + "\n");
}

TrainingFile read_training_file(const std::filesystem::path& file) {
  JsonObject reader(file.string(), read_file(file), JsonLists::allowed);
  TrainingFile training;
  std::string task = name_of(training.task.task), precision = name_of(training.precision);
  std::string predict_at, observed_until = training.task.observed_until.text;
  std::string visit_by = name_in(visit_by_names, training.visit_by);
  std::string encounters = name_in(encounters_names, training.encounters);
  std::vector<std::string> exclude_codes;
  reader.read("task", task, true);
  reader.read_nullable("label_code", training.task.label_code);
  reader.read_nullable("labels", training.task.labels_file);
  reader.read("before", training.task.before);
  reader.read_nullable("predict_at", predict_at);
  reader.read("horizon_days", training.task.horizon_days);
  reader.read("gap_days", training.task.gap_days);
  reader.read("observed_until", observed_until);
  reader.read("classes", training.class_names);
  reader.read("tables", training.tables);
  reader.read("encounters", encounters);
  reader.read("visit_by", visit_by);
  reader.read("exclude_codes", exclude_codes);
  reader.read("seed", training.seed);
  reader.read("validation", training.split.validation);
  reader.read("test", training.split.test);
  reader.read_nullable("split_file", training.split.file);
  reader.read("split_given", training.split.is_explicit);
  reader.read("min_code_count", training.min_code_count);
  reader.read("code_dropout", training.code_dropout);
  reader.read("precision", precision);
  reader.refuse_the_rest();
  try {
    training.task.task = task_from_name(task);
    if (!predict_at.empty()) training.task.predict_at = predict_at_from_text(predict_at);
    training.task.observed_until = observed_until_from_text(observed_until);
    training.visit_by = value_of(visit_by_names, "visit_by", visit_by);
    training.exclude_codes = CodePatterns(exclude_codes);
    training.precision = precision_from_name(precision);
    training.encounters = value_of(encounters_names, "encounters", encounters);
    // Models of before 0.2 have a window without a prediction time; what they predict needs none.
    if (training.task.task == Task::visit_binary && predict_at.empty())
      training.task.predict_at = predict_at_from_text("visits");
    if (training.task.predict_at.rule != PredictionRule::none || !has_window(training.task))
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
