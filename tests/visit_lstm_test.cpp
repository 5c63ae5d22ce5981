// The whole model through its public interface: gradients by finite differences in double for every task and
// aggregation, with dropout on (its masks are functions of counters), and predictions that do not depend on
// the other patients of a batch.

#include "ragtime/visit_lstm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "host/core/philox.hpp"

namespace ragtime {
namespace {

constexpr std::int32_t vocabulary = 11;

std::vector<PatientVisits> patients() {
  return {{{1, 2}, {3}, {}, {10, 4, 5}}, {{6}}, {{7, 8, 9}, {1}, {2, 3}}, {{4, 4}, {5, 0}}};
}

ModelConfig config_for(Task task, PoolMode aggregation, bool bidirectional, std::int64_t layers) {
  ModelConfig config;
  config.vocab_size = vocabulary;
  config.embedding_dim = 5;
  config.hidden_dim = 4;
  config.num_layers = layers;
  config.bidirectional = bidirectional;
  config.visit_aggregation = aggregation;
  config.task = task;
  config.dropout = 0.3;
  config.output_dim = task == Task::multi_class ? 3 : task == Task::next_visit ? vocabulary : 1;
  return config;
}

// Targets on the host, which for the CPU backend is the device.
struct Targets {
  std::vector<double> values;
  std::vector<std::int32_t> labels = {2, 0, 1, 1};
  std::vector<std::int32_t> event_time = {2, -1, 1, 1};
  std::vector<std::uint8_t> observed = {1, 0, 0, 1};
  std::vector<float> row_weight;

