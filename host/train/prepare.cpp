// From a cohort to everything a run computes on.

#include <algorithm>
#include <bit>

#include "host/core/check.hpp"
#include "host/train/trainer.hpp"

namespace ragtime {
namespace {

// The codes of the training patients, in string order.
Vocabulary make_vocabulary(const TrainingData& data) {
  std::vector<std::uint8_t> seen(data.cohort.code_names.size());
  for (const std::int32_t index : data.split.training) {
    const std::int64_t patient = data.examples.examples[index].patient;
    const std::int64_t begin = data.cohort.code_offsets[data.cohort.visit_offsets[patient]];
    const std::int64_t end = data.cohort.code_offsets[data.cohort.visit_offsets[patient + 1]];
    for (std::int64_t i = begin; i < end; ++i) seen[data.cohort.codes[i]] = 1;
  }
  std::vector<std::string> codes;
  for (std::size_t i = 0; i < seen.size(); ++i)
    if (seen[i]) codes.push_back(data.cohort.code_names[i]);
  return Vocabulary::from_codes(codes);
}

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
    print.add(std::bit_cast<std::uint64_t>(example.label));
  }
  return print.value();
}

}  // namespace

std::unique_ptr<TrainingData> prepare_training(Cohort cohort, std::span<const PatientLabel> labels,
                                               const TrainOptions& options) {
  auto data = std::make_unique<TrainingData>();
  data->cohort = std::move(cohort);
  data->examples = training_examples(data->cohort, options.task, labels);
  data->split = split_examples(data->cohort, data->examples, options.validation, options.seed);
  data->vocabulary = make_vocabulary(*data);
  data->encoded = encode(data->cohort, data->vocabulary);
  data->config = options.model;
  data->config.task = options.task.task;
  data->config.vocab_size = data->vocabulary.size();
  data->config.output_dim = 1;
  if (data->config.task == Task::multi_class)
    data->config.output_dim = std::max<std::int64_t>(data->examples.classes, 2);
  if (data->config.task == Task::next_visit) data->config.output_dim = data->config.vocab_size;
  data->config.padding_idx = 0;
  validate(data->config);
  data->fingerprint = fingerprint(*data);
  return data;
}

}  // namespace ragtime
