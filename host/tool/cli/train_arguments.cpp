#include "host/tool/cli/train_arguments.hpp"

#include <cmath>

#include "host/base/check.hpp"
#include "host/tool/cli/commands.hpp"

namespace ragtime::cli {
namespace {

template <class... Parts>
void require(bool condition, const Parts&... parts) {
  check(condition, ErrorCode::invalid_argument, parts...);
}

void resolve_task(const TrainArguments& arguments, TaskOptions& task) {
  task.task = task_from_name(arguments.task);
  if (arguments.predict_at)
    task.predict_at = predict_at_from_text(*arguments.predict_at);
  else if (task.task == Task::visit_binary)
    task.predict_at = predict_at_from_text("visits");  // what its name says
  if (arguments.observed_until) task.observed_until = observed_until_from_text(*arguments.observed_until);
  task.horizon_days = arguments.horizon_days.value_or(task.horizon_days);
  task.gap_days = arguments.gap_days.value_or(task.gap_days);
  if (has_window(task)) return;
  const std::pair<bool, const char*> of_a_window[] = {
      {arguments.horizon_days.has_value(), "--horizon-days"},
      {arguments.gap_days.has_value(), "--gap-days"},
      {arguments.observed_until.has_value(), "--observed-until"}};
  for (const auto& [given, option] : of_a_window)
    require(!given, option, " with --task ", arguments.task, task.labels_file.empty() ? "" : " and --labels",
            ": only binary_classification with --label-code and visit_binary look ahead so many days");
}

void resolve_split(const TrainArguments& arguments, SplitOptions& split) {
  const int ways =
      (arguments.validation ? 1 : 0) + (arguments.split.empty() ? 0 : 1) + (arguments.split_file ? 1 : 0);
  require(ways <= 1, "--validation, --split and --split-file all say who trains: expected one of them");
  split.validation = arguments.validation.value_or(split.validation);
  if (!arguments.split.empty()) {
    double sum = 0;
    std::string text;
    for (const double share : arguments.split) {
      text += (text.empty() ? "" : ",") + concat(share);
      sum += share;
      require(std::isfinite(share) && share >= 0, "--split has the share ", share, ": expected 0 to 1");
    }
    const bool has_size = arguments.split.size() == 2 || arguments.split.size() == 3;
    require(has_size && std::abs(sum - 1) < 1e-9, "--split is ", text,
            ": expected the shares of training, validation and test, which add up to 1, such as 0.8,0.1,0.1");
    split.validation = arguments.split[1];
    split.test = arguments.split.size() == 3 ? arguments.split[2] : 0;
    split.is_explicit = true;
  }
  if (arguments.split_file) {
    split.file = *arguments.split_file;
    split.is_explicit = true;
  }
}

void add_target_options(CLI::App& command, TrainArguments& arguments) {
  TaskOptions& task = arguments.options.task;
  command
      .add_option("--task", arguments.task,
                  "binary_classification, multi_class, regression (one prediction per sequence), next_visit, "
                  "visit_binary or survival (one per visit)")
      ->type_name("TASK")
      ->required();
  command
      .add_option("--label-code", task.label_code,
                  "The code X to predict: binary_classification and visit_binary (whether it occurs in the "
                  "window after each prediction), survival (when)")
      ->type_name("X");
  command
      .add_option(
          "--predict-at", arguments.predict_at,
          "With --label-code: when a prediction is made. visit:N (the N-th visit), days:N (N days "
          "after the first visit), date:YYYY-MM-DD, visits (every visit) or sample:P (each visit with "
          "probability P). Without it, a table of what each would make of the data")
      ->type_name("RULE");
  command
      .add_option("--horizon-days", arguments.horizon_days,
                  concat("The label is whether X occurs in the D days after a prediction (",
                         default_horizon_days, ")"))
      ->type_name("D");
  command.add_option("--gap-days", arguments.gap_days, "The D days begin G days after the prediction (0)")
      ->type_name("G");
  command
      .add_option("--observed-until", arguments.observed_until,
                  "Until when patients are observed: data (the last time in the data; who has no further "
                  "visit had no X), record (each until their own last visit: biased where X ends records), "
                  "date:YYYY-MM-DD, or a CSV file subject_id,time")
      ->type_name("WHEN")
      ->default_str("data");
  command
      .add_option("--labels", task.labels_file,
                  "Instead of --label-code: a CSV file in the MEDS label schema (subject_id, prediction_time "
                  "and one of boolean_value, integer_value, float_value, categorical_value), or "
                  "patient_id,label, whose input is the whole record. 0 or 1 for binary_classification, 0 to "
                  "K-1 or categories for multi_class, numbers for regression")
      ->type_name("FILE");
  command
      .add_flag("--before", task.before,
                "With --labels: only what happened before prediction_time is input, not what happened at it")
      ->disable_flag_override();
  command
      .add_option("--exclude-codes", arguments.exclude_codes,
                  "Codes that are no input, such as the treatments of X: a list A,B,C, beginnings as in "
                  "'BILLING//*', or @FILE with one per line")
      ->type_name("CODES")
      ->delimiter(',');
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
  command
      .add_option("--min-code-count", arguments.options.min_code_count,
                  "Codes that fewer training patients have become [UNK], which so is trained; 0: none")
      ->type_name("N")
      ->capture_default_str();
  command
      .add_option("--code-dropout", arguments.options.code_dropout,
                  "Each code of a training batch becomes [UNK] with this probability")
      ->type_name("P")
      ->capture_default_str();
}

void add_run_options(CLI::App& command, TrainArguments& arguments) {
  TrainOptions& options = arguments.options;
  command.add_option("--epochs", options.epochs, "At most this many")->type_name("N")->capture_default_str();
  command.add_option("--batch-size", arguments.batch_size, "Sequences per batch (64)")->type_name("B");
  command
      .add_option("--batch-rows", arguments.batch_rows,
                  "Visits per batch, instead of --batch-size: even memory")
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
  command
      .add_option("--split", arguments.split,
                  "Shares of the patients that train, validate and test, such as 0.8,0.1,0.1")
      ->type_name("A,B,C")
      ->delimiter(',');
  command
      .add_option("--split-file", arguments.split_file,
                  "Instead: a CSV file subject_id,part with train, validation or test")
      ->type_name("FILE");
  command
      .add_option("--validation", arguments.validation,
                  concat("Instead: the share of the patients that validate (", options.split.validation,
                         "); the others train"))
      ->type_name("X");
  add_seed_option(command, options.seed,
                  "Of parameters, split, sample:P, shuffles and dropout: same seed, same bits");
  add_compute_options(command, arguments.compute);
  command.add_flag("--resume", options.resume, "Go on where a run in --out was interrupted; same options")
      ->disable_flag_override();
}

// Everything else is checked as if there was a prediction time.
void validate_but_for_time(TrainOptions options) {
  if (has_window(options.task) && options.task.predict_at.rule == PredictionRule::none)
    options.task.predict_at = predict_at_from_text("visits");
  validate(options);
}

}  // namespace

void add_train_arguments(CLI::App& command, TrainArguments& arguments) {
  add_data_options(command, arguments.data, true);
  add_target_options(command, arguments);
  command.add_option("--out", arguments.options.out, "The model directory to write: that of the best epoch")
      ->type_name("DIR")
      ->required();
  add_model_options(command, arguments);
  add_run_options(command, arguments);
}

TrainOptions resolve(const TrainArguments& arguments) {
  TrainOptions options = arguments.options;
  options.precision = arguments.compute.precision;
  options.data = arguments.data.data;
  options.tables = arguments.data.tables;
  options.visit_by = arguments.data.visit_by;
  for (const std::string& pattern : arguments.exclude_codes)
    if (!pattern.starts_with('@')) static_cast<void>(CodePatterns({pattern}));
  resolve_task(arguments, options.task);
  resolve_split(arguments, options.split);
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
  validate_but_for_time(options);
  return options;
}

void read_exclude_codes(const TrainArguments& arguments, TrainOptions& options) {
  options.exclude_codes = read_code_patterns(arguments.exclude_codes);
  validate_but_for_time(options);
}

}  // namespace ragtime::cli