  explicit Targets(Task task) {
    const bool patient = is_patient_level(task);
    const std::int64_t rows = patient ? 4 : 10;
    for (std::int64_t i = 0; i < rows; ++i)
      values.push_back(task == Task::regression ? 0.3 * double(i) - 0.5 : i % 2);
    if (task == Task::next_visit) row_weight = {1, 1, 1, 0, 0, 1, 1, 0, 1, 0};
    if (task == Task::visit_binary) row_weight = {1, 0, 1, 1, 1, 1, 0, 1, 1, 1};
  }
  ModelTargets view() const {
    return {values.data(), labels.data(), event_time.data(), observed.data(),
            row_weight.empty() ? nullptr : row_weight.data()};
  }
};

struct Case {
  Task task;
  PoolMode aggregation;
  bool bidirectional;
  std::int64_t layers;
};

class VisitLstmGradient : public testing::TestWithParam<Case> {};

TEST_P(VisitLstmGradient, AgreesWithFiniteDifferences) {
  const Case& now = GetParam();
  const auto backend = make_backend("cpu");
  VisitLstm model(backend, config_for(now.task, now.aggregation, now.bidirectional, now.layers), DType::f64);
  model.initialize(5);
  const auto people = patients();
  DeviceBatch batch(backend);
  batch.load(RaggedBatch::from_patients(people, vocabulary));
  const Targets targets(now.task);
  const std::uint64_t step = 3;
  double loss = 0, weight = 0;
  const auto run = [&] {
    model.forward_backward(batch, targets.view(), 17, &step, &loss, &weight);
    return loss;
  };
  run();
  EXPECT_GT(weight, 0);
  const auto* computed = static_cast<const double*>(model.gradient_data());
  const std::vector<double> gradient(computed, computed + model.parameter_count());
  auto* values = static_cast<double*>(model.parameter_data());
  double largest = 0;
  for (const double g : gradient) largest = std::max(largest, std::abs(g));
  ASSERT_GT(largest, 0);
  for (const ParameterInfo& parameter : model.parameters()) {
    for (std::int64_t i = 0; i < parameter.elements; i += 1 + parameter.elements / 23) {
      double& value = values[parameter.offset + i];
      const double kept = value, h = 1e-5;
      value = kept + h;
      const double above = run();
      value = kept - h;
      const double below = run();
      value = kept;
      const double got = gradient[parameter.offset + i];
      // The padding row is used, here on purpose, and yet gets no gradient.
      const bool padding = parameter.name == "embedding.weight" && i < 5;
      EXPECT_NEAR(got, padding ? 0 : (above - below) / (2 * h), 1e-7 * largest + 1e-9)
          << parameter.name << "[" << i << "]";
    }
  }
}

std::vector<Case> gradient_cases() {
  std::vector<Case> cases;
  for (const Task task : {Task::binary_classification, Task::multi_class, Task::regression, Task::next_visit,
                          Task::visit_binary, Task::survival})
    cases.push_back({task, PoolMode::mean, false, 1});
  for (const PoolMode mode : {PoolMode::sum, PoolMode::max, PoolMode::attention}) {
    cases.push_back({Task::binary_classification, mode, true, 2});
    cases.push_back({Task::next_visit, mode, true, 3});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Cases, VisitLstmGradient, testing::ValuesIn(gradient_cases()),
                         [](const auto& entry) {
                           return std::string(name_of(entry.param.task)) + "_" +
                                  name_of(entry.param.aggregation) + "_L" +
                                  std::to_string(entry.param.layers);
                         });

TEST(VisitLstm, PredictionsDoNotDependOnTheBatch) {
  const auto backend = make_backend("cpu");
  for (const PoolMode mode : {PoolMode::mean, PoolMode::attention}) {
    VisitLstm model(backend, config_for(Task::multi_class, mode, true, 2));
    model.initialize(1);
    const auto people = patients();
    DeviceBatch all(backend);
    all.load(RaggedBatch::from_patients(people, vocabulary));
    const auto* logits = static_cast<const float*>(model.forward(all));
    const std::vector<float> together(logits, logits + 4 * 3);
    for (std::size_t b = 0; b < people.size(); ++b) {
      DeviceBatch alone(backend);
      alone.load(RaggedBatch::from_patients(std::span(people).subspan(b, 1), vocabulary));
      const auto* own = static_cast<const float*>(model.forward(alone));
      for (std::size_t k = 0; k < 3; ++k)
        EXPECT_EQ(own[k], together[b * 3 + k]) << "patient " << b << ", class " << k;
    }
  }
}

TEST(VisitLstm, DropoutMasksFollowThePatientNotTheBatch) {
  const auto backend = make_backend("cpu");
  VisitLstm model(backend, config_for(Task::binary_classification, PoolMode::sum, false, 2));
  model.initialize(1);
  const auto people = patients();
  const Targets targets(Task::regression);
  const std::vector<float> values(4, 1.0f);
  ModelTargets view;
  view.values = values.data();
  float loss = 0, weight = 0;
  const std::uint64_t step = 9;
  RaggedBatch both = RaggedBatch::from_patients(people, vocabulary);
  both.sequence_ids = {40, 30, 20, 10};
  DeviceBatch batch(backend);
  batch.load(both);
  const float together =
      static_cast<const float*>(model.forward_backward(batch, view, 7, &step, &loss, &weight))[2];
  RaggedBatch one = RaggedBatch::from_patients(std::span(people).subspan(2, 1), vocabulary);
  one.sequence_ids = {20};
  batch.load(one);
  EXPECT_EQ(static_cast<const float*>(model.forward_backward(batch, view, 7, &step, &loss, &weight))[0],
            together);
  one.sequence_ids = {21};
  batch.load(one);
  EXPECT_NE(static_cast<const float*>(model.forward_backward(batch, view, 7, &step, &loss, &weight))[0],
            together);
}

TEST(VisitLstm, ABatchWithoutLabelsHasNoLossAndNoGradient) {
  const auto backend = make_backend("cpu");
  VisitLstm model(backend, config_for(Task::next_visit, PoolMode::mean, false, 1));
  model.initialize(1);
  const auto people = patients();
  DeviceBatch batch(backend);
  batch.load(RaggedBatch::from_patients(people, vocabulary));
  const std::vector<float> nothing(10, 0.0f);
  ModelTargets targets;
  targets.row_weight = nothing.data();
  float loss = 1, weight = 1;
  model.forward_backward(batch, targets, 0, nullptr, &loss, &weight);
  EXPECT_EQ(loss, 0);
  EXPECT_EQ(weight, 0);
  const auto* gradient = static_cast<const float*>(model.gradient_data());
  for (std::int64_t i = 0; i < model.parameter_count(); ++i) ASSERT_EQ(gradient[i], 0) << i;
}

}  // namespace
}  // namespace ragtime
