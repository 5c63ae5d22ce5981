// Measured costs as a value: a text gives what was measured, and one that is damaged or of another version is
// refused with the line; nothing but the value that a plan is given changes what it chooses; and measuring, on the
// backends there are, writes nothing anywhere.

#include "ragtime/lstm_tuning.hpp"

#include <gmock/gmock.h>

#include "host/ops/lstm_costs.hpp"
#include "tests/support/operation_test.hpp"
#include "tests/support/temporary_folder.hpp"

namespace ragtime::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

const std::string device = "cuda, NVIDIA H200, sm_90, 132 multiprocessors, 139 GiB";

LstmCosts some_costs() {
  LstmCosts costs;
  costs.device_bytes_per_ns = 4100.25;
  costs.launch_us = 7.5;
  costs.stepwise_launch_us = 1.75;
  costs.stepwise_flops_per_ns = 123456;
  costs.measured_step_ns[{false, DType::bf16, 256, 8, 16}] = 512.3;
  costs.measured_step_ns[{true, DType::f32, 128, 4, 8}] = 0.1 + 0.2;
  return costs;
}

void expect_same(const LstmCosts& a, const LstmCosts& b) {
  EXPECT_EQ(a.device_bytes_per_ns, b.device_bytes_per_ns);
  EXPECT_EQ(a.launch_us, b.launch_us);
  EXPECT_EQ(a.stepwise_launch_us, b.stepwise_launch_us);
  EXPECT_EQ(a.stepwise_flops_per_ns, b.stepwise_flops_per_ns);
  ASSERT_EQ(a.measured_step_ns.size(), b.measured_step_ns.size());
  for (const auto& [key, ns] : a.measured_step_ns) {
    ASSERT_TRUE(b.measured_step_ns.contains(key));
    EXPECT_EQ(b.measured_step_ns.at(key), ns);
  }
}

std::string some_text() {
  return LstmTuning(device, some_costs()).to_text();
}

std::string with_line(std::size_t number, const std::string& line) {
  std::istringstream lines(some_text());
  std::string text, each;
  for (std::size_t i = 1; std::getline(lines, each); ++i) text += (i == number ? line : each) + "\n";
  return text;
}

TEST(LstmTuning, ATextGivesWhatWasMeasured) {
  const auto read = LstmTuning::from_text(some_text());
  EXPECT_EQ(read->device(), device);
  expect_same(read->costs(), some_costs());
  EXPECT_EQ(read->costs().source, "measured on " + device);
  EXPECT_EQ(read->to_text(), some_text());
  // As editors leave it.
  std::string edited = "\n" + some_text() + "\n  \n";
  for (std::size_t at = 0; (at = edited.find('\n', at)) != edited.npos; at += 2) edited.insert(at, "\r");
  expect_same(LstmTuning::from_text(edited)->costs(), some_costs());
}

TEST(LstmTuning, AnotherTextIsRefusedWithItsLine) {
  const auto refused = [](const std::string& text, const std::vector<std::string>& parts) {
    expect_error(ErrorCode::parse_error, parts, [&] { LstmTuning::from_text(text); });
  };
  refused("", {"line 0", "ragtime lstm tuning 1"});
  refused("\x01\xff\n", {"line 1", "ragtime lstm tuning 1"});
  refused("{\"format\": 1}", {"line 1"});
  refused(with_line(1, "ragtime lstm tuning 2"), {"line 1"});
  refused(with_line(2, "version 0.0.1"), {"line 2", "measured by ragtime 0.0.1, this is "});
  refused(with_line(2, "version"), {"line 2", "version ..."});
  refused(with_line(3, "gpu x"), {"line 3", "device ..."});
  refused(with_line(4, "constant device_bytes_per_ns"), {"line 4", "constant NAME VALUE"});
  refused(with_line(4, ""), {"constant device_bytes_per_ns is missing"});
  refused(with_line(5, "constant device_bytes_per_ns 3"), {"line 5", "twice"});
  refused(with_line(5, "constant speed 3"), {"line 5", "no constant \"speed\""});
  for (const char* wrong : {"0", "-1.5", "1e300", "nan", "inf", "x", "3,5", "3x"})
    refused(with_line(5, std::string("constant launch_us ") + wrong), {"line 5", "launch_us is", wrong});
  refused(with_line(8, "pace forward bf16 256 8 16 3"), {"line 8", "expected constant or step"});
  refused(with_line(8, "step forward bf16 256 8 16"), {"line 8", "expected: step"});
  refused(with_line(8, "step sideways bf16 256 8 16 3"), {"line 8", "pass is \"sideways\""});
  refused(with_line(8, "step forward f64 256 8 16 3"), {"line 8", "dtype is \"f64\""});
  for (const char* wrong : {"0", "-8", "1.5", "1099511627776", "x"})
    refused(with_line(8, std::string("step forward bf16 256 8 ") + wrong + " 3"), {"line 8", "slots is", wrong});
  refused(with_line(8, "step forward bf16 256 8 16 0"), {"line 8", "nanoseconds is \"0\""});
  refused(some_text() + "step forward bf16 256 8 16 7\n", {"line 10", "twice"});
}

