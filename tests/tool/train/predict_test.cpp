// Predictions as a CSV file: the activation of each task, however extreme the logits, lines in the patients'
// order with ids that need quoting, numbers that give the same float back, and no file where one is not
// finite.

#include "host/tool/train/predict.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>
#include <numeric>

#include "host/base/atomic_file.hpp"
#include "host/tool/data/csv.hpp"
#include "host/tool/train/activation.hpp"
#include "host/tool/train/batch_loader.hpp"
#include "tests/model/support.hpp"
#include "tests/support/operation_test.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/tool/train/cohorts.hpp"

namespace ragtime {
namespace {

using testing::ElementsAre;

constexpr double largest_float = std::numeric_limits<float>::max();
constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<double> activated(Task task, std::vector<double> row) {
  activate(task, row);
  return row;
}

TEST(Activation, IsTheLogisticFunctionOfEachLogit) {
  for (const Task task :
       {Task::binary_classification, Task::next_visit, Task::visit_binary, Task::survival}) {
    const std::vector<double> p = activated(task, {0, std::log(3.0), -std::log(3.0), 40, -40});
    EXPECT_EQ(p[0], 0.5);
    EXPECT_NEAR(p[1], 0.75, 1e-15);
    EXPECT_NEAR(p[2], 0.25, 1e-15);
    EXPECT_EQ(p[3], 1 - std::exp(-40.0));
    EXPECT_NEAR(p[4], std::exp(-40.0), 1e-15 * std::exp(-40.0)) << "small ones keep their digits";
    EXPECT_THAT(activated(task, {largest_float, -largest_float, infinity, -infinity}),
                ElementsAre(1, 0, 1, 0));
    EXPECT_TRUE(std::isnan(activated(task, {std::nan("")})[0]));
  }
}

TEST(Activation, IsASoftmaxOverTheClasses) {
  const std::vector<double> p = activated(Task::multi_class, {std::log(1.0), std::log(2.0), std::log(5.0)});
  EXPECT_NEAR(p[0], 1.0 / 8, 1e-15);
  EXPECT_NEAR(p[1], 2.0 / 8, 1e-15);
  EXPECT_NEAR(p[2], 5.0 / 8, 1e-15);
  for (const std::vector<double>& logits :
       std::vector<std::vector<double>>{{largest_float, -largest_float, 0},
                                        {largest_float, largest_float, 0},
                                        {-largest_float, -1e9, -1e9},
                                        {1e-9, 700, 710, 720, -720},
                                        {3}}) {
    const std::vector<double> sure = activated(Task::multi_class, logits);
    for (const double value : sure) EXPECT_TRUE(value >= 0 && value <= 1) << value;
    EXPECT_NEAR(std::accumulate(sure.begin(), sure.end(), 0.0), 1, 1e-15);
  }
  EXPECT_THAT(activated(Task::multi_class, {largest_float, largest_float, 0}), ElementsAre(0.5, 0.5, 0));
}

TEST(Activation, LeavesARegressionAsItIs) {
  EXPECT_THAT(activated(Task::regression, {-largest_float, 0.1, 7}), ElementsAre(-largest_float, 0.1, 7));
}

// Ids that CSV must quote, in string order, with 1 to 4 visits, one of which holds no known code.
Cohort quoted_cohort() {
  return test::make_cohort({{"\"quoted\"", {{0, {0}}, {1, {1, 2}}, {2, {}}, {3, {3}}}},
                            {"Doe, Jane", {{0, {4}}}},
                            {"a\nb", {{0, {5, 6}}, {9, {7}}}},
                            {"c\r", {{0, {0, 8}}, {9, {1}}, {10, {2}}}},
                            {"plain", {{0, {3, 4}}}},
                            {"\xC3\xBC", {{0, {5}}, {2, {6}}}}},
                           {"a", "b", "c", "d", "e", "f", "g", "h", "i"});
}

ExampleSet all_visits(const Cohort& cohort, Task task) {
  return prediction_examples(cohort, {.task = task, .label_code = {}, .labels_file = {}});
}

class Predict : public test::OnBackend {
 protected:
  VisitLstm model(Task task) {
    VisitLstm model(backend, test::config_for(task));
    model.initialize(7);
    return model;
  }
  PredictionSummary write(VisitLstm& model, const ExampleSet& examples,
                          const PredictionColumns& columns = {}) {
    return write_predictions(model, backend, encoded_, examples, file_, columns);
  }
  // Of one patient, computed alone.
  std::vector<float> expected(VisitLstm& model, const ExampleSet& examples, std::int32_t index) {
    BatchLoader loader(backend, encoded_, examples);
    loader.load({&index, 1});
    const bool patient_level = is_patient_level(model.config().task);
    const std::int64_t rows = patient_level ? 1 : examples.examples[index].visits;
    std::vector<float> values(static_cast<std::size_t>(rows * model.config().output_dim));
    backend->copy(values.data(), model.forward(loader.batch()), values.size() * sizeof(float),
                  CopyKind::to_host);
    backend->synchronize();
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto first = values.begin() + row * model.config().output_dim;
      std::vector<double> activated(first, first + model.config().output_dim);
      activate(model.config().task, activated);
      std::copy(activated.begin(), activated.end(), first);
    }
    return values;
  }

