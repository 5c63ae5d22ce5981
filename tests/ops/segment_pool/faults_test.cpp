// What pooling refuses, and what it can only report. Arguments that cannot be right throw and write nothing.
// Codes and weights that are wrong set the status word to the first place, and count as absent.

#include <gtest/gtest.h>

#include "tests/ops/segment_pool/run.hpp"

namespace ragtime::test {
namespace {

class SegmentPoolFaults : public OnBackend {
 protected:
  using Run = PoolRun<float>;

  std::uint64_t word_of(const Status& status) {
    std::uint64_t word = 0;
    backend->copy(&word, status.word(), sizeof(word), CopyKind::to_host);
    backend->synchronize();
    return word;
  }

  // The problem reports this fault, at this place first, on any threads, and is otherwise as `absent`.
  void reports(Fault fault, std::uint64_t position, const std::string& text, const PoolProblem& problem,
               const PoolProblem& absent) {
    const auto expected = run_pool<float>(backend, absent);
    for (const int threads : {1, 3}) {
      set_cpu_threads(threads);
      Run run(backend, problem);
      run.plan.forward(run.forward);
      run.plan.backward(run.backward);
      EXPECT_EQ(word_of(run.status), fault_word(fault, position));
      expect_same_bits(run.outputs(), expected);
      expect_error(ErrorCode::out_of_range, {text + " " + std::to_string(position)},
                   [&] { run.status.check(); });
      EXPECT_EQ(word_of(run.status), no_fault);
      run.forward.status = nullptr;
      run.plan.forward(run.forward);
      EXPECT_TRUE(same_bits(run.outputs().out, expected.out));
    }
  }

  void refuses(const SegmentPoolDesc& desc, std::initializer_list<std::string> parts,
               ErrorCode code = ErrorCode::invalid_argument) {
    expect_error(code, parts, [&] { SegmentPoolPlan(backend, desc); });
  }

  // Forward, or after a forward run backward, with one argument changed; then all outputs are as they were.
  template <class Change>
  void forward_refuses(const PoolProblem& problem, std::initializer_list<std::string> parts, Change&& change,
                       ErrorCode code = ErrorCode::invalid_argument) {
    Run run(backend, problem);
    const auto before = run.outputs();
    change(run);
    expect_error(code, parts, [&] { run.plan.forward(run.forward); });
    expect_same_bits(run.outputs(), before);
  }
  template <class Change>
  void backward_refuses(const PoolProblem& problem, std::initializer_list<std::string> parts, Change&& change,
                        ErrorCode code = ErrorCode::invalid_argument) {
    Run run(backend, problem);
    run.plan.forward(run.forward);
    const auto before = run.outputs();
    change(run);
    expect_error(code, parts, [&] { run.plan.backward(run.backward); });
    expect_same_bits(run.outputs(), before);
  }

