// What the losses refuse, and what they can only report. Arguments that cannot be right throw and write
// nothing. Data that is wrong sets the status word to the first place, and counts as if masked.

#include <gtest/gtest.h>

#include "tests/ops/masked_loss/run.hpp"

namespace ragtime::test {
namespace {

class MaskedLossFaults : public OnBackend {
 protected:
  using Run = LossRun<float>;

  std::uint64_t word_of(const Status& status) {
    std::uint64_t word = 0;
    backend->copy(&word, status.word(), sizeof(word), CopyKind::to_host);
    backend->synchronize();
    return word;
  }

  // The problem reports this fault, at this place first, on any threads, and is otherwise as `masked`.
  void reports(Fault fault, std::uint64_t position, const std::string& text, LossProblem problem,
               LossProblem masked) {
    for (const Reduction reduction : all_reductions) {
      SCOPED_TRACE(testing::Message() << text << ", " << name_of(reduction));
      problem.reduction = masked.reduction = reduction;
      const auto expected = run_loss<float>(backend, masked);
      for (const int threads : {3, 1}) {
        if (threads > 1 && backend->device() != DeviceType::cpu) continue;
        set_cpu_threads(threads);
        Run run(backend, problem);
        run.plan.run(run.args);
        EXPECT_EQ(word_of(run.status), fault_word(fault, position));
        expect_same_bits(run.outputs(), expected);
        expect_error(ErrorCode::out_of_range, {text + " " + std::to_string(position)},
                     [&] { run.status.check(); });
        EXPECT_EQ(word_of(run.status), no_fault);
        run.args.status = nullptr;
        run.plan.run(run.args);
        expect_same_bits(run.outputs(), expected);
      }
    }
  }

  void refuses(const MaskedLossDesc& desc, std::initializer_list<std::string> parts,
               ErrorCode code = ErrorCode::invalid_argument) {
    expect_error(code, parts, [&] { MaskedLossPlan(backend, desc); });
  }

  template <class Change>
  void run_refuses(const LossProblem& problem, std::initializer_list<std::string> parts, Change&& change,
                   ErrorCode code = ErrorCode::invalid_argument) {
    Run run(backend, problem);
    const auto before = run.outputs();
    change(run);
    expect_error(code, parts, [&] { run.plan.run(run.args); });
    expect_same_bits(run.outputs(), before);
  }

  static LossProblem problem(const LossVariant& variant, LossLayout layout = LossLayout::rows) {
    return loss_problem(variant, layout, Reduction::mean, {2, 0, 3}, false);
  }
  static LossProblem with_weights(LossProblem changed, std::vector<double> weights) {
    changed.row_weight = std::move(weights);
    return changed;
  }