  Cohort cohort_ = quoted_cohort();
  EncodedCohort encoded_ = encode(cohort_, Vocabulary::from_codes(cohort_.code_names));
  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "predictions.csv";
};

RAGTIME_TEST_ON_BACKENDS(Predict);

float parsed(std::string_view text) {
  float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  EXPECT_TRUE(error == std::errc() && end == text.data() + text.size()) << text;
  return value;
}

TEST_P(Predict, WritesEveryTaskAsItsReaderFindsIt) {
  for (const Task task : test::all_tasks) {
    SCOPED_TRACE(name_of(task));
    VisitLstm trained = model(task);
    const ExampleSet examples = all_visits(cohort_, task);
    const PredictionSummary summary = write(trained, examples);
    const std::string content = read_file(file_);
    CsvReader reader(content, file_.string());
    const bool patient_level = is_patient_level(task);
    const std::size_t first = patient_level ? 1 : 2;
    EXPECT_EQ(reader.column("patient_id"), 0u);
    if (!patient_level) {
      EXPECT_EQ(reader.column("visit"), 1u);
    }
    const auto outputs = static_cast<std::size_t>(trained.config().output_dim);
    for (std::size_t k = 0; k < outputs; ++k) EXPECT_EQ(reader.column("p" + std::to_string(k)), first + k);
    EXPECT_FALSE(reader.find_column("p" + std::to_string(outputs)));

    std::int64_t lines = 0;
    for (std::int64_t patient = 0; patient < cohort_.patients(); ++patient) {
      const auto index = static_cast<std::int32_t>(patient);
      const std::vector<float> values = expected(trained, examples, index);
      for (std::size_t row = 0; row < values.size() / outputs; ++row, ++lines) {
        ASSERT_TRUE(reader.next());
        EXPECT_EQ(reader.field(0), cohort_.patient_ids[patient]);
        if (!patient_level) {
          EXPECT_EQ(reader.field(1), std::to_string(row));
        }
        for (std::size_t k = 0; k < outputs; ++k)
          EXPECT_EQ(parsed(reader.field(first + k)), values[row * outputs + k]);
      }
    }
    EXPECT_FALSE(reader.next());
    EXPECT_EQ(summary.examples, cohort_.patients());
    EXPECT_EQ(summary.lines, lines);
  }
}

TEST_P(Predict, WritesIdsAsRfc4180HasIt) {
  VisitLstm trained = model(Task::regression);
  write(trained, all_visits(cohort_, Task::regression));
  const std::string content = read_file(file_);
  for (const char* line : {"patient_id,p0\n\"\"\"quoted\"\"\",", "\n\"Doe, Jane\",", "\n\"a\nb\",",
                           "\n\"c\r\",", "\nplain,", "\n\xC3\xBC,"})
    EXPECT_NE(content.find(line), std::string::npos) << line;
  EXPECT_EQ(content.back(), '\n');
}

// The columns between the id and the numbers: a time as given, for all or by a label file, the
// part of the patient, and the visit.
TEST_P(Predict, HasColumnsOfTheTimeAndThePart) {
  const auto keys = [&](Task task, const ExampleSet& examples, const PredictionColumns& columns) {
    VisitLstm trained = model(task);
    write(trained, examples, columns);
    const std::string content = read_file(file_);
    CsvReader reader(content, file_.string());
    const std::size_t first = *reader.find_column("p0");
    std::vector<std::vector<std::string>> lines = {{}};
    for (std::size_t k = 0; k < first; ++k) lines.back().emplace_back(reader.header()[k]);
    while (reader.next()) {
      lines.emplace_back();
      for (std::size_t k = 0; k < first; ++k) lines.back().emplace_back(reader.field(k));
    }
    return lines;
  };
  const std::unordered_map<std::string, Part> parts = {{"Doe, Jane", Part::training},
                                                       {"plain", Part::test},
                                                       {"a\nb", Part::validation},
                                                       {"nobody", Part::test}};
  // Nothing of "Doe, Jane" is known by day 1.
  cohort_.visit_times[4] = cohort_.visit_ends[4] = 2 * time_per_day;
  cohort_.code_times[4] = 2 * time_per_day;
  ExampleSet until = prediction_examples(cohort_, {.task = Task::binary_classification}, time_per_day);
  const std::string time = "1970-01-02, midnight";
  EXPECT_THAT(
      keys(Task::binary_classification, until, {.time_text = time, .parts = &parts}),
      ElementsAre(ElementsAre("patient_id", "prediction_time", "part"), ElementsAre("\"quoted\"", time, ""),
                  ElementsAre("a\nb", time, "validation"), ElementsAre("c\r", time, ""),
                  ElementsAre("plain", time, "test"), ElementsAre("\xC3\xBC", time, "")));
  until = prediction_examples(cohort_, {.task = Task::visit_binary}, time_per_day);
  EXPECT_THAT(keys(Task::visit_binary, until, {.time_text = time, .parts = &parts}).at(1),
              ElementsAre("\"quoted\"", time, "", "0"));

  LabelTable labels{.labels = {{"plain", 0, 9 * time_per_day, "1970-01-10, at night"},
                               {"Doe, Jane", 0, time_per_day, "too early"},
                               {"nobody", 0, time_per_day, "1970-01-02"},
                               {"plain", 0, 2 * time_per_day, "1970-01-03"}},
                    .has_times = true};
  const ExampleSet labelled = prediction_examples(cohort_, {.task = Task::regression}, labels);
  EXPECT_EQ(labelled.unmatched_labels, 1);
  EXPECT_EQ(labelled.labels_before_data, 1);
  EXPECT_THAT(keys(Task::regression, labelled, {.prediction_time = true}),
              ElementsAre(ElementsAre("patient_id", "prediction_time"), ElementsAre("plain", "1970-01-03"),
                          ElementsAre("plain", "1970-01-10, at night")));
  EXPECT_THAT(keys(Task::regression, labelled, {.parts = &parts}),
              ElementsAre(ElementsAre("patient_id", "part"), ElementsAre("plain", "test"),
                          ElementsAre("plain", "test")));
}

// Every float comes back, from the smallest on; 9 digits are enough, and no more are written.
TEST_P(Predict, NumbersGiveTheSameFloatBack) {
  VisitLstm constant(backend, test::config_for(Task::regression));  // parameters zero: the head's bias speaks
  const ParameterInfo bias = constant.parameters().back();
  ASSERT_EQ(bias.name, "fc.bias");
  for (const float number :
       {0.1f, 1.0f / 3, -16777217.0f, 3.4028235e38f, 1.17549435e-38f, 1e-45f, 123456792.0f, 0.0f, 5.0f}) {
    backend->copy(static_cast<float*>(constant.parameter_data()) + bias.offset, &number, sizeof number,
                  CopyKind::to_device);
    write(constant, all_visits(cohort_, Task::regression));
    const std::string content = read_file(file_);
    CsvReader reader(content, "predictions");
    ASSERT_TRUE(reader.next());
    const std::string text(reader.field(1));
    EXPECT_EQ(std::bit_cast<std::uint32_t>(parsed(text)), std::bit_cast<std::uint32_t>(number)) << text;
    const std::string digits = text.substr(0, text.find('e'));
    EXPECT_LE(std::count_if(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }), 10);
  }
}

