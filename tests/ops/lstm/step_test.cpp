// The LSTM's single step: visit by visit it gives the bits of the whole sequence at once (on a GPU, where the
// products of two plans may be summed in different orders, its values); its gradients are
// those of finite differences of the formula; in place and apart it gives the same.

#include "ragtime/lstm_step.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "tests/ops/lstm/run.hpp"

namespace ragtime::test {
namespace {

LstmStepDesc step_description(const LstmProblem& problem, DType dtype, bool training) {
  LstmStepDesc desc;
  desc.dtype = dtype;
  desc.input_size = problem.input;
  desc.hidden_size = problem.hidden;
  desc.num_layers = problem.layers;
  desc.bias = problem.bias;
  desc.proj_size = problem.projection;
  desc.training = training;
  desc.sequences = problem.sequences();
  return desc;
}

// A problem whose sequences all have one visit, its plan, memory and arguments.
template <class T>
struct StepRun {
  StepRun(const std::shared_ptr<Backend>& backend, const LstmProblem& problem, bool training = true,
          const LstmLoss& loss = {}, std::uint8_t memory = 0xFF)
      : plan(backend, step_description(problem, dtype_of<T>, training)),
        workspace(backend, std::vector<std::uint8_t>(plan.workspace_bytes(), memory)),
        reserve(backend, std::vector<std::uint8_t>(plan.reserve_bytes(), memory)),
        x(backend, problem.x),
        h(backend, problem.h0),
        c(backend, problem.c0),
        d_h_next(backend, loss.d_h_n),
        d_c_next(backend, loss.d_c_n) {
    const std::int64_t states = problem.layers * problem.sequences();
    h_next = Guarded<T>::room(backend, states * problem.width());
    c_next = Guarded<T>::room(backend, states * problem.hidden);
    d_x = Guarded<T>::room(backend, problem.sequences() * problem.input);
    d_h = Guarded<T>::room(backend, states * problem.width());
    d_c = Guarded<T>::room(backend, states * problem.hidden);
    for (const auto& slot : problem.weights)
      for (const Values& values : slot) {
        weights.emplace_back(backend, values);
        gradients.push_back(values.empty()
                                ? Guarded<T>()
                                : Guarded<T>::room(backend, static_cast<std::int64_t>(values.size())));
      }
    weight_table = weight_pointers<LstmWeights>(weights);
    gradient_table = weight_pointers<LstmGradients>(gradients);
    forward = {x.data(),      weight_table.data(), h.data(),         c.data(),
               h_next.data(), c_next.data(),       workspace.data(), reserve.data()};
    backward = {x.data(),        weight_table.data(), h.data(),      c.data(),   d_h_next.data(),
                d_c_next.data(), d_x.data(),          d_h.data(),    d_c.data(), gradient_table.data(),
                false,           workspace.data(),    reserve.data()};
  }

