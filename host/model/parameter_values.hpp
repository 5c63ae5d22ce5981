#pragma once

// A model's flat array of parameters in host memory as float, whatever 16 or 32 bits the model keeps.

#include <cstdint>
#include <span>
#include <vector>

#include "ragtime/visit_lstm.hpp"

namespace ragtime {

// What VisitLstm::initialize(seed) rounds to the model's dtype. Zeros between the parameters.
std::vector<float> initial_parameters(const VisitLstm& model, std::uint64_t seed);

// Rounds to the model's dtype. values [parameter_count()]; not for f64.
void set_parameters(VisitLstm& model, std::span<const float> values);

// The opposite, exactly.
std::vector<float> get_parameters(const VisitLstm& model);

}  // namespace ragtime
