#include "host/cli/train_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "host/cli/progress.hpp"
#include "host/cli/read_data.hpp"
#include "host/core/check.hpp"

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

void say_what_is_learned(const TrainingData& data, const TrainOptions& options) {
  const ExampleSet& set = data.examples;
  const auto count = [](std::int64_t number) { return with_separators(number); };
  const std::string code = options.task.label_code;
  if (set.event_at_first_visit > 0)
    std::fprintf(stderr, "%s patients have %s in their first visit: nothing to learn from, left out\n",
                 count(set.event_at_first_visit).c_str(), code.c_str());
  if (set.uninformative > 0)
    std::fprintf(stderr, "%s patients have no visit with a target, left out\n",
                 count(set.uninformative).c_str());
  if (set.unmatched_labels > 0)
    warn(concat(count(set.unmatched_labels), " patients of ", options.task.labels_file,
                " are not in the data"));
  if (set.unlabelled > 0)
    std::fprintf(stderr, "%s patients have no label in %s, left out\n", count(set.unlabelled).c_str(),
                 options.task.labels_file.c_str());
  const std::string warning = split_warning(data.cohort, set, data.split);
  if (!warning.empty()) warn(warning);
  std::fprintf(stderr, "%s: %s patients to train, %s to validate; vocabulary %s; %s parameters\n",
               name_of(data.config.task),
               count(static_cast<std::int64_t>(data.split.training.size())).c_str(),
               count(static_cast<std::int64_t>(data.split.validation.size())).c_str(),
               count(data.config.vocab_size).c_str(), count(parameter_count(data.config)).c_str());
}

}  // namespace ragtime::cli
