// AdamW with memory of its own takes the steps of AdamWPlan bit by bit, starts from zero moments whatever its
// memory held, follows options that change in between, and skips a step while the status word is set. On
// every backend its steps are those of the formula, whatever the size and the alignment, and 16-bit
// parameters are their f32 master, rounded.

#include <gtest/gtest.h>

#include "ragtime/adamw.hpp"
#include "ragtime/status.hpp"
#include "tests/model/support.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

constexpr std::int64_t count = 37;

TEST(AdamW, TakesTheStepsOfItsPlan) {
  const auto backend = std::make_shared<PoisonedBackend>();
  Numbers numbers(5);
  auto parameters = numbers.vector<float>(count), expected = parameters;
  AdamW adamw(backend, count, {.learning_rate = 0.1, .weight_decay = 0.2, .clip_norm = 1.5});

  const AdamWPlan plan(backend, {.parameters = count});
  std::vector<float> first(count), second(count);
  AdamWState state;
  std::vector<std::byte> workspace(plan.workspace_bytes());
  for (int step = 0; step < 5; ++step) {
    const auto gradients = numbers.vector<float>(count);
    AdamWArgs args;
    args.parameters = expected.data();
    args.gradients = gradients.data();
    args.first_moment = first.data();
    args.second_moment = second.data();
    args.state = &state;
    args.workspace = workspace.data();
    const double rate = step < 3 ? 0.1 : 0.01;
    plan.step({.learning_rate = rate, .weight_decay = 0.2, .clip_norm = 1.5}, args);
    adamw.options.learning_rate = rate;
    adamw.step(parameters.data(), gradients.data());
    EXPECT_TRUE(same_bits(parameters, expected)) << step;
    EXPECT_EQ(adamw.state()->step, step + 1);
    EXPECT_EQ(adamw.state()->gradient_norm, state.gradient_norm);
  }
}

TEST(AdamW, SkipsAStepWhileTheStatusWordIsSet) {
  const auto backend = make_backend("cpu");
  std::vector<double> parameters(count, 1.0);
  const std::vector<double> gradients(count, 2.0);
  AdamW adamw(backend, count, {}, DType::f64);
  std::uint64_t word = fault_word(Fault::code_out_of_range, 4);
  adamw.step(parameters.data(), gradients.data(), {}, &word);
  EXPECT_TRUE(same_bits(parameters, std::vector<double>(count, 1.0)));
  EXPECT_EQ(adamw.state()->skipped, 1);
  word = no_fault;
  adamw.step(parameters.data(), gradients.data(), {}, &word);
  EXPECT_LT(parameters[0], 1.0);
  EXPECT_EQ(adamw.state()->step, 1);
}

TEST(AdamW, SaysWhatIsWrong) {
  const auto backend = make_backend("cpu");
  expect_error(ErrorCode::invalid_argument, {"parameters is -1"}, [&] { AdamW(backend, -1); });
  expect_error(ErrorCode::invalid_argument, {"backend is null"}, [] { AdamW(nullptr, 1); });
  AdamW adamw(backend, 1, {.learning_rate = nan<double>});
  float value = 1;
  expect_error(ErrorCode::invalid_argument, {"learning_rate is nan"}, [&] { adamw.step(&value, &value); });
  adamw.options = {};
  expect_error(ErrorCode::invalid_argument, {"parameters is null"}, [&] { adamw.step(nullptr, &value); });
  expect_error(ErrorCode::invalid_argument, {"load_master with dtype f32: expected bf16 or f16"},
               [&] { adamw.load_master(&value); });
  const AdamWPlan plan(backend, {.parameters = 1});
  expect_error(ErrorCode::invalid_argument, {"values is null"}, [&] { plan.widen(&value, nullptr); });
  expect_error(ErrorCode::invalid_argument, {"parameters is null"}, [&] { plan.round(&value, nullptr); });
}

// Torch's formulas, in double, one element after the other.
struct Reference {
  std::vector<double> parameters, first, second;
  double norm = 0;
  int steps = 0;

  explicit Reference(std::vector<double> start)
      : parameters(std::move(start)), first(parameters.size()), second(parameters.size()) {}

  void step(const AdamWOptions& options, const std::vector<double>& gradients) {
    ++steps;
    norm = 0;
    for (const double g : gradients) norm += g * g;
    norm = std::sqrt(norm);
    const double clip = options.clip_norm > 0 ? std::min(1.0, options.clip_norm / (norm + 1e-6)) : 1.0;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const double g = gradients[i] * clip;
      parameters[i] -= options.learning_rate * options.weight_decay * parameters[i];
      first[i] = options.beta1 * first[i] + (1 - options.beta1) * g;
      second[i] = options.beta2 * second[i] + (1 - options.beta2) * g * g;
      const double m = first[i] / (1 - std::pow(options.beta1, steps));
      const double v = second[i] / (1 - std::pow(options.beta2, steps));
      parameters[i] -= options.learning_rate * m / (std::sqrt(v) + options.epsilon);
    }
  }
};

