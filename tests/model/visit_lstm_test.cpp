// The whole model through its public interface: logits against plain loops in double, gradients against
// finite differences for every task, aggregation and direction with dropout on (its masks are functions of
// counters), and everything on memory that begins as NaN. A patient's predictions do not depend on the batch,
// nor the masks of its dropout; no bit depends on the number of threads; a batch without labels teaches
// nothing; once reserved nothing is allocated.

#include "ragtime/visit_lstm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ragtime/status.hpp"
#include "tests/model/support.hpp"
#include "tests/model/visit_lstm_reference.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

struct Case {
  Task task;
  PoolMode aggregation;
  bool bidirectional;
  std::int64_t layers;
};

// Every task with every aggregation, in one direction and in both; every aggregation meets both directions
// and 1 to 3 layers.
std::vector<Case> cases() {
  constexpr PoolMode modes[] = {PoolMode::mean, PoolMode::sum, PoolMode::max, PoolMode::attention};
  std::vector<Case> all;
  std::size_t next = 0;
  for (std::size_t task = 0; task < std::size(all_tasks); ++task)
    for (const bool bidirectional : {false, true})
      for (int pick = 0; pick < 2; ++pick, ++next)
        all.push_back({all_tasks[task], modes[(next + task) % 4], bidirectional,
                       1 + static_cast<std::int64_t>(next % 3)});
  return all;
}

std::string name_of_case(const testing::TestParamInfo<Case>& entry) {
  const Case& now = entry.param;
  return std::string(name_of(now.task)) + "_" + name_of(now.aggregation) +
         (now.bidirectional ? "_D2" : "_D1") + "_L" + std::to_string(now.layers);
}

class VisitLstmCase : public testing::TestWithParam<Case> {
 protected:
  // Batches this small are run sooner than threads wake.
  void SetUp() override { set_cpu_threads(1); }
  void TearDown() override { set_cpu_threads(0); }

  ModelConfig config(double dropout) const {
    const Case& now = GetParam();
    return config_for(now.task, now.aggregation, now.bidirectional, now.layers, dropout);
  }
  std::int64_t logits() const { return (is_patient_level(GetParam().task) ? 4 : 10) * config(0).output_dim; }
  std::shared_ptr<PoisonedBackend> backend = std::make_shared<PoisonedBackend>();
};

INSTANTIATE_TEST_SUITE_P(Cases, VisitLstmCase, testing::ValuesIn(cases()), name_of_case);

TEST_P(VisitLstmCase, LogitsAreThoseOfPlainLoops) {
  VisitLstm reference(backend, config(0.4), DType::f64), model(backend, config(0.4), DType::f32);
  reference.initialize(3);
  model.initialize(3);
  const auto patients = some_patients();
  const DeviceBatch batch = load(backend, patients);
  const ReferenceModel plain(reference, static_cast<const double*>(reference.parameter_data()));
  std::vector<double> expected;
  for (const PatientVisits& patient : patients) {
    const auto own = plain.logits(patient);
    expected.insert(expected.end(), own.begin(), own.end());
  }
  EXPECT_TRUE(close(copied<double>(*backend, reference.forward(batch), logits()), expected, 1e-12));
  EXPECT_TRUE(close(copied<float>(*backend, model.forward(batch), logits()), expected, 1e-5));
}

TEST_P(VisitLstmCase, GradientsAgreeWithFiniteDifferences) {
  VisitLstm model(backend, config(0.3), DType::f64);
  model.initialize(5);
  const DeviceBatch batch = load(backend, some_patients());
  const Targets<double> targets(GetParam().task);
  const std::uint64_t step = 3;
  double loss = 0, weight = 0;
  const auto run = [&] {
    model.forward_backward(batch, targets.view(), 17, &step, &loss, &weight);
    return loss;
  };
  run();
  EXPECT_GT(weight, 0);
  const auto gradient = copied<double>(*backend, model.gradient_data(), model.parameter_count());
  auto* values = static_cast<double*>(model.parameter_data());
  double largest = 0;
  for (const double g : gradient) largest = std::max(largest, std::abs(g));
  ASSERT_GT(largest, 0);
  for (const ParameterInfo& parameter : model.parameters())
    for (std::int64_t i = 0; i < parameter.elements; i += 1 + parameter.elements / 23) {
      double& value = values[parameter.offset + i];
      const double kept = value, h = 1e-5;
      value = kept + h;
      const double above = run();
      value = kept - h;
      const double below = run();
      value = kept;
      // The padding row is used, here on purpose, and yet gets no gradient.
      const bool padding = parameter.name == "embedding.weight" && i < 5;
      EXPECT_NEAR(gradient[parameter.offset + i], padding ? 0 : (above - below) / (2 * h),
                  1e-7 * largest + 1e-9)
          << parameter.name << "[" << i << "]";
    }
}

