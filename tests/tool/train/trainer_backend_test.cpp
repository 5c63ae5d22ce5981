// Training on every backend: the history of the CPU within a tolerance, in bf16 one that comes close; a run
// that is stopped and resumed ends with the same bits there too; and what bf16 trained is a model like any
// other.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/base/safetensors.hpp"
#include "host/tool/train/evaluate.hpp"
#include "host/tool/train/predict.hpp"
#include "ragtime/model_directory.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/tool/train/support.hpp"

namespace ragtime::test {
namespace {

class TrainerOnBackend : public OnBackend {
 protected:
  TrainOptions options(Task task, Precision precision = Precision::f32) {
    TrainOptions made = small_run(folder_.path() / std::to_string(folders_++), task);
    std::filesystem::create_directory(made.out);
    made.epochs = 2;
    made.batch_size = 12;
    made.precision = precision;
    return made;
  }
  static History train(const std::shared_ptr<Backend>& backend, const TrainOptions& options,
                       TrainEnd end = TrainEnd::finished, TrainObserver&& observer = TrainObserver()) {
    const auto data = small_data(options);
    Trainer trainer(backend, *data, options);
    EXPECT_EQ(trainer.run(observer), end);
    EXPECT_EQ(trainer.skipped_steps(), 0u);
    return trainer.history();
  }

  std::shared_ptr<Backend> cpu_ = make_backend("cpu");
  TemporaryFolder folder_;
  int folders_ = 0;
};
RAGTIME_TEST_ON_BACKENDS(TrainerOnBackend);

// A patient-level task, one with the targets in the batch itself, and one by sequence.
TEST_P(TrainerOnBackend, HistoryIsTheCpus) {
  const std::pair<Task, PoolMode> cases[] = {{Task::binary_classification, PoolMode::attention},
                                             {Task::next_visit, PoolMode::mean},
                                             {Task::survival, PoolMode::max}};
  for (const auto& [task, mode] : cases) {
    SCOPED_TRACE(name_of(task));
    TrainOptions here = options(task), there = options(task);
    here.model.visit_aggregation = there.model.visit_aggregation = mode;
    const History actual = train(backend, here), expected = train(cpu_, there);
    ASSERT_EQ(actual.epochs.size(), expected.epochs.size());
    for (std::size_t e = 0; e < expected.epochs.size(); ++e) {
      const EpochRecord &own = actual.epochs[e], &cpus = expected.epochs[e];
      EXPECT_NEAR(own.train_loss, cpus.train_loss, 1e-4 * cpus.train_loss);
      EXPECT_NEAR(own.validation_loss, cpus.validation_loss, 1e-4 * cpus.validation_loss);
      ASSERT_EQ(own.metrics.size(), cpus.metrics.size());
      for (std::size_t m = 0; m < cpus.metrics.size(); ++m) {
        ASSERT_EQ(own.metrics[m].value.has_value(), cpus.metrics[m].value.has_value());
        if (own.metrics[m].value) {
          EXPECT_NEAR(*own.metrics[m].value, *cpus.metrics[m].value, 0.01) << own.metrics[m].name;
        }
      }
    }
  }
}

TEST_P(TrainerOnBackend, StoppedAndResumedItEndsWithTheSameBits) {
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    if (precision == Precision::bf16 && !computes_in<bf16>()) continue;
    SCOPED_TRACE(name_of(precision));
    const TrainOptions through = options(Task::visit_binary, precision);
    train(backend, through);
    TrainOptions parts = options(Task::visit_binary, precision);
    train(backend, parts, TrainEnd::interrupted, StopAfter(1));
    parts.resume = true;
    const auto data = small_data(parts);
    const std::int64_t batches = (std::ssize(data->split.training) + parts.batch_size - 1) / parts.batch_size;
    train(backend, parts, TrainEnd::interrupted, StopAfter(batches));
    train(backend, parts);
    EXPECT_TRUE(same_files(content_of(parts.out), content_of(through.out)));
  }
}

TEST_P(TrainerOnBackend, Bf16ComesCloseToF32AndLeavesAModelForTheCpu) {
  RAGTIME_NEEDS(bf16);
  const TrainOptions exact = options(Task::visit_binary);
  TrainOptions rounded = options(Task::visit_binary, Precision::bf16);
  const History f32 = train(cpu_, exact), bf16_history = train(backend, rounded);
  EXPECT_NE(bf16_history, f32);
  for (std::size_t e = 0; e < f32.epochs.size(); ++e) {
    EXPECT_NEAR(bf16_history.epochs[e].train_loss, f32.epochs[e].train_loss, 0.02 * f32.epochs[e].train_loss);
    EXPECT_NEAR(bf16_history.epochs[e].validation_loss, f32.epochs[e].validation_loss,
                0.02 * f32.epochs[e].validation_loss);
  }

  // The parameters on disk are those that the steps added up in: f32, not rounded.
  const TensorFile content = read_safetensors(rounded.out / "model.safetensors");
  const Tensor& weight = content.tensors.at("lstm.weight_ih_l0");
  ASSERT_EQ(weight.dtype, "F32");
  int finer = 0;
  for (std::int64_t i = 0; i < weight.elements(); ++i)
    finer += weight.at(i) != static_cast<double>(bf16(weight.at(i)));
  EXPECT_GT(finer, weight.elements() / 2);

  const auto data = small_data(rounded);
  VisitLstm model = read_model(rounded.out, cpu_);
  BatchFeed feed(cpu_, data->encoded, data->examples);
  const Evaluation evaluation = evaluate(model, feed, cpu_, {&data->split.validation, 1});
  const double best = bf16_history.epochs[bf16_history.best_epoch - 1].validation_loss;
  EXPECT_NEAR(evaluation.loss, best, 0.01 * best);
  const PredictionSummary summary =
      write_predictions(model, cpu_, data->encoded, data->examples, rounded.out / "predictions.csv");
  EXPECT_EQ(summary.examples, std::ssize(data->examples.examples));

  // And a run in bf16 goes on as one in bf16 alone.
  rounded.resume = true;
  rounded.precision = Precision::f32;
  expect_error(ErrorCode::invalid_argument, {"--resume with --precision \"f32\"", "begun with \"bf16\""},
               [&] { Trainer(backend, *data, rounded); });
}

// Labels far from 0: trained in standard deviations, in bf16 too, and in their unit in the model directory.
TEST_P(TrainerOnBackend, RegressionIsPredictedInTheLabelsUnit) {
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    if (precision == Precision::bf16 && !computes_in<bf16>()) continue;
    SCOPED_TRACE(name_of(precision));
    TrainOptions run = options(Task::regression, precision);
    run.model.dropout = 0;
    Cohort cohort = learnable_cohort();
    std::vector<PatientLabel> labels = labels_of(cohort);
    for (std::size_t p = 0; p < labels.size(); ++p)
      labels[p].label = 58399 + 13297 * (cohort.visit_codes(cohort.visit_offsets[p]).front() == 0 ? 1 : -1);
    const auto data = prepare_training(std::move(cohort), test::files_of(labels), run);
    Trainer trainer(backend, *data, run);
    TrainObserver observer;
    trainer.run(observer);
    const History& history = trainer.history();
    const double trained = *history.epochs[history.best_epoch - 1].metrics[0].value;
    EXPECT_LT(trained, 2 * 13297) << "what a model that begins at 0 is off by is 58399";

    VisitLstm model = read_model(run.out, cpu_);
    BatchFeed feed(cpu_, data->encoded, data->examples);
    const Evaluation evaluation = evaluate(model, feed, cpu_, {&data->split.validation, 1});
    EXPECT_NEAR(*evaluation.metrics[0].value, trained, precision == Precision::f32 ? 1 : 300);
  }
}

