#pragma once

// What the device was measured to be able to, by device_probe, and the floor that it sets under a case.

#include <algorithm>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

namespace ragtime::benchmarks {

// The least that a case must do.
struct Costs {
  double bytes = 0;    // read and written in device memory, each once
  double flops = 0;    // of matrix products
  double steps = 0;    // one after the other, each behind an exchange between multiprocessors
  double rows = 0;     // for the time of a row
  double longest = 0;  // for the time of a step; 0: the case has none
};

// What is absent was not measured.
struct Ceilings {
  std::optional<double> bytes_per_second;  // copying, both ways counted
  std::optional<double> flops_per_second;  // bf16 and f16 products with f32 sums
  std::optional<double> seconds_per_step;  // the quickest exchange of a hidden state within a cluster

  static Ceilings read(const std::string& file) {
    std::ifstream stream(file);
    if (!stream) throw std::runtime_error("cannot open " + file);
    nlohmann::json probe;
    try {
      probe = nlohmann::json::parse(stream);
    } catch (const std::exception& problem) {
      throw std::runtime_error(file + " is not JSON as device_probe writes it: " + problem.what());
    }
    const Ceilings ceilings = from(probe);
    if (!ceilings.bytes_per_second && !ceilings.flops_per_second && !ceilings.seconds_per_step)
      throw std::runtime_error(
          file + " has nothing that device_probe measures: expected what it wrote of this device");
    for (const std::optional<double>& measured :
         {ceilings.bytes_per_second, ceilings.flops_per_second, ceilings.seconds_per_step})
      if (measured && !(*measured > 0))
        throw std::runtime_error(file + " has a rate or a time of " + std::to_string(*measured) +
                                 ": expected numbers above 0");
    return ceilings;
  }

  static Ceilings from(const nlohmann::json& probe) {
    Ceilings ceilings;
    const auto raise = [](std::optional<double>& most, const nlohmann::json& object, const char* key,
                          double unit) {
      if (object.is_object() && object.contains(key) && object[key].is_number())
        most = std::max(most.value_or(0), object[key].get<double>() * unit);
    };
    const auto section = [](const nlohmann::json& object, const char* key) {
      return object.is_object() && object.contains(key) ? object[key] : nlohmann::json();
    };
    for (const char* way : {"kernel", "memcpy"})
      raise(ceilings.bytes_per_second, section(section(probe, "bandwidth"), way), "gb_per_s", 1e9);
    for (const auto& size : section(section(probe, "cublaslt"), "sizes"))
      raise(ceilings.flops_per_second, size, "tflops", 1e12);
    raise(ceilings.flops_per_second, section(probe, "matrix_units"), "mma_m16n8k16_bf16_tflops", 1e12);
    // 2 KiB is the least hidden state that the probe exchanges; less is its round trip of 16 bytes.
    for (const auto& exchange : section(section(probe, "latencies"), "exchange")) {
      if (exchange.value("bytes_received_a_block", 0) < 2048) continue;
      const nlohmann::json nanoseconds = section(exchange, "ns");
      if (!nanoseconds.contains("median") || !exchange.value("data_intact", false)) continue;
      const double seconds = nanoseconds["median"].get<double>() * 1e-9;
      ceilings.seconds_per_step = std::min(ceilings.seconds_per_step.value_or(seconds), seconds);
    }
    return ceilings;
  }
};

struct Floor {
  double seconds = 0;
  const char* from = "";  // "bytes", "flops" or "steps": what sets it
};

// max(bytes / bandwidth, flops / rate, steps x latency). Absent when one that counts was not measured.
// `products`: whether the rate is that of the case's dtype.
inline std::optional<Floor> floor_of(const Costs& costs, const Ceilings& ceilings, bool products) {
  Floor floor;
  const auto raise = [&](double seconds, const char* from) {
    if (seconds > floor.seconds) floor = {seconds, from};
  };
  if (costs.bytes > 0) {
    if (!ceilings.bytes_per_second) return std::nullopt;
    raise(costs.bytes / *ceilings.bytes_per_second, "bytes");
  }
  if (costs.flops > 0) {
    if (!ceilings.flops_per_second || !products) return std::nullopt;
    raise(costs.flops / *ceilings.flops_per_second, "flops");
  }
  if (costs.steps > 0) {
    if (!ceilings.seconds_per_step) return std::nullopt;
    raise(costs.steps * *ceilings.seconds_per_step, "steps");
  }
  if (floor.seconds == 0) return std::nullopt;
  return floor;
}

}  // namespace ragtime::benchmarks
