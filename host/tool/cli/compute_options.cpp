#include "host/tool/cli/compute_options.hpp"

#include "host/tool/cli/commands.hpp"

namespace ragtime::cli {

void add_compute_options(CLI::App& command, ComputeOptions& options) {
  command
      .add_option("--device", options.device,
                  "Where to compute; auto takes CUDA when it is built in and a GPU is there")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->type_name("NAME")
      ->capture_default_str();
  std::vector<std::string> names;
  for (const Precision precision : all_precisions) names.emplace_back(name_of(precision));
  command
      .add_option_function<std::string>(
          "--precision",
          [&options](const std::string& name) { options.precision = precision_from_name(name); },
          "f32; on CUDA also tf32 (products of rounded factors) or bf16 (parameters and activations)")
      ->check(CLI::IsMember(names))
      ->type_name("NAME")
      ->default_str(name_of(options.precision));
}

std::shared_ptr<Backend> make_backend(const ComputeOptions& options) {
  if (options.device == "cpu") check_usage([&] { check_supported(options.precision, DeviceType::cpu); });
  auto backend = ragtime::make_backend(options.device);
  check_supported(options.precision, backend->device());
  return backend;
}

}  // namespace ragtime::cli