  const LossVariant bce{.name = "bce", .outputs = 3};
  const LossVariant ids{.name = "ids", .outputs = 3, .hot = true};
  const LossVariant classes{
      .name = "classes", .kind = LossKind::cross_entropy, .outputs = 4, .smoothing = 0.1};
  const LossVariant squares{.name = "squares", .kind = LossKind::mse, .outputs = 3};
  const LossVariant survival{.name = "survival", .kind = LossKind::survival};
};
RAGTIME_TEST_ON_BACKENDS(MaskedLossFaults);

TEST_P(MaskedLossFaults, ALabelThatIsNoClass) {
  const LossProblem right = problem(classes);
  for (const std::int32_t label : {-1, 4, -99, INT32_MAX, INT32_MIN}) {
    LossProblem wrong = right;
    wrong.labels[1] = wrong.labels[4] = label;
    reports(Fault::label_out_of_range, 1, "a label is not a class, at row", wrong,
            with_weights(right, {1, 0, 1, 1, 0}));
    // A row that is masked already reports nothing.
    EXPECT_EQ(run_loss<float>(backend, with_weights(wrong, {1, 0, 1, 1, 0})).weight_sum,
              std::vector<float>{3});
  }
  LossProblem padded = problem(classes, LossLayout::padded), masked = padded;
  padded.labels[2 * padded.padded_steps + 1] = 7;
  masked.row_weight.assign(static_cast<std::size_t>(masked.rows()), 1);
  masked.row_weight[2 * padded.padded_steps + 1] = 0;
  reports(Fault::label_out_of_range, 2 * static_cast<std::uint64_t>(padded.padded_steps) + 1, "at row",
          padded, masked);
}

TEST_P(MaskedLossFaults, AnIdThatIsNoOutput) {
  LossProblem right = problem(ids);
  right.target_offsets = {0, 1, 2, 4, 4, 5};
  right.target_ids = {0, 2, 1, 2, 0};
  for (const std::int32_t id : {-1, 3, INT32_MAX, INT32_MIN}) {
    LossProblem wrong = right;
    wrong.target_offsets = {2, 3, 5, 7, 8, 9};
    wrong.target_ids = {unread, unread, 0, 2, id, 1, 2, id, 0};
    reports(Fault::label_out_of_range, 1, "a label is not a class, at row", wrong, right);
  }
}

TEST_P(MaskedLossFaults, ATargetThatIsNoTarget) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const LossVariant& variant : {bce, squares}) {
    const LossProblem right = problem(variant);
    std::vector<double> bad = {nan<double>, inf, -inf};
    if (variant.kind == LossKind::bce_with_logits) bad.insert(bad.end(), {-1e-6, 1 + 1e-6, -1, 2});
    for (const double target : bad) {
      LossProblem wrong = right;
      wrong.targets[1 * 3 + 2] = wrong.targets[3 * 3 + 0] = wrong.targets[3 * 3 + 1] = target;
      reports(Fault::bad_target, 5, "a target is not finite or outside the range of its loss, at element",
              wrong, with_weights(right, {1, 0, 1, 0, 1}));
    }
  }
  LossProblem far = problem(squares);  // mse takes any number
  far.targets[0] = -1e6;
  EXPECT_GT(run_loss<float>(backend, far).loss[0], 1e10);
}

TEST_P(MaskedLossFaults, AnEventBeyondTheLastVisit) {
  for (const LossLayout layout : {LossLayout::rows, LossLayout::padded}) {
    LossProblem right = problem(survival, layout);
    right.logits.assign(right.logits.size(), 0.5);
    right.event_time = {1, -1, -1};
    right.observed = {1, 1, 0};
    for (const std::int32_t time : {3, -2, INT32_MAX, INT32_MIN}) {
      LossProblem wrong = right;
      wrong.event_time[2] = time;
      reports(Fault::bad_event_time, 2, "an event time lies beyond the sequence's last visit, at sequence",
              wrong, right);
      // A sequence without visits has no last one.
      wrong.event_time[1] = 0;
      reports(Fault::bad_event_time, 1, "at sequence", wrong, right);
    }
  }
}

TEST_P(MaskedLossFaults, AWeightThatIsNoWeight) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double weight : {-1.0, -1e-30, inf, -inf, nan<double>}) {
    for (const LossVariant& variant : {bce, ids, classes, squares})
      reports(Fault::bad_row_weight, 2, "a row weight is negative or not finite, at row",
              with_weights(problem(variant), {1, 2, weight, 0.5, weight}),
              with_weights(problem(variant), {1, 2, 0, 0.5, 0}));
    LossProblem events = problem(survival);
    events.logits.assign(events.logits.size(), 0.5);
    events.event_time = {1, -1, 2};
    events.observed = {1, 0, 0};
    reports(Fault::bad_row_weight, 0, "at row", with_weights(events, {weight, 1, 2}),
            with_weights(events, {0, 1, 2}));
  }
}

