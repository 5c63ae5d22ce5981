#pragma once

// Numbers on their way from the device: the copy is queued behind the work that makes them, and they may be
// read once the stream has been waited for.

#include <memory>
#include <span>
#include <vector>

#include "ragtime/backend.hpp"

namespace ragtime {

// Device memory for a loss and its denominator, f32, read together.
class LossPair {
 public:
  explicit LossPair(std::shared_ptr<Backend> backend);
  float* loss() const { return memory_.as<float>(); }
  float* weight() const { return memory_.as<float>() + 1; }

  struct Values {
    double loss;
    double weight;
  };
  void queue(Stream stream = {});
  Values values() const;  // of the last queue

 private:
  std::shared_ptr<Backend> backend_;
  Buffer memory_;
  HostBuffer host_;
};

// Logits of any dtype but f64, as floats.
class Logits {
 public:
  Logits(std::shared_ptr<Backend> backend, DType dtype) : backend_(std::move(backend)), dtype_(dtype) {}

  void queue(const void* logits, std::int64_t count, Stream stream = {});
  std::span<const float> values();  // of the last queue, until the next one

 private:
  std::shared_ptr<Backend> backend_;
  DType dtype_;
  HostBuffer host_;
  std::vector<float> values_;
};

}  // namespace ragtime
