// What a run begins with: the reference model's initial parameters where nothing else is asked, rows of zeros
// for ids that no training example holds, and a head that predicts the base rate.

#include "host/tool/train/first_parameters.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "host/model/parameter_values.hpp"
#include "tests/model/support.hpp"
#include "tests/tool/train/support.hpp"

namespace ragtime::test {
namespace {

class FirstParameters : public testing::Test {
 protected:
  void begin(const TrainOptions& options) {
    data_ = small_data(options);
    model_.emplace(backend_, data_->config);
    first_ = first_parameters(*model_, *data_, options);
    initial_ = initial_parameters(*model_, options.seed);
  }
  static TrainOptions options(Task task, std::int64_t min_code_count, double code_dropout) {
    TrainOptions made = small_run({}, task);
    made.min_code_count = min_code_count;
    made.code_dropout = code_dropout;
    return made;
  }
  // Ids whose embedding row differs from the initial one. Those rows must be 0.
  std::set<std::int32_t> zeroed() {
    std::set<std::int32_t> ids;
    const std::int64_t width = data_->config.embedding_dim;
    for (std::int64_t i = 0; i < data_->config.vocab_size * width; ++i) {
      if (first_[i] == initial_[i]) continue;
      EXPECT_EQ(first_[i], 0);
      ids.insert(static_cast<std::int32_t>(i / width));
    }
    return ids;
  }
  // Whether all is as initially, the head's bias and the embedding left out.
  bool rest_is_initial() {
    const auto begin = static_cast<std::ptrdiff_t>(model_->parameters()[1].offset);
    const auto end = static_cast<std::ptrdiff_t>(model_->parameters().back().offset);
    return std::equal(first_.begin() + begin, first_.begin() + end, initial_.begin() + begin);
  }
  float bias(std::int64_t k = 0) const { return first_[model_->parameters().back().offset + k]; }

  std::shared_ptr<Backend> backend_ = make_backend("cpu");
  std::unique_ptr<TrainingData> data_;
  std::optional<VisitLstm> model_;
  std::vector<float> first_, initial_;
};

TEST_F(FirstParameters, WithoutTheOptionsAreTheReferenceModels) {
  for (const Task task : {Task::next_visit, Task::survival, Task::regression})
    for (const std::int64_t min_code_count : {0, 1}) {
      begin(options(task, min_code_count, 0));
      EXPECT_EQ(first_, initial_) << name_of(task);
    }
  begin(options(Task::binary_classification, 0, 0));
  EXPECT_TRUE(zeroed().empty());
  EXPECT_TRUE(rest_is_initial());
}

// X, the label code of survival, is in the vocabulary and never in the input.
TEST_F(FirstParameters, OfCodesThatAreNeverInputAreZero) {
  for (const auto& [min_code_count, dropout] : {std::pair(2, 0.0), std::pair(0, 0.1), std::pair(2, 0.1)}) {
    begin(options(Task::survival, min_code_count, dropout));
    ASSERT_GE(data_->vocabulary.find("X"), 0);
    EXPECT_EQ(zeroed(), (std::set<std::int32_t>{1, data_->vocabulary.find("X")}));
    EXPECT_TRUE(rest_is_initial());
    begin(options(Task::next_visit, min_code_count, dropout));
    EXPECT_EQ(zeroed(), (std::set<std::int32_t>{1})) << "here X is input, and [UNK] learns from 0";
    EXPECT_EQ(bias(), initial_[model_->parameters().back().offset]);
  }
}

TEST_F(FirstParameters, OfABinaryHeadPredictTheBaseRate) {
  begin(options(Task::binary_classification, 0, 0));
  double positives = 0;
  for (const std::int32_t index : data_->split.training) positives += data_->examples.examples[index].label;
  const auto all = static_cast<double>(data_->split.training.size());
  EXPECT_FLOAT_EQ(bias(), static_cast<float>(std::log((positives + 0.5) / (all - positives + 0.5))));

  TrainOptions sampled = options(Task::visit_binary, 0, 0);
  sampled.task.predict_at = predict_at_from_text("sample:0.5");
  begin(sampled);
  const HostTargets targets = make_targets(data_->examples, data_->split.training);
  double known = 0, events = 0;
  for (std::size_t row = 0; row < targets.values.size(); ++row) {
    known += targets.row_weight[row] > 0;
    events += targets.row_weight[row] > 0 && targets.values[row] == 1;
  }
  ASSERT_LT(known, static_cast<double>(targets.values.size()));
  EXPECT_FLOAT_EQ(bias(), static_cast<float>(std::log((events + 0.5) / (known - events + 0.5))));
  EXPECT_TRUE(rest_is_initial());
}

TEST_F(FirstParameters, OfClassesPredictTheirShares) {
  const TrainOptions run = options(Task::multi_class, 0, 0);
  Cohort cohort = learnable_cohort();
  std::vector<PatientLabel> labels = labels_of(cohort);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i].label = i % 3 == 0 ? 3 : 0;
  data_ = prepare_training(std::move(cohort), test::files_of(labels), run);
  model_.emplace(backend_, data_->config);
  first_ = first_parameters(*model_, *data_, run);
  initial_ = initial_parameters(*model_, run.seed);
  double threes = 0;
  for (const std::int32_t index : data_->split.training) threes += data_->examples.examples[index].label == 3;
  const double all = static_cast<double>(data_->split.training.size()) + 2;
  double sum = 0;
  for (std::int64_t k = 0; k < 4; ++k) sum += std::exp(static_cast<double>(bias(k)));
  EXPECT_NEAR(sum, 1, 1e-6);
  EXPECT_FLOAT_EQ(bias(3), static_cast<float>(std::log((threes + 0.5) / all)));
  EXPECT_FLOAT_EQ(bias(1), static_cast<float>(std::log(0.5 / all))) << "a class that nobody has";
  EXPECT_TRUE(rest_is_initial());
}

}  // namespace
}  // namespace ragtime::test