class AdamWOnBackend : public OnBackend {
 protected:
  template <class T>
  std::vector<T> copied(const void* from, std::int64_t elements) const {
    std::vector<T> values(static_cast<std::size_t>(elements));
    backend->copy(values.data(), from, values.size() * sizeof(T), CopyKind::to_host);
    backend->synchronize();
    return values;
  }
  AdamWState state_of(const AdamW& adamw) const { return copied<AdamWState>(adamw.state(), 1)[0]; }

  // The sums, and what they are rounded to: the same for f32 and f64.
  template <class T>
  using Sum = std::conditional_t<sizeof(T) == 2, float, T>;

  // Parameters and gradients are `shift` elements behind where memory begins, and followed by others.
  template <class T>
  std::vector<Sum<T>> check_steps(std::int64_t n, std::int64_t shift) const {
    SCOPED_TRACE(testing::Message() << n << " parameters, shifted by " << shift);
    const AdamWOptions options{.learning_rate = 0.1, .epsilon = 1e-3, .weight_decay = 0.2, .clip_norm = 1.5};
    Numbers numbers(static_cast<std::uint64_t>(n));
    const auto start = numbers.vector<Sum<T>>(n);
    AdamW adamw(backend, n, options, dtype_of<T>);
    const auto parameters = DeviceArray<T>::poisoned(backend, n + shift + 5);
    T* const moving = parameters.data() + shift;
    const DeviceArray<Sum<T>> initial(backend, start);
    if constexpr (sizeof(T) == 2)
      adamw.load_master(initial.data(), moving);
    else
      backend->copy(moving, initial.data(), start.size() * sizeof(T), CopyKind::on_device);

    Reference reference(cast<double>(start));
    for (int step = 0; step < 4; ++step) {
      auto gradients = numbers.vector<T>(n);
      reference.step(options, cast<double>(gradients));
      gradients.insert(gradients.begin(), static_cast<std::size_t>(shift), nan<T>);
      gradients.insert(gradients.end(), 5, nan<T>);
      const DeviceArray<T> on_device(backend, gradients);
      adamw.step(moving, on_device.data() + shift);
      EXPECT_NEAR(state_of(adamw).gradient_norm, reference.norm, 1e-12 * reference.norm);
    }
    const void* sums = sizeof(T) == 2 ? static_cast<const void*>(adamw.master()) : moving;
    const auto after = copied<Sum<T>>(sums, n);
    constexpr double allowed = tolerance<Sum<T>>;
    EXPECT_TRUE(close(after, reference.parameters, allowed));
    EXPECT_TRUE(close(copied<Sum<T>>(adamw.first_moment(), n), reference.first, allowed));
    EXPECT_TRUE(close(copied<Sum<T>>(adamw.second_moment(), n), reference.second, allowed));
    EXPECT_EQ(state_of(adamw).step, 4u);
    EXPECT_EQ(state_of(adamw).skipped, 0u);
    // The parameters are those, rounded, and nothing around them is written.
    std::vector<T> expected(static_cast<std::size_t>(shift), poison<T>());
    for (const Sum<T> value : after) expected.push_back(static_cast<T>(value));
    expected.insert(expected.end(), 5, poison<T>());
    EXPECT_TRUE(same_bits(parameters.host(), expected));
    return after;
  }
  template <class T>
  T poison() const {
    return DeviceArray<T>::poisoned(backend, 1).host()[0];
  }

  // 4096 elements make a partial sum of the norm, 16384 on the CPU.
  template <class T>
  void check_all_steps() const {
    for (const std::int64_t n : {1, 37, 4096, 4101, 40000}) {
      const auto aligned = check_steps<T>(n, 0);
      EXPECT_TRUE(same_bits(check_steps<T>(n, 1), aligned));
    }
  }

  template <class T>
  void check_skipping(double bad, bool sets_status) const {
    const auto start = Numbers(1).vector<T>(count);
    auto gradients = Numbers(2).vector<T>(count);
    AdamW adamw(backend, count, {}, dtype_of<T>);
    const DeviceArray<T> parameters(backend, start);
    if constexpr (sizeof(T) == 2) adamw.load_master(parameters.data());
    const DeviceArray<std::uint64_t> word(backend,
                                          {sets_status ? fault_word(Fault::bad_target, 3) : no_fault});
    const DeviceArray<T> good(backend, gradients);
    gradients[count - 2] = static_cast<T>(bad);
    const DeviceArray<T> wrong(backend, gradients);
    for (int call = 1; call <= 2; ++call) {
      adamw.step(parameters.data(), (sets_status ? good : wrong).data(), {}, word.data());
      EXPECT_TRUE(same_bits(parameters.host(), start));
      for (const Sum<T> moment : copied<Sum<T>>(adamw.first_moment(), count)) EXPECT_EQ(moment, Sum<T>(0));
      EXPECT_EQ(state_of(adamw).skipped, call);
      EXPECT_EQ(state_of(adamw).step, 0u);
      EXPECT_EQ(std::isfinite(state_of(adamw).gradient_norm), sets_status);
    }
    adamw.step(parameters.data(), good.data());
    EXPECT_EQ(state_of(adamw).step, 1u);
    EXPECT_EQ(state_of(adamw).skipped, 2u);
    EXPECT_FALSE(same_bits(parameters.host(), start));
  }

