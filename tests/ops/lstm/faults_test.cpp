// What the LSTM refuses: descriptions and arguments that cannot be right, and batches beyond the plan's
// capacity. The text names the culprit, and nothing is written.

#include <gtest/gtest.h>

#include "tests/ops/lstm/run.hpp"

namespace ragtime::test {
namespace {

class LstmFaults : public OnBackend {
 protected:
  using Run = LstmRun<float>;

  void refuses(const LstmDesc& desc, std::initializer_list<std::string> parts,
               ErrorCode code = ErrorCode::invalid_argument) {
    expect_error(code, parts, [&] { LstmPlan(backend, desc); });
  }

  // Forward, or after a forward run backward, with one argument changed; then all outputs are as they were.
  template <class Change>
  void forward_refuses(const LstmProblem& problem, std::initializer_list<std::string> parts, Change&& change,
                       ErrorCode code = ErrorCode::invalid_argument, const LstmOptions& options = {}) {
    Run run(backend, problem, lstm_loss(problem), options);
    const auto before = run.outputs();
    change(run);
    expect_error(code, parts, [&] { run.plan.forward(run.forward); });
    expect_same_bits(run.outputs(), before);
  }
  template <class Change>
  void backward_refuses(const LstmProblem& problem, std::initializer_list<std::string> parts, Change&& change,
                        ErrorCode code = ErrorCode::invalid_argument) {
    Run run(backend, problem, lstm_loss(problem));
    run.plan.forward(run.forward);
    const auto before = run.outputs();
    change(run);
    expect_error(code, parts, [&] { run.plan.backward(run.backward); });
    expect_same_bits(run.outputs(), before);
  }

