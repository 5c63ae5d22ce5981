#include "benchmarks/tool/shape.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "host/base/check.hpp"
#include "host/base/printable.hpp"

namespace ragtime::benchmarks {
namespace {

constexpr std::int64_t most_items = INT32_MAX;
constexpr double longest_of_median = 20;  // what a skewed length is cut at

template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  fail(ErrorCode::invalid_argument, parts...);
}

bool is_of_lengths(const std::string& option) {
  return option == "sequences" || option == "length";
}

// The shape's numbers for an operation.
class Numbers {
 public:
  Numbers(const Shape& shape, const Operation& operation) : shape_(shape), operation_(operation) {}

  std::optional<std::int64_t> find(const std::string& option) const {
    const auto found = shape_.numbers.find(option);
    return found == shape_.numbers.end() ? std::nullopt : std::optional(found->second);
  }
  bool has(const std::string& option) const { return shape_.numbers.contains(option); }
  bool has_size() const {
    return std::any_of(operation_.sizes.begin(), operation_.sizes.end(),
                       [&](const std::string& option) { return has(option); });
  }
  std::int64_t at(const std::string& option) const {
    if (const auto number = find(option)) return *number;
    refuse("--", option, " is missing: ", operation_.name, " in a shape of your own expects it, from ",
           shape_of(operation_));
  }

 private:
  const Shape& shape_;
  const Operation& operation_;
};

void check_options(const Shape& shape, const Operation& operation) {
  const auto& takes = operation.sizes;
  const auto refuse_option = [&](const std::string& option) {
    refuse("--", option, ": ", operation.name, " has no such size, expected of ", shape_of(operation));
  };
  for (const auto& [option, number] : shape.numbers) {
    const bool known = std::find(takes.begin(), takes.end(), option) != takes.end();
    if (!known && !(operation.lengths && is_of_lengths(option))) refuse_option(option);
  }
  if (operation.lengths) return;
  if (!shape.lengths.empty()) refuse_option("lengths");
  if (shape.skew) refuse_option("skew");
}

// Of one named workload, or of the shape's own lengths.
Workload workload_of(const Shape& shape, const Numbers& numbers) {
  const bool drawn = numbers.has("sequences") || numbers.has("length") || shape.skew;
  const bool listed = !shape.lengths.empty();
  if (drawn && listed) refuse("--lengths beside --sequences, --length or --skew: expected one or the other");
  if ((drawn || listed) && !shape.workload.empty())
    refuse("--workload ", shape.workload, " beside ",
           listed ? "--lengths" : "--sequences, --length or --skew", ": expected one or the other");
  if (!drawn && !listed) return workload(shape.workload.empty() ? usual_workload : shape.workload);
  Workload own;
  if (listed) {
    own.lengths = shape.lengths;
  } else {
    const std::int64_t sequences = numbers.at("sequences"), length = numbers.at("length");
    const double median = static_cast<double>(length);
    const double longest = std::min(longest_of_median * median, static_cast<double>(most_items));
    own.lengths = log_normal_lengths(shape_key, static_cast<std::uint32_t>(sequences), median + 0.5,
                                     shape.skew.value_or(0), longest);
  }
  if (own.rows() > most_items)
    refuse("the sequences have ", own.rows(), " visits together: expected at most ", most_items);
  own.name = concat("b", own.lengths.size(), "_n", own.rows(), "_t", own.longest());
  return own;
}

void set_codes(Workload& workload, const Numbers& numbers) {
  const auto vocabulary = numbers.find("vocabulary"), codes = numbers.find("codes");
  if (vocabulary) workload.vocab_size = *vocabulary;
  if (codes) {
    workload.codes_median = workload.codes_most = static_cast<double>(*codes);
    workload.codes_spread = 0;
  }
  if (workload.vocab_size == 0) workload.vocab_size = numbers.at("vocabulary");
  if (workload.codes_most == 0) static_cast<void>(numbers.at("codes"));
  const std::int64_t most = (workload.vocab_size - 1) / 2;
  if (most < 1) refuse("--vocabulary ", workload.vocab_size, ": expected at least 3, padding among them");
  if (codes && *codes > most)
    refuse("--codes ", *codes, ": expected at most ", most, ", half of the vocabulary without padding");
  if (vocabulary || codes) workload.name += concat("_v", workload.vocab_size, "_c", workload.codes_median);
  if (codes && workload.rows() * *codes > most_items)
    refuse("the visits have ", workload.rows() * *codes, " codes together: expected at most ", most_items);
}

void set_sizes(Problem& problem, const Operation& operation, const Numbers& numbers) {
  const auto takes = [&](const char* option) {
    return std::find(operation.sizes.begin(), operation.sizes.end(), option) != operation.sizes.end();
  };
  const bool named = !problem.sizes.empty();
  if (takes("outputs")) problem.outputs = numbers.find("outputs").value_or(0);
  if (takes("hidden")) {
    if (named && !numbers.has_size()) return;
    const std::int64_t hidden = numbers.at("hidden"), input = numbers.find("input").value_or(hidden),
                       layers = numbers.find("layers").value_or(1);
    problem.sizes = {{concat("i", input, "_h", hidden, "_l", layers), input, hidden, layers}};
  } else if (takes("input")) {
    // The linear layer stands behind the LSTM, whose width is its input.
    if (named && !numbers.has("input")) return;
    const std::int64_t input = numbers.at("input");
    problem.sizes = {{concat("i", input), input, input, 1}};
  } else if (takes("codes")) {
    if (named && !numbers.has("width")) return;
    const std::int64_t width = numbers.at("width");
    problem.sizes = {{concat("w", width), width, width, 1}};
  } else if (const auto width = numbers.find("width")) {
    problem.widths = {*width};
  }
}

}  // namespace

