// What benchmarks take from device_probe's file, the floor that follows, and that a wrong result is found.

#include <gtest/gtest.h>

#include "benchmarks/cases/tensor.hpp"
#include "benchmarks/measure/ceilings.hpp"
#include "tests/support/sixteen_bit.hpp"

namespace ragtime::benchmarks {
namespace {

// As device_probe writes it, with made-up numbers.
const nlohmann::json probe = nlohmann::json::parse(R"({
  "bandwidth": {"kernel": {"gb_per_s": 2000, "verified": true}, "memcpy": {"gb_per_s": 2500}},
  "cublaslt": {"sizes": [{"m": 8192, "tflops": 600}, {"m": 64, "tflops": 7}]},
  "matrix_units": {"mma_m16n8k16_bf16_tflops": 500},
  "latencies": {"exchange": [
    {"blocks": 2, "bytes_received_a_block": 32, "ns": {"median": 300}, "data_intact": true},
    {"blocks": 2, "bytes_received_a_block": 2048, "ns": {"median": 100}, "data_intact": false},
    {"blocks": 2, "bytes_received_a_block": 4096, "ns": {"median": 500}, "data_intact": true},
    {"blocks": 8, "bytes_received_a_block": 4096, "ns": {"median": 800}, "data_intact": true}]}})");

TEST(BenchmarkFloor, CeilingsAreTheBestThatWasMeasured) {
  const Ceilings ceilings = Ceilings::from(probe);
  EXPECT_DOUBLE_EQ(ceilings.bytes_per_second.value(), 2500e9);
  EXPECT_DOUBLE_EQ(ceilings.flops_per_second.value(), 600e12);
  EXPECT_DOUBLE_EQ(ceilings.seconds_per_step.value(), 500e-9);
}

TEST(BenchmarkFloor, WhatTheProbeDoesNotHaveIsAbsent) {
  const Ceilings none = Ceilings::from(nlohmann::json::object());
  EXPECT_FALSE(none.bytes_per_second || none.flops_per_second || none.seconds_per_step);
  nlohmann::json failed = probe;
  failed["latencies"] = {{"error", "clusters do not fit"}};
  failed.erase("cublaslt");
  const Ceilings some = Ceilings::from(failed);
  EXPECT_FALSE(some.seconds_per_step);
  EXPECT_DOUBLE_EQ(some.flops_per_second.value(), 500e12);
  EXPECT_THROW(Ceilings::read("/nowhere/device_probe.json"), std::runtime_error);
}

TEST(BenchmarkFloor, TheLargestOfTheThreeSetsIt) {
  const Ceilings ceilings = Ceilings::from(probe);
  const Costs costs{.bytes = 2.5e9, .flops = 6e11, .steps = 100, .rows = 1, .longest = 100};
  const auto floor = [&](auto change) {
    Costs changed = costs;
    change(changed);
    return floor_of(changed, ceilings, true);
  };
  const auto bytes = floor([](Costs&) {}), flops = floor([](Costs&c) { c.flops = 6e12; }),
             steps = floor([](Costs&c) { c.steps = 10'000; });
  ASSERT_TRUE(bytes && flops && steps);
  EXPECT_STREQ(bytes->from, "bytes");
  EXPECT_DOUBLE_EQ(bytes->seconds, 1e-3);
  EXPECT_STREQ(flops->from, "flops");
  EXPECT_DOUBLE_EQ(flops->seconds, 1e-2);
  EXPECT_STREQ(steps->from, "steps");
  EXPECT_DOUBLE_EQ(steps->seconds, 5e-3);
}

TEST(BenchmarkFloor, WithoutOneThatCountsThereIsNone) {
  const Costs costs{.bytes = 1, .flops = 1, .steps = 1, .rows = 1, .longest = 1};
  const Ceilings ceilings = Ceilings::from(probe);
  EXPECT_TRUE(floor_of(costs, ceilings, true));
  EXPECT_FALSE(floor_of(costs, ceilings, false));  // products of another type than was measured
  for (const char* section : {"bandwidth", "latencies"}) {
    nlohmann::json less = probe;
    less.erase(section);
    EXPECT_FALSE(floor_of(costs, Ceilings::from(less), true)) << section;
  }
  EXPECT_FALSE(floor_of({}, ceilings, true));
}

TEST(BenchmarkFloor, AWrongResultIsFound) {
  const std::vector<float> right = {1, -2, 0};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NO_THROW(expect_close({1.01f, -2, 0.01f}, right, 0.01, "y"));
  EXPECT_THROW(expect_close({1.03f, -2, 0}, right, 0.01, "y"), std::runtime_error);
  EXPECT_THROW(expect_close({1, -2, nan}, right, 0.01, "y"), std::runtime_error);
  EXPECT_THROW(expect_close({1, -2}, right, 0.01, "y"), std::runtime_error);
  EXPECT_THROW(expect_close({0, 0, 0}, right, 0.1, "y"), std::runtime_error);
}

TEST(BenchmarkFloor, SixteenBitsThereAndBack) {
  for (const float value : {0.0f, 1.0f, -1.5f, 0.3333333f, 1e-3f, 1.00390625f, 1.01171875f, -65504.0f}) {
    EXPECT_EQ(rounded({value}, DType::bf16)[0], static_cast<float>(test::bf16(static_cast<double>(value))))
        << value;
    EXPECT_EQ(rounded({value}, DType::f16)[0], static_cast<float>(test::f16(static_cast<double>(value))));
    EXPECT_EQ(rounded({value}, DType::f32)[0], value);
  }
  const auto backend = make_backend("cpu");
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    const std::vector<float> values = rounded({1, -2.5f, 0.1f}, dtype);
    EXPECT_EQ(Tensor(backend, values, dtype).host(), values);
  }
}

}  // namespace
}  // namespace ragtime::benchmarks
