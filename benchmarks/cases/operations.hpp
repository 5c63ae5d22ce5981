#pragma once

// The operations that there are cases of.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "benchmarks/cases/problem.hpp"
#include "benchmarks/measure/measure.hpp"

namespace ragtime::benchmarks {

std::vector<Case> adamw_cases(const std::shared_ptr<Backend>& backend, const Request& request);
std::vector<Case> batch_builder_cases(const std::shared_ptr<Backend>& backend, const Request& request);
std::vector<Case> dropout_cases(const std::shared_ptr<Backend>& backend, const Request& request);
std::vector<Case> final_state_cases(const std::shared_ptr<Backend>& backend, const Request& request);
std::vector<Case> layout_cases(const std::shared_ptr<Backend>& backend, const Request& request);
std::vector<Case> linear_cases(const std::shared_ptr<Backend>& backend, const Request& request);
std::vector<Case> lstm_cases(const std::shared_ptr<Backend>& backend, const Request& request);
std::vector<Case> lstm_step_cases(const std::shared_ptr<Backend>& backend, const Request& request);
std::vector<Case> masked_loss_cases(const std::shared_ptr<Backend>& backend, const Request& request);
std::vector<Case> segment_pool_cases(const std::shared_ptr<Backend>& backend, const Request& request);
std::vector<Case> train_step_cases(const std::shared_ptr<Backend>& backend, const Request& request);

struct Operation {
  std::string name;
  std::string about;
  std::vector<Case> (*cases)(const std::shared_ptr<Backend>& backend, const Request& request);
  std::vector<std::string> sizes;  // what a shape of one's own says beside the lengths
  bool lengths = true;             // it is of sequences
  bool sweeps = false;             // it has choices to make
};

const std::vector<Operation>& operations();

// Throws std::invalid_argument that names those there are.
const Operation& operation_named(std::string_view name);

}  // namespace ragtime::benchmarks
