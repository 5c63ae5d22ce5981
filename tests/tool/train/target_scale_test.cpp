// Targets of regression in standard deviations from their mean: mean and deviation of the training examples,
// whatever their size, the fold into the head, and runs whose labels are far from 0.

#include "host/tool/train/target_scale.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "host/tool/train/evaluate.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/tool/train/support.hpp"

namespace ragtime::test {
namespace {

TargetScale scale_of(const std::vector<double>& labels, Task task = Task::regression) {
  ExampleSet set;
  set.options.task = task;
  std::vector<std::int32_t> indices;
  for (const double label : labels) {
    indices.push_back(static_cast<std::int32_t>(set.examples.size()));
    set.examples.push_back({.label = label});
  }
  return target_scale(set, indices);
}

TEST(TargetScale, IsMeanAndDeviation) {
  const TargetScale scale = scale_of({1, 2, 3, 6});
  EXPECT_DOUBLE_EQ(scale.mean, 3);
  EXPECT_DOUBLE_EQ(scale.deviation, std::sqrt(3.5));
  EXPECT_EQ(scale.standardised(3), 0);
  EXPECT_FLOAT_EQ(scale.standardised(6), static_cast<float>(3 / std::sqrt(3.5)));
}

TEST(TargetScale, KeepsItsDigitsFarFromZero) {
  const TargetScale scale = scale_of({1e9, 1e9 + 0.25, 1e9 + 0.5});
  EXPECT_DOUBLE_EQ(scale.mean, 1e9 + 0.25);
  EXPECT_NEAR(scale.deviation, std::sqrt(0.125 / 3), 1e-9);
  EXPECT_NEAR(scale.standardised(1e9 + 0.5), std::sqrt(1.5), 1e-6);
  EXPECT_NEAR(scale_of({3e38, -3e38}).deviation, 3e38, 1e24);
}

TEST(TargetScale, IsOneWhereThereIsNoDeviation) {
  EXPECT_EQ(scale_of({7}).deviation, 1);
  EXPECT_EQ(scale_of(std::vector<double>(1000, 0.1)).deviation, 1) << "whose sum is rounded";
  EXPECT_EQ(scale_of(std::vector<double>(1000, 0.1)).mean, 0.1);
  EXPECT_EQ(scale_of({0, 1e-42}).deviation, 1);
  EXPECT_EQ(scale_of({}).deviation, 1);
  EXPECT_TRUE(std::isfinite(scale_of({0, 2e-38}).standardised(3e38)));
}

TEST(TargetScale, IsForRegressionAlone) {
  const TargetScale scale = scale_of({0, 1, 1}, Task::binary_classification);
  EXPECT_EQ(scale.mean, 0);
  EXPECT_EQ(scale.deviation, 1);
}

TEST(TargetScale, FoldsIntoTheHeadAlone) {
  const std::vector<ParameterInfo> parameters = {
      {"embedding.weight", {2}, 0, 2}, {"fc.weight", {1, 2}, 16, 2}, {"fc.bias", {1}, 32, 1}};
  std::vector<float> values(48);
  values[0] = 5, values[1] = 6, values[16] = 0.5f, values[17] = -2, values[32] = 0.25f;
  fold_into_head({1000, 8}, parameters, values);
  EXPECT_EQ(values[0], 5);
  EXPECT_EQ(values[1], 6);
  EXPECT_EQ(values[16], 4);
  EXPECT_EQ(values[17], -16);
  EXPECT_EQ(values[18], 0);
  EXPECT_EQ(values[32], 1002);
  expect_error(ErrorCode::out_of_range, {"head", "labels"}, [&] {
    fold_into_head({3e38, 1e38}, parameters, values);
  });
}

// The label is `at` plus `deviation` times what the patient's codes and visits say.
class FarLabels : public OnBackend {
 protected:
  TrainOptions options(const char* name) {
    TrainOptions made = small_run(folder_.path() / name, Task::regression);
    std::filesystem::create_directory(made.out);
    made.model.dropout = 0;
    made.model.embedding_dim = made.model.hidden_dim = 8;
    made.epochs = 10;
    return made;
  }
  static std::unique_ptr<TrainingData> data_for(const TrainOptions& options, double scale, double at) {
    Cohort cohort = learnable_cohort(200);
    std::vector<PatientLabel> labels = labels_of(cohort);
    Numbers numbers(3);
    for (std::size_t p = 0; p < labels.size(); ++p) {
      const bool positive = cohort.visit_codes(cohort.visit_offsets[p]).front() == 0;
      const auto noise = static_cast<double>(numbers.integer(-100, 100)) / 200;
      labels[p].label = at + scale * ((positive ? 1 : -1) + noise);
    }
    return prepare_training(std::move(cohort), test::files_of(labels), options);
  }
  History train(const TrainOptions& options, const TrainingData& data) {
    TrainObserver observer;
    Trainer trainer(backend, data, options);
    trainer.run(observer);
    return trainer.history();
  }
  // Of the model directory, in the unit of the labels.
  std::vector<double> predictions(const TrainOptions& options, const TrainingData& data) {
    VisitLstm model = read_model(options.out, backend);
    DeviceBatch batch(backend);
    batch.load(make_batch(data.encoded, data.examples, data.split.validation));
    std::vector<float> logits(data.split.validation.size());
    backend->copy(logits.data(), model.forward(batch), logits.size() * sizeof(float), CopyKind::to_host);
    backend->synchronize();
    return {logits.begin(), logits.end()};
  }
  static double rmse(std::span<const double> predicted, const TrainingData& data) {
    double squares = 0;
    for (std::size_t i = 0; i < predicted.size(); ++i) {
      const Example& example = data.examples.examples[data.split.validation[i]];
      squares += std::pow(predicted[i] - example.label, 2);
    }
    return std::sqrt(squares / static_cast<double>(predicted.size()));
  }

