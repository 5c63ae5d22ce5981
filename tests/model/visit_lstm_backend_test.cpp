// The whole model on every backend, in every dtype it offers, on memory that begins as NaN: logits, loss and
// gradients against the CPU's in double with the same parameters, for every task, aggregation and direction;
// the same bits again, and for a patient alone; no memory taken once there is room; parameters drawn, read
// and written in f32 and kept rounded; and what is not offered is refused.

#include <gtest/gtest.h>

#include "host/base/sixteen_bit.hpp"
#include "host/model/parameter_values.hpp"
#include "ragtime/model_directory.hpp"
#include "tests/model/support.hpp"
#include "tests/support/operation_test.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ragtime::test {
namespace {

// Every task, aggregation, number of directions and of layers, not every combination.
std::vector<ModelConfig> configs(double dropout) {
  std::vector<ModelConfig> all;
  constexpr PoolMode modes[] = {PoolMode::mean, PoolMode::sum, PoolMode::max, PoolMode::attention};
  for (std::size_t i = 0; i < std::size(all_tasks); ++i)
    all.push_back(config_for(all_tasks[i], modes[i % 4], i % 3 == 0, 1 + i % 2, dropout));
  return all;
}

std::int64_t logits_of(const ModelConfig& config) {
  return (is_patient_level(config.task) ? 4 : 10) * config.output_dim;
}

class ModelOnBackend : public OnBackend {
 protected:
  void SetUp() override {
    OnBackend::SetUp();
    if (!IsSkipped()) poisoned = std::make_shared<PoisonedBackend>(backend);
  }

  VisitLstm model_of(const ModelConfig& config, DType dtype = DType::f32, std::uint64_t seed = 3) {
    VisitLstm model(poisoned, config, dtype);
    model.initialize(seed);
    return model;
  }
  // The CPU's in double, with the numbers that this one has.
  VisitLstm reference_of(const VisitLstm& model) {
    VisitLstm reference(cpu, model.config(), DType::f64);
    const auto values = cast<double>(get_parameters(model));
    std::copy(values.begin(), values.end(), static_cast<double*>(reference.parameter_data()));
    return reference;
  }

  template <class T>
  void check_logits(double share) {
    for (const ModelConfig& config : configs(0.4)) {
      SCOPED_TRACE(name_of(config.task));
      VisitLstm model = model_of(config, dtype_of<T>), reference = reference_of(model);
      const DeviceBatch batch = load(poisoned, some_patients());
      const auto actual = copied<T>(*backend, model.forward(batch), logits_of(config));
      const auto expected =
          copied<double>(*cpu, reference.forward(load(cpu, some_patients())), logits_of(config));
      EXPECT_TRUE(close(actual, expected, share));
    }
  }

  template <class T>
  void check_gradients(double loss_share, double share) {
    for (const ModelConfig& config : configs(0.3)) {
      SCOPED_TRACE(name_of(config.task));
      VisitLstm model = model_of(config, dtype_of<T>), reference = reference_of(model);
      const DeviceBatch batch = load(poisoned, some_patients()), same = load(cpu, some_patients());
      const Targets<T> targets(config.task);
      Targets<double> wide(config.task);
      wide.values = cast<double>(targets.values);
      const DeviceTargets<T> on_device(backend, targets);
      const DeviceArray<float> loss(backend, {-1, -1});
      const DeviceArray<std::uint64_t> step(backend, {3}), same_step(cpu, {3});
      double expected_loss = 0, expected_weight = 0;
      model.forward_backward(batch, on_device.view(), 17, step.data(), loss.data(), loss.data() + 1);
      reference.forward_backward(same, wide.view(), 17, same_step.data(), &expected_loss, &expected_weight);
      EXPECT_NEAR(loss.host()[0], expected_loss, loss_share * std::abs(expected_loss));
      EXPECT_EQ(loss.host()[1], expected_weight);
      const auto gradient = copied<T>(*backend, model.gradient_data(), model.parameter_count());
      EXPECT_TRUE(close(gradient,
                        copied<double>(*cpu, reference.gradient_data(), reference.parameter_count()), share));

      // Once more, over what the first run left behind: the same bits.
      model.forward_backward(batch, on_device.view(), 17, step.data(), loss.data(), loss.data() + 1);
      EXPECT_TRUE(same_bits(copied<T>(*backend, model.gradient_data(), model.parameter_count()), gradient));
    }
  }

