// next_visit with targets of their own: the loss and the gradients of the visits' codes as targets while the
// input has others, and the batch's own codes where none are given.

#include <gtest/gtest.h>

#include "host/model/parameter_values.hpp"
#include "tests/model/support.hpp"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {
namespace {

class NextVisitTargets : public OnBackend {
 protected:
  struct Result {
    std::vector<float> loss, gradients;
    bool operator==(const Result&) const = default;
  };
  // Loss, weight and gradients with these codes as input and those of `targets` to foresee; null: the
  // input's.
  Result run(const std::vector<PatientVisits>& input, const std::vector<PatientVisits>* targets) {
    VisitLstm model(backend, config_for(Task::next_visit));
    model.initialize(5);
    const Targets<float> host(Task::next_visit);
    const DeviceTargets<float> on_device(backend, host);
    ModelTargets view = on_device.view();
    RaggedBatch codes = RaggedBatch::from_patients(targets == nullptr ? input : *targets);
    codes.code_offsets.push_back(codes.code_offsets.back());
    const DeviceArray<std::int32_t> target_codes(backend, codes.codes), offsets(backend, codes.code_offsets);
    if (targets != nullptr) {
      view.target_codes = target_codes.data();
      view.target_code_offsets = offsets.data();
    }
    const DeviceArray<float> loss(backend, {-1, -1});
    model.forward_backward(load(backend, input), view, 0, nullptr, loss.data(), loss.data() + 1);
    backend->synchronize();
    return {loss.host(), copied<float>(*backend, model.gradient_data(), model.parameter_count())};
  }
};
RAGTIME_TEST_ON_BACKENDS(NextVisitTargets);

TEST_P(NextVisitTargets, AreTheBatchsOwnOrThoseGiven) {
  const std::vector<PatientVisits> whole = some_patients();
  EXPECT_EQ(run(whole, &whole), run(whole, nullptr));
  std::vector<PatientVisits> other = whole;
  other[0][1] = {3, 9};
  EXPECT_NE(run(whole, &other).loss, run(whole, nullptr).loss);
}

// Input whose codes are other and fewer; by hand, the loss is that of the logits against the targets.
TEST_P(NextVisitTargets, AreComparedWithTheLogitsOfTheInput) {
  const std::vector<PatientVisits> whole = some_patients();
  std::vector<PatientVisits> input = whole;
  input[0] = {{1}, {1}, {}, {1, 4}};
  input[2] = {{1, 7}, {1}, {1, 3}};
  const Result actual = run(input, &whole);

  VisitLstm model(backend, config_for(Task::next_visit));
  model.initialize(5);
  const auto logits = copied<float>(*backend, model.forward(load(backend, input)), 10 * vocabulary);
  const std::vector<float> weights = Targets<float>(Task::next_visit).row_weight;
  double loss = 0, weight = 0;
  std::size_t row = 0;
  for (const PatientVisits& visits : whole)
    for (std::size_t t = 0; t < visits.size(); ++t, ++row) {
      if (weights[row] == 0) continue;
      for (std::int32_t k = 0; k < vocabulary; ++k) {
        const auto logit = static_cast<double>(logits[row * vocabulary + static_cast<std::size_t>(k)]);
        const auto& next = visits[t + 1];
        const bool there = std::find(next.begin(), next.end(), k) != next.end();
        loss += std::log1p(std::exp(there ? -logit : logit));
        ++weight;
      }
    }
  EXPECT_NEAR(actual.loss[0], loss / weight, 1e-5);
  EXPECT_EQ(actual.loss[1], weight);
}

TEST_P(NextVisitTargets, AreGivenWithTheirOffsetsOrNotAtAll) {
  VisitLstm model(backend, config_for(Task::next_visit));
  const DeviceBatch batch = load(backend, some_patients());
  const DeviceTargets<float> on_device(backend, Targets<float>(Task::next_visit));
  const DeviceArray<float> loss(backend, {-1, -1});
  ModelTargets view = on_device.view();
  view.target_codes = batch.codes();
  expect_error(ErrorCode::invalid_argument, {"targets.target_codes is given", "both or neither"},
               [&] { model.evaluate(batch, view, loss.data(), loss.data() + 1); });
  view.target_codes = nullptr;
  view.target_code_offsets = batch.code_offsets();
  expect_error(ErrorCode::invalid_argument, {"targets.target_codes is null", "both or neither"},
               [&] { model.evaluate(batch, view, loss.data(), loss.data() + 1); });
}

}  // namespace
}  // namespace ragtime::test