TEST_P(MaskedLossFaults, DescriptionsThatCannotBeRight) {
  const MaskedLossDesc right = description<float>(problem(classes, LossLayout::padded));
  const auto with = [&](auto member, auto value) {
    MaskedLossDesc desc = right;
    desc.*member = value;
    return desc;
  };
  const std::int64_t many = std::int64_t{1} << 31;
  for (const std::int64_t outputs : {std::int64_t{0}, std::int64_t{-3}, INT64_MIN, many, INT64_MAX})
    refuses(with(&MaskedLossDesc::outputs, outputs), {"outputs is " + std::to_string(outputs)});
  for (const double smoothing : {-0.1, 1.1, nan<double>, -nan<double>})
    refuses(with(&MaskedLossDesc::label_smoothing, smoothing), {"label_smoothing is ", "[0, 1]"});
  refuses(with(&MaskedLossDesc::label_smoothing, 1.5), {"label_smoothing is 1.5"});
  refuses(with(&MaskedLossDesc::capacity, Capacity{.sequences = -1}), {"capacity.sequences is -1"});
  refuses(with(&MaskedLossDesc::capacity, Capacity{.sequences = many}), {"capacity.sequences is 2147483648"});
  refuses(with(&MaskedLossDesc::capacity, Capacity{.rows = -2}), {"capacity.rows is -2"});
  refuses(with(&MaskedLossDesc::capacity, Capacity{.rows = many}), {"capacity.rows is 2147483648"});
  for (const std::int64_t steps : {std::int64_t{-1}, std::int64_t{0}, many})
    refuses(with(&MaskedLossDesc::padded_steps, steps), {"padded_steps is " + std::to_string(steps)});
  refuses(with(&MaskedLossDesc::capacity, Capacity{.steps = 9}),
          {"padded_steps is " + std::to_string(right.padded_steps), "the longest sequence, 9"});
  MaskedLossDesc desc = with(&MaskedLossDesc::kind, LossKind::survival);
  refuses(desc, {"outputs is 4", "survival"});
  desc.layout = LossLayout::sequences;
  desc.outputs = 1;
  refuses(desc, {"layout is sequences", "survival"});
  desc = with(&MaskedLossDesc::capacity, Capacity{.sequences = many - 1});
  desc.padded_steps = many - 1;
  refuses(desc, {"larger than any memory"}, ErrorCode::out_of_memory);
  if (backend->device() == DeviceType::cpu)
    for (const DType dtype : {DType::bf16, DType::f16})
      refuses(with(&MaskedLossDesc::dtype, dtype), {"dtype is ", name_of(dtype), "cpu"},
              ErrorCode::unsupported);
  expect_error(ErrorCode::invalid_argument, {"backend is null"}, [&] { MaskedLossPlan(nullptr, right); });
}

TEST_P(MaskedLossFaults, ArgumentsThatAreMissing) {
  for (const LossLayout layout : {LossLayout::rows, LossLayout::sequences, LossLayout::padded}) {
    const LossProblem one = problem(bce, layout);
    run_refuses(one, {"logits is null"}, [](Run& run) { run.args.logits = nullptr; });
    run_refuses(one, {"loss is null"}, [](Run& run) { run.args.loss = nullptr; });
  }
  const LossProblem one = problem(bce);
  run_refuses(one, {"batch.counts is null"}, [](Run& run) { run.args.batch.counts = nullptr; });
  run_refuses(one, {"batch.visit_offsets is null"}, [](Run& run) { run.args.batch.visit_offsets = nullptr; });
  run_refuses(one, {"batch.order is null"}, [](Run& run) { run.args.batch.order = nullptr; });
  run_refuses(one, {"batch.inverse_order is null"}, [](Run& run) { run.args.batch.inverse_order = nullptr; });
  run_refuses(one, {"batch.batch_sizes is null"}, [](Run& run) { run.args.batch.batch_sizes = nullptr; });
  run_refuses(one, {"workspace is null", "bytes"}, [](Run& run) { run.args.workspace = nullptr; });
  run_refuses(one, {"workspace is at ", "aligned to 16 bytes"},
              [](Run& run) { run.args.workspace = static_cast<std::byte*>(run.args.workspace) + 8; });
  run_refuses(one, {"targets and target_offsets are both null", "exactly one"},
              [](Run& run) { run.args.targets = nullptr; });
  run_refuses(one, {"targets and target_offsets are both given", "exactly one"},
              [](Run& run) { run.args.target_offsets = run.args.batch.visit_offsets; });
  run_refuses(problem(ids), {"target_ids is null"}, [](Run& run) { run.args.target_ids = nullptr; });
  run_refuses(problem(squares), {"targets is null"}, [](Run& run) { run.args.targets = nullptr; });
  run_refuses(problem(classes), {"labels is null"}, [](Run& run) { run.args.labels = nullptr; });
  run_refuses(problem(survival), {"event_time is null"}, [](Run& run) { run.args.event_time = nullptr; });
  run_refuses(problem(survival), {"observed is null"}, [](Run& run) { run.args.observed = nullptr; });
}

