// ragtime info: what this build can do, how ragged a cohort is, and by what algorithm an LSTM runs.

#include <cstdio>

#include "host/base/check.hpp"
#include "host/tool/cli/commands.hpp"
#include "host/tool/cli/plan_options.hpp"
#include "host/tool/cli/read_data.hpp"
#include "host/tool/data/statistics.hpp"
#include "ragtime/backend.hpp"
#include "ragtime/lstm_choice.hpp"

namespace ragtime::cli {
namespace {

struct InfoOptions {
  DataOptions data;
  std::int64_t batch_size = 64;
  std::string plan;
  std::string device_model;
  bool measure = false;
};

void print_backends() {
  std::string names;
  for (const std::string& name : backends_built()) names += (names.empty() ? "" : ", ") + name;
  std::printf("ragtime %s\nbackends    %s\n", RAGTIME_VERSION, names.c_str());
  for (const std::string& name : backends_built()) {
    try {
      std::printf("device      %s\n", make_backend(name)->description().c_str());
    } catch (const Error& problem) {
      std::printf("device      %s: %s\n", name.c_str(), problem.what());
    }
  }
}

int measure() {
  const auto backend = make_backend("cuda");
  std::fprintf(stderr, "%s\n", backend->description().c_str());
  const auto path = measure_lstm(
      backend, {}, [](const std::string& what) { std::fprintf(stderr, "measuring %s\n", what.c_str()); });
  std::printf("%s\n", path.c_str());
  return 0;
}

int run(const InfoOptions& options) {
  check_usage([&] {
    check(options.batch_size > 0, ErrorCode::invalid_argument, "--batch-size is ", options.batch_size,
          ": expected 1 or more");
    const bool has_data = !options.data.data.empty();
    check(options.data.tables.empty() || has_data, ErrorCode::invalid_argument,
          "--tables without --data: expected the folder they are in");
    check(has_data || (!options.data.strict && options.data.visit_by == VisitBy::day),
          ErrorCode::invalid_argument, options.data.strict ? "--strict" : "--visit-by",
          " without --data: expected the data to read");
    const int questions = (has_data ? 1 : 0) + (options.plan.empty() ? 0 : 1) + (options.measure ? 1 : 0);
    check(questions <= 1, ErrorCode::invalid_argument,
          "--data, --plan and --measure ask for different things: expected one of them");
    check(options.device_model.empty() || !options.plan.empty(), ErrorCode::invalid_argument,
          "--device-model without --plan: expected the plan that it is about");
    if (!options.plan.empty()) plan_from_text(options.plan);
  });
  if (options.measure) return measure();
  if (!options.plan.empty()) {
    std::printf("%s", plan_text(options.plan, options.device_model).c_str());
    return 0;
  }
  if (options.data.data.empty()) {
    print_backends();
    return 0;
  }
  // Whatever may fail, before the first line of the answer.
  const std::string text = to_text(ragged_statistics(read_data(options.data), options.batch_size));
  print_backends();
  std::printf("\n%s", text.c_str());
  return 0;
}

}  // namespace

Command add_info(CLI::App& tool) {
  const auto options = std::make_shared<InfoOptions>();
  CLI::App* command =
      tool.add_subcommand("info",
                          "Show version, backends and devices; with --data how ragged a cohort is, with "
                          "--plan how an LSTM would run");
  add_data_options(*command, options->data, false);
  command
      ->add_option("--batch-size", options->batch_size,
                   "Patients in the padded batches that are compared with")
      ->type_name("B")
      ->capture_default_str();
  command
      ->add_option("--plan", options->plan,
                   "An LSTM: what would run it, what else could, and what each is "
                   "expected to take")
      ->type_name("KEY=VALUE,...");
  command
      ->add_option("--device-model", options->device_model,
                   "With --plan: on this device, which need not be there")
      ->check(CLI::IsMember(lstm_device_models()))
      ->type_name("NAME");
  command->add_flag(
      "--measure", options->measure,
      "Measure on the GPU what steps of an LSTM cost and keep it for the choice, in a file under "
      "$RAGTIME_CACHE_DIR, else $XDG_CACHE_HOME/ragtime, else ~/.cache/ragtime");
  command->footer(
      std::string(
          "With --data it prints quantiles of visits per patient and codes per visit, and which share of a "
          "padded batch\n"
          "would be real: the rest is what padding costs, in memory and in time.\n"
          "\n"
          "Keys of --plan, and what they are when they are not given:\n") +
      plan_keys());
  return {command, [options] { return run(*options); }};
}

}  // namespace ragtime::cli