TEST_P(Predict, WithoutAPatientWritesTheHeader) {
  for (const Task task : {Task::binary_classification, Task::survival}) {
    VisitLstm trained = model(task);
    ExampleSet none = all_visits(cohort_, task);
    none.examples.clear();
    const PredictionSummary summary = write(trained, none);
    EXPECT_EQ(summary.examples, 0);
    EXPECT_EQ(summary.lines, 0);
    EXPECT_EQ(read_file(file_), is_patient_level(task) ? "patient_id,p0\n" : "patient_id,visit,p0\n");
  }
}

// The visits that a causal task leaves out are no lines, and the batches are several.
TEST_P(Predict, CountsOnOverManyBatches) {
  std::vector<test::VisitOnDay> visits;
  for (std::int64_t day = 0; day < 3000; ++day) visits.push_back({day, {static_cast<std::int32_t>(day % 9)}});
  cohort_ = test::make_cohort({{"a", visits}, {"b", visits}, {"c", {{0, {1}}, {1, {2}}}}},
                              {"a", "b", "c", "d", "e", "f", "g", "h", "i"});
  encoded_ = encode(cohort_, Vocabulary::from_codes(cohort_.code_names));
  VisitLstm trained = model(Task::survival);
  ExampleSet examples = all_visits(cohort_, Task::survival);
  examples.examples[1].visits = 2999;
  std::vector<std::int64_t> progress;
  const PredictionSummary summary = write_predictions(trained, backend, encoded_, examples, file_, {},
                                                      [&](std::int64_t done) { progress.push_back(done); });
  EXPECT_EQ(summary.lines, 3000 + 2999 + 2);
  EXPECT_EQ(summary.examples, 3);
  EXPECT_GE(progress.size(), 2u);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_EQ(progress.back(), 3);
  const std::string content = read_file(file_);
  EXPECT_NE(content.find("\na,2999,"), std::string::npos);
  EXPECT_EQ(content.find("\nb,2999,"), std::string::npos);
}

TEST_P(Predict, LeavesTheOldFileWhereANumberIsNotFinite) {
  for (const Task task : {Task::regression, Task::visit_binary, Task::multi_class}) {
    VisitLstm broken = model(task);
    const float bad = task == Task::multi_class ? std::numeric_limits<float>::infinity() : std::nanf("");
    const ParameterInfo bias = broken.parameters().back();
    backend->copy(static_cast<float*>(broken.parameter_data()) + bias.offset, &bad, sizeof bad,
                  CopyKind::to_device);
    folder_.write("predictions.csv", "old");
    expect_error(ErrorCode::out_of_range, {"quoted", "nan", "finite"},
                 [&] { write(broken, all_visits(cohort_, task)); });
    EXPECT_EQ(read_file(file_), "old");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
  }
}

}  // namespace
}  // namespace ragtime