  std::shared_ptr<Backend> cpu = make_backend("cpu");
  std::shared_ptr<PoisonedBackend> poisoned;
};
RAGTIME_TEST_ON_BACKENDS(ModelOnBackend);

TEST_P(ModelOnBackend, LogitsAreThoseInDouble) {
  check_logits<float>(1e-5);
}
// A handful of roundings on the way, of 2^-9 each.
TEST_P(ModelOnBackend, LogitsAreThoseInDoubleBf16) {
  RAGTIME_NEEDS(bf16);
  check_logits<bf16>(0x1p-6);
}
TEST_P(ModelOnBackend, LogitsAreThoseInDoubleF16) {
  RAGTIME_NEEDS(f16);
  check_logits<f16>(0x1p-9);
}

TEST_P(ModelOnBackend, GradientsAreThoseInDouble) {
  check_gradients<float>(1e-5, 1e-5);
}
TEST_P(ModelOnBackend, GradientsAreThoseInDoubleBf16) {
  RAGTIME_NEEDS(bf16);
  check_gradients<bf16>(0x1p-6, 0x1p-5);
}

TEST_P(ModelOnBackend, APatientsLogitsDoNotDependOnTheBatch) {
  for (const Task task : {Task::multi_class, Task::next_visit}) {
    const ModelConfig config = config_for(task, PoolMode::attention, task == Task::multi_class, 2);
    VisitLstm model = model_of(config);
    model.reserve({4, 10, 20, 4}, false);  // one plan for all
    const auto patients = some_patients();
    const auto together = copied<float>(*backend, model.forward(load(poisoned, patients)), logits_of(config));
    std::vector<float> alone;
    for (std::size_t b = 0; b < patients.size(); ++b) {
      const std::int64_t rows = is_patient_level(task) ? 1 : std::ssize(patients[b]);
      const auto own =
          copied<float>(*backend, model.forward(load(poisoned, std::span(patients).subspan(b, 1))),
                        rows * config.output_dim);
      alone.insert(alone.end(), own.begin(), own.end());
    }
    EXPECT_TRUE(same_bits(alone, together));
  }
}

TEST_P(ModelOnBackend, TakesNoMemoryOnceThereIsRoomAndReadsNoTails) {
  const ModelConfig config = config_for(Task::visit_binary, PoolMode::attention, true, 2, 0.2);
  VisitLstm model = model_of(config), reference = reference_of(model);
  model.reserve({9, 40, 100, 23}, true);
  model.reserve({9, 40, 100, 23}, false);
  const DeviceBatch batch = load(poisoned, some_patients());
  const Targets<float> targets(config.task);
  const Targets<double> wide(config.task);
  const DeviceTargets<float> on_device(backend, targets);
  const DeviceArray<float> loss(backend, {-1, -1});
  const int before = poisoned->allocations;
  model.forward_backward(batch, on_device.view(), 4, nullptr, loss.data(), loss.data() + 1);
  double expected_loss = 0, expected_weight = 0;
  reference.forward_backward(load(cpu, some_patients()), wide.view(), 4, nullptr, &expected_loss,
                             &expected_weight);
  EXPECT_NEAR(loss.host()[0], expected_loss, 1e-5 * expected_loss);
  EXPECT_TRUE(close(copied<float>(*backend, model.gradient_data(), model.parameter_count()),
                    copied<double>(*cpu, reference.gradient_data(), reference.parameter_count()), 1e-5));
  model.evaluate(batch, on_device.view(), loss.data(), loss.data() + 1);
  EXPECT_GT(loss.host()[0], 0);
  EXPECT_EQ(poisoned->allocations, before);
}

// What a graph is replayed over: one batch with a place for everything, loaded again and again, whose counts
// the host keeps to itself.
template <class T>
void check_fixed(const std::shared_ptr<Backend>& backend, const ModelConfig& config, bool tf32) {
  SCOPED_TRACE(testing::Message() << name_of(config.task) << ", " << name_of(dtype_of<T>));
  VisitLstm known(backend, config, dtype_of<T>, tf32), unknown(backend, config, dtype_of<T>, tf32);
  const Capacity capacity = {7, 33, 60, 9};
  known.initialize(3);
  unknown.initialize(3);
  known.reserve(capacity, true);  // the same plan for both
  DeviceBatch fixed(backend), free(backend);
  fixed.fix(capacity);
  const DeviceTargets<T> targets(backend, Targets<T>(config.task));
  std::vector<PatientVisits> rotated = some_patients();
  for (int turn = 0; turn < 4; ++turn) {
    if (turn == 2) rotated.resize(2);
    fixed.load(RaggedBatch::from_patients(rotated));
    free.load(RaggedBatch::from_patients(rotated));
    const DeviceArray<float> loss(backend, {-1, -1, -2, -2});
    known.forward_backward(free, targets.view(), 17, nullptr, loss.data(), loss.data() + 1);
    unknown.forward_backward(fixed, targets.view(), 17, nullptr, loss.data() + 2, loss.data() + 3);
    const auto losses = loss.host();
    EXPECT_EQ(losses[0], losses[2]);
    EXPECT_EQ(losses[1], losses[3]);
    EXPECT_TRUE(same_bits(copied<T>(*backend, known.gradient_data(), known.parameter_count()),
                          copied<T>(*backend, unknown.gradient_data(), unknown.parameter_count())));
    std::rotate(rotated.begin(), rotated.begin() + 1, rotated.end());
  }
}

TEST_P(ModelOnBackend, AFixedBatchGivesTheBitsOfOneWhoseCountsTheHostKnows) {
  for (const ModelConfig& config : configs(0.3)) {
    if (backend->device() == DeviceType::cpu) {
      check_fixed<float>(poisoned, config, false);
    } else {
      check_fixed<float>(poisoned, config, true);
      check_fixed<bf16>(poisoned, config, false);
    }
  }
}

TEST_P(ModelOnBackend, AFixedBatchNeedsAnLstmThatDoesWithoutTheHost) {
  if (backend->device() == DeviceType::cpu) GTEST_SKIP() << "the CPU's does";
  VisitLstm model = model_of(config_for(Task::visit_binary));
  DeviceBatch fixed(poisoned);
  fixed.fix({7, 33, 60, 9});
  fixed.load(RaggedBatch::from_patients(some_patients()));
  expect_error(ErrorCode::unsupported, {"algorithm is persistent", "tf32 = false"},
               [&] { model.forward(fixed); });
}

TEST_P(ModelOnBackend, ABatchWithoutLabelsHasNoLossAndNoGradient) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    if (dtype == DType::bf16 && !computes_in<bf16>()) continue;
    VisitLstm model = model_of(config_for(Task::survival, PoolMode::max), dtype);
    Targets<float> targets(Task::survival);
    targets.mask_all();
    const DeviceTargets<float> on_device(backend, targets);
    const DeviceArray<float> loss(backend, {-1, -1});
    model.forward_backward(load(poisoned, some_patients()), on_device.view(), 0, nullptr, loss.data(),
                           loss.data() + 1);
    EXPECT_EQ(loss.host(), (std::vector<float>{0, 0}));
    const std::int64_t bytes = model.parameter_count() * static_cast<std::int64_t>(size_of(dtype));
    for (const auto byte : copied<std::uint8_t>(*backend, model.gradient_data(), bytes))
      ASSERT_EQ(byte & 0x7F, 0);  // zero of either sign
  }
}

