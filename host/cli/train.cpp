// ragtime train: from a cohort to a model directory.

#include <unistd.h>

#include <cstdio>
#include <optional>

#include "host/cli/commands.hpp"
#include "host/cli/compute_options.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/read_data.hpp"
#include "host/cli/train_report.hpp"
#include "host/core/check.hpp"
#include "host/train/run_folder.hpp"
#include "host/train/trainer.hpp"
#include "ragtime/backend.hpp"

namespace ragtime::cli {
namespace {

// As they stand on the command line.
struct TrainArguments {
  TrainOptions options;
  std::string data;
  std::string task;
  std::string preset = "small";
  std::string aggregation = name_of(PoolMode::mean);
  ComputeOptions compute;
  std::optional<std::int64_t> embedding_dim, hidden_dim, num_layers, batch_size, batch_rows;
  std::optional<double> horizon_days;
};

TrainOptions resolve(const TrainArguments& arguments) {
  TrainOptions options = arguments.options;
  options.precision = arguments.compute.precision;
  options.data = arguments.data;
  options.task.task = task_from_name(arguments.task);
  options.task.horizon_days = arguments.horizon_days.value_or(default_horizon_days);
  check(!arguments.horizon_days || options.task.task == Task::visit_binary, ErrorCode::invalid_argument,
        "--horizon-days with --task ", arguments.task, ": only visit_binary looks ahead so many days");
  const ModelConfig sizes = preset(arguments.preset);
  options.model.embedding_dim = arguments.embedding_dim.value_or(sizes.embedding_dim);
  options.model.hidden_dim = arguments.hidden_dim.value_or(sizes.hidden_dim);
  options.model.num_layers = arguments.num_layers.value_or(sizes.num_layers);
  for (const PoolMode mode : {PoolMode::mean, PoolMode::sum, PoolMode::max, PoolMode::attention})
    if (arguments.aggregation == name_of(mode)) options.model.visit_aggregation = mode;
  if (arguments.batch_rows) {
    options.batch_rows = *arguments.batch_rows;
    options.batch_size = arguments.batch_size.value_or(0);
  } else if (arguments.batch_size) {
    options.batch_size = *arguments.batch_size;
  }
  validate(options);
  return options;
}

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

int finish(TrainEnd end, const History& history, const TrainOptions& options) {
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
  return 0;
}

int run(const TrainArguments& arguments) {
  TrainOptions options;
  check_usage([&] { options = resolve(arguments); });
  const auto backend = make_backend(arguments.compute);
  const RunFolder folder(options);
  Cohort cohort = read_data(options.data, {.tables = options.tables});
  std::vector<PatientLabel> labels;
  if (!options.task.labels_file.empty()) labels = read_labels(options.task.labels_file);
  const auto data = prepare_training(std::move(cohort), labels, options);
  check_memory(data->config);
  say_what_is_learned(*data, options);

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
  return finish(end, trainer.history(), options);
}

void add_target_options(CLI::App& command, TrainArguments& arguments) {
  TaskOptions& task = arguments.options.task;
  command
      .add_option("--task", arguments.task,
                  "binary_classification, multi_class, regression (one prediction a patient), next_visit, "
                  "visit_binary "
                  "or survival (one a visit)")
      ->type_name("TASK")
      ->required();
  command
      .add_option("--label-code", task.label_code,
                  "The code to predict: binary_classification (whether it will occur), visit_binary (within "
                  "--horizon-days), survival (when)")
      ->type_name("CODE");
  command
      .add_option("--labels", task.labels_file,
                  "A CSV file patient_id,label: 0 or 1 for binary_classification, 0 to K-1 for multi_class, "
                  "numbers for "
                  "regression")
      ->type_name("FILE");
  command
      .add_option("--horizon-days", arguments.horizon_days,
                  concat("visit_binary: how far ahead to look (", default_horizon_days, ")"))
      ->type_name("D");
}

void add_model_options(CLI::App& command, TrainArguments& arguments) {
  command
      .add_option(
          "--preset", arguments.preset,
          "Sizes: small (embedding 128, hidden 256, 1 layer), medium (256, 512, 2), large (512, 1024, 3)")
      ->check(CLI::IsMember({"small", "medium", "large"}))
      ->type_name("NAME")
      ->capture_default_str();
  command.add_option("--embedding-dim", arguments.embedding_dim, "Instead of the preset's")->type_name("E");
  command.add_option("--hidden-dim", arguments.hidden_dim, "Instead of the preset's")->type_name("H");
  command.add_option("--num-layers", arguments.num_layers, "Instead of the preset's")->type_name("L");
  command.add_option("--aggregation", arguments.aggregation, "How the codes of a visit become one vector")
      ->check(CLI::IsMember({"mean", "sum", "max", "attention"}))
      ->type_name("NAME")
      ->capture_default_str();
  command
      .add_flag("--bidirectional", arguments.options.model.bidirectional,
                "Read the visits backwards too; patient-level tasks only")
      ->disable_flag_override();
  command
      .add_option("--dropout", arguments.options.model.dropout,
                  "After pooling, between layers and before the head")
      ->type_name("P")
      ->capture_default_str();
}

void add_run_options(CLI::App& command, TrainArguments& arguments) {
  TrainOptions& options = arguments.options;
  command.add_option("--epochs", options.epochs, "At most this many")->type_name("N")->capture_default_str();
  command.add_option("--batch-size", arguments.batch_size, "Patients a batch (64)")->type_name("B");
  command
      .add_option("--batch-rows", arguments.batch_rows,
                  "Visits a batch, instead of --batch-size: even memory")
      ->type_name("R");
  command.add_option("--lr", options.optimizer.learning_rate, "Learning rate of AdamW")
      ->type_name("X")
      ->capture_default_str();
  command.add_option("--weight-decay", options.optimizer.weight_decay, "Of AdamW")
      ->type_name("X")
      ->capture_default_str();
  command.add_option("--clip", options.optimizer.clip_norm, "Largest norm of the gradient; 0: no clipping")
      ->type_name("X")
      ->capture_default_str();
  command
      .add_option("--patience", options.patience,
                  "Epochs without a better validation loss before it ends; 0: never")
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--validation", options.validation, "Share of the patients to validate on")
      ->type_name("X")
      ->capture_default_str();
  add_seed_option(command, options.seed, "Of parameters, split, shuffles and dropout: same seed, same bits");
  add_compute_options(command, arguments.compute);
  command.add_flag("--resume", options.resume, "Go on where a run in --out was interrupted; same options")
      ->disable_flag_override();
}

}  // namespace

Command add_train(CLI::App& tool) {
  const auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command =
      tool.add_subcommand("train", "Train a model on patient histories, into a model directory");
  add_data_options(*command, arguments->data, arguments->options.tables, true);
  add_target_options(*command, *arguments);
  command->add_option("--out", arguments->options.out, "The model directory to write: that of the best epoch")
      ->type_name("DIR")
      ->required();
  add_model_options(*command, *arguments);
  add_run_options(*command, *arguments);
  command->footer(
      "Examples:\n"
      "  who will get diabetes, from the visits before it:\n"
      "    ragtime train --data cohort --task binary_classification --label-code 44054006 --out model\n"
      "  the codes of each next visit:\n"
      "    ragtime train --data cohort --task next_visit --out model\n"
      "  at each visit, whether a code comes within 90 days:\n"
      "    ragtime train --data cohort --task visit_binary --label-code 44054006 --horizon-days 90 --out "
      "model\n"
      "  from labels of your own:\n"
      "    ragtime train --data events.csv --task regression --labels labels.csv --out model\n"
      "\n"
      "binary_classification with --label-code is causal: only visits before the code's first are input. "
      "Ctrl-C keeps\n"
      "where the run stands; the same command with --resume ends with the same bits as if nothing had "
      "happened.");
  return {command, [arguments] { return run(*arguments); }};
}

}  // namespace ragtime::cli
