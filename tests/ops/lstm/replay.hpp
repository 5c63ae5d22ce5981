#pragma once

// One set of arguments for a plan whose batches only the device knows, as a captured graph has it: other
// batches come in through the same memory. What a batch leaves free holds NaN, and must come back as it was.

#include <vector>

#include "tests/ops/lstm/run.hpp"

namespace ragtime::test {

template <class T>
class LstmReplay {
 public:
  // largest: fills the capacity in sequences and in rows, and has all that the others have. A sequence may
  // have all the rows there are.
  LstmReplay(const std::shared_ptr<Backend>& backend, const LstmProblem& largest, LstmOptions options)
      : backend_(backend), run_(backend, largest, lstm_loss(largest), within(largest, largest, options)) {
    const auto room = [&](std::int64_t count) { return DeviceArray<std::int32_t>::poisoned(backend, count); };
    counts_ = room(4);
    visit_offsets_ = room(largest.sequences() + 1);
    order_ = room(largest.sequences());
    inverse_order_ = room(largest.sequences());
    batch_sizes_ = room(largest.rows());
    ids_ = room(largest.sequences());
    RaggedView batch;
    batch.counts = counts_.data();
    batch.visit_offsets = visit_offsets_.data();
    batch.order = order_.data();
    batch.inverse_order = inverse_order_.data();
    batch.batch_sizes = batch_sizes_.data();
    batch.sequence_ids = reinterpret_cast<const std::uint32_t*>(ids_.data());
    run_.forward.batch = run_.backward.batch = batch;
  }

  LstmRun<T>& run() { return run_; }

  // Options for a run of its own of a problem by the same plan.
  static LstmOptions within(const LstmProblem& largest, const LstmProblem& problem, LstmOptions options) {
    options.slack = {.sequences = largest.sequences() - problem.sequences(),
                     .rows = largest.rows() - problem.rows(),
                     .steps = largest.rows() - layout_of(problem.lengths).steps()};
    return options;
  }

  // Everything of the problem into the memory, and 0xFF into what is written there.
  void load(const LstmProblem& problem, const LstmLoss& loss) {
    const RaggedLayout layout = layout_of(problem.lengths);
    write(counts_, std::vector<std::int32_t>{layout.sequences(), layout.rows(), 0, layout.steps()});
    write(visit_offsets_, layout.visit_offsets);
    write(order_, layout.order);
    write(inverse_order_, layout.inverse_order);
    write(batch_sizes_, layout.batch_sizes);
    write(ids_, std::vector<std::int32_t>(problem.ids.begin(), problem.ids.end()));
    const auto fill = [&](const Guarded<T>& to, const Values& from) {
      std::vector<T> all = poison(to);
      std::transform(from.begin(), from.end(), all.begin(),
                     [](double value) { return static_cast<T>(value); });
      write(to, all);
    };
    fill(run_.x, problem.x);
    fill(run_.h0, problem.h0);
    fill(run_.c0, problem.c0);
    fill(run_.d_y, loss.d_y);
    fill(run_.d_h_n, loss.d_h_n);
    fill(run_.d_c_n, loss.d_c_n);
    fill(run_.d_final_state, loss.d_final_state);
    for (const auto* output :
         {&run_.y, &run_.h_n, &run_.c_n, &run_.final_state, &run_.c_seq, &run_.d_x, &run_.d_h0, &run_.d_c0})
      write(*output, poison(*output));
    for (const auto& gradient : run_.gradients) write(gradient, poison(gradient));
    backend_->synchronize();
  }

  void expect(const LstmOutputs<T>& expected) const {
    const auto same = [](std::vector<T> actual, const std::vector<T>& beginning) {
      std::vector<T> whole = untouched(actual.size());
      std::copy(beginning.begin(), beginning.end(), whole.begin());
      return same_bits(actual, whole);
    };
    const LstmOutputs<T> actual = run_.outputs();
    EXPECT_TRUE(same(actual.y, expected.y));
    EXPECT_TRUE(same(actual.h_n, expected.h_n));
    EXPECT_TRUE(same(actual.c_n, expected.c_n));
    EXPECT_TRUE(same(actual.final_state, expected.final_state));
    EXPECT_TRUE(same(actual.c_seq, expected.c_seq));
    EXPECT_TRUE(same(actual.d_x, expected.d_x));
    EXPECT_TRUE(same(actual.d_h0, expected.d_h0));
    EXPECT_TRUE(same(actual.d_c0, expected.d_c0));
    ASSERT_EQ(actual.gradients.size(), expected.gradients.size());
    for (std::size_t i = 0; i < expected.gradients.size(); ++i)
      EXPECT_TRUE(same_bits(actual.gradients[i], expected.gradients[i])) << "weight " << i;
  }

 private:
  static std::vector<T> untouched(std::size_t count) {
    std::vector<T> values(count);
    if (count > 0) std::memset(static_cast<void*>(values.data()), 0xFF, count * sizeof(T));
    return values;
  }
  static std::vector<T> poison(const Guarded<T>& array) { return untouched(array.host().size()); }
  template <class Array, class Element>
  void write(const Array& to, const std::vector<Element>& values) {
    if (!values.empty())
      backend_->copy(to.data(), values.data(), values.size() * sizeof(Element), CopyKind::to_device);
    backend_->synchronize();
  }

  std::shared_ptr<Backend> backend_;
  LstmRun<T> run_;
  DeviceArray<std::int32_t> counts_, visit_offsets_, order_, inverse_order_, batch_sizes_, ids_;
};

// Batches for one plan, the largest first: of fewer sequences and rows, more rows a sequence, with empties,
// and none at all.
inline std::vector<std::vector<std::int32_t>> replayed_lengths() {
  return {{3, 1, 0, 7, 2, 2, 9, 1, 4, 1, 0, 6},
          {20, 1, 1},
          {0, 2, 0},
          {},
          {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
          {36},
          {3, 1, 0, 7, 2, 2, 9, 1, 4, 1, 0, 6}};
}

}  // namespace ragtime::test
