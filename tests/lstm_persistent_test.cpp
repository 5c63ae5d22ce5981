// The persistent LSTM, every kernel of it that this backend has: forward against the formula in double,
// backward against the cpu backend in double (which is held against finite differences elsewhere), at hidden
// sizes that fill a tile and that do not, with one direction and two, fewer sequences than slots and many
// more, empties and ones, and one long among many short. No bit depends on the kernel's cut in forward, on
// the slots in backward, on neighbours, on whether the host knows the batch, or on the schedule (the emulated
// backend draws another for every launch).

#include <gtest/gtest.h>

#include "tests/lstm_selection.hpp"

namespace ragtime::test {
namespace {

using Lengths = std::vector<std::int32_t>;

// What products in tf32 may be off: 2^-11 for each of two factors.
constexpr double tf32_tolerance = 0x1p-9;

LstmOptions persistent(int cluster = 0, int slots = 0) {
  LstmOptions options;
  options.algorithm = LstmAlgorithm::persistent;
  options.cluster = cluster;
  options.slots = slots;
  return options;
}

class LstmPersistent : public OnBackend {
 protected:
  void SetUp() override {
    OnBackend::SetUp();
    if (backend != nullptr && backend->device() == DeviceType::cpu)
      GTEST_SKIP() << "the cpu backend has an algorithm of its own";
  }

  template <class T>
  static constexpr bool is_tf32 = std::is_same_v<T, float>;

  // Every (cluster, slots) that can be asked for.
  template <class T>
  std::vector<LstmCut> cuts(std::int64_t hidden) const {
    LstmDesc desc;
    desc.dtype = dtype_of<T>;
    desc.tf32 = is_tf32<T>;
    desc.input_size = 3;
    desc.hidden_size = hidden;
    desc.capacity = {4, 16, 0, 4};
    desc.algorithm = LstmAlgorithm::persistent;
    return LstmPlan(backend, desc).choice().cuts;
  }

  template <class T>
  void expect_right(const LstmProblem& problem, const LstmOptions& given) {
    SCOPED_TRACE(testing::Message() << name_of(dtype_of<T>) << ", H " << problem.hidden << ", D "
                                    << problem.directions << ", cluster " << given.cluster << ", slots "
                                    << given.slots << (given.save_gates ? "" : ", gates computed again")
                                    << ", lengths " << testing::PrintToString(problem.lengths));
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
  void expect_right_in_every_cut(const LstmShape& shape, const Lengths& lengths) {
    const LstmProblem problem = lstm_problem(shape, lengths);
    const auto each = [&]<class T>() {
      for (const LstmCut& cut : cuts<T>(shape.hidden))
        expect_right<T>(problem, persistent(cut.cluster, cut.slots));
    };
    each.template operator()<bf16>();
    each.template operator()<f16>();
    each.template operator()<float>();
  }
};
RAGTIME_TEST_ON_BACKENDS(LstmPersistent);

// More sequences than any emulated cut has slots at once, one long among them, empties and ones.
Lengths crowd(std::size_t count = 70) {
  Numbers numbers(7);
  Lengths lengths(count);
  for (auto& length : lengths) length = static_cast<std::int32_t>(numbers.integer(0, 4));
  lengths[count / 2] = 23;
  return lengths;
}

TEST_P(LstmPersistent, EveryCutOnACrowd) {
  expect_right_in_every_cut({.input = 3, .hidden = 32}, crowd());
  expect_right_in_every_cut({.input = 3, .hidden = 64}, crowd(40));
}

TEST_P(LstmPersistent, HiddenSizesThatFillNoTile) {
  for (const std::int64_t hidden : {1, 2, 3, 7, 31, 33, 50})
    expect_right_in_every_cut({.input = 2, .hidden = hidden}, {3, 1, 0, 5, 1, 1, 2, 2, 1, 1, 1});
}

TEST_P(LstmPersistent, EveryKindOfLengths) {
  for (const Lengths& lengths : ragged_lengths())
    for (const std::int64_t directions : {1, 2})
      for (const bool rich : {true, false}) {
        const LstmProblem problem = lstm_problem(
            {.input = 4, .hidden = 20, .layers = 2, .directions = directions, .bias = rich, .states = rich},
            lengths);
        expect_right<bf16>(problem, persistent());
        expect_right<float>(problem, persistent(2));
      }
}

}  // namespace
}  // namespace ragtime::test
