// From a cohort to everything a run computes on.

#include <algorithm>
#include <bit>

#include "host/base/check.hpp"
#include "host/tool/train/trainer.hpp"
#include "host/tool/train/unknown_codes.hpp"

namespace ragtime {
namespace {

// 64 bits a step: splitmix64's finaliser over a running value.
class Fingerprint {
 public:
  void add(std::uint64_t value) {
    value_ = (value_ ^ value) + 0x9E3779B97F4A7C15;
    value_ = (value_ ^ value_ >> 30) * 0xBF58476D1CE4E5B9;
    value_ = (value_ ^ value_ >> 27) * 0x94D049BB133111EB;
    value_ ^= value_ >> 31;
  }
  void add(std::string_view text) {
    add(text.size());
    for (const char byte : text) add(static_cast<std::uint64_t>(static_cast<unsigned char>(byte)));
  }
  template <class T>
  void add_all(const std::vector<T>& values) {
    add(values.size());
    for (const T& value : values) add(static_cast<std::uint64_t>(value));
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

std::uint64_t fingerprint(const TrainingData& data) {
  Fingerprint print;
  for (const std::string& id : data.cohort.patient_ids) print.add(id);
  for (const std::string& name : data.cohort.code_names) print.add(name);
  print.add_all(data.cohort.visit_offsets);
  print.add_all(data.cohort.visit_times);
  print.add_all(data.cohort.visit_ends);
  print.add_all(data.cohort.code_times);
  print.add(static_cast<std::uint64_t>(data.cohort.last_time));
  print.add_all(data.cohort.code_offsets);
  print.add_all(data.cohort.codes);
  for (const Example& example : data.examples.examples) {
    print.add(static_cast<std::uint64_t>(example.patient));
    print.add(static_cast<std::uint64_t>(example.visits));
    print.add(static_cast<std::uint64_t>(example.until));
    print.add(std::bit_cast<std::uint64_t>(example.label));
  }
  print.add_all(data.examples.row_values);
  print.add_all(data.examples.row_weights);
  for (const PatientPart& entry : data.split.patients) {
    print.add(entry.patient_id);
    print.add(static_cast<std::uint64_t>(entry.part));
  }
  return print.value();
}

}  // namespace

TrainingFiles read_training_files(const TrainOptions& options) {
  TrainingFiles files;
  files.task = read_task_files(options.task);
  if (!options.split.file.empty()) files.parts = read_patient_parts(options.split.file);
  return files;
}

std::unique_ptr<TrainingData> prepare_training(Cohort cohort, const TrainingFiles& files,
                                               const TrainOptions& options) {
  auto data = std::make_unique<TrainingData>();
  data->cohort = std::move(cohort);
  data->examples = training_examples(data->cohort, options.task, files.task, options.seed);
  data->split = split_examples(data->cohort, data->examples, options.split, files.parts, options.seed);
  TrainingVocabulary made = training_vocabulary(data->cohort, data->examples, data->split.training,
                                                options.min_code_count, options.exclude_codes);
  data->vocabulary = std::move(made.vocabulary);
  data->rare_codes = made.rare_codes;
  data->encoded = encode(data->cohort, data->vocabulary, options.exclude_codes);
  data->config = options.model;
  data->config.task = options.task.task;
  data->config.vocab_size = data->vocabulary.size();
  data->config.output_dim = 1;
  if (data->config.task == Task::multi_class)
    data->config.output_dim = std::max<std::int64_t>(data->examples.classes, 2);
  if (data->config.task == Task::next_visit) data->config.output_dim = data->config.vocab_size;
  data->config.padding_idx = 0;
  validate(data->config);
  data->training = training_file(options);
  data->training.class_names = data->examples.class_names;
  data->fingerprint = fingerprint(*data);
  return data;
}

}  // namespace ragtime
