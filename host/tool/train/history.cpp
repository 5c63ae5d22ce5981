#include "host/tool/train/history.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"

namespace ragtime {
namespace {

using json = nlohmann::ordered_json;

// A value of the file, fit for a message.
std::string shown(const json& value) {
  if (value.is_string()) return excerpt(value.get_ref<const std::string&>());
  return value.is_object() ? "an object" : value.is_array() ? "an array" : value.dump();
}

// The JSON tree. Keys that stand twice are refused, since the tree would keep one of them only, and so is
// nesting deeper than a history's, before it is built.
json parse(std::string_view text, const std::string& file) {
  constexpr int deepest = 3;  // history, epochs, epoch, metrics
  std::vector<std::set<std::string>> seen(deepest + 1);
  std::string key;
  const auto inspect = [&](int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) {
      check(depth <= deepest, ErrorCode::parse_error, file, ": ", excerpt(key),
            " is nested deeper than a history");
      seen[static_cast<std::size_t>(depth)].clear();
    } else if (event == json::parse_event_t::key) {
      key = parsed.get_ref<const std::string&>();
      check(seen[static_cast<std::size_t>(depth - 1)].insert(key).second, ErrorCode::parse_error, file,
            ": key ", excerpt(key), " stands twice");
    }
    return true;
  };
  try {
    return json::parse(text, inspect);
  } catch (const json::exception& problem) {
    fail(ErrorCode::parse_error, file, ": not JSON: ", printable(problem.what(), 200));
  }
}

// One object of the file. `where` leads every key in a message: "history.json: epochs[2]."
class Reader {
 public:
  Reader(const json& object, std::string where, std::initializer_list<const char*> keys)
      : object_(object), where_(std::move(where)) {
    for (const auto& [key, value] : object_.items()) {
      const bool known = std::find(keys.begin(), keys.end(), key) != keys.end();
      check(known, ErrorCode::parse_error, where_, printable(key, 60), " is an unknown key");
    }
  }

  std::int64_t integer(const char* key) const {
    const json& value = member(key, "an integer");
    const bool fits =
        value.is_number_integer() && !(value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX);
    expect(fits, key, value, "an integer");
    return value.get<std::int64_t>();
  }
  double number(const char* key) const {
    const json& value = member(key, "a number");
    expect(value.is_number(), key, value, "a number");
    return value.get<double>();
  }
  std::string text(const char* key) const {
    const json& value = member(key, "a string");
    expect(value.is_string(), key, value, "a string");
    return value.get<std::string>();
  }
  const json& array(const char* key) const {
    const json& value = member(key, "an array");
    expect(value.is_array(), key, value, "an array");
    return value;
  }
  std::vector<Metric> metrics(const char* key) const {
    const json& object = member(key, "an object");
    expect(object.is_object(), key, object, "an object");
    std::vector<Metric> metrics;
    for (const auto& [name, value] : object.items()) {
      expect(value.is_number() || value.is_null(), concat(key, '.', printable(name, 60)), value,
             "a number or null");
      metrics.push_back({name, value.is_null() ? std::nullopt : std::optional(value.get<double>())});
    }
    return metrics;
  }

 private:
  void expect(bool condition, const std::string& key, const json& value, const char* expected) const {
    check(condition, ErrorCode::parse_error, where_, key, " is ", shown(value), ": expected ", expected);
  }
  const json& member(const char* key, const char* expected) const {
    const auto found = object_.find(key);
    check(found != object_.end(), ErrorCode::parse_error, where_, key, " is missing: expected ", expected);
    return *found;
  }

  const json& object_;
  std::string where_;
};

}  // namespace

void validate(const History& history) {
  const auto invalid = ErrorCode::invalid_argument;
  bool best_found = history.best_epoch == 0;
  for (std::size_t i = 0; i < history.epochs.size(); ++i) {
    const EpochRecord& record = history.epochs[i];
    const std::string where = concat("epochs[", i, "].");
    const auto finite = [&](const std::string& key, double value) {
      check(std::isfinite(value), invalid, where, key, " is ", value, ": expected a finite number");
    };
    const std::int64_t before = i == 0 ? 0 : history.epochs[i - 1].epoch;
    check(record.epoch > before, invalid, where, "epoch is ", record.epoch, ": expected more than ", before);
    best_found = best_found || record.epoch == history.best_epoch;
    finite("train_loss", record.train_loss);
    finite("validation_loss", record.validation_loss);
    const auto& first = history.epochs.front().metrics;
    check(record.metrics.size() == first.size(), invalid, where, "metrics has ", record.metrics.size(),
          " members: expected ", first.size(), ", as in epochs[0]");
    std::set<std::string> names;
    for (std::size_t m = 0; m < first.size(); ++m) {
      const auto& [name, value] = record.metrics[m];
      check(name == first[m].name, invalid, where, "metrics names ", excerpt(name), ": expected ",
            excerpt(first[m].name), ", as in epochs[0]");
      check(names.insert(name).second, invalid, where, "metrics names ", excerpt(name), " twice");
      if (value) finite("metrics." + printable(name, 60), *value);
    }
  }
  check(best_found, invalid, "best_epoch is ", history.best_epoch, ": expected 0 or one of the epochs");
}

std::string to_json(const History& history) {
  validate(history);
  json root;
  root["task"] = history.task;
  root["best_epoch"] = history.best_epoch;
  json& epochs = root["epochs"] = json::array();
  for (const EpochRecord& record : history.epochs) {
    json epoch;
    epoch["epoch"] = record.epoch;
    epoch["train_loss"] = record.train_loss;
    epoch["validation_loss"] = record.validation_loss;
    json& metrics = epoch["metrics"] = json::object();
    for (const auto& [name, value] : record.metrics) metrics[name] = value ? json(*value) : json();
    epochs.push_back(std::move(epoch));
  }
  try {
    return root.dump(2) + "\n";
  } catch (const json::exception&) {
    fail(ErrorCode::invalid_argument, "task or a metric's name is not UTF-8");
  }
}

History history_from_json(std::string_view text, const std::string& name) {
  const json root = parse(text, name);
  check(root.is_object(), ErrorCode::parse_error, name, ": expected a JSON object");
  const Reader reader(root, name + ": ", {"task", "best_epoch", "epochs"});
  History history;
  history.task = reader.text("task");
  history.best_epoch = reader.integer("best_epoch");
  for (const json& element : reader.array("epochs")) {
    const std::string where = concat(name, ": epochs[", history.epochs.size(), "]");
    check(element.is_object(), ErrorCode::parse_error, where, " is ", shown(element), ": expected an object");
    const Reader epoch(element, where + ".", {"epoch", "train_loss", "validation_loss", "metrics"});
    history.epochs.push_back({.epoch = epoch.integer("epoch"),
                              .train_loss = epoch.number("train_loss"),
                              .validation_loss = epoch.number("validation_loss"),
                              .metrics = epoch.metrics("metrics")});
  }
  try {
    validate(history);
  } catch (const Error& problem) {
    fail(ErrorCode::parse_error, name, ": ", problem.what());
  }
  return history;
}

}  // namespace ragtime