TEST_P(ModelOnBackend, ParametersAreDrawnAndKeptAsTheCpusRounded) {
  const ModelConfig config = config_for(Task::multi_class, PoolMode::attention, true, 2);
  VisitLstm plain(cpu, config);
  plain.initialize(7);
  const auto drawn = get_parameters(plain);
  TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "model.safetensors";
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    if (dtype != DType::f32 && !computes_in<bf16>()) continue;
    SCOPED_TRACE(name_of(dtype));
    std::vector<std::byte> rounded(drawn.size() * size_of(dtype));
    from_floats(drawn, dtype, rounded.data());
    std::vector<float> expected(drawn.size());
    to_floats(rounded.data(), dtype, expected);
    VisitLstm model = model_of(config, dtype, 7);
    EXPECT_TRUE(same_bits(get_parameters(model), expected));

    // A file holds what the model keeps, or what it is told; both are models for the CPU.
    VisitLstm read(cpu, config), again(poisoned, config, dtype);
    save_parameters(file, model);
    load_parameters(file, read);
    EXPECT_TRUE(same_bits(get_parameters(read), expected));
    save_parameters(file, model, drawn);
    load_parameters(file, read);
    EXPECT_TRUE(same_bits(get_parameters(read), drawn));
    load_parameters(file, again);
    EXPECT_TRUE(same_bits(get_parameters(again), expected));
  }
  expect_error(ErrorCode::shape_mismatch, {"values has 3 elements"},
               [&] { save_parameters(file, plain, std::vector<float>(3)); });
}