  const PoolProblem rich =
      pool_problem({.mode = PoolMode::attention, .vocab_size = 6, .weighted = true}, {3, 0, 2});
  const PoolProblem rows = pool_problem({.mode = PoolMode::mean}, {3, 0, 2});
};
RAGTIME_TEST_ON_BACKENDS(SegmentPoolFaults);

TEST_P(SegmentPoolFaults, ACodeOutsideTheVocabulary) {
  for_each_pool_on(*backend, 5, 9, [&](const PoolVariant& variant) {
    if (variant.vocab_size == 0) return;
    // Items 2, 7 and 8 will be wrong; a segment is then one shorter, and one has nothing left.
    PoolProblem wrong = pool_problem(variant, {3, 4, 0, 2, 5});
    if (variant.weighted) std::fill(wrong.weights.begin(), wrong.weights.end(), 1.5);
    PoolProblem absent = wrong;
    absent.lengths = {2, 4, 0, 0, 5};
    absent.more_items += 3;
    for (const std::int64_t item : {8, 7, 2}) {
      absent.codes.erase(absent.codes.begin() + item);
      if (variant.weighted) absent.weights.erase(absent.weights.begin() + item);
    }
    for (const std::int32_t code : {-1, 9, INT32_MAX, INT32_MIN}) {
      wrong.codes[2] = wrong.codes[7] = wrong.codes[8] = code;
      if (variant.weighted) wrong.weights[8] = nan<double>;  // of no interest any more
      reports(Fault::code_out_of_range, 2, "a code is outside the vocabulary, at codes index", wrong, absent);
    }
  });
}

TEST_P(SegmentPoolFaults, AWeightThatIsNoWeight) {
  const double inf = std::numeric_limits<double>::infinity();
  for_each_pool_on(*backend, 5, 9, [&](const PoolVariant& variant) {
    if (!variant.weighted) return;
    for (const double weight : {-1.0, -1e-30, inf, -inf, nan<double>}) {
      PoolProblem wrong = pool_problem(variant, {3, 4, 0, 1, 5});
      wrong.weights[1] = wrong.weights[7] = weight;
      PoolProblem absent = wrong;
      absent.weights[1] = absent.weights[7] = 0;
      reports(Fault::bad_code_weight, 1, "a code weight is negative or not finite, at code_weights index",
              wrong, absent);
    }
  });
}

TEST_P(SegmentPoolFaults, DescriptionsThatCannotBeRight) {
  const SegmentPoolDesc right = Run::description(rich);
  const auto with = [&](auto member, auto value) {
    SegmentPoolDesc desc = right;
    desc.*member = value;
    return desc;
  };
  const std::int64_t many = std::int64_t{1} << 31;
  for (const std::int64_t size : {std::int64_t{0}, std::int64_t{-4}, INT64_MIN, many, INT64_MAX}) {
    refuses(with(&SegmentPoolDesc::width, size), {"width is " + std::to_string(size)});
    refuses(with(&SegmentPoolDesc::attention_width, size), {"attention_width is " + std::to_string(size)});
  }
  for (const std::int64_t count : {std::int64_t{-1}, INT64_MIN, many}) {
    refuses(with(&SegmentPoolDesc::segments, count), {"segments is " + std::to_string(count)});
    refuses(with(&SegmentPoolDesc::items, count), {"items is " + std::to_string(count)});
    refuses(with(&SegmentPoolDesc::vocab_size, count), {"vocab_size is " + std::to_string(count)});
  }
  for (const std::int64_t row : {std::int64_t{-2}, std::int64_t{6}, INT64_MAX})
    refuses(with(&SegmentPoolDesc::padding_idx, row), {"padding_idx is " + std::to_string(row), "[0, 6)"});
  SegmentPoolDesc desc = Run::description(rows);
  desc.padding_idx = 0;  // there is no table
  refuses(desc, {"padding_idx is 0", "[0, 0)"});
  refuses(with(&SegmentPoolDesc::mode, PoolMode::last), {"weighted is true", "last"});
  desc = right;
  desc.segments = desc.items = desc.width = desc.attention_width = desc.vocab_size = many - 1;
  for (const PoolMode mode : {PoolMode::max, PoolMode::attention}) {
    desc.mode = mode;
    refuses(desc, {"larger than any memory"}, ErrorCode::out_of_memory);
  }
  if (backend->device() == DeviceType::cpu)
    for (const DType dtype : {DType::bf16, DType::f16})
      refuses(with(&SegmentPoolDesc::dtype, dtype), {"dtype is ", name_of(dtype), "cpu"},
              ErrorCode::unsupported);
  expect_error(ErrorCode::invalid_argument, {"backend is null"}, [&] { SegmentPoolPlan(nullptr, right); });
}

TEST_P(SegmentPoolFaults, ArgumentsOfForwardThatAreMissing) {
  const auto refused = [&](std::initializer_list<std::string> parts, auto change) {
    forward_refuses(rich, parts, change);
  };
  refused({"segments is null"}, [](Run& run) { run.forward.segments = nullptr; });
  refused({"offsets is null"}, [](Run& run) { run.forward.offsets = nullptr; });
  refused({"codes is null"}, [](Run& run) { run.forward.codes = nullptr; });
  refused({"values is null"}, [](Run& run) { run.forward.values = nullptr; });
  refused({"weights is null"}, [](Run& run) { run.forward.weights = nullptr; });
  refused({"attention.w1 is null"}, [](Run& run) { run.forward.attention.w1 = nullptr; });
  refused({"attention.b1 is null"}, [](Run& run) { run.forward.attention.b1 = nullptr; });
  refused({"attention.w2 is null"}, [](Run& run) { run.forward.attention.w2 = nullptr; });
  refused({"attention.b2 is null"}, [](Run& run) { run.forward.attention.b2 = nullptr; });
  refused({"out is null"}, [](Run& run) { run.forward.out = nullptr; });
  refused({"workspace is null", "bytes"}, [](Run& run) { run.forward.workspace = nullptr; });
  refused({"workspace is at ", "aligned to 16 bytes"},
          [](Run& run) { run.forward.workspace = run.workspace.data() + 8; });
  refused({"reserve is at ", "aligned to 16 bytes"},
          [](Run& run) { run.forward.reserve = run.reserve.data() + 8; });
}

TEST_P(SegmentPoolFaults, ArgumentsOfBackwardThatAreMissing) {
  const auto refused = [&](std::initializer_list<std::string> parts, auto change) {
    backward_refuses(rich, parts, change);
  };
  refused({"segments is null"}, [](Run& run) { run.backward.segments = nullptr; });
  refused({"offsets is null"}, [](Run& run) { run.backward.offsets = nullptr; });
  refused({"codes is null"}, [](Run& run) { run.backward.codes = nullptr; });
  refused({"values is null"}, [](Run& run) { run.backward.values = nullptr; });
  refused({"weights is null"}, [](Run& run) { run.backward.weights = nullptr; });
  refused({"attention.w1 is null"}, [](Run& run) { run.backward.attention.w1 = nullptr; });
  refused({"d_out is null"}, [](Run& run) { run.backward.d_out = nullptr; });
  refused({"d_values is null"}, [](Run& run) { run.backward.d_values = nullptr; });
  refused({"d_attention.w1 is null"}, [](Run& run) { run.backward.d_attention.w1 = nullptr; });
  refused({"d_attention.b1 is null"}, [](Run& run) { run.backward.d_attention.b1 = nullptr; });
  refused({"d_attention.w2 is null"}, [](Run& run) { run.backward.d_attention.w2 = nullptr; });
  refused({"d_attention.b2 is null"}, [](Run& run) { run.backward.d_attention.b2 = nullptr; });
  refused({"workspace is null", "bytes"}, [](Run& run) { run.backward.workspace = nullptr; });
  refused({"reserve is null", "bytes"}, [](Run& run) { run.backward.reserve = nullptr; });
  refused({"reserve is at ", "aligned to 16 bytes"},
          [](Run& run) { run.backward.reserve = run.reserve.data() + 8; });
}

// A plan without room for codes still clears the gradient of its table.
TEST_P(SegmentPoolFaults, ATableWithoutCodes) {
  const PoolProblem empty = pool_problem({.mode = PoolMode::mean, .vocab_size = 4, .width = 3}, {0, 0});
  Run run(backend, empty);
  SegmentPoolDesc desc = Run::description(empty);
  desc.items = 0;
  const SegmentPoolPlan plan(backend, desc);
  run.forward.codes = run.backward.codes = nullptr;
  run.forward.values = run.backward.values = nullptr;
  plan.forward(run.forward);
  plan.backward(run.backward);
  EXPECT_EQ(run.outputs().out, std::vector<float>(6));
  EXPECT_EQ(run.outputs().d_values, std::vector<float>(12));
  run.backward.d_values = nullptr;
  expect_error(ErrorCode::invalid_argument, {"d_values is null"}, [&] { plan.backward(run.backward); });
}

TEST_P(SegmentPoolFaults, ABatchBeyondTheCapacity) {
  if (backend->device() != DeviceType::cpu) GTEST_SKIP() << "the counts are in device memory";
  for (const bool items : {false, true}) {
    SegmentPoolDesc desc = Run::description(rows);
    (items ? desc.items : desc.segments) = 2;
    const std::string text = items ? "5 items: expected at most 2" : "3 segments: expected at most 2";
    const auto smaller = [&](Run& run) { run.plan = SegmentPoolPlan(backend, desc); };
    forward_refuses(rows, {text}, smaller, ErrorCode::out_of_range);
    backward_refuses(rows, {text}, smaller, ErrorCode::out_of_range);
  }
  const DeviceArray<std::int32_t> negative(backend, {-1});
  forward_refuses(
      rows, {"-1 segments"}, [&](Run& run) { run.forward.segments = negative.data(); },
      ErrorCode::out_of_range);
}

// There it is cut to what fits, and reported; what does not fit stays as it was.
TEST_P(SegmentPoolFaults, ABatchBeyondTheCapacityOfADevice) {
  if (backend->device() == DeviceType::cpu) GTEST_SKIP() << "the CPU refuses it";
  for (const bool items : {false, true})
    for_each_pool(5, 9, [&](const PoolVariant& variant) {
      PoolProblem problem = pool_problem(variant, {3, 0, 2, 1});
      if (variant.weighted) std::fill(problem.weights.begin(), problem.weights.end(), 1.5);
      std::fill(problem.values.begin(), problem.values.end(), 0.0);
      for (std::size_t i = 0; i < problem.values.size(); ++i)
        problem.values[i] = static_cast<float>(std::sin(static_cast<double>(i)));
      // What is left of it: 2 segments, or 2 items.
      PoolProblem cut = problem;
      cut.lengths = items ? std::vector<std::int32_t>{2, 0, 0, 0} : std::vector<std::int32_t>{3, 0};
      const std::int64_t kept_items = items ? 2 : 3, kept_segments = items ? 4 : 2;
      if (variant.vocab_size > 0) cut.codes.resize(kept_items);
      if (variant.weighted) cut.weights.resize(kept_items);
      if (variant.vocab_size == 0) cut.values.resize(kept_items * variant.width);
      cut.d_out.resize(kept_segments * variant.width);
      const auto expected = run_pool<float>(backend, cut);

      Run run(backend, problem);
      SegmentPoolDesc desc = Run::description(problem);
      (items ? desc.items : desc.segments) = 2;
      run.plan = SegmentPoolPlan(backend, desc);
      run.workspace = poisoned_workspace(backend, run.plan.workspace_bytes());
      run.reserve = poisoned_workspace(backend, run.plan.reserve_bytes());
      run.forward.workspace = run.backward.workspace = run.workspace.data();
      run.forward.reserve = run.reserve.data();
      run.backward.reserve = run.reserve.data();
      const auto before = run.outputs();
      run.plan.forward(run.forward);
      run.plan.backward(run.backward);
      EXPECT_EQ(word_of(run.status), items ? beyond_capacity_word(BatchPart::items, 6, 2)
                                           : beyond_capacity_word(BatchPart::segments, 4, 2));
      const auto fits = [&](const std::vector<float>& actual, const std::vector<float>& kept,
                            const std::vector<float>& untouched) {
        const auto size = static_cast<std::int64_t>(kept.size());
        EXPECT_TRUE(close(std::vector<float>(actual.begin(), actual.begin() + size), kept, tolerance<float>,
                          variant.width));
        EXPECT_TRUE(same_bits(std::vector<float>(actual.begin() + size, actual.end()),
                              std::vector<float>(untouched.begin() + size, untouched.end())));
      };
      const auto actual = run.outputs();
      fits(actual.out, expected.out, before.out);
      fits(actual.d_values, expected.d_values, before.d_values);
    });
}

}  // namespace
}  // namespace ragtime::test
