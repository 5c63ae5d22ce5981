#include <cmath>
#include <filesystem>

#include "host/base/check.hpp"
#include "host/tool/train/tasks.hpp"

namespace ragtime {
namespace {

template <class... Parts>
void require(bool condition, const Parts&... parts) {
  check(condition, ErrorCode::invalid_argument, parts...);
}

void check_window(const TaskOptions& options) {
  const char* task = name_of(options.task);
  const PredictAt& at = options.predict_at;
  if (!has_window(options)) {
    require(at.rule == PredictionRule::none, "--predict-at is ", at.text, " with --task ", task,
            options.labels_file.empty() ? "" : " and --labels",
            ": expected it with --label-code alone, and binary_classification or visit_binary");
    return;
  }
  require(at.rule != PredictionRule::none, "--task ", task,
          " with --label-code needs --predict-at, which says when a prediction is made: visit:N, days:N, ",
          "date:YYYY-MM-DD, visits or sample:P");
  require(options.task != Task::visit_binary || is_at_visits(at.rule), "--predict-at is ", at.text,
          " with --task ", task, ", which predicts at visits: expected visits, sample:P or visit:N");
  require(std::isfinite(options.horizon_days) && options.horizon_days > 0 && options.horizon_days <= 1e6,
          "--horizon-days is ", options.horizon_days, ": expected a number above 0, at most 1000000");
  require(std::isfinite(options.gap_days) && options.gap_days >= 0 && options.gap_days <= 1e6,
          "--gap-days is ", options.gap_days, ": expected a number from 0 to 1000000");
}

}  // namespace

bool has_window(const TaskOptions& options) {
  return options.task == Task::visit_binary ||
         (options.task == Task::binary_classification && !options.label_code.empty());
}

void validate(const TaskOptions& options) {
  const bool code = !options.label_code.empty();
  const bool file = !options.labels_file.empty();
  const char* task = name_of(options.task);
  require(!(code && file), "--label-code and --labels are both given: expected one of them");
  switch (options.task) {
    case Task::binary_classification:
      require(code || file, "--task ", task, " needs --label-code or --labels");
      break;
    case Task::multi_class:
    case Task::regression:
      require(file && !code, "--task ", task,
              " needs --labels, a file of subject_id,prediction_time and a value, or of patient_id,label");
      break;
    case Task::visit_binary:
    case Task::survival:
      require(code && !file, "--task ", task, " needs --label-code, the code to foresee");
      break;
    case Task::next_visit:
      require(!code && !file, "--task ", task,
              " learns from the visits alone: expected neither --label-code nor --labels");
      break;
  }
  check_window(options);
  require(!options.before || file, "--before without --labels: expected a label file with prediction times");
}

TaskFiles read_task_files(const TaskOptions& options) {
  TaskFiles files;
  if (!options.labels_file.empty()) files.labels = read_labels(options.labels_file);
  if (has_window(options) && options.observed_until.rule == ObservationRule::file) {
    const std::string& file = options.observed_until.text;
    require(std::filesystem::exists(file), "--observed-until is ", file,
            ", which is no file: expected data, record, date:YYYY-MM-DD or a file subject_id,time");
    files.observed_until = read_patient_times(file);
  }
  return files;
}

}  // namespace ragtime