  LstmStepPlan plan;
  LstmStepForward forward;
  LstmStepBackward backward;
  std::vector<LstmWeights> weight_table;
  std::vector<LstmGradients> gradient_table;
  DeviceArray<std::uint8_t> workspace, reserve;
  std::vector<Guarded<T>> weights, gradients;
  Guarded<T> x, h, c, d_h_next, d_c_next;
  Guarded<T> h_next, c_next, d_x, d_h, d_c;
};

std::vector<LstmShape> step_shapes() {
  std::vector<LstmShape> shapes = {{.input = 1, .hidden = 1}, {.input = 37, .hidden = 67, .layers = 2}};
  for (const LstmShape& shape : lstm_shapes())
    if (shape.directions == 1) shapes.push_back(shape);
  return shapes;
}

LstmProblem step_problem(const LstmShape& shape, std::size_t sequences = 3) {
  return lstm_problem(shape, std::vector<std::int32_t>(sequences, 1));
}

class LstmStep : public OnBackend {
 protected:
  // x [B, t] one t after the other, against all at once.
  template <class T>
  void expect_bits_of_the_whole(const LstmShape& shape, bool training) {
    if (!computes_in<T>()) return;
    const double allowed = GetParam() == "cuda" ? tolerance<T> : 0;
    constexpr std::int64_t sequences = 13, steps = 4;
    const LstmProblem whole = lstm_problem(shape, std::vector<std::int32_t>(sequences, steps));
    const auto expected = run_lstm<T>(backend, whole);
    LstmProblem visit = whole;
    visit.lengths.assign(sequences, 1);
    for (std::int64_t step = 0; step < steps; ++step) {
      visit.x.clear();
      for (std::int64_t b = 0; b < sequences; ++b)
        visit.x.insert(visit.x.end(), whole.x.begin() + (b * steps + step) * whole.input,
                       whole.x.begin() + (b * steps + step + 1) * whole.input);
      StepRun<T> run(backend, visit, training);
      run.plan.forward(run.forward);
      const auto h = run.h_next.host(), c = run.c_next.host();
      for (std::int64_t b = 0; b < sequences; ++b)
        for (std::int64_t j = 0; j < whole.width(); ++j)
          ASSERT_NEAR(h[((whole.layers - 1) * sequences + b) * whole.width() + j],
                      expected.y[(b * steps + step) * whole.width() + j], allowed)
              << "sequence " << b << ", step " << step << ", unit " << j;
      visit.h0 = cast<double>(h);
      visit.c0 = cast<double>(c);
    }
    EXPECT_TRUE(close(visit.h0, expected.h_n, allowed));
    EXPECT_TRUE(close(visit.c0, expected.c_n, allowed));
  }
};
RAGTIME_TEST_ON_BACKENDS(LstmStep);

TEST_P(LstmStep, VisitByVisitGivesTheBitsOfTheWhole) {
  for (const LstmShape& shape : step_shapes()) {
    SCOPED_TRACE(name_of(shape));
    for (const bool training : {false, true}) {
      expect_bits_of_the_whole<float>(shape, training);
      expect_bits_of_the_whole<double>(shape, training);
    }
  }
}

TEST_P(LstmStep, FollowsItsFormula) {
  for (const LstmShape& shape : step_shapes())
    for (const std::size_t sequences : {1, 25}) {
      SCOPED_TRACE(name_of(shape));
      const LstmProblem problem = step_problem(shape, sequences);
      const auto expected = reference::lstm(problem);
      const auto expect = [&]<class T>(bool training) {
        if (!computes_in<T>()) return;
        StepRun<T> run(backend, problem, training);
        run.plan.forward(run.forward);
        if constexpr (sizeof(T) > 2) {
          EXPECT_TRUE(close(run.h_next.host(), expected.h_n, tolerance<T>));
          EXPECT_TRUE(close(run.c_next.host(), expected.c_n, tolerance<T>));
        } else {
          const auto naive = reference::lstm(stored_in<T>(problem));
          EXPECT_TRUE(as_good_as_naive(run.h_next.host(), naive.h_n, expected.h_n));
          EXPECT_TRUE(as_good_as_naive(run.c_next.host(), naive.c_n, expected.c_n));
        }
      };
      expect.template operator()<double>(true);
      expect.template operator()<float>(false);
      expect.template operator()<bf16>(true);
      expect.template operator()<f16>(false);
    }
}

TEST_P(LstmStep, GradientsAreThoseOfFiniteDifferences) {
  RAGTIME_NEEDS_DOUBLE();
  for (const LstmShape& shape : lstm_shapes()) {
    if (shape.directions > 1) continue;
    SCOPED_TRACE(name_of(shape));
    LstmProblem problem = step_problem(shape);
    const LstmLoss loss = lstm_loss(problem);
    StepRun<double> run(backend, problem, true, loss);
    run.plan.forward(run.forward);
    run.plan.backward(run.backward);
    const auto value = [&] {
      const auto result = reference::lstm(problem);
      double sum = 0;
      for (std::size_t i = 0; i < result.h_n.size(); ++i) sum += loss.d_h_n[i] * result.h_n[i];
      for (std::size_t i = 0; i < result.c_n.size(); ++i) sum += loss.d_c_n[i] * result.c_n[i];
      return sum;
    };
    const auto expect = [&](const Guarded<double>& gradient, Values& input) {
      EXPECT_TRUE(close(gradient.host(), finite_differences(input, value), 1e-8));
    };
    problem.h0.resize(run.d_h.host().size());  // where no state is given, it is zero
    problem.c0.resize(run.d_c.host().size());
    expect(run.d_x, problem.x);
    expect(run.d_h, problem.h0);
    expect(run.d_c, problem.c0);
    for (std::size_t i = 0; i < run.gradients.size(); ++i)
      expect(run.gradients[i], problem.weights[i / 5][i % 5]);

    const auto once = run.gradients[0].host();
    run.backward.accumulate = true;
    run.plan.backward(run.backward);
    Values twice = once;
    for (double& gradient : twice) gradient *= 2;
    EXPECT_TRUE(close(run.gradients[0].host(), twice, tolerance<double>));
  }
}

TEST_P(LstmStep, InPlaceGivesTheSameBits) {
  for (const LstmShape& shape : step_shapes()) {
    if (!shape.states) continue;
    SCOPED_TRACE(name_of(shape));
    const LstmProblem problem = step_problem(shape, 30);
    StepRun<float> apart(backend, problem, false), in_place(backend, problem, false);
    apart.plan.forward(apart.forward);
    in_place.forward.h_next = in_place.h.data();
    in_place.forward.c_next = in_place.c.data();
    in_place.plan.forward(in_place.forward);
    EXPECT_TRUE(same_bits(in_place.h.host(), apart.h_next.host()));
    EXPECT_TRUE(same_bits(in_place.c.host(), apart.c_next.host()));
  }
}

TEST_P(LstmStep, NeitherMemoryNorThreadsNorNeighboursChangeTheBits) {
  LstmProblem problem = step_problem({.input = 37, .hidden = 67, .layers = 2, .projection = 9}, 40);
  const LstmLoss loss = lstm_loss(problem);
  const auto run_all = [&](std::uint8_t memory) {
    StepRun<float> run(backend, problem, true, loss, memory);
    run.plan.forward(run.forward);
    run.plan.backward(run.backward);
    std::vector<float> all;
    const auto append = [&](const Guarded<float>& array) {
      const auto values = array.host();
      all.insert(all.end(), values.begin(), values.end());
    };
    for (const auto* array : {&run.h_next, &run.c_next, &run.d_x, &run.d_h, &run.d_c}) append(*array);
    for (const auto& gradient : run.gradients) append(gradient);
    return all;
  };
  set_cpu_threads(1);
  const auto expected = run_all(0);
  EXPECT_TRUE(same_bits(run_all(0xFF), expected));
  for (const int threads : {2, 3}) {
    set_cpu_threads(threads);
    EXPECT_TRUE(same_bits(run_all(0x7F), expected));
  }
  // Everybody but the first is struck with NaN.
  std::fill(problem.x.begin() + problem.input, problem.x.end(), nan<double>);
  const auto struck = run_all(0);
  const auto own = static_cast<std::size_t>(problem.width());
  EXPECT_TRUE(same_bits(std::vector(struck.begin(), struck.begin() + own),
                        std::vector(expected.begin(), expected.begin() + own)));
  EXPECT_TRUE(std::isnan(struck[own]));
}

TEST_P(LstmStep, OnePlanServesSeveralThreads) {
  const LstmProblem problem = step_problem({.layers = 2}, 5);
  const StepRun<float> shared(backend, problem, false);
  StepRun<float> alone(backend, problem, false);
  alone.plan.forward(alone.forward);
  const auto expected = alone.h_next.host();
  std::vector<std::vector<float>> actual(3);
  std::vector<std::thread> callers;
  for (auto& h : actual)
    callers.emplace_back([&] {
      StepRun<float> run(backend, problem, false);
      for (int repeat = 0; repeat < 50; ++repeat) shared.plan.forward(run.forward);
      h = run.h_next.host();
    });
  for (auto& caller : callers) caller.join();
  for (const auto& h : actual) EXPECT_TRUE(same_bits(h, expected));
}

TEST_P(LstmStep, WhatCannotBeRightIsRefused) {
  const LstmProblem problem = step_problem({.layers = 2, .projection = 2});
  const auto refuses = [&](auto member, auto value, const std::string& text) {
    LstmStepDesc desc = step_description(problem, DType::f32, true);
    desc.*member = value;
    expect_error(ErrorCode::invalid_argument, {text}, [&] { LstmStepPlan(backend, desc); });
  };
  refuses(&LstmStepDesc::sequences, 0, "sequences is 0");
  refuses(&LstmStepDesc::sequences, std::int64_t{1} << 31, "sequences is 2147483648");
  refuses(&LstmStepDesc::input_size, 0, "input_size is 0");
  refuses(&LstmStepDesc::hidden_size, -1, "hidden_size is -1");
  refuses(&LstmStepDesc::num_layers, 0, "num_layers is 0");
  refuses(&LstmStepDesc::proj_size, 4, "proj_size is 4");
  expect_error(ErrorCode::invalid_argument, {"backend is null"},
               [&] { LstmStepPlan(nullptr, step_description(problem, DType::f32, true)); });

  using Run = StepRun<float>;
  const auto refuses_run = [&](const std::string& text, bool training, auto change, bool backward = false) {
    Run run(backend, problem, training, lstm_loss(problem));
    change(run);
    const auto h_next = run.h_next.host(), d_x = run.d_x.host();
    expect_error(ErrorCode::invalid_argument, {text}, [&] {
      if (backward)
        run.plan.backward(run.backward);
      else
        run.plan.forward(run.forward);
    });
    EXPECT_TRUE(same_bits(run.h_next.host(), h_next));
    EXPECT_TRUE(same_bits(run.d_x.host(), d_x));
  };
  for (const bool training : {false, true}) {
    refuses_run("x is null", training, [](Run& run) { run.forward.x = nullptr; });
    refuses_run("weights is null", training, [](Run& run) { run.forward.weights = nullptr; });
    refuses_run("h_next is null", training, [](Run& run) { run.forward.h_next = nullptr; });
    refuses_run("c_next is null", training, [](Run& run) { run.forward.c_next = nullptr; });
    refuses_run("workspace is null", training, [](Run& run) { run.forward.workspace = nullptr; });
  }
  refuses_run("reserve is null", true, [](Run& run) { run.forward.reserve = nullptr; });
  refuses_run("same memory", true, [](Run& run) { run.forward.h_next = run.h.data(); });
  refuses_run("same memory", true, [](Run& run) { run.forward.c_next = run.c.data(); });
  refuses_run("same memory", true, [](Run& run) { run.forward.h_next = run.c.data(); });
  refuses_run("same memory", true, [](Run& run) { run.forward.c_next = run.h.data(); });
  refuses_run(
      "x is null", true, [](Run& run) { run.backward.x = nullptr; }, true);
  refuses_run(
      "weights[1].weight_ih is null", true, [](Run& run) { run.weight_table[1].weight_ih = nullptr; }, true);
  refuses_run(
      "workspace is null", true, [](Run& run) { run.backward.workspace = nullptr; }, true);
  refuses_run(
      "reserve is null", true, [](Run& run) { run.backward.reserve = nullptr; }, true);
  StepRun<float> inference(backend, problem, false);
  expect_error(ErrorCode::unsupported, {"training = true"},
               [&] { inference.plan.backward(inference.backward); });
}

}  // namespace
}  // namespace ragtime::test
