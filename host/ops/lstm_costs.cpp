#include "host/ops/lstm_costs.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <nlohmann/json.hpp>

#include "host/base/atomic_file.hpp"
#include "host/base/check.hpp"
#include "host/base/printable.hpp"
#include "ragtime/lstm_choice.hpp"

namespace ragtime {
namespace {

using Json = nlohmann::json;

// A file of another format has another name and is not looked at. One of another version of the library may
// have steps of kernels that are no more.
constexpr int format = 1;

struct Constant {
  const char* name;
  double LstmCosts::*value;
};
constexpr Constant measured_constants[] = {
    {"device_bytes_per_ns", &LstmCosts::device_bytes_per_ns},
    {"launch_us", &LstmCosts::launch_us},
    {"stepwise_launch_us", &LstmCosts::stepwise_launch_us},
    {"stepwise_flops_per_ns", &LstmCosts::stepwise_flops_per_ns},
};

constexpr DType dtypes[] = {DType::f32, DType::bf16, DType::f16};

// An environment variable that is set to something.
const char* environment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

std::filesystem::path cache_folder() {
  if (const char* const own = environment("RAGTIME_CACHE_DIR")) return own;
  if (const char* const shared = environment("XDG_CACHE_HOME"))
    return std::filesystem::path(shared) / "ragtime";
  if (const char* const home = environment("HOME")) return std::filesystem::path(home) / ".cache" / "ragtime";
  fail(ErrorCode::io_error,
       "no folder for measured costs: expected RAGTIME_CACHE_DIR, XDG_CACHE_HOME or HOME to be set");
}

// Reads members of what may be anything, and says what is wrong with it.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}

  const Json& member(const Json& object, const char* name) const {
    if (!object.is_object() || !object.contains(name)) refuse(name, "is missing");
    return object[name];
  }
  // Of a time or a rate.
  double number(const Json& object, const char* name) const {
    const Json& value = member(object, name);
    const double read = value.is_number() ? value.get<double>() : std::nan("");
    if (!(read > 0 && read < 1e12)) refuse(name, "is no number between 0 and 1e12");
    return read;
  }
  int size(const Json& object, const char* name) const {
    const Json& value = member(object, name);
    const std::int64_t read = value.is_number_integer() ? value.get<std::int64_t>() : 0;
    if (read < 1 || read > 1 << 20) refuse(name, "is no integer from 1 to 2^20");
    return static_cast<int>(read);
  }
  std::string text(const Json& object, const char* name) const {
    const Json& value = member(object, name);
    if (!value.is_string()) refuse(name, "is no string");
    return value.get<std::string>();
  }
  [[noreturn]] void refuse(const char* name, const std::string& what) const {
    fail(ErrorCode::parse_error, path_, ": \"", name, "\" ", what);
  }

 private:
  const std::string& path_;
};

LstmKernelKey key_of(const Reader& read, const Json& step) {
  LstmKernelKey key;
  const std::string pass = read.text(step, "pass"), dtype = read.text(step, "dtype");
  if (pass != "forward" && pass != "backward") read.refuse("pass", "is neither forward nor backward");
  key.backward = pass == "backward";
  const DType* const found = std::find_if(std::begin(dtypes), std::end(dtypes),
                                          [&](DType candidate) { return dtype == name_of(candidate); });
  if (found == std::end(dtypes)) read.refuse("dtype", "is none of f32, bf16, f16");
  key.dtype = *found;
  key.hidden = read.size(step, "hidden");
  key.cluster = read.size(step, "cluster");
  key.slots = read.size(step, "slots");
  return key;
}

}  // namespace

std::filesystem::path lstm_costs_file(const std::string& device) {
  std::string name;
  for (const char character : device.substr(0, 100)) {
    const bool plain = (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
                       (character >= '0' && character <= '9');
    if (plain || name.empty() || name.back() != '-') name += plain ? character : '-';
  }
  return cache_folder() / concat("lstm-costs-", name, "-v", format, ".json");
}

std::string lstm_costs_to_text(const LstmCosts& costs, const std::string& device) {
  Json text = {{"format", format}, {"version", RAGTIME_VERSION}, {"device", device}};
  for (const Constant& constant : measured_constants)
    text["constants"][constant.name] = costs.*constant.value;
  text["steps"] = Json::array();
  for (const auto& [key, ns] : costs.measured_step_ns)
    text["steps"].push_back({{"pass", key.backward ? "backward" : "forward"},
                             {"dtype", name_of(key.dtype)},
                             {"hidden", key.hidden},
                             {"cluster", key.cluster},
                             {"slots", key.slots},
                             {"ns", ns}});
  return text.dump(1) + "\n";
}

LstmCosts lstm_costs_from_text(const std::string& path, const std::string& text, const std::string& device) {
  Json content;
  try {
    content = Json::parse(text);
  } catch (const Json::exception& problem) {
    fail(ErrorCode::parse_error, path, ": not JSON: ", printable(problem.what(), 120));
  }
  const Reader read(path);
  if (read.size(content, "format") != format) read.refuse("format", concat("is not ", format));
  const std::string version = read.text(content, "version"), whose = read.text(content, "device");
  if (version != RAGTIME_VERSION)
    read.refuse("version", concat("is ", printable(version, 20), ", this is ", RAGTIME_VERSION));
  if (whose != device) read.refuse("device", concat("is ", printable(whose, 80), ", this is ", device));
  LstmCosts costs;
  const Json& constants = read.member(content, "constants");
  for (const Constant& constant : measured_constants)
    costs.*constant.value = read.number(constants, constant.name);
  const Json& steps = read.member(content, "steps");
  if (!steps.is_array()) read.refuse("steps", "is no array");
  for (const Json& step : steps) {
    const LstmKernelKey key = key_of(read, step);
    costs.measured_step_ns[key] = read.number(step, "ns");
  }
  costs.source = concat("measured on ", device, ", ", path);
  return costs;
}

LstmCosts read_lstm_costs(const std::string& device) {
  LstmCosts estimates;
  try {
    const std::filesystem::path path = lstm_costs_file(device);
    std::error_code unknown;
    const auto type = std::filesystem::status(path, unknown).type();
    if (type == std::filesystem::file_type::not_found) return estimates;
    check(type == std::filesystem::file_type::regular, ErrorCode::io_error, path.string(),
          " is no file that can be read");
    return lstm_costs_from_text(path.string(), read_file(path), device);
  } catch (const std::exception& problem) {
    estimates.source = concat("estimated: ", problem.what());
    return estimates;
  }
}

const LstmCosts& lstm_costs_of(const std::string& device) {
  static std::mutex one_at_a_time;
  static std::map<std::string, LstmCosts> read;
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  const auto known = read.find(device);
  if (known != read.end()) return known->second;
  return read.emplace(device, read_lstm_costs(device)).first->second;
}

}  // namespace ragtime
