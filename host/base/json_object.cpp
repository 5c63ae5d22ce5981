#include "host/base/json_object.hpp"

#include "host/base/check.hpp"
#include "host/base/printable.hpp"

namespace ragtime {
namespace {

std::string in_quotes(const std::string& text) {
  return '"' + printable(text, 60) + '"';
}

}  // namespace

JsonObject::JsonObject(std::string file, const std::string& text, JsonLists lists) : file_(std::move(file)) {
  std::set<std::string> seen;
  std::string key;
  const auto inspect = [&](int depth, Json::parse_event_t event, Json& parsed) {
    const bool opens_object = event == Json::parse_event_t::object_start && depth > 0;
    const bool opens_list = event == Json::parse_event_t::array_start &&
                            depth > (lists == JsonLists::allowed && !key.empty() ? 1 : 0);
    check(!opens_object && !opens_list, ErrorCode::parse_error, file_, ": ",
          key.empty() ? "a value" : in_quotes(key),
          " is an object or an array: expected a number, a string, true or false");
    if (event == Json::parse_event_t::key) {
      key = parsed.get_ref<const std::string&>();
      check(seen.insert(key).second, ErrorCode::parse_error, file_, ": key ", in_quotes(key),
            " stands twice");
    }
    return true;
  };
  try {
    object_ = Json::parse(text, inspect);
  } catch (const Json::exception& problem) {
    fail(ErrorCode::parse_error, file_, ": not JSON: ", printable(problem.what(), 200));
  }
  check(object_.is_object(), ErrorCode::parse_error, file_, ": expected a JSON object");
}

void JsonObject::read(const char* key, std::int64_t& value, bool required) {
  const Json* found = take(key, required ? "an integer" : nullptr);
  if (found == nullptr) return;
  const bool fits =
      found->is_number_integer() && !(found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX);
  if (!fits) refuse(key, *found, "an integer");
  value = found->get<std::int64_t>();
}

void JsonObject::read(const char* key, std::uint64_t& value, bool required) {
  const Json* found = take(key, required ? "an integer, 0 or more" : nullptr);
  if (found == nullptr) return;
  if (!found->is_number_unsigned()) refuse(key, *found, "an integer, 0 or more");
  value = found->get<std::uint64_t>();
}

void JsonObject::read(const char* key, double& value, bool required) {
  const Json* found = take(key, required ? "a number" : nullptr);
  if (found == nullptr) return;
  if (!found->is_number()) refuse(key, *found, "a number");
  value = found->get<double>();
}

void JsonObject::read(const char* key, bool& value) {
  const Json* found = take(key);
  if (found == nullptr) return;
  if (!found->is_boolean()) refuse(key, *found, "true or false");
  value = found->get<bool>();
}

void JsonObject::read(const char* key, std::string& value, bool required) {
  const Json* found = take(key, required ? "a string" : nullptr);
  if (found == nullptr) return;
  if (!found->is_string()) refuse(key, *found, "a string");
  value = found->get<std::string>();
}

void JsonObject::read_nullable(const char* key, std::string& value) {
  const Json* found = take(key);
  if (found != nullptr && !found->is_null()) read(key, value);
}

void JsonObject::read(const char* key, std::vector<std::string>& values) {
  const Json* found = take(key);
  if (found == nullptr) return;
  if (!found->is_array()) refuse(key, *found, "a list of strings");
  std::vector<std::string> list;
  for (const Json& element : *found) {
    if (!element.is_string()) refuse(key, *found, "a list of strings");
    list.push_back(element.get<std::string>());
  }
  values = std::move(list);
}

void JsonObject::refuse_the_rest() const {
  std::string names;
  for (const std::string& name : known_) names += (names.empty() ? "" : ", ") + name;
  for (const auto& [key, value] : object_.items())
    check(known_.contains(key), ErrorCode::parse_error, file_, ": unknown key ", in_quotes(key),
          ": expected ", names);
}

const JsonObject::Json* JsonObject::take(const char* key, const char* required) {
  known_.insert(key);
  const auto found = object_.find(key);
  if (found != object_.end()) return &*found;
  check(required == nullptr, ErrorCode::parse_error, file_, ": key \"", key, "\" is missing: expected ",
        required);
  return nullptr;
}

void JsonObject::refuse(const char* key, const Json& value, const char* expected) const {
  const std::string shown = value.is_string()
                                ? in_quotes(value.get_ref<const std::string&>())
                                : printable(value.dump(-1, ' ', true, Json::error_handler_t::replace), 200);
  fail(ErrorCode::parse_error, file_, ": ", key, " is ", shown, ": expected ", expected);
}

}  // namespace ragtime
