// The statistical test of prediction times, on cohorts of 24,000 patients of whom it is known what can be
// foreseen. Patients enter on random days and are observed until the same day; visits and the code X are
// Poisson processes. Where they are independent, no model can know anything: the validation AUROC of every
// rule must be 0.5. Where some patients have both more often, the number of visits tells something, and a
// model that sees nothing else must not know more than that. Before prediction times were chosen without a
// look at the label, the tool reported 0.82 here.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "host/tool/train/history_length.hpp"
#include "host/tool/train/trainer.hpp"
#include "tests/support/operation_test.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/tool/train/cohorts.hpp"

namespace ragtime {
namespace {

constexpr std::int64_t first_day = 14610, last_day = first_day + 4 * 365;
constexpr double margin = 0.03;

enum class World {
  independent,  // codes at random
  frail         // a tenfold range of rates, the same for visits and for X; every visit has the same code
};

class Poisson {
 public:
  Poisson(test::Numbers& numbers, double per_year) : numbers_(numbers), per_day_(per_year / 365) {}
  double gap() { return -std::log(1 - numbers_.uniform(0, 1)) / per_day_; }

 private:
  test::Numbers& numbers_;
  double per_day_;
};

Cohort draw_cohort(World world) {
  test::Numbers numbers(31);
  std::vector<std::pair<std::string, std::vector<test::VisitOnDay>>> patients;
  for (int p = 0; p < 24'000; ++p) {
    const double frailty = world == World::frail ? std::exp(numbers.uniform(-1.15, 1.15)) : 1;
    std::map<std::int64_t, std::set<std::int32_t>> days;
    const double entry = first_day + numbers.uniform(0, 3 * 365);
    Poisson visits(numbers, 2.5 * frailty), code(numbers, 0.3 * frailty);
    for (double day = entry; day <= last_day; day += visits.gap())
      days[static_cast<std::int64_t>(day)].insert(
          world == World::frail ? 0 : static_cast<std::int32_t>(numbers.integer(0, 3)));
    for (double day = entry + code.gap(); day <= last_day; day += code.gap())
      days[static_cast<std::int64_t>(day)].insert(4);
    std::vector<test::VisitOnDay> history;
    for (const auto& [day, codes] : days) history.push_back({day, {codes.begin(), codes.end()}});
    patients.emplace_back("p" + std::to_string(100'000 + p), std::move(history));
  }
  return test::make_cohort(patients, {"A", "B", "C", "D", "X"});
}

const Cohort& cohort_of(World world) {
  static std::map<World, Cohort> cohorts;
  auto found = cohorts.find(world);
  if (found == cohorts.end()) found = cohorts.emplace(world, draw_cohort(world)).first;
  return found->second;
}

struct Case {
  World world;
  Task task;
  const char* rule;  // or "labels": a label file with a time and a value for each patient
};

void PrintTo(const Case& given, std::ostream* out) {
  *out << name_of(given.task) << " " << given.rule
       << (given.world == World::frail ? ", frail" : ", independent");
}

// 200 days after the first visit: does X occur in the year from there?
LabelTable labels_of(const Cohort& cohort) {
  LabelTable table;
  table.has_times = true;
  for (std::int64_t patient = 0; patient < cohort.patients(); ++patient) {
    const std::int64_t first = cohort.visit_offsets[patient], end = cohort.visit_offsets[patient + 1];
    const Time time = cohort.visit_times[first] + 200 * time_per_day;
    bool before = false, after = false;
    for (std::int64_t visit = first; visit < end; ++visit) {
      const auto codes = cohort.visit_codes(visit);
      if (!std::binary_search(codes.begin(), codes.end(), 4)) continue;
      const Time when = cohort.visit_times[visit];
      before = before || when <= time;
      after = after || (when > time && when <= time + 365 * time_per_day);
    }
    if (before || time + 365 * time_per_day > test::end_of_day(last_day)) continue;
    table.labels.push_back({cohort.patient_ids[patient], after ? 1.0 : 0.0, time, "then"});
  }
  return table;
}

double auroc_of(const EpochRecord& record) {
  const auto found = std::find_if(record.metrics.begin(), record.metrics.end(),
                                  [](const Metric& metric) { return metric.name == "auroc"; });
  return found->value.value();
}

class WindowLeak : public testing::TestWithParam<Case> {};

TEST_P(WindowLeak, TheModelKnowsNothingThatCannotBeKnown) {
  const auto& [world, task, rule] = GetParam();
  const TemporaryFolder folder;
  TrainOptions options;
  options.out = folder.path() / "model";
  options.task.task = task;
  TrainingFiles files;
  if (rule == std::string("labels")) {
    options.task.labels_file = "labels.csv";
    files.task.labels = labels_of(cohort_of(world));
  } else {
    options.task.label_code = "X";
    options.task.predict_at = predict_at_from_text(rule);
  }
  options.model.embedding_dim = 4;
  options.model.hidden_dim = 8;
  options.batch_size = 0;
  options.batch_rows = 2048;
  options.optimizer.learning_rate = 0.01;
  options.epochs = 2;
  options.split.validation = 0.5;
  std::filesystem::create_directory(options.out);
  const auto data = prepare_training(cohort_of(world), files, options);
  const TargetCount validation = count_targets(data->examples, data->split.validation);
  ASSERT_GT(validation.positives, 500) << "too few to tell 0.5 from 0.53";
  ASSERT_GT(validation.targets - validation.positives, 500);

  Trainer trainer(make_backend("cpu"), *data, options);
  TrainObserver observer;
  trainer.run(observer);
  const double model = auroc_of(trainer.history().epochs.back());
  const double by_length = history_length_auroc(data->cohort, data->examples, HistoryLength::visits,
                                                data->split.training, data->split.validation)
                               .value();
  std::printf("%d positives of %d: model %.4f, length of the history %.4f\n",
              static_cast<int>(validation.positives), static_cast<int>(validation.targets), model, by_length);
  if (world == World::independent)
    EXPECT_NEAR(model, 0.5, margin);
  else
    EXPECT_LT(model, by_length + margin);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const World world : {World::independent, World::frail}) {
    for (const char* rule :
         {"visit:1", "visit:3", "days:200", "date:2012-06-30", "visits", "sample:0.2", "labels"})
      all.push_back({world, Task::binary_classification, rule});
    for (const char* rule : {"visits", "sample:0.2", "visit:3"})
      all.push_back({world, Task::visit_binary, rule});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Each, WindowLeak, testing::ValuesIn(cases()),
                         [](const auto& given) { return "Case" + std::to_string(given.index); });

}  // namespace
}  // namespace ragtime