  // A run that is stopped after two steps and goes on from what a checkpoint keeps ends as one that is not.
  template <class T>
  void check_master() const {
    Numbers numbers(3);
    const auto start = numbers.vector<float>(count);
    const DeviceArray<float> initial(backend, start);
    std::vector<DeviceArray<T>> gradients;
    for (int step = 0; step < 4; ++step) gradients.emplace_back(backend, numbers.vector<T>(count));

    const auto parameters = DeviceArray<T>::poisoned(backend, count);
    AdamW adamw(backend, count, {}, dtype_of<T>);
    expect_error(ErrorCode::invalid_argument, {"master", "not loaded: expected load_master first"},
                 [&] { adamw.step(parameters.data(), gradients[0].data()); });
    adamw.load_master(initial.data(), parameters.data());
    EXPECT_TRUE(same_bits(copied<float>(adamw.master(), count), start));
    EXPECT_TRUE(same_bits(parameters.host(), cast<T>(start)));
    for (int step = 0; step < 2; ++step) adamw.step(parameters.data(), gradients[step].data());

    AdamW resumed(backend, count, {}, dtype_of<T>);
    const auto restored = DeviceArray<T>::poisoned(backend, count);
    const auto restore = [&](void* to, const void* from, std::size_t bytes) {
      const auto kept = copied<std::byte>(from, static_cast<std::int64_t>(bytes));
      backend->copy(to, kept.data(), bytes, CopyKind::to_device);
      backend->synchronize();
    };
    restore(resumed.state(), adamw.state(), sizeof(AdamWState));
    restore(resumed.first_moment(), adamw.first_moment(), count * sizeof(float));
    restore(resumed.second_moment(), adamw.second_moment(), count * sizeof(float));
    restore(resumed.master(), adamw.master(), count * sizeof(float));
    resumed.load_master(resumed.master(), restored.data());
    EXPECT_TRUE(same_bits(restored.host(), parameters.host()));
    for (int step = 2; step < 4; ++step) {
      adamw.step(parameters.data(), gradients[step].data());
      resumed.step(restored.data(), gradients[step].data());
    }
    EXPECT_TRUE(same_bits(copied<float>(resumed.master(), count), copied<float>(adamw.master(), count)));
    EXPECT_TRUE(same_bits(restored.host(), parameters.host()));

    // From the parameters alone: what the rounding took away is gone.
    adamw.load_master(parameters.data());
    EXPECT_TRUE(same_bits(copied<float>(adamw.master(), count), cast<float>(parameters.host())));
  }
};
RAGTIME_TEST_ON_BACKENDS(AdamWOnBackend);

TEST_P(AdamWOnBackend, StepsAsTheFormulaSaysDouble) {
  RAGTIME_NEEDS_DOUBLE();
  check_all_steps<double>();
}
TEST_P(AdamWOnBackend, StepsAsTheFormulaSaysFloat) {
  check_all_steps<float>();
}
TEST_P(AdamWOnBackend, StepsAsTheFormulaSaysBf16) {
  RAGTIME_NEEDS(bf16);
  check_all_steps<bf16>();
}
TEST_P(AdamWOnBackend, StepsAsTheFormulaSaysF16) {
  RAGTIME_NEEDS(f16);
  check_all_steps<f16>();
}

TEST_P(AdamWOnBackend, SkipsAndCountsAStepThatIsNotFiniteOrHasAFault) {
  for (const double bad : {nan<double>, std::numeric_limits<double>::infinity()})
    check_skipping<float>(bad, false);
  check_skipping<float>(0, true);
  if (computes_in<bf16>()) check_skipping<bf16>(nan<double>, false);
  if (computes_in<f16>()) check_skipping<f16>(-std::numeric_limits<double>::infinity(), false);
}

// In f32 the square of such a gradient is not finite; its norm is.
TEST_P(AdamWOnBackend, LargeGradientsHaveANorm) {
  AdamW adamw(backend, 2, {.clip_norm = 1});
  const DeviceArray<float> parameters(backend, {1, 1}), gradients(backend, {3e30f, 4e30f});
  adamw.step(parameters.data(), gradients.data());
  EXPECT_NEAR(state_of(adamw).gradient_norm, 5e30, 5e24);
  EXPECT_EQ(state_of(adamw).step, 1u);
}

TEST_P(AdamWOnBackend, ItsMasterCanBeLoadedKeptAndRestoredBf16) {
  RAGTIME_NEEDS(bf16);
  check_master<bf16>();
}
TEST_P(AdamWOnBackend, ItsMasterCanBeLoadedKeptAndRestoredF16) {
  RAGTIME_NEEDS(f16);
  check_master<f16>();
}

}  // namespace
}  // namespace ragtime::test
