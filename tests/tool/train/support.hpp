#pragma once

// What the tests of training share: a cohort that something can be learned from in seconds, options of a run
// small enough to repeat many times, observers that stop it, and the bytes it leaves.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "host/base/atomic_file.hpp"
#include "host/tool/train/trainer.hpp"
#include "tests/support/operation_test.hpp"
#include "tests/tool/train/cohorts.hpp"

namespace ragtime::test {

// 40 patients of 2 to 7 visits, of whom those with code A get code X at the last one.
inline Cohort learnable_cohort(int patient_count = 40) {
  Numbers numbers(11);
  std::vector<std::pair<std::string, std::vector<VisitOnDay>>> patients;
  for (int p = 0; p < patient_count; ++p) {
    const bool positive = numbers.integer(0, 1) == 1;
    std::vector<VisitOnDay> visits;
    const std::int64_t count = numbers.integer(2, 7);
    for (std::int64_t t = 0; t < count; ++t) {
      visits.push_back({30 * t, {static_cast<std::int32_t>(numbers.integer(1, 6))}});
      if (positive && t == 0) visits.back().codes.insert(visits.back().codes.begin(), 0);
      if (positive && t == count - 1) visits.back().codes.push_back(7);
    }
    patients.emplace_back("p" + std::to_string(100 + p), visits);
  }
  return make_cohort(patients, {"A", "B", "C", "D", "E", "F", "G", "X"});
}

// Numbers that suit every task with labels.
inline std::vector<PatientLabel> labels_of(const Cohort& cohort, int classes = 2) {
  std::vector<PatientLabel> labels;
  for (const std::string& id : cohort.patient_ids)
    labels.push_back({id, static_cast<double>(static_cast<int>(labels.size()) % classes)});
  return labels;
}

// A label file of whole records.
inline TrainingFiles files_of(std::vector<PatientLabel> labels) {
  TrainingFiles files;
  files.task.labels.labels = std::move(labels);
  return files;
}

inline TaskOptions task_options(Task task) {
  TaskOptions options{.task = task, .horizon_days = 45};
  if (task == Task::multi_class || task == Task::regression)
    options.labels_file = "labels.csv";
  else if (task != Task::next_visit)
    options.label_code = "X";
  if (task == Task::visit_binary) options.predict_at = predict_at_from_text("visits");
  if (task == Task::binary_classification) {
    options.predict_at = predict_at_from_text("days:60");  // from the first two or three visits
    options.horizon_days = 120;                            // to the end of the longest history
  }
  return options;
}

inline TrainOptions small_run(const std::filesystem::path& out, Task task = Task::binary_classification) {
  TrainOptions options;
  options.out = out;
  options.task = task_options(task);
  options.model.embedding_dim = 4;
  options.model.hidden_dim = 5;
  options.model.dropout = 0.3;
  options.optimizer.learning_rate = 0.02;
  options.epochs = 3;
  options.batch_size = 8;
  options.patience = 0;
  options.split.validation = 0.3;
  options.seed = 4;
  return options;
}

inline std::unique_ptr<TrainingData> small_data(const TrainOptions& options, int patients = 40) {
  Cohort cohort = learnable_cohort(patients);
  TrainingFiles files;
  if (!options.task.labels_file.empty()) files = files_of(labels_of(cohort));
  return prepare_training(std::move(cohort), files, options);
}

// Asks to stop once this many batches of the part are done.
class StopAfter : public TrainObserver {
 public:
  explicit StopAfter(std::int64_t batches) : left_(batches) {}
  void on_batch(const TrainProgress&) override { --left_; }
  bool stop_requested() override { return left_ <= 0; }

 private:
  std::int64_t left_;
};

using FolderContent = std::map<std::string, std::string>;

inline FolderContent content_of(const std::filesystem::path& folder) {
  FolderContent content;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    content[entry.path().filename().string()] = read_file(entry.path());
  return content;
}

inline testing::AssertionResult same_files(const FolderContent& actual, const FolderContent& expected) {
  for (const auto& [name, bytes] : expected) {
    if (!actual.contains(name)) return testing::AssertionFailure() << name << " is missing";
    if (actual.at(name) != bytes) return testing::AssertionFailure() << name << " differs";
  }
  for (const auto& [name, bytes] : actual)
    if (!expected.contains(name)) return testing::AssertionFailure() << name << " is one too many";
  return testing::AssertionSuccess();
}

}  // namespace ragtime::test