TEST_P(VisitLstmCase, FloatGradientsFollowDoubleAndZerosStayBetweenParameters) {
  VisitLstm model(backend, config(0.3), DType::f32), reference(backend, config(0.3), DType::f64);
  model.initialize(5);
  reference.initialize(5);
  const DeviceBatch batch = load(backend, some_patients());
  float loss = 0, weight = 0;
  double expected_loss = 0, expected_weight = 0;
  model.forward_backward(batch, Targets<float>(GetParam().task).view(), 17, nullptr, &loss, &weight);
  reference.forward_backward(batch, Targets<double>(GetParam().task).view(), 17, nullptr, &expected_loss,
                             &expected_weight);
  EXPECT_NEAR(loss, expected_loss, 1e-5 * std::abs(expected_loss));
  EXPECT_EQ(weight, expected_weight);
  const auto gradient = copied<float>(*backend, model.gradient_data(), model.parameter_count());
  EXPECT_TRUE(close(gradient,
                    copied<double>(*backend, reference.gradient_data(), reference.parameter_count()), 1e-5));
  const auto values = copied<float>(*backend, model.parameter_data(), model.parameter_count());
  for (std::size_t p = 0; p + 1 < model.parameters().size(); ++p) {
    const ParameterInfo& own = model.parameters()[p];
    EXPECT_EQ(own.offset % 16, 0) << own.name;
    for (std::int64_t i = own.offset + own.elements; i < model.parameters()[p + 1].offset; ++i) {
      EXPECT_EQ(gradient[i], 0) << "after " << own.name;
      EXPECT_EQ(values[i], 0) << "after " << own.name;
    }
  }
}

TEST_P(VisitLstmCase, APatientsLogitsDoNotDependOnTheBatch) {
  VisitLstm model(backend, config(0));
  model.initialize(1);
  const auto patients = some_patients();
  const auto together = copied<float>(*backend, model.forward(load(backend, patients)), logits());
  // Alone; and backwards, among others.
  auto others = patients;
  others.push_back(PatientVisits(19, {1, 4}));
  std::reverse(others.begin(), others.end());
  std::vector<float> alone, backwards;
  for (std::size_t b = 0; b < patients.size(); ++b) {
    const std::int64_t rows = is_patient_level(GetParam().task) ? 1 : std::ssize(patients[b]);
    const std::int64_t count = rows * config(0).output_dim;
    const auto own =
        copied<float>(*backend, model.forward(load(backend, std::span(patients).subspan(b, 1))), count);
    alone.insert(alone.end(), own.begin(), own.end());
    std::int64_t before = 0;
    for (std::size_t other = 0; other < patients.size() - b; ++other)
      before += is_patient_level(GetParam().task) ? 1 : std::ssize(others[other]);
    const auto* all = static_cast<const float*>(model.forward(load(backend, others)));
    const float* first = all + before * config(0).output_dim;
    backwards.insert(backwards.end(), first, first + count);
  }
  EXPECT_TRUE(same_bits(alone, together));
  EXPECT_TRUE(same_bits(backwards, together));
}

TEST_P(VisitLstmCase, ABatchWithoutLabelsHasNoLossAndNoGradient) {
  VisitLstm model(backend, config(0.2));
  model.initialize(1);
  const DeviceBatch batch = load(backend, some_patients());
  Targets<float> targets(GetParam().task);
  targets.mask_all();
  float loss = 1, weight = 1;
  model.forward_backward(batch, targets.view(), 0, nullptr, &loss, &weight);
  EXPECT_EQ(loss, 0);
  EXPECT_EQ(weight, 0);
  const auto gradient = copied<float>(*backend, model.gradient_data(), model.parameter_count());
  EXPECT_TRUE(close(gradient, std::vector<float>(gradient.size(), 0.0f), 0));
  model.evaluate(batch, targets.view(), &loss, &weight);
  EXPECT_EQ(loss, 0);
}