TEST_P(ModelOnBackend, NumbersBeyondTheDtypeAreRefused) {
  RAGTIME_NEEDS(f16);
  const ModelConfig config = config_for(Task::regression);
  VisitLstm wide(cpu, config);
  static_cast<float*>(wide.parameter_data())[wide.parameters().back().offset] = 65520;
  TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "model.safetensors";
  save_parameters(file, wide);
  VisitLstm half(poisoned, config, DType::f16), brain(poisoned, config, DType::bf16);
  expect_error(ErrorCode::out_of_range, {"fc.bias", "holds 65520 at element 0", "in the range of f16"},
               [&] { load_parameters(file, half); });
  EXPECT_NO_THROW(load_parameters(file, brain));
}

TEST_P(ModelOnBackend, WhatIsNotOfferedIsRefused) {
  const ModelConfig config = config_for(Task::regression);
  if (backend->device() == DeviceType::cpu) {
    for (const DType dtype : {DType::bf16, DType::f16})
      expect_error(ErrorCode::unsupported, {"dtype is ", name_of(dtype), "cpu"},
                   [&] { VisitLstm(backend, config, dtype); });
    expect_error(ErrorCode::invalid_argument, {"tf32 is true with dtype f64"},
                 [&] { VisitLstm(backend, config, DType::f64, true); });
    return;
  }
  expect_error(ErrorCode::unsupported, {"dtype is f64"}, [&] { VisitLstm(backend, config, DType::f64); });
  expect_error(ErrorCode::invalid_argument, {"tf32 is true with dtype bf16: expected f32"},
               [&] { VisitLstm(backend, config, DType::bf16, true); });
  VisitLstm half = model_of(config, DType::f16);
  expect_error(ErrorCode::unsupported, {"dtype is f16: expected f32 or bf16 for training"}, [&] {
    half.reserve({1, 1, 1, 1}, true);
  });
  EXPECT_NO_THROW(half.reserve({1, 1, 1, 1}, false));
}

// As far as tf32 rounds: 10 bits of mantissa.
TEST_P(ModelOnBackend, Tf32IsNearF32) {
  const ModelConfig config = config_for(Task::next_visit, PoolMode::attention, false, 2);
  VisitLstm model(poisoned, config, DType::f32, true);
  model.initialize(3);
  VisitLstm reference = reference_of(model);
  const auto expected =
      copied<double>(*cpu, reference.forward(load(cpu, some_patients())), logits_of(config));
  EXPECT_TRUE(
      close(copied<float>(*backend, model.forward(load(poisoned, some_patients())), logits_of(config)),
            expected, 0x1p-8));
}

}  // namespace
}  // namespace ragtime::test
