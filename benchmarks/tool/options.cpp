#include "benchmarks/tool/options.hpp"

#include <algorithm>
#include <functional>

#include "ragtime/error.hpp"

namespace ragtime::benchmarks {
namespace {

// An option whose text `set` reads; an Error it throws is one of the command line.
CLI::Option* add_text(CLI::App& tool, const std::string& name, const std::string& type,
                      const std::string& help, const std::function<void(const std::string& text)>& set) {
  return tool
      .add_option_function<std::string>(
          name,
          [set](const std::string& text) {
            try {
              set(text);
            } catch (const Error& problem) {
              throw CLI::ValidationError(problem.what(), CLI::ExitCodes::ValidationError);
            }
          },
          help)
      ->type_name(type);
}

void add_shape(CLI::App& tool, Shape& shape) {
  std::vector<std::string> names = workload_names();
  names.emplace_back("tiny");
  tool.add_option("--workload", shape.workload,
                  "Lengths and sizes of this name (" + std::string(usual_workload) + ")")
      ->check(CLI::IsMember(names))
      ->type_name("NAME");
  add_text(tool, "--lengths", "L,L,...", "Sequences of these lengths, in place of a workload's",
           [&shape](const std::string& text) { shape.lengths = lengths_from(text); });
  add_text(tool, "--skew", "X",
           "Lengths of a log-normal distribution: X is the deviation of their logarithm, 0 to 4",
           [&shape](const std::string& text) { shape.skew = number_from("--skew", text, 0, 4); });
  for (const ShapeOption& option : shape_options())
    add_number(tool, "--" + option.name, "N", option.help, option.most,
               [&shape, name = option.name](std::int64_t number) { shape.numbers[name] = number; });
}

void add_choice(CLI::App& tool, Choice& choice) {
  tool.add_option("--size", choice.size, "Of a workload's sizes: this one, or all (the first)")
      ->type_name("NAME");
  tool.add_option("--dtype", choice.dtype, "f32, tf32, bf16 or f16 alone (all that the device has)")
      ->type_name("NAME");
  tool.add_option("--algorithm", choice.algorithm, "This algorithm alone")->type_name("NAME");
  tool.add_option("--pass", choice.pass, "This pass alone, as forward")->type_name("NAME");
  tool.add_option("--peer", choice.peer, "Beside ragtime's own, peers whose names begin so, as cudnn")
      ->type_name("NAME");
  constexpr std::int64_t max_of_config = 1'024;
  const auto config = [&choice] { return choice.config.value_or(LstmKernelConfig{}); };
  add_number(tool, "--cluster", "C", "lstm, CUDA: the persistent kernel in clusters of C thread blocks",
             max_of_config, [&choice, config](std::int64_t number) {
               choice.config = LstmKernelConfig{static_cast<int>(number), config().slots};
             });
  add_number(tool, "--slots", "S", "lstm, CUDA: the persistent kernel with S sequences at once in a cluster",
             max_of_config, [&choice, config](std::int64_t number) {
               choice.config = LstmKernelConfig{config().cluster, static_cast<int>(number)};
             });
  tool.add_flag("--sweep", choice.sweep, "lstm, CUDA: every configuration of the persistent kernel besides");
}

}  // namespace

void add_operation(CLI::App& command, std::string& operation) {
  std::vector<std::string> names;
  for (const Operation& each : operations()) names.push_back(each.name);
  command.add_option("operation", operation, "One operation (every one)")
      ->check(CLI::IsMember(names))
      ->type_name("OPERATION");
}

void add_device(CLI::App& command, std::string& device) {
  std::vector<std::string> devices = {"auto", "cpu", "cuda"};
  for (const std::string& built : backends_built())
    if (std::find(devices.begin(), devices.end(), built) == devices.end()) devices.push_back(built);
  command.add_option("--device", device, "Where; auto takes CUDA when it is built in and a GPU is there")
      ->check(CLI::IsMember(devices))
      ->type_name("NAME")
      ->capture_default_str();
}

CLI::Option* add_number(CLI::App& command, const std::string& name, const std::string& type,
                        const std::string& help, std::int64_t max,
                        const std::function<void(std::int64_t)>& set) {
  return add_text(command, name, type, help,
                  [=](const std::string& text) { set(integer_from(name, text, max)); });
}

void add_run_options(CLI::App& command, RunOptions& options) {
  add_operation(command, options.operation);
  add_shape(command, options.choice.shape);
  add_choice(command, options.choice);
  add_device(command, options.device);
  command.add_option("--probe", options.probe, "What device_probe wrote of this device: for the floor")
      ->type_name("FILE");
  command.add_option("--cases", options.cases,
                     "In place of one workload's cases: all that there are, peers too, or a quick selection of them")
      ->check(CLI::IsMember({"all", "quick"}))
      ->type_name("all|quick");
  command.add_option("--filter", options.filter, "Of these, the cases in whose name this is found")->type_name("REGEX");
  command.add_flag("--json", options.json, "A JSON object a line in place of the table");
  command.add_option("--out", options.out, "A file for the JSON objects, beside the table")->type_name("FILE");
  command.add_option("--commit", options.commit, "Of the sources, for the JSON objects ($RAGTIME_COMMIT)")->type_name("ID");
  command.add_option("--driver", options.driver, "Of the GPU, likewise (what CUDA says)")->type_name("VERSION");
  add_text(command, "--min-time", "SECONDS", "Least time of a repetition (0.05)",
           [&options](const std::string& text) {
             options.timing.seconds = number_from("--min-time", text, 1e-6, 60);
           });
  add_number(command, "--repetitions", "N", "Of each case; the median counts (5)", 1'000,
             [&options](std::int64_t number) { options.timing.repetitions = static_cast<int>(number); });
}

}  // namespace ragtime::benchmarks
