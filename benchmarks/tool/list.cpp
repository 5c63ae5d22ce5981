// ragtime-bench list: what there is to choose from on a device.

#include <cstdio>

#include "benchmarks/cases/workloads.hpp"
#include "benchmarks/tool/commands.hpp"
#include "benchmarks/tool/options.hpp"

namespace ragtime::benchmarks {
namespace {

struct ListOptions {
  std::string operation, device = "auto";
  bool json = false, workloads = false;
};

std::string joined(const nlohmann::ordered_json& values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ", ") + value.get<std::string>();
  return text.empty() ? "-" : text;
}

// The named workloads, for peers in other languages: name -> lengths, vocabulary, codes, sizes.
nlohmann::ordered_json named_workloads() {
  nlohmann::ordered_json all;
  std::vector<std::string> names = workload_names();
  names.emplace_back("tiny");
  for (const std::string& name : names) {
    const Workload drawn = workload(name);
    nlohmann::ordered_json& one = all[name];
    one["lengths"] = drawn.lengths;
    for (const ModelSize& size : sizes_of(drawn))
      one["sizes"].push_back(
          {{"name", size.name}, {"input", size.input}, {"hidden", size.hidden}, {"layers", size.layers}});
    if (!drawn.has_codes()) continue;
    const RaggedBatch batch = coded_batch(drawn);
    one["vocab_size"] = drawn.vocab_size;
    one["code_offsets"] = batch.code_offsets;
    one["codes"] = batch.codes;
  }
  return all;
}

int list(const ListOptions& options) {
  if (options.workloads) {
    std::printf("%s\n", named_workloads().dump().c_str());
    return 0;
  }
  const auto backend = make_backend(options.device);
  if (!options.json) std::printf("on %s\n", backend->description().c_str());
  for (const Operation& operation : operations()) {
    if (!options.operation.empty() && operation.name != options.operation) continue;
    const nlohmann::ordered_json choices = choices_of(operation, backend);
    if (options.json) {
      std::printf("%s\n", choices.dump().c_str());
      continue;
    }
    std::printf("\n%s: %s\n", operation.name.c_str(), operation.about.c_str());
    for (const auto& [name, sizes] : choices["workloads"].items())
      std::printf("  workload    %s: %s\n", name.c_str(), joined(sizes).c_str());
    for (const auto& [title, key] :
         {std::pair{"dtype", "dtypes"}, {"algorithm", "algorithms"}, {"pass", "passes"}, {"peer", "peers"}})
      std::printf("  %-10s  %s\n", title, joined(choices[key]).c_str());
    const std::string shape = choices["shape"].get<std::string>();
    std::printf("  shape       %s\n", shape.c_str());
  }
  return 0;
}

}  // namespace

Command add_list(CLI::App& tool) {
  const auto options = std::make_shared<ListOptions>();
  CLI::App* command = tool.add_subcommand("list", "Say what there is to choose from on the device");
  add_operation(*command, options->operation);
  add_device(*command, options->device);
  command->add_flag("--json", options->json, "A JSON object a line");
  command->add_flag("--workloads", options->workloads,
                    "In place of that, one JSON object: lengths, codes and sizes of the named workloads");
  return {command, [options](const std::string&) { return list(*options); }};
}

}  // namespace ragtime::benchmarks
