#pragma once

// A shape of one's own: lengths and sizes in place of a named workload's, as options say them.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "benchmarks/cases/operations.hpp"

namespace ragtime::benchmarks {

struct ShapeOption {
  std::string name;
  std::string help;
  std::int64_t most;  // and at least 1
};

// Those that are one number each.
const std::vector<ShapeOption>& shape_options();

struct Shape {
  std::string workload;                         // of the named, whose lengths it has; or empty
  std::vector<std::int32_t> lengths;            // or empty
  std::map<std::string, std::int64_t> numbers;  // by names of shape_options()
  std::optional<double> skew;

  bool is_given() const { return !lengths.empty() || !numbers.empty() || skew.has_value(); }
};

// The workload whose lengths an operation is measured on when nothing else is said.
inline constexpr const char* usual_workload = "synthea";

// "3,5,9". Throws Error(invalid_argument).
std::vector<std::int32_t> lengths_from(const std::string& text);

// An option's number. Throws Error(invalid_argument) that names both.
std::int64_t integer_from(std::string_view option, const std::string& text, std::int64_t most);
double number_from(std::string_view option, const std::string& text, double least, double most);

// The options of a shape that the operation takes, for a person.
std::string shape_of(const Operation& operation);

// What the operation is to be measured on. Throws Error(invalid_argument) where the shape does not make sense
// for it.
Problem problem_of(const Shape& shape, const Operation& operation);

}  // namespace ragtime::benchmarks
