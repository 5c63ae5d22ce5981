// ragtime predict: a model directory, a cohort, a CSV file.

#include "host/tool/train/predict.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "host/base/check.hpp"
#include "host/base/excerpt.hpp"
#include "host/tool/cli/commands.hpp"
#include "host/tool/cli/compute_options.hpp"
#include "host/tool/cli/interrupt.hpp"
#include "host/tool/cli/progress.hpp"
#include "host/tool/cli/read_data.hpp"
#include "host/tool/train/train_options.hpp"
#include "ragtime/backend.hpp"
#include "ragtime/model_directory.hpp"

namespace ragtime::cli {
namespace {

struct PredictOptions {
  std::filesystem::path model;
  DataOptions data;
  std::optional<VisitBy> visit_by;
  std::optional<std::string> at;
  std::string labels_file;
  bool before = false;
  std::filesystem::path out;
  ComputeOptions compute;
};

// What training wrote down; a model from elsewhere has no training.json, and then there is nothing to repeat.
TrainingFile read_training(const std::filesystem::path& folder, Task task) {
  const std::filesystem::path file = folder / "training.json";
  TrainingFile training;
  training.task.task = task;
  if (!std::filesystem::exists(file)) return training;
  training = read_training_file(file);
  check(training.task.task == task, ErrorCode::parse_error, file.string(), " is about task ",
        name_of(training.task.task), ", but config.json about ", name_of(task));
  return training;
}

// The tables of training, unless others are asked for: the model knows nothing of what others would add.
Cohort read_as_trained(const PredictOptions& options, const TrainingFile& training) {
  DataOptions data = options.data;
  data.visit_by = options.visit_by.value_or(training.visit_by);
  Encounters encounters = Encounters::if_there;
  if (std::filesystem::is_directory(data.data)) {
    encounters = training.encounters;
    if (data.tables.empty()) data.tables = training.tables;
  }
  return read_data(data, encounters);
}

// Throws Error(invalid_argument) on a time that is none.
std::optional<Timestamp> given_time(const PredictOptions& options) {
  if (!options.at) return std::nullopt;
  Timestamp time;
  check(parse_timestamp(*options.at, time), ErrorCode::invalid_argument, "--at is ", excerpt(*options.at),
        ": expected a time such as 2020-01-31, which means its end, or 2020-01-31T10:20:30Z");
  return time;
}

// The last moment that is input. Before a date is before it begins anywhere in the data.
Time time_limit(const Cohort& cohort, const PredictOptions& options) {
  const auto time = given_time(options);
  if (!time) return last_time_of_all;
  if (!options.before) return cohort.end_of(*time);
  return time->time - (time->date_only ? std::max<Time>(cohort.east_offset, 0) : 0) - 1;
}

ExampleSet examples_of(const Cohort& cohort, const PredictOptions& options, TaskOptions task) {
  if (options.labels_file.empty()) {
    ExampleSet set = prediction_examples(cohort, task, time_limit(cohort, options));
    const std::int64_t without = cohort.patients() - static_cast<std::int64_t>(set.examples.size());
    if (without > 0)
      warn(concat(with_separators(without), " patients have no visit by ", *options.at, ", left out"));
    return set;
  }
  task.before = task.before || options.before;
  task.labels_file = options.labels_file;
  const LabelTable labels = read_labels(options.labels_file, LabelValues::ignored);
  ExampleSet set = prediction_examples(cohort, task, labels);
  if (labels.duplicates > 0)
    warn(concat(with_separators(labels.duplicates), " lines of ", options.labels_file,
                " repeat a patient and time, left out"));
  if (set.unmatched_labels > 0)
    warn(concat(with_separators(set.unmatched_labels), " labels of ", options.labels_file,
                " are of patients that are not in the data, left out"));
  if (set.labels_before_data > 0)
    warn(concat(with_separators(set.labels_before_data), " labels of ", options.labels_file,
                " are of a time before the patient's first visit, left out"));
  return set;
}

// The part of each patient, where training was given --split or --split-file.
std::unordered_map<std::string, Part> read_parts(const std::filesystem::path& model) {
  std::unordered_map<std::string, Part> parts;
  for (PatientPart& entry : read_patient_parts(model / "splits.csv"))
    parts.emplace(std::move(entry.patient_id), entry.part);
  return parts;
}

void check_options(const PredictOptions& options) {
  check_usage([&] {
    check(!options.at || options.labels_file.empty(), ErrorCode::invalid_argument,
          "--at and --labels both say when: expected one of them");
    check(!options.before || options.at || !options.labels_file.empty(), ErrorCode::invalid_argument,
          "--before without --at or --labels: expected the time that it is about");
    given_time(options);
  });
}

int run(PredictOptions options) {
  check_options(options);
  if (options.out == "-") options.out = "/dev/stdout";
  const auto backend = make_backend(options.compute);
  const Precision precision = options.compute.precision;
  VisitLstm model = read_model(options.model, backend, dtype_of(precision), precision == Precision::tf32);
  const Vocabulary vocabulary = Vocabulary::read(options.model / "vocabulary.txt");
  check(vocabulary.size() == model.config().vocab_size, ErrorCode::shape_mismatch,
        (options.model / "vocabulary.txt").string(), " has ", vocabulary.size(),
        " codes, but vocab_size in config.json is ", model.config().vocab_size, ": expected the same");
  const Task task = model.config().task;
  const TrainingFile training = read_training(options.model, task);
  std::unordered_map<std::string, Part> parts;
  if (training.split.is_explicit) parts = read_parts(options.model);

  const Cohort cohort = read_as_trained(options, training);
  const EncodedCohort encoded = encode(cohort, vocabulary, training.exclude_codes);
  const ExampleSet examples = examples_of(cohort, options, training.task);
  if (encoded.unknown_codes > 0)
    std::fprintf(stderr, "%s codes are not in the model's vocabulary: %s\n",
                 with_separators(encoded.unknown_codes).c_str(),
                 vocabulary.find(Vocabulary::unknown) >= 0 ? "[UNK]" : "left out");
  if (encoded.unknown_codes > 0 && encoded.unknown_codes == static_cast<std::int64_t>(cohort.codes.size()))
    warn("the model knows none of the codes of this data: is it the right data?");

  PredictionColumns columns;
  columns.prediction_time = !examples.time_texts.empty();
  columns.time_text = options.at.value_or("");
  columns.parts = training.split.is_explicit ? &parts : nullptr;
  const auto total = static_cast<std::int64_t>(examples.examples.size());
  const PredictionSummary summary = interruptible([&](const InterruptNote& interrupt) {
    return write_predictions(model, backend, encoded, examples, options.out, columns, [&](std::int64_t done) {
      interrupt.check();
      show_progress("predict", done, total, with_separators(done) + " sequences");
    });
  });
  clear_progress();
  std::fprintf(
      stderr, "%s: %s %s, %s lines\n", options.out.c_str(), with_separators(summary.examples).c_str(),
      columns.prediction_time ? "prediction times" : "patients", with_separators(summary.lines).c_str());
  return 0;
}

}  // namespace

Command add_predict(CLI::App& tool) {
  const auto options = std::make_shared<PredictOptions>();
  CLI::App* command =
      tool.add_subcommand("predict", "Predict for every patient of a cohort, into a CSV file");
  command
      ->add_option(
          "--model", options->model,
          "A model directory: what ragtime train wrote, or config.json, model.safetensors and vocabulary.txt "
          "from PyTorch")
      ->type_name("DIR")
      ->required();
  add_data_options(*command, options->data, true);
  command
      ->add_option(
          "--at", options->at,
          "Predict from what was known by this time, instead of from all visits; a date means its end")
      ->type_name("TIME");
  command
      ->add_option("--labels", options->labels_file,
                   "Predict at the times of a CSV file subject_id,prediction_time; its values are not read")
      ->type_name("FILE");
  command
      ->add_flag("--before", options->before,
                 "What happened at that very time is no input; also where training was told so")
      ->disable_flag_override();
  command->add_option("--out", options->out, "The file to write; - for standard output")
      ->type_name("FILE.csv")
      ->required();
  add_compute_options(*command, options->compute);
  command->footer(
      "Patient-level tasks give patient_id,p0[,p1...], one line per patient; visit-level ones "
      "patient_id,visit,p0[,...],\n"
      "one line per visit, counted from 0. With --at or --labels there is a column prediction_time, and one "
      "line for each.\n"
      "Where training was given --split or --split-file, a column part says train, validation or test. p are "
      "probabilities\n"
      "(survival: of the event at the next visit; regression: the number itself). All visits are input, or "
      "those by the\n"
      "given time; --visit-by, tables and excluded codes are those of training unless said otherwise. A "
      "table that training\n"
      "read and that is missing is an error, others are ignored. The file appears whole or not at all; what "
      "is said about\n"
      "it goes to standard error.");
  return {command, [options, command] {
            if (command->count("--visit-by") > 0) options->visit_by = options->data.visit_by;
            return run(*options);
          }};
}

}  // namespace ragtime::cli