// One row a sequence needs no room for visits, and its logits all the same.
TEST_P(MaskedLossFaults, LogitsOfSequencesWithoutRoomForVisits) {
  const LossProblem one = problem(bce, LossLayout::sequences);
  const auto expected = run_loss<float>(backend, one);
  Run run(backend, one);
  MaskedLossDesc desc = description<float>(one);
  desc.capacity.rows = 0;
  const MaskedLossPlan plan(backend, desc);
  plan.run(run.args);
  expect_same_bits(run.outputs(), expected);
  run.args.logits = nullptr;
  expect_error(ErrorCode::invalid_argument, {"logits is null"}, [&] { plan.run(run.args); });
}

TEST_P(MaskedLossFaults, ABatchBeyondTheCapacity) {
  if (backend->device() != DeviceType::cpu) GTEST_SKIP() << "the counts are in device memory";
  const auto refused = [&](LossLayout layout, auto&& change, const std::string& text) {
    const LossProblem one = problem(classes, layout);
    MaskedLossDesc desc = description<float>(one);
    change(desc);
    run_refuses(
        one, {text}, [&](Run& run) { run.plan = MaskedLossPlan(backend, desc); }, ErrorCode::out_of_range);
  };
  for (const LossLayout layout : {LossLayout::rows, LossLayout::sequences, LossLayout::padded})
    refused(
        layout, [](MaskedLossDesc& desc) { desc.capacity.sequences = 2; }, "3 sequences: expected at most 2");
  refused(
      LossLayout::rows, [](MaskedLossDesc& desc) { desc.capacity.rows = 4; }, "5 rows: expected at most 4");
  refused(
      LossLayout::padded, [](MaskedLossDesc& desc) { desc.padded_steps = 2; }, "3 steps: expected at most 2");
}

// Where the host does not know the counts: what fits is computed, the rest is left alone.
TEST_P(MaskedLossFaults, ABatchBeyondTheCapacityOfADevice) {
  if (backend->device() == DeviceType::cpu) GTEST_SKIP() << "the CPU backend refuses";
  const auto reports_it = [&](const LossProblem& one, auto&& change, std::uint64_t word, std::int64_t rows) {
    for (const Reduction reduction : all_reductions) {
      SCOPED_TRACE(testing::Message() << one.variant.name << ", layout " << static_cast<int>(one.layout)
                                      << ", " << name_of(reduction));
      Run run(backend, one);
      MaskedLossDesc desc = description<float>(one);
      desc.reduction = reduction;
      change(desc);
      const MaskedLossPlan plan(backend, desc);
      const auto workspace = poisoned_workspace(backend, plan.workspace_bytes());
      const auto loss = DeviceArray<float>::poisoned(backend, run.logit_count);
      run.args.workspace = workspace.data();
      run.args.loss = loss.data();
      plan.run(run.args);
      EXPECT_EQ(word_of(run.status), word);
      const auto gradient = run.d_logits.host();
      for (std::size_t i = 0; i < gradient.size(); ++i)
        EXPECT_EQ(std::isnan(gradient[i]), static_cast<std::int64_t>(i) >= rows * one.variant.outputs) << i;
    }
  };
  for (const LossVariant& variant : {classes, bce, survival}) {
    const auto of = [&](LossLayout layout) {
      LossProblem one = problem(variant, layout);
      one.logits.assign(one.logits.size(), 0.5);
      return one;
    };
    const auto two_sequences = [](MaskedLossDesc& desc) { desc.capacity.sequences = 2; };
    const std::uint64_t three = beyond_capacity_word(BatchPart::sequences, 3, 2);
    reports_it(of(LossLayout::rows), two_sequences, three, 2);
    reports_it(of(LossLayout::padded), two_sequences, three, 2 * 3);
    if (!variant.survival()) reports_it(of(LossLayout::sequences), two_sequences, three, 2);
    reports_it(
        of(LossLayout::rows), [](MaskedLossDesc& desc) { desc.capacity.rows = 4; },
        beyond_capacity_word(BatchPart::rows, 5, 4), 4);
    reports_it(
        of(LossLayout::padded), [](MaskedLossDesc& desc) { desc.padded_steps = 2; },
        beyond_capacity_word(BatchPart::steps, 3, 2), 3 * 2);
  }
}

}  // namespace
}  // namespace ragtime::test