  TemporaryFolder folder_;
};
RAGTIME_TEST_ON_BACKENDS(FarLabels);

TEST_P(FarLabels, AreLearnedInAFewEpochsAndPredictedInTheirUnit) {
  const TrainOptions run = options("run");
  const auto data = data_for(run, 13297, 58399);
  const double deviation = target_scale(data->examples, data->split.training).deviation;
  const History history = train(run, *data);
  const EpochRecord& best = history.epochs[history.best_epoch - 1];
  ASSERT_EQ(best.metrics[0].name, "rmse");
  EXPECT_LT(*best.metrics[0].value, 0.5 * deviation);
  EXPECT_LT(*best.metrics[1].value, *best.metrics[0].value);
  EXPECT_NEAR(best.validation_loss, std::pow(*best.metrics[0].value / deviation, 2),
              1e-4 * best.validation_loss)
      << "the loss is in standard deviations";
  const std::vector<double> predicted = predictions(run, *data);
  EXPECT_NEAR(rmse(predicted, *data), *best.metrics[0].value, 1e-4 * deviation);
}

TEST_P(FarLabels, GiveTheSameModelInAnyUnit) {
  const TrainOptions first = options("first");
  const auto plain = data_for(first, 1, 0);
  const History history = train(first, *plain);
  const std::vector<double> expected = predictions(first, *plain);
  for (const auto& [scale, at] : {std::pair(-250.0, 7e4), std::pair(1e-6, 0.5), std::pair(1e30, 1e31)}) {
    SCOPED_TRACE(at);
    const TrainOptions second = options(scale > 1 ? "large" : scale < 0 ? "negative" : "small");
    const auto data = data_for(second, scale, at);
    const History other = train(second, *data);
    // A sign is not learned: with the same first parameters the head begins on the other side.
    if (scale > 0) {
      const std::vector<double> actual = predictions(second, *data);
      const double resolution = 1e-6 * std::abs(at) / scale;
      for (std::size_t i = 0; i < expected.size(); ++i)
        EXPECT_NEAR((actual[i] - at) / scale, expected[i], 2e-3 + resolution);
      EXPECT_NEAR(other.epochs.back().train_loss, history.epochs.back().train_loss,
                  1e-3 * history.epochs.back().train_loss);
    }
    const double deviation = target_scale(data->examples, data->split.training).deviation;
    EXPECT_LT(*other.epochs.back().metrics[0].value, 0.5 * deviation);
  }
}

TEST_P(FarLabels, AllTheSameAreTheirMean) {
  const TrainOptions run = options("run");
  const auto data = data_for(run, 0, 1234.5);
  const History history = train(run, *data);
  EXPECT_LT(*history.epochs.back().metrics[0].value, 1);
}

}  // namespace
}  // namespace ragtime::test
