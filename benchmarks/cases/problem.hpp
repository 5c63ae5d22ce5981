#pragma once

// What an operation is measured on: the named workloads in the sizes that they are crossed with, or sequences
// and sizes of one's own.

#include <optional>
#include <string>
#include <vector>

#include "benchmarks/cases/workloads.hpp"
#include "benchmarks/measure/device.hpp"
#include "ragtime/lstm.hpp"

namespace ragtime::benchmarks {

// Of the sizes an operation takes those that it has.
struct Problem {
  Workload workload;
  std::vector<ModelSize> sizes;
  std::vector<std::int64_t> widths = {128, 1'024};  // of rows that no model's size is the width of
  std::int64_t outputs = 0;                         // 0: as many as the operation has of its own
  std::int64_t parameters = 0;                      // 0: those of the presets
};

inline Problem problem_of(const Workload& workload) {
  Problem problem;
  problem.workload = workload;
  problem.sizes = sizes_of(workload);
  return problem;
}

struct Request {
  std::string workload = {};            // one of the named; empty: all of them
  std::optional<Problem> problem = {};  // in place of them
  bool sweep = false;                   // where there are choices to make: each of them besides
  std::optional<LstmCut> cut = {};      // of lstm: every cut like this, where 0 is like any, and nothing else
};

// Those asked for, out of `names`. tiny is for tests, and left out of all where there is a GPU.
inline std::vector<Problem> problems_of(const Request& request, const Backend& backend,
                                        std::vector<std::string> names = workload_names()) {
  if (request.problem) return {*request.problem};
  if (!is_gpu(backend) || request.workload == "tiny") names.insert(names.begin(), "tiny");
  std::vector<Problem> problems;
  for (const std::string& name : names)
    if (request.workload.empty() || request.workload == name) problems.push_back(problem_of(workload(name)));
  return problems;
}

// Tells a workload from every other.
inline std::string key_of(const Workload& workload) {
  std::string key = workload.name;
  for (const std::int32_t length : workload.lengths) key += "," + std::to_string(length);
  for (const double number : {static_cast<double>(workload.vocab_size), workload.codes_median,
                              workload.codes_spread, workload.codes_most})
    key += "/" + std::to_string(number);
  return key + "/";
}
// The same of a size.
inline std::string key_of(const ModelSize& size) {
  return std::to_string(size.input) + "x" + std::to_string(size.hidden) + "x" + std::to_string(size.layers) +
         "/";
}

}  // namespace ragtime::benchmarks
