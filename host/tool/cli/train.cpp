// ragtime train: from a cohort to a model directory.

#include <unistd.h>

#include <cstdio>

#include "host/base/check.hpp"
#include "host/tool/cli/commands.hpp"
#include "host/tool/cli/progress.hpp"
#include "host/tool/cli/train_arguments.hpp"
#include "host/tool/cli/train_report.hpp"
#include "host/tool/train/prediction_rules.hpp"
#include "host/tool/train/run_folder.hpp"
#include "host/tool/train/trainer.hpp"
#include "ragtime/backend.hpp"

namespace ragtime::cli {
namespace {

// Asked before anything is allocated: an allocation the system grants but cannot keep would end in its
// killing us.
void check_memory(const ModelConfig& config) {
  constexpr double arrays =
      10;  // parameters, gradients, two moments, and twice three while a checkpoint is written
  const double needed = arrays * sizeof(float) * static_cast<double>(parameter_count(config));
  const double there =
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  check(there <= 0 || needed <= there, ErrorCode::out_of_memory, "the model has ",
        with_separators(parameter_count(config)), " parameters, and training them takes ", needed / 1e9,
        " GB, more than the ", there / 1e9,
        " GB of this machine: expected a smaller --hidden-dim, --embedding-dim, "
        "--num-layers or vocabulary");
}

// A single row with a wrong year would have everybody observed until then, and make negatives of those who
// are not.
void check_observation(const TrainArguments& arguments, const TaskOptions& task, const ReadReport& read) {
  if (!has_window(task) || arguments.observed_until || read.future_times.rows == 0) return;
  fail(ErrorCode::invalid_argument, with_separators(read.future_times.rows),
       " rows have a time after today, the first at ", read.future_times.first,
       ": the last time in the data may not be the end of observation; expected --observed-until, such as ",
       "date:YYYY-MM-DD, or data if it is");
}

int finish(TrainEnd end, const History& history, const TrainingData& data, const TrainOptions& options,
           const std::shared_ptr<Backend>& backend) {
  clear_progress();
  if (end == TrainEnd::interrupted) {
    std::fprintf(stderr, "interrupted; the same command with --resume goes on from here\n");
    return 1;
  }
  const EpochRecord& best = history.epochs[history.best_epoch - 1];
  if (end == TrainEnd::stopped_early)
    std::printf("No better validation loss for %lld epochs: stopped.\n",
                static_cast<long long>(options.patience));
  std::printf("Best epoch %lld, validation loss %.5g. The model is %s; its curves are %s\n",
              static_cast<long long>(best.epoch), best.validation_loss, options.out.c_str(),
              (options.out / "history.svg").c_str());
  print_results(best, data, options, backend);
  return 0;
}

int run(const TrainArguments& arguments) {
  TrainOptions options;
  check_usage([&] { options = resolve(arguments); });
  read_exclude_codes(arguments, options);
  const auto backend = make_backend(arguments.compute);
  RunFolder folder(options);  // locked until the end
  ReadReport read;
  Cohort cohort = read_data(arguments.data, Encounters::if_there, &read);
  options.tables_read = read.tables;
  if (!read.tables.empty()) options.encounters = read.encounters ? Encounters::required : Encounters::ignored;
  check_observation(arguments, options.task, read);
  const TrainingFiles files = read_training_files(options);
  if (has_window(options.task) && options.task.predict_at.rule == PredictionRule::none) {
    print_rules(summarize_rules(cohort, options.task, files.task, options.seed), options.task);
    throw UsageError(
        "--predict-at is missing: with --label-code it says when a prediction is made, and the table above "
        "what each rule makes of these data");
  }
  const auto data = prepare_training(std::move(cohort), files, options);
  check_memory(data->config);
  say_what_is_learned(*data, files, options);

  TrainReport report;  // from here on an interrupt is one of the run
  folder.create();
  Trainer trainer(backend, *data, options);
  if (options.resume) {
    const auto done = static_cast<long long>(trainer.history().epochs.size());
    if (trainer.resumed())
      std::fprintf(stderr, "Going on after %lld whole epochs\n", done);
    else
      std::fprintf(stderr, "%s holds no checkpoint yet: beginning at the first epoch\n", options.out.c_str());
  }
  const TrainEnd end = trainer.run(report);
  if (trainer.skipped_steps() > 0)
    warn(concat(trainer.skipped_steps(), " steps had a gradient that was not finite, and were skipped"));
  return finish(end, trainer.history(), *data, options, backend);
}

}  // namespace

Command add_train(CLI::App& tool) {
  const auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command =
      tool.add_subcommand("train", "Train a model on patient histories, into a model directory");
  add_train_arguments(*command, *arguments);
  command->footer(
      "Examples:\n"
      "  at each visit, whether a code comes within a year, with a test part:\n"
      "    ragtime train --data cohort --task visit_binary --label-code 44054006 --split 0.7,0.15,0.15 --out "
      "model\n"
      "  the same once for each patient, 90 days after the first visit:\n"
      "    ragtime train --data cohort --task binary_classification --label-code 44054006 --predict-at "
      "days:90 "
      "--out model\n"
      "  labels of your own, each with its prediction time:\n"
      "    ragtime train --data events.csv --task binary_classification --labels labels.csv --out model\n"
      "  the codes of each next visit:\n"
      "    ragtime train --data cohort --task next_visit --out model\n"
      "\n"
      "A prediction at time t sees what was known by t; a prediction at a visit is made at the end of that "
      "visit's day. With\n"
      "--label-code X an example is used if the patient has a visit by t, no X by t, and is observed to the "
      "end of the\n"
      "window (t + G, t + G + D]; its label is whether X occurs there. Ctrl-C keeps where the run stands; "
      "the same command\n"
      "with --resume ends with the same bits as if nothing had happened. docs/training.md has it at length.");
  return {command, [arguments] { return run(*arguments); }};
}

}  // namespace ragtime::cli