class LstmMeasured : public OnBackend {
 protected:
  // The smallest kernels, over few steps.
  const LstmMeasurement quick = {.dtypes = {DType::bf16},
                                 .max_hidden = 32,
                                 .max_cells = 1 << 10,
                                 .max_steps = 8,
                                 .queued = 1,
                                 .repeats = 1};
  static LstmDesc small() {
    LstmDesc desc;
    desc.dtype = DType::bf16;
    desc.input_size = desc.hidden_size = 32;
    desc.capacity = {8, 8, 0, 1};
    return desc;
  }
};
RAGTIME_TEST_ON_BACKENDS(LstmMeasured);

TEST_P(LstmMeasured, GivesTheStepsOfEveryKernel) {
  if (backend->device() == DeviceType::cpu) {
    expect_error(ErrorCode::unsupported, {"cpu", "nothing to measure"}, [&] { measure_lstm(backend, quick); });
    return;
  }
  LstmDesc desc = small();
  const LstmChoiceDetails trains = choice_details(LstmPlan(backend, desc));
  desc.training = false;
  const LstmChoiceDetails infers = choice_details(LstmPlan(backend, desc));
  std::vector<std::string> said;
  const auto tuning = measure_lstm(backend, quick, [&](const std::string& what) { said.push_back(what); });
  EXPECT_EQ(tuning->device(), backend->description());
  EXPECT_THAT(said, testing::Contains(HasSubstr("bf16, 32 units, clusters of 1, 8 slots")));
  // Every configuration was run; a clock that saw no difference between two lengths leaves a step out.
  EXPECT_EQ(said.size(), 2 + infers.kernel_configs.size());
  std::size_t measured = 0;
  for (const auto& [key, ns] : tuning->costs().measured_step_ns) {
    EXPECT_EQ(key.dtype, DType::bf16);
    EXPECT_EQ(key.hidden, 32);
    EXPECT_GT(ns, 0);
    const LstmKernelConfig config = {key.cluster, key.slots};
    EXPECT_THAT(key.backward ? trains.kernel_configs : infers.kernel_configs, testing::Contains(config));
    ++measured;
  }
  EXPECT_GT(measured, 0u);
  desc.tuning = LstmTuning::from_text(tuning->to_text());
  EXPECT_EQ(choice_details(LstmPlan(backend, desc)).costs, "measured on " + backend->description());
  expect_error(ErrorCode::invalid_argument, {"max_cells is 0"}, [&] {
    LstmMeasurement none = quick;
    none.max_cells = 0;
    measure_lstm(backend, none);
  });
}

TEST_P(LstmMeasured, ThePlanThatIsGivenItChoosesByIt) {
  LstmDesc desc = small();
  if (backend->device() == DeviceType::cpu) {
    desc.dtype = DType::f32;
    desc.tuning = std::make_shared<const LstmTuning>(backend->description(), LstmCosts{});
    expect_error(ErrorCode::unsupported, {"tuning is given", "cpu"}, [&] { LstmPlan(backend, desc); });
    return;
  }
  desc.algorithm = LstmAlgorithm::persistent;
  const LstmChoiceDetails estimated = choice_details(LstmPlan(backend, desc));
  ASSERT_GT(estimated.kernel_configs.size(), 1u);
  for (const LstmKernelConfig& config : estimated.kernel_configs) {
    LstmCosts costs;
    for (const LstmKernelConfig& each : estimated.kernel_configs)
      for (const bool backward : {false, true})
        costs.measured_step_ns[{backward, DType::bf16, 32, each.cluster, each.slots}] = each == config ? 1 : 1e9;
    desc.tuning = std::make_shared<const LstmTuning>(backend->description(), costs);
    const LstmChoiceDetails chosen = choice_details(LstmPlan(backend, desc));
    EXPECT_EQ((LstmKernelConfig{chosen.forward.cluster, chosen.forward.slots}), config);
    EXPECT_EQ((LstmKernelConfig{chosen.backward.cluster, chosen.backward.slots}), config);
    desc.tuning = nullptr;  // nothing of it stays
    const LstmChoiceDetails again = choice_details(LstmPlan(backend, desc));
    EXPECT_EQ(again.forward.cluster, estimated.forward.cluster);
    EXPECT_EQ(again.forward.slots, estimated.forward.slots);
    EXPECT_EQ(again.costs, estimated.costs);
  }
  desc.tuning = std::make_shared<const LstmTuning>("another GPU", LstmCosts{});
  expect_error(ErrorCode::invalid_argument, {"tuning was measured on another GPU", backend->description()},
               [&] { LstmPlan(backend, desc); });
}

}  // namespace
}  // namespace ragtime::test
