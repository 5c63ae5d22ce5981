#include "host/tool/cli/train_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "host/base/check.hpp"
#include "host/tool/cli/commands.hpp"
#include "host/tool/cli/progress.hpp"
#include "host/tool/cli/read_data.hpp"
#include "host/tool/train/evaluate_model.hpp"
#include "host/tool/train/history_length.hpp"

namespace ragtime::cli {
namespace {

std::string rate_text(double rows_per_second) {
  return with_separators(std::llround(rows_per_second));
}

std::string epoch_label(const TrainProgress& progress) {
  return concat("epoch ", progress.epoch, "/", progress.epochs);
}

int width_of(const Metric& metric) {
  return static_cast<int>(std::max<std::size_t>(metric.name.size(), 8));
}

}  // namespace

void TrainReport::on_batch(const TrainProgress& progress) {
  progress_ = progress;
  const auto epochs_after = static_cast<double>(progress.epochs - progress.epoch);
  const auto rows_left = static_cast<double>(progress.total_rows - progress.rows);
  const auto rows_an_epoch = static_cast<double>(progress.total_rows);
  const double rate = progress.rows_per_second;
  show_progress(epoch_label(progress), progress.batch, progress.batches,
                concat(rate_text(rate), " rows/s, ETA ", as_duration(rows_left / rate), ", all epochs ",
                       as_duration((rows_left + epochs_after * rows_an_epoch) / rate)));
}

void TrainReport::on_validation() {
  show_progress(epoch_label(progress_), 1, 1, "validating");
}

void TrainReport::on_epoch(const EpochRecord& record, double rows_per_second, bool best) {
  clear_progress();
  if (!has_header_) {
    std::printf("%6s %11s %11s", "epoch", "train loss", "valid loss");
    for (const Metric& metric : record.metrics) std::printf("  %*s", width_of(metric), metric.name.c_str());
    std::printf(" %11s\n", "rows/s");
    has_header_ = true;
  }
  std::printf("%6lld %11.5g %11.5g", static_cast<long long>(record.epoch), record.train_loss,
              record.validation_loss);
  for (const Metric& metric : record.metrics) {
    if (metric.value)
      std::printf("  %*.4f", width_of(metric), *metric.value);
    else
      std::printf("  %*s", width_of(metric), "-");
  }
  std::printf(" %11s%s\n", rate_text(rows_per_second).c_str(), best ? "  best" : "");
  std::fflush(stdout);
}

namespace {

std::string count(std::int64_t number) {
  return with_separators(number);
}

void say(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
}

// A line of a table: indented by two spaces a level, the number right-aligned.
void say_count(int level, const std::string& what, std::int64_t number, const std::string& more = "") {
  std::fprintf(stderr, "%*s%-*s %10s%s\n", 2 * level, "", 44 - 2 * level, what.c_str(), count(number).c_str(),
               more.c_str());
}

std::string days(double number) {
  return concat(number, number == 1 ? " day" : " days");
}

std::string window_text(const TaskOptions& task) {
  std::string text =
      concat("whether ", task.label_code, " occurs in the ", days(task.horizon_days), " after ");
  if (task.gap_days > 0) text += concat(days(task.gap_days), " from ");
  return text + "the prediction time";
}

std::string observation_text(const TaskOptions& task, const Cohort& cohort) {
  switch (task.observed_until.rule) {
    case ObservationRule::data:
      return concat("until ", to_text(cohort.last_time), ", the last time in the data");
    case ObservationRule::record:
      return "each until the end of their own last visit; biased where the code ends records";
    case ObservationRule::date:
      return concat("until ", to_text(cohort.end_of(task.observed_until.date)));
    case ObservationRule::file:
      return concat("each until the time in ", task.observed_until.text);
  }
  return {};
}

void say_flow(const TrainingData& data, const TrainOptions& options) {
  const TaskOptions& task = options.task;
  const ExampleFlow& flow = data.examples.flow;
  say(concat("Prediction: ", to_sentence(task.predict_at), ", from everything known by then"));
  say("Label: " + window_text(task));
  say("Observed: " + observation_text(task, data.cohort));
  say_count(1, "patients read", flow.patients);
  say_count(2, "without history, left out", flow.without_history);
  say_count(1, "prediction times with a history", flow.times);
  say_count(2, task.label_code + " by then, left out", flow.code_before);
  say_count(2, "not observed to the end, left out", flow.unobserved);
  say_count(2, "used", flow.used, concat(" of ", count(flow.used_patients), " patients"));
  say_count(3, "positive", flow.positives);
}

void say_label_file(const TrainingData& data, const TrainOptions& options, const LabelTable& labels) {
  const ExampleSet& set = data.examples;
  const std::string& file = options.task.labels_file;
  if (!labels.has_times)
    warn(concat(file, " has no prediction times: the whole record of each patient is input, also what ",
                "happened after the label was known; expected the columns subject_id,prediction_time"));
  if (labels.null_values > 0)
    warn(concat(count(labels.null_values), " lines of ", file, " have no value, left out"));
  if (labels.duplicates > 0)
    warn(concat(count(labels.duplicates), " lines of ", file, " repeat an earlier one, left out"));
  if (set.unmatched_labels > 0)
    warn(concat(count(set.unmatched_labels), labels.has_times ? " labels of " : " patients of ", file,
                " are not in the data"));
  if (set.labels_before_data > 0)
    warn(concat(count(set.labels_before_data), " labels of ", file,
                " are of a time before the patient's first visit, left out"));
  if (set.unlabelled > 0)
    say(concat(count(set.unlabelled), " patients have no label in ", file, ", left out"));
}

void say_excluded(const Cohort& cohort, const CodePatterns& excluded) {
  const auto matches = [&](const CodePatterns& patterns) {
    return std::count_if(cohort.code_names.begin(), cohort.code_names.end(),
                         [&](const std::string& code) { return patterns.match(code); });
  };
  if (excluded.patterns().empty()) return;
  say(concat(count(matches(excluded)), " codes are excluded from the input"));
  for (const std::string& pattern : excluded.patterns())
    if (matches(CodePatterns({pattern})) == 0)
      warn(concat("--exclude-codes names ", pattern, ": no code of the data is or begins so"));
}

void say_parts(const TrainingData& data, const TrainOptions& options) {
  const Task task = data.config.task;
  const bool binary = task == Task::binary_classification || task == Task::visit_binary;
  for (const Part part : all_parts) {
    if (data.split.part(part).empty()) continue;
    const TargetCount targets = count_targets(data.examples, data.split.part(part));
    if (binary)
      say_count(1, name_of(part), targets.targets, concat(", ", count(targets.positives), " positive"));
  }
  if (data.split.unmatched > 0)
    warn(concat(count(data.split.unmatched), " patients of ", options.split.file, " are not in the data"));
  if (data.split.without_part > 0)
    warn(concat(count(data.split.without_part), " examples are of patients that ", options.split.file,
                " does not name, left out"));
}

// An argument as a shell takes it.
std::string quoted(const std::string& argument) {
  if (argument.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,=@+%") == std::string::npos &&
      !argument.empty())
    return argument;
  std::string text = "'";
  for (const char character : argument) text += character == '\'' ? "'\\''" : std::string(1, character);
  return text + "'";
}

std::string metric_text(const Metric& metric) {
  char number[32] = "not defined";
  if (metric.value) std::snprintf(number, sizeof number, "%.4f", *metric.value);
  return metric.name + " " + number;
}

}  // namespace

void say_what_is_learned(const TrainingData& data, const TrainingFiles& files, const TrainOptions& options) {
  const ExampleSet& set = data.examples;
  if (set.observation.unmatched > 0)
    warn(concat(count(set.observation.unmatched), " patients of ", options.task.observed_until.text,
                " are not in the data"));
  if (set.observation.without_end > 0)
    warn(concat(count(set.observation.without_end), " patients are not in ", options.task.observed_until.text,
                ": nobody knows until when they were observed, left out"));
  if (has_window(options.task)) say_flow(data, options);
  if (set.event_at_first_visit > 0)
    say(concat(count(set.event_at_first_visit), " patients have ", options.task.label_code,
               " in their first visit: nothing to learn from, left out"));
  if (set.uninformative > 0)
    say(concat(count(set.uninformative), " patients have no visit with a target, left out"));
  if (!options.task.labels_file.empty()) say_label_file(data, options, files.task.labels);
  say_excluded(data.cohort, options.exclude_codes);
  say_parts(data, options);
  for (const std::string& warning : split_warnings(set, data.split)) warn(warning);
  const std::string rare =
      data.rare_codes == 0
          ? ""
          : concat(" (and ", count(data.rare_codes),
                   data.rare_codes == 1 ? " rare code that is [UNK])" : " rare codes that are [UNK])");
  std::string parts =
      concat(count(static_cast<std::int64_t>(data.split.training.size())), " sequences to train, ",
             count(static_cast<std::int64_t>(data.split.validation.size())), " to validate");
  if (!data.split.test.empty())
    parts += concat(", ", count(static_cast<std::int64_t>(data.split.test.size())), " to test");
  say(concat(name_of(data.config.task), ": ", parts, "; vocabulary ", count(data.config.vocab_size), rare,
             "; ", count(parameter_count(data.config)), " parameters"));
}

void print_rules(const std::vector<RuleSummary>& rules, const TaskOptions& options) {
  clear_progress();
  say(concat("\nThe label is ", window_text(options),
             " (--horizon-days, --gap-days).\nAn example is used if ",
             "the patient has a visit by that time, no ", options.label_code,
             " by then, and is observed to the end of the window.\n"));
  std::fprintf(stderr, "  %-17s %9s %9s %9s   %s\n", "--predict-at", "examples", "patients", "positive",
               "median history");
  const RuleSummary* best = nullptr;
  for (const RuleSummary& rule : rules) {
    std::fprintf(stderr, "  %-17s %9s %9s %9s   %s visits, %.0f days\n", rule.predict_at.text.c_str(),
                 count(rule.flow.used).c_str(), count(rule.flow.used_patients).c_str(),
                 count(rule.flow.positives).c_str(), count(rule.median_visits).c_str(), rule.median_days);
    if (best == nullptr || rule.flow.positives > best->flow.positives) best = &rule;
  }
  say("\nvisit:N, days:N and date:YYYY-MM-DD take other numbers and dates too. The command for each:\n");
  for (const RuleSummary& rule : rules) {
    std::string command = "  ragtime";
    for (const std::string& argument : command_line()) command += " " + quoted(argument);
    say(command + " --predict-at " + rule.predict_at.text);
  }
  if (best != nullptr && best->flow.positives == 0)
    warn("no rule has a positive example: a longer --horizon-days, or another code, may have some");
  say("");
}

void print_results(const EpochRecord& best, const TrainingData& data, const TrainOptions& options,
                   const std::shared_ptr<Backend>& backend) {
  const Task task = data.config.task;
  const auto by_length = [&](std::span<const std::int32_t> indices) -> std::string {
    if (task != Task::binary_classification && task != Task::visit_binary) return "";
    const auto of = [&](HistoryLength length) {
      return metric_text(
          {"auroc", history_length_auroc(data.cohort, data.examples, length, data.split.training, indices)});
    };
    return "; the length of the history alone has " + of(HistoryLength::visits) + " (visits), " +
           of(HistoryLength::days) + " (days)";
  };
  const auto print = [&](const char* part, const std::vector<Metric>& metrics, const std::string& more) {
    std::string text;
    for (const Metric& metric : metrics) text += (text.empty() ? "" : ", ") + metric_text(metric);
    std::printf("%-10s %s%s\n", part, text.c_str(), more.c_str());
  };
  print("Validation", best.metrics, by_length(data.split.validation));
  if (data.split.test.empty()) return;
  print("Test", evaluate_model(data, options, Part::test, backend).metrics, by_length(data.split.test));
}

}  // namespace ragtime::cli
