#pragma once

// Where a command computes, and in what.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "host/tool/train/precision.hpp"
#include "ragtime/backend.hpp"

namespace ragtime::cli {

struct ComputeOptions {
  std::string device = "auto";
  Precision precision = Precision::f32;
};

// Adds --device and --precision.
void add_compute_options(CLI::App& command, ComputeOptions& options);

// The device that was asked for. Throws UsageError on a precision that it never computes in, and
// Error(unsupported) where `auto` found one that does not.
std::shared_ptr<Backend> make_backend(const ComputeOptions& options);

}  // namespace ragtime::cli
