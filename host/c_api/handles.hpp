#pragma once

// Handles of the C API: numbers that are never used twice, in the form of pointers, and what they stand for.
// One that was destroyed, or never was one, is found out without touching memory.

#include <cstdint>
#include <memory>

#include "host/base/check.hpp"

namespace ragtime::c_api {

enum class Kind : std::uint8_t {
  backend,
  faults,
  batch,
  batch_builder,
  lstm,
  lstm_step,
  segment_pool,
  masked_loss,
  layout,
  final_state,
};

// The kind of handle that stands for an Object: static constexpr Kind Object::kind.
void* add_handle(Kind kind, std::shared_ptr<void> object);
std::shared_ptr<void> find_handle(Kind kind, const void* handle, const char* name);
// Null is no error, and nothing.
void remove_handle(Kind kind, const void* handle, const char* name);

// Throws Error(invalid_argument) that names the argument where it is no handle of this kind.
template <class Object>
std::shared_ptr<Object> object_of(const void* handle, const char* name) {
  return std::static_pointer_cast<Object>(find_handle(Object::kind, handle, name));
}

template <class Handle, class Object>
Handle handle_for(std::shared_ptr<Object> object) {
  return static_cast<Handle>(add_handle(Object::kind, std::move(object)));
}

}  // namespace ragtime::c_api
