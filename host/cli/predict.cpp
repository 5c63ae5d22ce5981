// ragtime predict: a model directory, a cohort, a CSV file.

#include "host/train/predict.hpp"

#include <cstdio>

#include "host/cli/commands.hpp"
#include "host/cli/compute_options.hpp"
#include "host/cli/progress.hpp"
#include "host/cli/read_data.hpp"
#include "host/core/check.hpp"
#include "host/train/train_options.hpp"
#include "ragtime/backend.hpp"
#include "ragtime/model_directory.hpp"

namespace ragtime::cli {
namespace {

struct PredictOptions {
  std::filesystem::path model;
  DataOptions data;
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

int run(PredictOptions options) {
  const auto backend = make_backend(options.compute);
  const Precision precision = options.compute.precision;
  VisitLstm model = read_model(options.model, backend, dtype_of(precision), precision == Precision::tf32);
  const Vocabulary vocabulary = Vocabulary::read(options.model / "vocabulary.txt");
  check(vocabulary.size() == model.config().vocab_size, ErrorCode::shape_mismatch,
        (options.model / "vocabulary.txt").string(), " has ", vocabulary.size(),
        " codes, but vocab_size in config.json is ", model.config().vocab_size, ": expected the same");
  const TrainingFile training = read_training(options.model, model.config().task);
  if (options.data.tables.empty() && std::filesystem::is_directory(options.data.data))
    options.data.tables = training.tables;

  const Cohort cohort = read_data(options.data);
  const EncodedCohort encoded = encode(cohort, vocabulary);
  const ExampleSet examples = prediction_examples(cohort, training.task);
  const std::int64_t left_out = cohort.patients() - static_cast<std::int64_t>(examples.examples.size());
  if (left_out > 0)
    std::fprintf(stderr,
                 "%s patients have %s in their first visit already: nothing to predict from, left out\n",
                 with_separators(left_out).c_str(), training.task.label_code.c_str());
  if (encoded.unknown_codes > 0)
    std::fprintf(stderr, "%s codes are not in the model's vocabulary: %s\n",
                 with_separators(encoded.unknown_codes).c_str(),
                 vocabulary.find(Vocabulary::unknown) >= 0 ? "[UNK]" : "left out");
  if (encoded.unknown_codes > 0 && encoded.unknown_codes == static_cast<std::int64_t>(cohort.codes.size()))
    warn("the model knows none of the codes of this data: is it the right data?");

  const auto total = static_cast<std::int64_t>(examples.examples.size());
  const PredictionSummary summary = write_predictions(
      model, backend, encoded, examples, options.out,
      [&](std::int64_t done) { show_progress("predict", done, total, with_separators(done) + " patients"); });
  clear_progress();
  std::fprintf(stderr, "%s: %s patients, %s lines\n", options.out.c_str(),
               with_separators(summary.patients).c_str(), with_separators(summary.lines).c_str());
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
  command->add_option("--out", options->out, "The file to write; /dev/stdout for standard output")
      ->type_name("FILE.csv")
      ->required();
  add_compute_options(*command, options->compute);
  command->footer(
      "Patient-level tasks give patient_id,p0[,p1...], one line a patient; visit-level ones "
      "patient_id,visit,p0[,...],\n"
      "one line a visit, counted from 0. p are probabilities (survival: of the event at the next visit; "
      "regression: the\n"
      "number itself). A model trained with binary_classification --label-code C sees the visits before C "
      "alone, here\n"
      "as in training; patients with C in their first visit are left out. Without --tables the tables of "
      "training are\n"
      "read. The file appears whole or not at all; what is said about it goes to standard error.");
  return {command, [options] { return run(*options); }};
}

}  // namespace ragtime::cli
