// ragtime synth: a synthetic cohort to try everything on.

#include "host/tool/data/synth.hpp"

#include <cstdio>

#include "host/base/check.hpp"
#include "host/tool/cli/commands.hpp"
#include "host/tool/cli/interrupt.hpp"
#include "host/tool/cli/progress.hpp"

namespace ragtime::cli {

Command add_synth(CLI::App& tool) {
  const auto options = std::make_shared<SynthOptions>();
  CLI::App* command = tool.add_subcommand("synth", "Write a synthetic cohort in Synthea's CSV format");
  command->add_option("--patients", options->patients, "How many, 1 to 10 million")
      ->type_name("N")
      ->required();
  command->add_option("--out", options->out, "The folder to write; must not hold anything")
      ->type_name("DIR")
      ->required();
  add_seed_option(*command, options->seed, "The same seed gives the same bytes");
  command->footer(
      concat("The cohort has conditions with their medications and procedures, chronic ones that come back, "
             "few codes in most\n"
             "visits and few visits for most patients, and something to learn: ",
             synth_target_name, " (", synth_target_code,
             ") follows\nfrom four risk conditions. No real person and no real frequency is in it."));
  return {command, [options] {
            check_usage([&] {
              check(options->patients >= 1 && options->patients <= most_synth_patients,
                    ErrorCode::invalid_argument, "--patients is ", options->patients, ": expected 1 to ",
                    most_synth_patients);
            });
            const SynthSummary summary = interruptible([&](const InterruptNote& interrupt) {
              return write_synthetic_cohort(*options, [&](std::int64_t done) {
                interrupt.check();
                show_progress("synth", done, options->patients, with_separators(done) + " patients");
              });
            });
            clear_progress();
            std::printf("%s: %s patients, %s visits, %s rows; %s patients have %s (%s)\n",
                        options->out.c_str(), with_separators(summary.patients).c_str(),
                        with_separators(summary.visits).c_str(), with_separators(summary.rows).c_str(),
                        with_separators(summary.target_patients).c_str(),
                        std::string(synth_target_code).c_str(), std::string(synth_target_name).c_str());
            return 0;
          }};
}

}  // namespace ragtime::cli