TEST_P(VisitLstmCase, NothingIsAllocatedOnceReservedAndSmallerBatchesReadNoTails) {
  VisitLstm fresh(backend, config(0.2)), reserved(backend, config(0.2));
  fresh.initialize(1);
  reserved.initialize(1);
  const DeviceBatch batch = load(backend, some_patients());
  const Targets<float> targets(GetParam().task);
  float loss = 0, weight = 0, again = 0;
  fresh.forward_backward(batch, targets.view(), 4, nullptr, &loss, &weight);
  const auto gradient = copied<float>(*backend, fresh.gradient_data(), fresh.parameter_count());
  const auto logits_then = copied<float>(*backend, fresh.forward(batch), logits());

  reserved.reserve({9, 40, 100, 23}, true);
  reserved.reserve({9, 40, 100, 23}, false);
  const int before = backend->allocations;
  reserved.forward_backward(batch, targets.view(), 4, nullptr, &again, &weight);
  EXPECT_EQ(loss, again);
  EXPECT_TRUE(
      same_bits(copied<float>(*backend, reserved.gradient_data(), reserved.parameter_count()), gradient));
  EXPECT_TRUE(same_bits(copied<float>(*backend, reserved.forward(batch), logits()), logits_then));
  reserved.evaluate(batch, targets.view(), &again, &weight);
  EXPECT_EQ(backend->allocations, before);
  // A batch beyond what was reserved makes room for itself, and nothing of it stays behind.
  const std::vector<PatientVisits> many(30, PatientVisits(25, {1, 2}));
  fresh.forward(load(backend, many));
  EXPECT_TRUE(same_bits(copied<float>(*backend, fresh.forward(batch), logits()), logits_then));
}

TEST_P(VisitLstmCase, PatientsWithoutVisitsAndEmptyBatchesHarmNobody) {
  VisitLstm model(backend, config(0.2));
  model.initialize(1);
  const Targets<float> targets(GetParam().task);
  float loss = 0, weight = 0;
  // Behind the others, so that their targets stay where they are.
  auto patients = some_patients();
  const auto before = copied<float>(*backend, model.forward(load(backend, patients)), logits());
  patients.push_back({});
  EXPECT_TRUE(same_bits(copied<float>(*backend, model.forward(load(backend, patients)), logits()), before));
  for (const std::vector<PatientVisits>& nobody : {std::vector<PatientVisits>{}, {{}}, {{{}}}}) {
    Targets<float> none(GetParam().task);
    none.mask_all();
    model.forward_backward(load(backend, nobody), none.view(), 0, nullptr, &loss, &weight);
    EXPECT_EQ(loss, 0);
    for (const float g : copied<float>(*backend, model.gradient_data(), model.parameter_count()))
      ASSERT_EQ(g, 0);
  }
}

// Wide and long enough that every operation splits its work and has blocks and tails of vectors.
TEST(VisitLstm, NoBitDependsOnTheNumberOfThreads) {
  struct Threads {
    ~Threads() { set_cpu_threads(0); }
  } restored;
  const auto backend = make_backend("cpu");
  Numbers numbers(8);
  std::vector<PatientVisits> patients;
  for (int b = 0; b < 60; ++b) {
    patients.emplace_back(numbers.integer(1, 25));
    for (VisitCodes& codes : patients.back())
      for (std::int32_t code = 1; code < vocabulary; ++code)
        if (numbers.integer(0, 2) == 0) codes.push_back(code);
  }
  const DeviceBatch batch = load(backend, patients);
  for (const Task task : {Task::multi_class, Task::next_visit}) {
    ModelConfig config = config_for(task, PoolMode::attention, true, 2, 0.25);
    config.embedding_dim = 33;
    config.hidden_dim = 71;
    VisitLstm model(backend, config);
    model.initialize(6);
    Targets<float> targets(task);
    targets.labels.clear();
    for (int b = 0; b < 60; ++b) targets.labels.push_back(b % 3);
    targets.row_weight.assign(batch.size().rows, 1.0f);
    for (std::int32_t b = 0, row = 0; task == Task::next_visit && b < 60; ++b)
      targets.row_weight[(row += std::ssize(patients[b])) - 1] = 0;

    const std::int64_t count = config.output_dim * (task == Task::multi_class ? 60 : batch.size().rows);
    const auto run = [&](int threads) {
      set_cpu_threads(threads);
      auto bits = copied<float>(*backend, model.forward(batch), count);
      float loss = 0, weight = 0;
      model.forward_backward(batch, targets.view(), 3, nullptr, &loss, &weight);
      const auto gradient = copied<float>(*backend, model.gradient_data(), model.parameter_count());
      bits.insert(bits.end(), {loss, weight});
      bits.insert(bits.end(), gradient.begin(), gradient.end());
      return bits;
    };
    const auto one = run(1);
    for (const int threads : {2, 3, 7}) EXPECT_TRUE(same_bits(run(threads), one)) << threads;

    const ReferenceModel plain(model, static_cast<const float*>(model.parameter_data()));
    std::vector<double> expected;
    for (const PatientVisits& patient : patients) {
      const auto own = plain.logits(patient);
      expected.insert(expected.end(), own.begin(), own.end());
    }
    EXPECT_TRUE(close(std::vector<float>(one.begin(), one.begin() + count), expected, 1e-5));
  }
}