const std::vector<ShapeOption>& shape_options() {
  constexpr std::int64_t most_sequences = 1 << 24, most_width = 1 << 20;
  static const std::vector<ShapeOption> all = {
      {"sequences", "So many sequences, of --length visits each", most_sequences},
      {"length", "Visits of a sequence; with --skew the median of them", most_items},
      {"input", "Width of the input (as --hidden)", most_width},
      {"hidden", "Units of the LSTM", most_width},
      {"layers", "Layers of the LSTM (1)", 1'024},
      {"width", "Width of a row", most_width},
      {"outputs", "Outputs a visit", most_width},
      {"vocabulary", "Codes that there are, with padding", most_items},
      {"codes", "Codes of a visit", most_items},
      {"parameters", "Parameters of the model", std::int64_t{1} << 36}};
  return all;
}

std::int64_t integer_from(std::string_view option, const std::string& text, std::int64_t most) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1 || number > most)
    refuse(option, " is \"", printable(text, 40), "\": expected an integer from 1 to ", most);
  return number;
}

double number_from(std::string_view option, const std::string& text, double least, double most) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !(number >= least && number <= most))
    refuse(option, " is \"", printable(text, 40), "\": expected a number from ", least, " to ", most);
  return number;
}

std::vector<std::int32_t> lengths_from(const std::string& text) {
  std::vector<std::int32_t> lengths;
  for (std::size_t at = 0;;) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    lengths.push_back(static_cast<std::int32_t>(
        integer_from("a length of --lengths", text.substr(at, comma - at), most_items)));
    if (comma == text.size()) return lengths;
    at = comma + 1;
  }
}

std::string shape_of(const Operation& operation) {
  std::string text = operation.lengths ? "--lengths or --sequences, --length and --skew" : "";
  for (const std::string& option : operation.sizes) text += (text.empty() ? "--" : ", --") + option;
  return text;
}

Problem problem_of(const Shape& shape, const Operation& operation) {
  check_options(shape, operation);
  const Numbers numbers(shape, operation);
  Problem problem;
  if (!operation.lengths) {
    problem.parameters = numbers.at("parameters");
    return problem;
  }
  problem.workload = workload_of(shape, numbers);
  const auto& names = workload_names();
  const std::string& name = problem.workload.name;
  if (name == "tiny" || std::find(names.begin(), names.end(), name) != names.end())
    problem.sizes = sizes_of(problem.workload);
  const bool coded =
      std::find(operation.sizes.begin(), operation.sizes.end(), "codes") != operation.sizes.end();
  if (coded) set_codes(problem.workload, numbers);
  set_sizes(problem, operation, numbers);
  return problem;
}

}  // namespace ragtime::benchmarks
