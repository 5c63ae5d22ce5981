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

CLI::Option* add_number(CLI::App& tool, const std::string& name, const std::string& type,
                        const std::string& help, std::int64_t most,
                        const std::function<void(std::int64_t)>& set) {
  return add_text(tool, name, type, help,
                  [=](const std::string& text) { set(integer_from(name, text, most)); });
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
  constexpr std::int64_t most_of_cut = 1'024;
  const auto cut = [&choice] { return choice.cut.value_or(LstmCut{}); };
  add_number(tool, "--cluster", "C", "lstm, CUDA: the persistent kernel in clusters of C thread blocks",
             most_of_cut, [&choice, cut](std::int64_t number) {
               choice.cut = LstmCut{static_cast<int>(number), cut().slots};
             });
  add_number(tool, "--slots", "S", "lstm, CUDA: the persistent kernel with S sequences at once in a cluster",
             most_of_cut, [&choice, cut](std::int64_t number) {
               choice.cut = LstmCut{cut().cluster, static_cast<int>(number)};
             });
  tool.add_flag("--sweep", choice.sweep, "lstm, CUDA: every cut of the persistent kernel besides");
}

}  // namespace

void add_options(CLI::App& tool, Options& options) {
  std::vector<std::string> names;
  for (const Operation& operation : operations()) names.push_back(operation.name);
  tool.add_option("operation", options.operation, "What to measure (everything)")
      ->check(CLI::IsMember(names))
      ->type_name("OPERATION");
  add_shape(tool, options.choice.shape);
  add_choice(tool, options.choice);
  std::vector<std::string> devices = {"auto", "cpu", "cuda"};
  for (const std::string& built : backends_built())
    if (std::find(devices.begin(), devices.end(), built) == devices.end()) devices.push_back(built);
  tool.add_option("--device", options.device, "Where; auto takes CUDA when it is built in and a GPU is there")
      ->check(CLI::IsMember(devices))
      ->type_name("NAME")
      ->capture_default_str();
  tool.add_option("--probe", options.probe, "What device_probe wrote of this device: for the floor")
      ->type_name("FILE");
  tool.add_flag("--list", options.list,
                "Say what there is to choose from on the device, and measure nothing");
  tool.add_flag("--json", options.json, "A JSON object a line in place of the table");
  add_text(tool, "--min-time", "SECONDS", "Least time of a repetition (0.05)",
           [&options](const std::string& text) {
             options.timing.seconds = number_from("--min-time", text, 1e-6, 60);
           });
  add_number(tool, "--repetitions", "N", "Of each case; the median counts (5)", 1'000,
             [&options](std::int64_t number) { options.timing.repetitions = static_cast<int>(number); });
}

}  // namespace ragtime::benchmarks
