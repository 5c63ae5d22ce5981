// The persistent LSTM, every kernel of it that this backend has: forward against the formula in double,
// backward against the cpu backend in double (which is held against finite differences elsewhere), at hidden
// sizes that fill a tile and that do not, with one direction and two, in several layers with dropout between
// them, with gates saved and computed again, fewer sequences than slots and many more, empties and ones, and
// one long among many short.

#include <gtest/gtest.h>

#include "tests/ops/lstm/persistent.hpp"

namespace ragtime::test {
namespace {

// What products in tf32 may be off: 2^-11 for each of two factors.
constexpr double tf32_tolerance = 0x1p-9;

class LstmPersistent : public OnPersistentLstm {
 protected:
  template <class T>
  void expect_right(const LstmProblem& problem, const LstmOptions& given) {
    SCOPED_TRACE(testing::Message() << name_of(dtype_of<T>) << ", H " << problem.hidden << ", D "
                                    << problem.directions << ", L " << problem.layers
                                    << (given.save_gates ? "" : ", gates computed again") << ", lengths "
                                    << testing::PrintToString(problem.lengths));
    LstmOptions options = given;
    options.tf32 = is_tf32<T>;
    LstmProblem rounded = problem;
    LstmLoss loss = lstm_loss(problem);
    if constexpr (!is_tf32<T>) {
      rounded = stored_in<T>(problem);
      for (auto* values : {&loss.d_y, &loss.d_h_n, &loss.d_c_n, &loss.d_final_state})
        *values = cast<double>(cast<T>(*values));
    }
    LstmProblem plain = rounded;
    plain.stored = nullptr;
    const auto actual = run_lstm<T>(backend, problem, &loss, options);
    const reference::LstmResult exact = reference::lstm(plain);
    const auto forward_close = [&](const std::vector<T>& values, const Values& expected,
                                   const Values& naive) {
      if constexpr (is_tf32<T>)
        return close(values, expected, tf32_tolerance);
      else
        return as_good_as_naive(values, naive, expected);
    };
    const reference::LstmResult naive = reference::lstm(rounded);
    EXPECT_TRUE(forward_close(actual.y, exact.y, naive.y));
    EXPECT_TRUE(forward_close(actual.h_n, exact.h_n, naive.h_n));
    EXPECT_TRUE(forward_close(actual.c_n, exact.c_n, naive.c_n));
    EXPECT_TRUE(forward_close(actual.final_state, exact.final_state, naive.final_state));
    EXPECT_TRUE(forward_close(actual.c_seq, exact.c_seq, naive.c_seq));

    const auto gradients = run_lstm<double>(make_backend("cpu"), plain, &loss);
    const double share = is_tf32<T> ? 2 * tf32_tolerance : 4 * tolerance<T>;
    EXPECT_TRUE(close(actual.d_x, gradients.d_x, share));
    EXPECT_TRUE(close(actual.d_h0, gradients.d_h0, share));
    EXPECT_TRUE(close(actual.d_c0, gradients.d_c0, share));
    for (std::size_t i = 0; i < gradients.gradients.size(); ++i)
      EXPECT_TRUE(close(actual.gradients[i], gradients.gradients[i], share)) << "weight " << i;
  }
  template <class T>
  void expect_right_in_every_cut(const LstmShape& shape, const Lengths& lengths) {
    const LstmProblem problem = lstm_problem(shape, lengths);
    for_each_cut<T>(shape.hidden, [&](const LstmOptions& options) { expect_right<T>(problem, options); });
  }
  void expect_right_in_every_cut(const LstmShape& shape, const Lengths& lengths) {
    for_each_type([&]<class T>() { expect_right_in_every_cut<T>(shape, lengths); });
  }
};
RAGTIME_TEST_ON_BACKENDS(LstmPersistent);

// More sequences than any emulated cut has slots at once.
TEST_P(LstmPersistent, EveryCutOnACrowd) {
  expect_right_in_every_cut({.input = 3, .hidden = 32, .directions = 2}, crowd(70));
  expect_right_in_every_cut({.input = 3, .hidden = 64}, crowd(40));
}

// As small as every path of the kernels allows: clusters of 1 to 8, both passes and directions, slots that
// are filled again, from sequences of one visit on. What ThreadSanitizer is given.
TEST_P(LstmPersistent, EveryPathAtItsSmallest) {
  Lengths lengths(20, 1);
  lengths[3] = 5;
  lengths[7] = 0;
  expect_right_in_every_cut<bf16>({.input = 1, .hidden = 9, .directions = 2}, lengths);
  expect_right_in_every_cut<float>({.input = 1, .hidden = 9, .directions = 2}, lengths);
  expect_right<bf16>(lstm_problem({.input = 1, .hidden = 40}, lengths), persistent(8, 8));
}

TEST_P(LstmPersistent, SixteenBlocks) {
  expect_right_in_every_cut<bf16>({.input = 3, .hidden = 128}, crowd(24, 9));
  expect_right_in_every_cut<bf16>({.input = 3, .hidden = 101, .directions = 2}, {3, 1, 0, 5});
}

TEST_P(LstmPersistent, HiddenSizesThatFillNoTile) {
  const Lengths lengths = {3, 1, 0, 5, 1, 1, 2, 2, 1, 1, 1};
  for (const std::int64_t hidden : {1, 3, 31, 33, 50}) {
    const LstmShape shape = {.input = 2, .hidden = hidden, .directions = 1 + hidden % 2};
    expect_right_in_every_cut<bf16>(shape, lengths);
    expect_right_in_every_cut<float>(shape, lengths);
  }
  expect_right_in_every_cut<f16>({.input = 2, .hidden = 7}, lengths);
}

TEST_P(LstmPersistent, EveryKindOfLengths) {
  for (const Lengths& lengths : ragged_lengths())
    for (const std::int64_t directions : {1, 2})
      for (const bool rich : {true, false}) {
        const LstmProblem problem = lstm_problem(
            {.input = 4, .hidden = 20, .layers = 2, .directions = directions, .bias = rich, .states = rich},
            lengths);
        if (rich == (directions == 2)) expect_right<bf16>(problem, persistent());
        if (rich != (directions == 2)) expect_right<float>(problem, persistent(2));
      }
}

TEST_P(LstmPersistent, LayersWithDropoutBetweenThemAndGatesComputedAgain) {
  LstmProblem problem =
      lstm_problem({.input = 5, .hidden = 18, .layers = 3, .directions = 2}, {2, 4, 0, 1, 7, 3});
  problem.dropout = 0.4;
  problem.seed = 99;
  problem.step = 3;
  problem.site = 2;
  for_each_type([&]<class T>() {
    bool save_gates = std::is_same_v<T, f16>;
    for_each_cut<T>(problem.hidden, [&](LstmOptions options) {
      options.save_gates = save_gates = !save_gates;
      expect_right<T>(problem, options);
    });
  });
}

// Errors must not build up over many visits, nor the accounts of messages and announcements drift.
TEST_P(LstmPersistent, OneVeryLongSequence) {
  const LstmProblem problem = lstm_problem({.input = 3, .hidden = 8}, {1, 150, 2});
  expect_right<bf16>(problem, persistent(4, 8));
  expect_right<float>(problem, persistent(2));
}

}  // namespace
}  // namespace ragtime::test
