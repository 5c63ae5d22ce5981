#pragma once

// Which cases are meant: what the operations have on a device, and the options that choose among them.

#include <memory>
#include <string>
#include <vector>

#include "benchmarks/tool/shape.hpp"

namespace ragtime::benchmarks {

// Empty: all there are, but one size: the operation's first. "all" for size: every one.
struct Choice {
  Shape shape;
  std::string size, dtype, algorithm, pass;
  std::string peer;            // beside ragtime's own, those whose algorithm begins with it; empty: none
  std::optional<LstmCut> cut;  // of lstm: 0 is any
  bool sweep = false;
};

// The cases of an operation. Throws Error(invalid_argument) that says what there would be where it has none.
std::vector<Case> chosen_cases(const Operation& operation, const std::shared_ptr<Backend>& backend,
                               const Choice& choice);

// Whether the operation is measured on the named workload that the choice speaks of.
bool has_workload(const Operation& operation, const std::shared_ptr<Backend>& backend, const Choice& choice);

// What there is to choose from on the device.
nlohmann::ordered_json choices_of(const Operation& operation, const std::shared_ptr<Backend>& backend);

}  // namespace ragtime::benchmarks
