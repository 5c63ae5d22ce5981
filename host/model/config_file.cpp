#include <nlohmann/json.hpp>
#include <set>

#include "host/core/atomic_file.hpp"
#include "host/core/check.hpp"
#include "host/data/excerpt.hpp"
#include "ragtime/model_directory.hpp"

namespace ragtime {
namespace {

using nlohmann::json;

PoolMode aggregation_from_name(const std::string& name) {
  for (const PoolMode mode : {PoolMode::mean, PoolMode::sum, PoolMode::max, PoolMode::attention})
    if (name == name_of(mode)) return mode;
  fail(ErrorCode::invalid_argument, "visit_aggregation is ", excerpt(name),
       ": expected mean, sum, max or attention");
}

// A value of the file, fit for a message.
std::string shown(const json& value) {
  return value.is_string() ? excerpt(value.get_ref<const std::string&>()) : value.dump();
}

// The members of one JSON object, each with its type, none twice, none unknown. None is an object or an array
// itself: those are refused before they are built, however deep.
class ConfigReader {
 public:
  ConfigReader(const std::string& file, const std::string& text) : file_(file) {
    std::set<std::string> seen;
    std::string key;
    const auto inspect = [&](int depth, json::parse_event_t event, json& parsed) {
      const bool opens =
          event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
      check(!opens || depth == 0, ErrorCode::parse_error, file_, ": ", key.empty() ? "a value" : excerpt(key),
            " is an object or an array: expected a number, a string, true or false");
      if (event == json::parse_event_t::key) {
        key = parsed.get_ref<const std::string&>();
        check(seen.insert(key).second, ErrorCode::parse_error, file_, ": key ", excerpt(key),
              " stands twice");
      }
      return true;
    };
    try {
      object_ = json::parse(text, inspect);
    } catch (const json::exception& problem) {
      fail(ErrorCode::parse_error, file_, ": not JSON: ", printable(problem.what(), 200));
    }
    check(object_.is_object(), ErrorCode::parse_error, file_, ": expected a JSON object");
  }

  void read(const char* key, std::int64_t& value, bool required = false) {
    if (const json* found = take(key, required)) {
      const bool fits = found->is_number_integer() &&
                        !(found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX);
      check(fits, ErrorCode::parse_error, file_, ": ", key, " is ", shown(*found), ": expected an integer");
      value = found->get<std::int64_t>();
    }
  }
  void read(const char* key, double& value) {
    if (const json* found = take(key, false)) {
      check(found->is_number(), ErrorCode::parse_error, file_, ": ", key, " is ", shown(*found),
            ": expected a number");
      value = found->get<double>();
    }
  }
  void read(const char* key, bool& value) {
    if (const json* found = take(key, false)) {
      check(found->is_boolean(), ErrorCode::parse_error, file_, ": ", key, " is ", shown(*found),
            ": expected true or false");
      value = found->get<bool>();
    }
  }
  std::string read_text(const char* key, std::string fallback) {
    const json* found = take(key, false);
    if (found == nullptr) return fallback;
    check(found->is_string(), ErrorCode::parse_error, file_, ": ", key, " is ", shown(*found),
          ": expected a string");
    return found->get<std::string>();
  }

  void refuse_the_rest() const {
    for (const auto& [key, value] : object_.items())
      check(known_.contains(key), ErrorCode::parse_error, file_, ": unknown key ", excerpt(key),
            ": expected ", names());
  }

 private:
  std::string names() const {
    std::string text;
    for (const std::string& name : known_) text += (text.empty() ? "" : ", ") + name;
    return text;
  }

  const json* take(const char* key, bool required) {
    known_.insert(key);
    const auto found = object_.find(key);
    if (found != object_.end()) return &*found;
    check(!required, ErrorCode::parse_error, file_, ": key \"", key, "\" is missing: expected a number");
    return nullptr;
  }

  std::string file_;
  json object_;
  std::set<std::string> known_;
};

}  // namespace

// Only vocab_size has no default; the others are those of the reference constructor.
ModelConfig read_config(const std::filesystem::path& file) {
  ConfigReader reader(file.string(), read_file(file));
  ModelConfig config;
  reader.read("vocab_size", config.vocab_size, true);
  reader.read("embedding_dim", config.embedding_dim);
  reader.read("hidden_dim", config.hidden_dim);
  reader.read("num_layers", config.num_layers);
  reader.read("dropout", config.dropout);
  reader.read("bidirectional", config.bidirectional);
  reader.read("output_dim", config.output_dim);
  reader.read("padding_idx", config.padding_idx);
  const std::string aggregation = reader.read_text("visit_aggregation", name_of(config.visit_aggregation));
  const std::string task = reader.read_text("task", name_of(config.task));
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
