#pragma once

// What handles that several operations take stand for.

#include <cstdint>
#include <memory>
#include <optional>

#include "host/c_api/call.hpp"
#include "host/c_api/handles.hpp"
#include "host/c_api/tensor.hpp"
#include "ragtime/batch_builder.hpp"
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
  explicit Faults(const std::shared_ptr<Backend>& owner) : backend(owner), status(owner) {}
  std::shared_ptr<Backend> backend;
  Status status;
};

// Loaded from the host, or built on the device; the one excludes the other, since they have memory of their
// own, and captured graphs hold on to it.
struct Batch {
  static constexpr Kind kind = Kind::batch;
  explicit Batch(const std::shared_ptr<Backend>& owner)
      : backend(owner), device(std::make_shared<DeviceBatch>(owner)) {}

  bool is_built() const { return built.counts != nullptr; }
  // Whether sizes() are those in use; else they are what there is room for.
  bool is_known() const { return !device->is_fixed() || fetched.has_value(); }
  Capacity sizes() const;
  RaggedView view() const;

  Extent rows() const { return {sizes().rows, true}; }
  Extent sequences() const { return {sizes().sequences, !is_known()}; }

  std::shared_ptr<Backend> backend;
  std::shared_ptr<DeviceBatch> device;  // exported arrays own it too
  bool is_loaded = false;

  Buffer memory;
  RaggedArrays built;
  std::optional<HostCounts> counts;
  std::optional<RaggedView> fetched;
};

inline std::shared_ptr<Backend> backend_of(ragtime_backend handle) {
  return object_of<OpenBackend>(handle, "backend")->backend;
}

// Throws Error(shape_mismatch) that names the argument where they are not on one device.
void check_same_device(const Backend& has, const Backend& expected, const char* name);

// A batch on this backend's device.
std::shared_ptr<Batch> batch_on(const Backend& backend, ragtime_batch handle, const char* name);
// Of a capacity: what does not count.
inline constexpr std::int64_t any_number = INT64_MAX;

// Also loaded or built, and within the plan's capacity so far as the host can see: on the CPU always,
// elsewhere where it loaded or fetched the counts. Codes do not count.
std::shared_ptr<Batch> batch_for_run(const Backend& backend, ragtime_batch handle, const char* name,
                                     const Capacity& capacity);

// args.faults of a run on this backend's device, for as long as the call takes.
class FaultWord {
 public:
  FaultWord(const Backend& backend, ragtime_faults handle, const char* name = "args.faults")
      : faults_(handle == nullptr ? nullptr : object_of<Faults>(handle, name)) {
    if (faults_ != nullptr) check_same_device(*faults_->backend, backend, name);
  }
  // A batch whose faults go there.
  RaggedView reported(RaggedView batch) const {
    batch.status = word();
    return batch;
  }
  std::uint64_t* word() const { return faults_ == nullptr ? nullptr : faults_->status.word(); }

 private:
  std::shared_ptr<Faults> faults_;
};

// A plan, and what its tensors are checked against.
template <class Plan, class Desc, Kind kind_>
struct Planned {
  static constexpr Kind kind = kind_;
  Planned(std::shared_ptr<Backend> owner, const Desc& description)
      : backend(owner), desc(description), plan(std::move(owner), description) {}
  TensorReader reader() const { return {*backend, desc.dtype}; }

  std::shared_ptr<Backend> backend;
  Desc desc;
  Plan plan;
};

// The body of every ragtime_X_create. desc_of: makes the description of the plan from the struct of the API.
template <class Object, class Given, class DescOf, class Handle>
void create(ragtime_backend backend, const Given* desc, DescOf desc_of, Handle* handle, const char* name) {
  const auto owner = backend_of(backend);
  out(handle, name);
  *handle = handle_for<Handle>(std::make_shared<Object>(owner, desc_of(taken(desc, "desc"))));
}

// Of every ragtime_X_workspace_bytes and ragtime_X_reserve_bytes.
template <class Object>
void workspace_bytes(const void* handle, const char* name, std::size_t* bytes) {
  const auto object = object_of<Object>(handle, name);
  *out(bytes, "bytes") = object->plan.workspace_bytes();
}
template <class Object>
void reserve_bytes(const void* handle, const char* name, std::size_t* bytes) {
  const auto object = object_of<Object>(handle, name);
  *out(bytes, "bytes") = object->plan.reserve_bytes();
}

}  // namespace ragtime::c_api