TEST(VisitLstm, DropoutMasksFollowThePatientNotTheBatch) {
  const auto backend = make_backend("cpu");
  VisitLstm model(backend, config_for(Task::binary_classification, PoolMode::sum, true, 2, 0.3));
  model.initialize(1);
  const auto patients = some_patients();
  const Targets<float> targets(Task::binary_classification);
  float loss = 0, weight = 0;
  const auto logit = [&](std::size_t first, std::size_t count, std::vector<std::uint32_t> ids, std::size_t b,
                         std::uint64_t seed, std::uint64_t step) {
    const DeviceBatch batch = load(backend, std::span(patients).subspan(first, count), std::move(ids));
    return static_cast<const float*>(
        model.forward_backward(batch, targets.view(), seed, &step, &loss, &weight))[b];
  };
  const float together = logit(0, 4, {40, 30, 20, 10}, 2, 7, 9);
  EXPECT_EQ(logit(2, 1, {20}, 0, 7, 9), together);
  EXPECT_NE(logit(2, 1, {21}, 0, 7, 9), together);
  EXPECT_NE(logit(2, 1, {20}, 0, 8, 9), together);
  EXPECT_NE(logit(2, 1, {20}, 0, 7, 10), together);
}

TEST(VisitLstm, ACodeOfWeightTwoCountsLikeTwoCodes) {
  const auto backend = make_backend("cpu");
  for (const PoolMode mode : {PoolMode::sum, PoolMode::mean, PoolMode::attention}) {
    VisitLstm model(backend, config_for(Task::regression, mode), DType::f64);
    model.initialize(2);
    const std::vector<PatientVisits> doubled = {{{1, 2, 2}, {3, 3}}}, once = {{{1, 2}, {3}}};
    const std::vector<double> values = {0.5};
    ModelTargets targets;
    targets.values = values.data();
    double loss = 0, weight = 0;
    model.forward_backward(load(backend, doubled), targets, 0, nullptr, &loss, &weight);
    const auto expected = copied<double>(*backend, model.gradient_data(), model.parameter_count());
    const double expected_loss = loss;

    RaggedBatch weighted = RaggedBatch::from_patients(once, vocabulary);
    weighted.code_weights = {1, 2, 2};
    DeviceBatch batch(backend);
    batch.load(weighted);
    model.forward_backward(batch, targets, 0, nullptr, &loss, &weight);
    EXPECT_NEAR(loss, expected_loss, 1e-14);
    EXPECT_TRUE(
        close(copied<double>(*backend, model.gradient_data(), model.parameter_count()), expected, 1e-12));
  }
}

TEST(VisitLstm, CodesBeyondTheVocabularyAreReportedAndNotRead) {
  const auto backend = make_backend("cpu");
  VisitLstm model(backend, config_for(Task::regression));
  model.initialize(1);
  const std::vector<PatientVisits> wrong = {{{1, 99}, {3}}}, right = {{{1}, {3}}};
  DeviceBatch batch(backend);
  batch.load(RaggedBatch::from_patients(wrong));
  Status status(backend);
  const float got = *static_cast<const float*>(model.forward(batch, {}, status.word()));
  EXPECT_EQ(got, *static_cast<const float*>(model.forward(load(backend, right))));
  EXPECT_THROW(status.check(), Error);
}

TEST(VisitLstm, SaysWhatIsMissing) {
  const auto backend = make_backend("cpu");
  const auto patients = some_patients();
  const DeviceBatch batch = load(backend, patients);
  float loss = 0;
  for (const auto& [task, name] :
       std::vector<std::pair<Task, std::string>>{{Task::binary_classification, "targets.values"},
                                                 {Task::multi_class, "targets.labels"},
                                                 {Task::next_visit, "targets.row_weight"},
                                                 {Task::survival, "targets.event_time"}}) {
    VisitLstm model(backend, config_for(task));
    for (const bool training : {false, true})
      expect_error(ErrorCode::invalid_argument, {name, "is null", name_of(task)}, [&] {
        if (training)
          model.forward_backward(batch, {}, 0, nullptr, &loss, nullptr);
        else
          model.evaluate(batch, {}, &loss, nullptr);
      });
  }
  VisitLstm model(backend, config_for(Task::regression));
  expect_error(ErrorCode::invalid_argument, {"batch has no codes"},
               [&] { model.forward(DeviceBatch(backend)); });
  expect_error(ErrorCode::invalid_argument, {"backend is null"},
               [] { VisitLstm(nullptr, config_for(Task::regression)); });
  expect_error(ErrorCode::unsupported, {"dtype is bf16"},
               [&] { VisitLstm(backend, config_for(Task::regression), DType::bf16); });
}

}  // namespace
}  // namespace ragtime::test
