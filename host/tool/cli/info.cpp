// ragtime info: what this build can do, and how ragged a cohort is.

#include <cstdio>

#include "host/base/check.hpp"
#include "host/tool/cli/commands.hpp"
#include "host/tool/cli/read_data.hpp"
#include "host/tool/data/statistics.hpp"
#include "ragtime/backend.hpp"

namespace ragtime::cli {
namespace {

struct InfoOptions {
  DataOptions data;
  std::int64_t batch_size = 64;
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
  });
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
                          "Show version, backends and devices; with --data how ragged a cohort is");
  add_data_options(*command, options->data, false);
  command
      ->add_option("--batch-size", options->batch_size,
                   "Patients in the padded batches that are compared with")
      ->type_name("B")
      ->capture_default_str();
  command->footer(
      "With --data it prints quantiles of visits per patient and codes per visit, and which share of a "
      "padded batch\n"
      "would be real: the rest is what padding costs, in memory and in time.");
  return {command, [options] { return run(*options); }};
}

}  // namespace ragtime::cli
