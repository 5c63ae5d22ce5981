#include "ragtime/lstm_tuning.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"
#include "host/ops/lstm_costs.hpp"
#include "host/ops/lstm_device_model.hpp"

namespace ragtime {
namespace {

constexpr std::string_view first_line = "ragtime lstm tuning 1";  // the format

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

// The shortest text that is read as the same number, whatever the locale.
std::string shortest(double value) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    if (line.empty()) return words;
    const std::size_t length = std::min(line.find_first_of(" \t\r"), line.size());
    words.push_back(line.substr(0, length));
    line.remove_prefix(length);
  }
}

template <class Number>
bool parse(std::string_view word, Number& value) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc{} && end == word.data() + word.size();
}

// Reads the lines of a tuning, and says which is wrong.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  std::shared_ptr<const LstmTuning> run() {
    expect(next() && line_ == first_line, concat("expected \"", first_line, '"'));
    const std::string version{value_of("version")};
    expect(version == RAGTIME_VERSION, concat("measured by ragtime ", printable(version, 20), ", this is ", RAGTIME_VERSION));
    const std::string device{value_of("device")};
    while (next()) {
      const std::vector<std::string_view> words = words_of(line_);
      if (words.front() == "constant")
        read_constant(words);
      else if (words.front() == "step")
        read_step(words);
      else
        expect(false, concat("expected constant or step, got ", excerpt(line_)));
    }
    for (const Constant& constant : measured_constants)
      check(seen_[&constant - measured_constants], ErrorCode::parse_error, "tuning: constant ", constant.name,
            " is missing");
    costs_.source = concat("measured on ", device);
    return std::make_shared<const LstmTuning>(device, costs_);
  }

 private:
  // The next line that says something; false behind the last.
  bool next() {
    while (!rest_.empty()) {
      const std::size_t end = std::min(rest_.find('\n'), rest_.size());
      line_ = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      ++number_;
      while (!line_.empty() && line_.back() == '\r') line_.remove_suffix(1);
      if (!words_of(line_).empty()) return true;
    }
    line_ = {};
    return false;
  }
  void expect(bool condition, const std::string& what) const {
    check(condition, ErrorCode::parse_error, "tuning, line ", number_, ": ", what);
  }
  std::string_view value_of(std::string_view key) {
    expect(next() && line_.starts_with(key) && line_.size() > key.size() + 1 && line_[key.size()] == ' ',
           concat("expected \"", key, " ...\""));
    return line_.substr(key.size() + 1);
  }

  double positive(std::string_view word, const char* name) const {
    double value = 0;
    expect(parse(word, value) && value > 0 && value < 1e12, concat(name, " is ", excerpt(word), ": expected a number between 0 and 1e12"));
    return value;
  }
  int size(std::string_view word, const char* name) const {
    int value = 0;
    expect(parse(word, value) && value >= 1 && value <= 1 << 20, concat(name, " is ", excerpt(word), ": expected an integer from 1 to 2^20"));
    return value;
  }

  void read_constant(const std::vector<std::string_view>& words) {
    expect(words.size() == 3, "expected: constant NAME VALUE");
    const Constant* const found = std::find_if(std::begin(measured_constants), std::end(measured_constants),
                                               [&](const Constant& each) { return words[1] == each.name; });
    expect(found != std::end(measured_constants), concat("there is no constant ", excerpt(words[1])));
    bool& seen = seen_[found - measured_constants];
    expect(!seen, concat("constant ", found->name, " is there twice"));
    seen = true;
    costs_.*found->value = positive(words[2], found->name);
  }

  void read_step(const std::vector<std::string_view>& words) {
    expect(words.size() == 7, "expected: step forward|backward DTYPE HIDDEN CLUSTER SLOTS NANOSECONDS");
    LstmKernelKey key;
    expect(words[1] == "forward" || words[1] == "backward",
           concat("pass is ", excerpt(words[1]), ": expected forward or backward"));
    key.backward = words[1] == "backward";
    const DType* const found = std::find_if(std::begin(dtypes), std::end(dtypes),
                                            [&](DType each) { return words[2] == name_of(each); });
    expect(found != std::end(dtypes), concat("dtype is ", excerpt(words[2]), ": expected f32, bf16 or f16"));
    key.dtype = *found;
    key.hidden = size(words[3], "hidden");
    key.cluster = size(words[4], "cluster");
    key.slots = size(words[5], "slots");
    expect(costs_.measured_step_ns.emplace(key, positive(words[6], "nanoseconds")).second, "this step is there twice");
  }

  std::string_view rest_, line_;
  std::size_t number_ = 0;
  LstmCosts costs_;
  bool seen_[std::size(measured_constants)] = {};
};

}  // namespace

LstmTuning::LstmTuning(std::string device, const LstmCosts& costs)
    : device_(std::move(device)), costs_(std::make_unique<const LstmCosts>(costs)) {}
LstmTuning::~LstmTuning() = default;

std::shared_ptr<const LstmTuning> LstmTuning::from_text(std::string_view text) {
  return Parser(text).run();
}

std::string LstmTuning::to_text() const {
  std::ostringstream text;
  text << first_line << "\nversion " << RAGTIME_VERSION << "\ndevice " << device_ << '\n';
  for (const Constant& constant : measured_constants)
    text << "constant " << constant.name << ' ' << shortest(costs_.get()->*constant.value) << '\n';
  for (const auto& [key, ns] : costs_->measured_step_ns)
    text << concat("step ", key.backward ? "backward " : "forward ", name_of(key.dtype), ' ', key.hidden, ' ', key.cluster, ' ',
                   key.slots, ' ', shortest(ns), '\n');
  return text.str();
}

std::vector<std::string> lstm_device_models() {
  std::vector<std::string> names;
  for (const LstmDeviceModel& model : lstm_models) names.emplace_back(model.name);
  return names;
}

LstmChoiceDetails lstm_choice_on(std::string_view device_model, const LstmDesc& desc) {
  const auto* const model =
      std::find_if(std::begin(lstm_models), std::end(lstm_models),
                   [&](const LstmDeviceModel& each) { return device_model == each.name; });
  check(model != std::end(lstm_models), ErrorCode::invalid_argument, "device_model is \"", device_model,
        "\": expected one of lstm_device_models()");
  check_lstm_desc(desc);
  check(desc.dtype != DType::f64, ErrorCode::unsupported,
        "dtype is f64, which the cuda backend does not compute in");
#ifdef RAGTIME_CUDA_BACKEND
  return cuda_lstm_choice(*model, desc);
#else
  fail(ErrorCode::unsupported,
       "this build of ragtime has no CUDA backend, whose LSTM alone has algorithms to choose from: build it "
       "where the CUDA Toolkit is");
#endif
}

}  // namespace ragtime
