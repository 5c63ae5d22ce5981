// Metrics of every task against answers worked out by hand, and evaluation of a model: the loss is the mean
// over valid elements however the examples are batched, nothing is dropped and no parameter moves.

#include "host/tool/train/evaluate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "tests/model/support.hpp"
#include "tests/support/operation_test.hpp"
#include "tests/tool/train/cohorts.hpp"

namespace ragtime {
namespace {

using test::make_cohort;
using test::nan;
using test::OnBackend;
using test::same_bits;

struct Part {
  RaggedBatch batch;
  HostTargets targets;
  std::vector<float> logits;
};

// "auroc 0.75, accuracy -": 12 digits, so that a failure can be read.
std::string text_of(const std::vector<Metric>& metrics) {
  std::ostringstream text;
  text.precision(12);
  for (const Metric& metric : metrics) {
    text << (text.tellp() > 0 ? ", " : "") << metric.name << ' ';
    metric.value ? text << *metric.value : text << '-';
  }
  return text.str();
}

std::string metrics_of(Task task, const std::vector<Part>& parts) {
  MetricCollector collector(task);
  for (const Part& part : parts) collector.add(part.batch, part.targets, part.logits);
  return text_of(collector.finish());
}

Part binary(std::vector<float> labels, std::vector<float> logits, std::vector<float> weights = {}) {
  Part part;
  part.targets.values = std::move(labels);
  part.targets.row_weight = std::move(weights);
  part.logits = std::move(logits);
  return part;
}

std::string binary_metrics(std::optional<double> auroc, std::optional<double> precision,
                           std::optional<double> accuracy) {
  return text_of({{"auroc", auroc}, {"average_precision", precision}, {"accuracy", accuracy}});
}

TEST(Metrics, OfBinaryTasks) {
  for (const Task task : {Task::binary_classification, Task::visit_binary}) {
    // The positive pairs 2 > -1, 2 > 0, -0.5 > -1 agree, -0.5 > 0 does not. Precision is 1 at 2, and 2/3 at
    // -0.5. A logit of 0 says no.
    const auto expected = binary_metrics(3.0 / 4, 5.0 / 6, 3.0 / 4);
    EXPECT_EQ(metrics_of(task, {binary({1, 0, 1, 0}, {2, -1, -0.5f, 0})}), expected);
    EXPECT_EQ(metrics_of(task, {binary({1, 0}, {2, -1}), binary({1, 0}, {-0.5f, 0})}), expected);
    EXPECT_EQ(metrics_of(task, {binary({nan<float>, 1, 0, 1, 0, 1}, {9, 2, -1, -0.5f, 0, nan<float>},
                                       {0, 1, 1, 1, 1, 0})}),
              expected)
        << "masked rows take no part";
  }
}

TEST(Metrics, OfBinaryTasksWithTiesCountHalf) {
  const auto metrics = metrics_of(Task::visit_binary, {binary({1, 0, 1, 0}, {3, 3, 3, 3})});
  EXPECT_EQ(metrics, binary_metrics(0.5, 0.5, 0.5));
}

TEST(Metrics, OfBinaryTasksAreEmptyWhereTheDataDoNotDefineThem) {
  const Task task = Task::binary_classification;
  EXPECT_EQ(metrics_of(task, {binary({1, 1}, {3, -3})}), binary_metrics({}, 1.0, 0.5));
  EXPECT_EQ(metrics_of(task, {binary({0, 0}, {3, -3})}), binary_metrics({}, {}, 0.5));
  EXPECT_EQ(metrics_of(task, {binary({1, 0}, {3, -3}, {0, 0})}), binary_metrics({}, {}, {}));
  EXPECT_EQ(metrics_of(task, {}), binary_metrics({}, {}, {}));
  EXPECT_EQ(metrics_of(task, {binary({1, 0}, {nan<float>, -3})}), binary_metrics({}, {}, 0.5));
}

TEST(Metrics, OfMultiClassTakeTheLargestLogit) {
  const auto part = [](std::vector<std::int32_t> labels, std::vector<float> scores) {
    Part made;
    made.targets.labels = std::move(labels);
    made.logits = std::move(scores);
    return made;
  };
  // Rows say 2, 0, 1 and, of two equal ones, the first.
  const std::vector<float> logits = {-3, -2, -1, 9, 0, 8, 0, 1e30f, 0, 5, 5, 4};
  EXPECT_EQ(metrics_of(Task::multi_class, {part({2, 0, 1, 0}, logits)}), text_of({{"accuracy", 1.0}}));
  EXPECT_EQ(metrics_of(Task::multi_class, {part({2, 2, 1, 1}, logits)}), text_of({{"accuracy", 0.5}}));
  EXPECT_EQ(metrics_of(Task::multi_class, {part({2, 2, 1, 1}, logits), part({0, 1}, {1, 0, 0, 1})}),
            text_of({{"accuracy", 4.0 / 6}}));
  EXPECT_EQ(metrics_of(Task::multi_class, {}), text_of({{"accuracy", {}}}));
}

TEST(Metrics, OfRegression) {
  const auto metrics = [](const std::vector<Part>& parts) { return metrics_of(Task::regression, parts); };
  // Errors 3, -4, 0 and 5: squares 50 in all.
  const std::string expected = text_of({{"rmse", std::sqrt(50.0 / 4)}, {"mae", 3.0}});
  EXPECT_EQ(metrics({binary({1, 2, 7, -1}, {4, -2, 7, 4})}), expected);
  EXPECT_EQ(metrics({binary({1}, {4}), binary({2, 7, -1}, {-2, 7, 4})}), expected);
  EXPECT_EQ(metrics({binary({1}, {nan<float>})}), text_of({{"rmse", {}}, {"mae", {}}}));
  EXPECT_EQ(metrics({}), text_of({{"rmse", {}}, {"mae", {}}}));
}

constexpr std::int32_t codes = 12;  // two more than the ten that recall@10 looks at

// Logits of a row in which all codes but these two are among the ten highest.
std::vector<float> all_but(std::int32_t one, std::int32_t other) {
  std::vector<float> row(codes, 1.0f);
  row[one] = row[other] = -1.0f;
  return row;
}

Part next_visits(const std::vector<PatientVisits>& patients, const std::vector<std::vector<float>>& rows) {
  Part part;
  part.batch = RaggedBatch::from_patients(patients, codes);
  for (const auto& row : rows) part.logits.insert(part.logits.end(), row.begin(), row.end());
  return part;
}

std::string recall(std::optional<double> value) {
  return text_of({{"recall@10", value}});
}

// The last visit of the first patient would find all of the second's first, and so raise the mean.
TEST(Metrics, OfNextVisitsStayWithinThePatientAndLeaveOutTheLastVisit) {
  const Part part = next_visits(
      {{{2}, {3, 4}, {5}}, {{11}, {6}}},
      {all_but(0, 3), all_but(0, 5), all_but(0, 1), all_but(0, 1), std::vector<float>(codes, nan<float>)});
  EXPECT_EQ(metrics_of(Task::next_visit, {part}), recall((0.5 + 0 + 1) / 3));
  EXPECT_EQ(metrics_of(Task::next_visit, {part, next_visits({{{1}, {2}}}, {all_but(2, 0), all_but(0, 1)})}),
            recall((0.5 + 0 + 1 + 0) / 4));
}

TEST(Metrics, OfNextVisitsTakeTheLowerCodeOfEqualScores) {
  const std::vector<float> equal(codes, 0.5f);
  const auto recall_of = [&](std::int32_t next) {
    return metrics_of(Task::next_visit, {next_visits({{{1}, {next}}}, {equal, equal})});
  };
  EXPECT_EQ(recall_of(9), recall(1));
  EXPECT_EQ(recall_of(10), recall(0));
}

TEST(Metrics, OfNextVisitsAreEmptyWithoutANextCode) {
  const std::vector<float> row = all_but(0, 1);
  EXPECT_EQ(metrics_of(Task::next_visit, {next_visits({{{1}}, {{2}}}, {row, row})}), recall({}));
  EXPECT_EQ(metrics_of(Task::next_visit, {next_visits({{{1}, {}, {2}}}, {row, row, row})}), recall(1))
      << "a next visit without codes has no recall";
}

Part survival(const std::vector<std::vector<double>>& hazards, std::vector<std::int32_t> event_time,
              std::vector<std::uint8_t> observed) {
  Part part;
  std::vector<std::int32_t> lengths;
  for (const auto& patient : hazards) {
    lengths.push_back(static_cast<std::int32_t>(patient.size()));
    for (const double hazard : patient)
      part.logits.push_back(static_cast<float>(std::log(hazard / (1 - hazard))));
  }
  part.batch.layout = RaggedLayout::from_lengths(lengths);
  part.targets.event_time = std::move(event_time);
  part.targets.observed = std::move(observed);
  return part;
}

std::string concordance_is(std::optional<double> value) {
  return text_of({{"concordance", value}});
}

// Risk at the event is -log of the product of 1 - h: neither the hazard there nor the sum of hazards, which
// order these pairs the other way round.
TEST(Metrics, OfSurvivalCompareTheCumulativeRisk) {
  const auto concordance = [](const std::vector<Part>& parts) { return metrics_of(Task::survival, parts); };
  EXPECT_EQ(concordance({survival({{0.9, 0.1}, {0.2, 0.2, 0.2}}, {1, 2}, {1, 0})}), concordance_is(1));
  EXPECT_EQ(concordance({survival({{0.5, 0.5}, {0.9, 0.05, 0.5}}, {1, 2}, {1, 0})}), concordance_is(0));
  EXPECT_EQ(concordance({survival({{0.3, 0.2}, {0.3, 0.2, 0.9}}, {1, 2}, {1, 1})}), concordance_is(0.5));
  EXPECT_EQ(concordance({survival({{0.9, 0.1}}, {1}, {1}), survival({{0.2, 0.2, 0.2}}, {2}, {0})}),
            concordance_is(1))
      << "pairs across batches";
}

TEST(Metrics, OfSurvivalAreEmptyWithoutAPair) {
  EXPECT_EQ(metrics_of(Task::survival, {survival({{0.5}, {0.5, 0.5}}, {0, 1}, {0, 0})}), concordance_is({}));
  EXPECT_EQ(metrics_of(Task::survival, {survival({{0.5}}, {0}, {1})}), concordance_is({}));
  EXPECT_EQ(metrics_of(Task::survival, {}), concordance_is({}));
}

// Patients of one to seven visits, some with code X, and labels that suit every task.
Cohort varied_cohort() {
  std::vector<std::pair<std::string, std::vector<test::VisitOnDay>>> patients;
  test::Numbers numbers(5);
  for (int p = 0; p < 12; ++p) {
    std::vector<test::VisitOnDay> visits;
    const std::int64_t count = p % 7 + 1;
    for (std::int64_t t = 0; t < count; ++t) {
      const auto code = static_cast<std::int32_t>(numbers.integer(0, 7));
      visits.push_back({50 * t, {code}});
      if (p % 3 == 0 && t == count - 1) visits.back().codes.push_back(8);
    }
    patients.emplace_back("p" + std::to_string(10 + p), visits);
  }
  return make_cohort(patients, {"a", "b", "c", "d", "e", "f", "g", "h", "x"});
}

std::vector<PatientLabel> labels_for(Task task, const Cohort& cohort) {
  std::vector<PatientLabel> labels;
  for (const std::string& id : cohort.patient_ids) {
    const double number = static_cast<double>(labels.size());
    labels.push_back({id, task == Task::regression ? number / 7 : std::fmod(number, 3)});
  }
  return labels;
}

class Evaluate : public OnBackend {
 protected:
  void prepare(Task task) {
    TaskOptions options{.task = task, .horizon_days = 60};
    TaskFiles files;
    files.labels.labels = labels_for(task, cohort_);
    if (task == Task::multi_class || task == Task::regression)
      options.labels_file = "labels.csv";
    else if (task != Task::next_visit)
      options.label_code = "x";
    if (has_window(options))
      options.predict_at = predict_at_from_text(task == Task::visit_binary ? "visits" : "visit:1");
    if (task == Task::binary_classification) options.horizon_days = 200;
    examples_ = training_examples(cohort_, options, files);
    config_ = test::config_for(task);
    all_.resize(examples_.examples.size());
    for (std::size_t i = 0; i < all_.size(); ++i) all_[i] = static_cast<std::int32_t>(i);
  }
  VisitLstm model(double dropout = 0) {
    ModelConfig config = config_;
    config.dropout = dropout;
    VisitLstm model(backend, config);
    model.initialize(3);
    return model;
  }
  Evaluation run(VisitLstm& model, const std::vector<std::vector<std::int32_t>>& batches) {
    BatchFeed feed(backend, encoded_, examples_);
    return evaluate(model, feed, backend, batches);
  }
  std::vector<float> parameters(const VisitLstm& model) {
    std::vector<float> values(static_cast<std::size_t>(model.parameter_count()));
    backend->copy(values.data(), model.parameter_data(), values.size() * sizeof(float), CopyKind::to_host);
    backend->synchronize();
    return values;
  }