  const LstmProblem rich = lstm_problem({.layers = 2, .directions = 2, .projection = 2}, {2, 3});
  const LstmProblem plain = lstm_problem({.layers = 2, .bias = false}, {2, 3});
};
RAGTIME_TEST_ON_BACKENDS(LstmFaults);

TEST_P(LstmFaults, DescriptionsThatCannotBeRight) {
  const LstmDesc right = description(rich, DType::f32, {.sequences = 2, .rows = 5, .steps = 3});
  const auto with = [&](auto member, auto value) {
    LstmDesc desc = right;
    desc.*member = value;
    return desc;
  };
  const std::int64_t huge = std::int64_t{1} << 28;
  for (const std::int64_t size : {std::int64_t{0}, std::int64_t{-7}, INT64_MIN}) {
    refuses(with(&LstmDesc::input_size, size), {"input_size is " + std::to_string(size), "at least 1"});
    refuses(with(&LstmDesc::hidden_size, size), {"hidden_size is " + std::to_string(size), "at least 1"});
    refuses(with(&LstmDesc::num_layers, size), {"num_layers is " + std::to_string(size), "at least 1"});
  }
  for (const std::int64_t size : {huge, INT64_MAX}) {
    refuses(with(&LstmDesc::input_size, size), {"input_size is " + std::to_string(size)});
    refuses(with(&LstmDesc::hidden_size, size), {"hidden_size is " + std::to_string(size)});
  }
  refuses(with(&LstmDesc::num_layers, 1025), {"num_layers is 1025", "at most 1024"});
  refuses(with(&LstmDesc::proj_size, -1), {"proj_size is -1"});
  refuses(with(&LstmDesc::proj_size, 4), {"proj_size is 4", "less than hidden_size, 4"});
  for (const double probability : {-0.1, 1.0, 1.5, nan<double>})
    refuses(with(&LstmDesc::dropout, probability), {"dropout is ", "[0, 1)"});
  const std::int64_t many = std::int64_t{1} << 31;
  refuses(with(&LstmDesc::capacity, Capacity{.sequences = -1}), {"capacity.sequences is -1"});
  refuses(with(&LstmDesc::capacity, Capacity{.sequences = many}), {"capacity.sequences is 2147483648"});
  refuses(with(&LstmDesc::capacity, Capacity{.rows = -1}), {"capacity.rows is -1"});
  refuses(with(&LstmDesc::capacity, Capacity{.rows = many}), {"capacity.rows is 2147483648"});
  refuses(with(&LstmDesc::capacity, Capacity{.steps = -1}), {"capacity.steps is -1"});
  if (backend->device() == DeviceType::cpu)
    for (const DType dtype : {DType::bf16, DType::f16})
      refuses(with(&LstmDesc::dtype, dtype), {"dtype is ", name_of(dtype), "cpu"}, ErrorCode::unsupported);
  expect_error(ErrorCode::invalid_argument, {"backend is null"}, [&] { LstmPlan(nullptr, right); });
}

TEST_P(LstmFaults, AlgorithmsThatTheBackendDoesNotHave) {
  LstmDesc desc = description(rich, DType::f32, {.sequences = 2, .rows = 5, .steps = 3});
  const bool on_cpu = backend->device() == DeviceType::cpu;
  for (const LstmAlgorithm algorithm : {LstmAlgorithm::stepwise, LstmAlgorithm::cudnn}) {
    desc.algorithm = algorithm;
    if (on_cpu) refuses(desc, {"algorithm is ", name_of(algorithm), "cpu"}, ErrorCode::unsupported);
    if (!on_cpu && algorithm == LstmAlgorithm::stepwise) LstmPlan(backend, desc);
  }
}

// No memory holds these; the sizes are added up without overflow all the same.
TEST_P(LstmFaults, SizesBeyondAnyMemory) {
  LstmDesc desc;
  desc.input_size = desc.hidden_size = (std::int64_t{1} << 28) - 1;
  desc.capacity = {.sequences = INT32_MAX, .rows = INT32_MAX, .steps = INT32_MAX};
  desc.bidirectional = true;
  desc.num_layers = 1024;
  refuses(desc, {"larger than any memory"}, ErrorCode::out_of_memory);
  desc.num_layers = 1;
  desc.capacity = {};
  if (backend->device() != DeviceType::cpu) return;  // no other backend needs room for the weights
  EXPECT_GT(LstmPlan(backend, desc).workspace_bytes(), std::size_t{1} << 58);
}

TEST_P(LstmFaults, ArgumentsOfForwardThatAreMissing) {
  const auto refused = [&](std::initializer_list<std::string> parts, auto change) {
    forward_refuses(rich, parts, change);
  };
  refused({"batch.counts is null"}, [](Run& run) { run.forward.batch.counts = nullptr; });
  refused({"batch.visit_offsets is null"}, [](Run& run) { run.forward.batch.visit_offsets = nullptr; });
  refused({"batch.order is null"}, [](Run& run) { run.forward.batch.order = nullptr; });
  refused({"x is null"}, [](Run& run) { run.forward.x = nullptr; });
  refused({"y is null"}, [](Run& run) { run.forward.y = nullptr; });
  refused({"weights is null", "4 entries"}, [](Run& run) { run.forward.weights = nullptr; });
  refused({"weights[1].weight_ih is null"}, [](Run& run) { run.weight_table[1].weight_ih = nullptr; });
  refused({"weights[2].weight_hh is null"}, [](Run& run) { run.weight_table[2].weight_hh = nullptr; });
  refused({"weights[3].bias_ih is null"}, [](Run& run) { run.weight_table[3].bias_ih = nullptr; });
  refused({"weights[0].bias_hh is null"}, [](Run& run) { run.weight_table[0].bias_hh = nullptr; });
  refused({"weights[3].weight_hr is null"}, [](Run& run) { run.weight_table[3].weight_hr = nullptr; });
  refused({"workspace is null", "bytes"}, [](Run& run) { run.forward.workspace = nullptr; });
  refused({"reserve is null", "bytes"}, [](Run& run) { run.forward.reserve = nullptr; });
}

TEST_P(LstmFaults, ArgumentsOfBackwardThatAreMissing) {
  const auto refused = [&](std::initializer_list<std::string> parts, auto change) {
    backward_refuses(rich, parts, change);
  };
  refused({"batch.counts is null"}, [](Run& run) { run.backward.batch.counts = nullptr; });
  refused({"x is null"}, [](Run& run) { run.backward.x = nullptr; });
  refused({"y is null"}, [](Run& run) { run.backward.y = nullptr; });
  refused({"weights is null"}, [](Run& run) { run.backward.weights = nullptr; });
  refused({"weights[1].weight_hh is null"}, [](Run& run) { run.weight_table[1].weight_hh = nullptr; });
  refused({"workspace is null"}, [](Run& run) { run.backward.workspace = nullptr; });
  refused({"reserve is null"}, [](Run& run) { run.backward.reserve = nullptr; });
}

TEST_P(LstmFaults, WeightsThatThePlanDoesNotHave) {
  const auto some = [](Run& run) { return run.forward.y; };
  forward_refuses(plain, {"weights[1].bias_ih is given", "bias = false"},
                  [&](Run& run) { run.weight_table[1].bias_ih = some(run); });
  forward_refuses(plain, {"weights[0].bias_hh is given", "bias = false"},
                  [&](Run& run) { run.weight_table[0].bias_hh = some(run); });
  forward_refuses(plain, {"weights[0].weight_hr is given", "proj_size = 0"},
                  [&](Run& run) { run.weight_table[0].weight_hr = some(run); });
  backward_refuses(plain, {"gradients[1].bias_ih is given", "bias = false"},
                   [&](Run& run) { run.gradient_table[1].bias_ih = some(run); });
  backward_refuses(plain, {"gradients[0].weight_hr is given", "proj_size = 0"},
                   [&](Run& run) { run.gradient_table[0].weight_hr = some(run); });
}

TEST_P(LstmFaults, MemoryThatIsNotAligned) {
  const auto shifted = [](const void* memory) {
    return const_cast<std::byte*>(static_cast<const std::byte*>(memory)) + 8;
  };
  forward_refuses(rich, {"workspace is at ", "aligned to 16 bytes"},
                  [&](Run& run) { run.forward.workspace = shifted(run.forward.workspace); });
  forward_refuses(rich, {"reserve is at ", "aligned to 16 bytes"},
                  [&](Run& run) { run.forward.reserve = shifted(run.forward.reserve); });
  backward_refuses(rich, {"reserve is at ", "aligned to 16 bytes"},
                   [&](Run& run) { run.backward.reserve = shifted(run.backward.reserve); });
}

TEST_P(LstmFaults, ADropoutSiteBeyondItsBits) {
  LstmProblem drops = rich;
  drops.dropout = 0.5;
  forward_refuses(drops, {"dropout.site is 65535", "less than 65535"},
                  [](Run& run) { run.forward.dropout.site = 65535; });
  backward_refuses(drops, {"dropout.site is 4294967295"},
                   [](Run& run) { run.backward.dropout.site = UINT32_MAX; });
  Run run(backend, drops);
  run.forward.dropout.site = 65534;
  EXPECT_NO_THROW(run.plan.forward(run.forward));
}

TEST_P(LstmFaults, BackwardOfAPlanForInference) {
  LstmOptions options;
  options.training = false;
  Run run(backend, rich, lstm_loss(rich), options);
  EXPECT_EQ(run.plan.reserve_bytes(), 0u);
  run.plan.forward(run.forward);
  const auto before = run.outputs();
  expect_error(ErrorCode::unsupported, {"backward", "training = true"},
               [&] { run.plan.backward(run.backward); });
  expect_same_bits(run.outputs(), before);
}

TEST_P(LstmFaults, ABatchBeyondTheCapacity) {
  struct Case {
    Capacity slack;
    std::string found, room;
  };
  for (const Case& one :
       {Case{{.sequences = -1}, "2 sequences", "at most 1"}, Case{{.rows = -1}, "5 rows", "at most 4"},
        Case{{.rows = -5}, "5 rows", "at most 0"}, Case{{.steps = -1}, "3 steps", "at most 2"}}) {
    LstmOptions options;
    options.slack = one.slack;
    forward_refuses(
        rich, {one.found, one.room}, [](Run&) {}, ErrorCode::out_of_range, options);
  }
  // Backward is handed the larger batch after a forward that fitted.
  const LstmProblem small = lstm_problem({.layers = 2, .directions = 2, .projection = 2}, {1});
  const Run large(backend, rich);
  backward_refuses(
      small, {"2 sequences", "at most 1"}, [&](Run& run) { run.backward.batch = large.backward.batch; },
      ErrorCode::out_of_range);
}

// Where every step is a launch of its own, the host must know the steps.
TEST_P(LstmFaults, HostCountsThatAreMissingOrWrong) {
  if (backend->device() == DeviceType::cpu) GTEST_SKIP() << "this backend reads the device's";
  forward_refuses(rich, {"batch.host_counts is null"},
                  [](Run& run) { run.forward.batch.host_counts = nullptr; });
  forward_refuses(rich, {"batch.host_batch_sizes is null"},
                  [](Run& run) { run.forward.batch.host_batch_sizes = nullptr; });
  backward_refuses(rich, {"batch.host_counts is null"},
                   [](Run& run) { run.backward.batch.host_counts = nullptr; });
  backward_refuses(rich, {"batch.host_batch_sizes is null"},
                   [](Run& run) { run.backward.batch.host_batch_sizes = nullptr; });
  static constexpr std::int32_t grows[] = {1, 2, 2}, ends[] = {2, 2, 0}, many[] = {3, 2, 1};
  forward_refuses(rich, {"batch.host_batch_sizes[1] = 2", "1 to 1"},
                  [](Run& run) { run.forward.batch.host_batch_sizes = grows; });
  forward_refuses(rich, {"batch.host_batch_sizes[2] = 0", "1 to 2"},
                  [](Run& run) { run.forward.batch.host_batch_sizes = ends; });
  backward_refuses(rich, {"batch.host_batch_sizes[0] = 3", "1 to 2"},
                   [](Run& run) { run.backward.batch.host_batch_sizes = many; });
}

TEST_P(LstmFaults, ZeroLengthsUnlessTheyAreAllowed) {
  const std::vector<std::int32_t> lengths = {2, 0, 1, 0};
  expect_error(ErrorCode::invalid_argument, {"2 sequences have zero length", "first at 1"},
               [&] { RaggedLayout::from_lengths(lengths); });
  EXPECT_NO_THROW(run_lstm<float>(backend, lstm_problem({}, lengths)));
}

}  // namespace
}  // namespace ragtime::test