TEST_P(TrainerOnBackend, PredictionsInBf16ComeCloseToF32) {
  RAGTIME_NEEDS(bf16);
  const TrainOptions made = options(Task::binary_classification);
  train(cpu_, made);
  const auto data = small_data(made);
  const auto predicted = [&](const std::shared_ptr<Backend>& on, DType dtype) {
    VisitLstm model = read_model(made.out, on, dtype);
    BatchFeed feed(on, data->encoded, data->examples, dtype);
    return evaluate(model, feed, on, {&data->split.validation, 1}).loss;
  };
  const double exact = predicted(cpu_, DType::f32);
  EXPECT_NEAR(predicted(backend, DType::bf16), exact, 0.02 * exact);
  EXPECT_NEAR(predicted(backend, DType::f16), exact, 0.005 * exact);
  EXPECT_NEAR(predicted(backend, DType::f32), exact, 1e-5 * exact);
}

TEST_P(TrainerOnBackend, APrecisionTheBackendLacksIsRefused) {
  if (computes_in<bf16>()) GTEST_SKIP() << "the " << GetParam() << " backend computes in bf16";
  const TrainOptions rounded = options(Task::next_visit, Precision::bf16);
  const auto data = small_data(rounded);
  expect_error(ErrorCode::unsupported, {"dtype is bf16"}, [&] { Trainer(backend, *data, rounded); });
}

}  // namespace
}  // namespace ragtime::test
