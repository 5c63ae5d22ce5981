#pragma once

// What handles that several operations take stand for.

#include <cstdint>
#include <memory>

#include "host/c_api/handles.hpp"
#include "host/c_api/tensor.hpp"
#include "ragtime/ragged_batch.hpp"
#include "ragtime/ragtime.h"
#include "ragtime/status.hpp"

namespace ragtime::c_api {

struct OpenBackend {
  static constexpr Kind kind = Kind::backend;
  std::shared_ptr<Backend> backend;
};

struct Faults {
  static constexpr Kind kind = Kind::faults;
  explicit Faults(std::shared_ptr<Backend> owner) : status(std::move(owner)) {}
  Status status;
};

struct Batch {
  static constexpr Kind kind = Kind::batch;
  explicit Batch(const std::shared_ptr<Backend>& owner) : backend(owner), device(owner) {}

  // Sizes that tensors must have: those in use, where the host knows them; else at least the capacity's.
  std::int64_t sequences() const { return sizes().sequences; }
  std::int64_t rows() const { return sizes().rows; }
  const Capacity& sizes() const { return device.is_fixed() ? device.capacity() : device.size(); }

  std::shared_ptr<Backend> backend;
  DeviceBatch device;
  bool is_loaded = false;
};

inline std::shared_ptr<Backend> backend_of(ragtime_backend handle) {
  return object_of<OpenBackend>(handle, "backend")->backend;
}

// A batch that a run can take: on the run's device, and loaded.
std::shared_ptr<Batch> loaded_batch(ragtime_batch handle, const Backend& backend, const char* name);

}  // namespace ragtime::c_api