  const Cohort cohort_ = varied_cohort();
  const EncodedCohort encoded_ = encode(cohort_, Vocabulary::from_codes(cohort_.code_names));
  ExampleSet examples_;
  ModelConfig config_;
  std::vector<std::int32_t> all_;
};

RAGTIME_TEST_ON_BACKENDS(Evaluate);

// Batches of very different numbers of elements, so that a mean of means would be another number.
TEST_P(Evaluate, DoesNotDependOnTheBatches) {
  for (const Task task : test::all_tasks) {
    SCOPED_TRACE(name_of(task));
    prepare(task);
    VisitLstm trained = model();
    const Evaluation whole = run(trained, {all_});
    const std::vector<std::int32_t> first(all_.begin(), all_.begin() + 1);
    const std::vector<std::int32_t> second(all_.begin() + 1, all_.end() - 2);
    const std::vector<std::int32_t> last(all_.end() - 2, all_.end());
    const Evaluation parts = run(trained, {last, first, second});
    EXPECT_GT(whole.loss, 0);
    EXPECT_NEAR(parts.loss, whole.loss, 1e-6 * whole.loss);
    ASSERT_EQ(parts.metrics.size(), whole.metrics.size());
    for (std::size_t i = 0; i < whole.metrics.size(); ++i) {
      EXPECT_EQ(parts.metrics[i].name, whole.metrics[i].name);
      ASSERT_TRUE(whole.metrics[i].value && parts.metrics[i].value) << whole.metrics[i].name;
      EXPECT_NEAR(*parts.metrics[i].value, *whole.metrics[i].value, 1e-6) << whole.metrics[i].name;
    }
  }
}

// Binary cross-entropy of every visit but the last with the codes of the next one, in plain loops.
TEST_P(Evaluate, IsTheMeanLossOverValidElements) {
  prepare(Task::next_visit);
  VisitLstm trained = model();
  BatchLoader loader(backend, encoded_, examples_);
  double sum = 0, count = 0;
  for (const std::int32_t index : all_) {
    loader.load({&index, 1});
    const std::int64_t width = config_.output_dim, visits = examples_.examples[index].visits;
    std::vector<float> logits(static_cast<std::size_t>(visits * width));
    backend->copy(logits.data(), trained.forward(loader.batch()), logits.size() * sizeof(float),
                  CopyKind::to_host);
    backend->synchronize();
    const std::int64_t first = cohort_.visit_offsets[examples_.examples[index].patient];
    for (std::int64_t t = 0; t + 1 < visits; ++t) {
      const auto next = encoded_.visit_codes(first + t + 1);
      for (std::int64_t k = 0; k < width; ++k, ++count) {
        const double logit = static_cast<double>(logits[t * width + k]);
        const bool there = std::find(next.begin(), next.end(), k) != next.end();
        sum += std::log1p(std::exp(there ? -logit : logit));
      }
    }
  }
  EXPECT_NEAR(run(trained, {all_}).loss, sum / count, 1e-6);
}

TEST_P(Evaluate, LeavesTheParametersAndDropsNothing) {
  for (const Task task : {Task::binary_classification, Task::visit_binary}) {
    prepare(task);
    VisitLstm trained = model(0.5), without_dropout = model();
    const std::vector<float> before = parameters(trained);
    const Evaluation first = run(trained, {all_}), again = run(trained, {all_});
    EXPECT_TRUE(same_bits(parameters(trained), before));
    const Evaluation expected = run(without_dropout, {all_});
    for (const Evaluation& evaluation : {first, again}) {
      EXPECT_EQ(evaluation.loss, expected.loss);
      EXPECT_EQ(evaluation.metrics, expected.metrics);
    }
  }
}

TEST_P(Evaluate, ABatchWithoutAValidElementCountsNothing) {
  prepare(Task::next_visit);
  examples_.examples.push_back({.patient = 0, .visits = 1});
  const auto masked = static_cast<std::int32_t>(examples_.examples.size() - 1);
  VisitLstm trained = model();
  const Evaluation alone = run(trained, {{masked}});
  EXPECT_EQ(alone.loss, 0);
  EXPECT_EQ(text_of(alone.metrics), recall({}));
  const Evaluation with = run(trained, {all_, {masked}}), without = run(trained, {all_});
  EXPECT_EQ(with.loss, without.loss);
  EXPECT_EQ(with.metrics, without.metrics);
  EXPECT_EQ(run(trained, {}).loss, 0);
}

TEST_P(Evaluate, SaysWhatIsWrongWithATarget) {
  prepare(Task::multi_class);
  examples_.examples[1].label = 3;
  VisitLstm trained = model();
  expect_error(ErrorCode::out_of_range, {"label"}, [&] { run(trained, {all_}); });
}

}  // namespace
}  // namespace ragtime
