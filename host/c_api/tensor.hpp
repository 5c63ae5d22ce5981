#pragma once

// Tensors of the C API, which are DLPack's: checked against what an operation expects, and made.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <type_traits>

#include "host/c_api/handles.hpp"
#include "ragtime/backend.hpp"
#include "ragtime/ragtime.h"

namespace ragtime::c_api {

enum class Element : std::uint8_t { f32, f64, bf16, f16, int32, uint64, uint8 };

Element element_of(DType dtype);
// Of any enumerator; else Error(invalid_argument) that names the argument.
Element element_of(ragtime_dtype dtype, const char* name);
// Of a tensor's own; Error(shape_mismatch) where it is none of these.
Element element_of(const ragtime_tensor& tensor, const char* name);
std::int64_t bytes_of(Element element);
bool is_on_host(const ragtime_tensor& tensor);

template <class T>
constexpr Element element_of_type() {
  if constexpr (std::is_same_v<T, float>) return Element::f32;
  if constexpr (std::is_same_v<T, std::int32_t>) return Element::int32;
  if constexpr (std::is_same_v<T, std::uint64_t>) return Element::uint64;
  if constexpr (std::is_same_v<T, std::uint8_t>) return Element::uint8;
}

// A size that a tensor must have, or at least have.
struct Extent {
  std::int64_t size = 0;
  bool or_more = false;
};

// Checks tensors of one device; what it throws names the tensor, what it has, and what was expected.
class TensorReader {
 public:
  TensorReader(const Backend& backend, DType dtype) : TensorReader(backend, element_of(dtype)) {}
  TensorReader(const Backend& backend, Element element)
      : TensorReader(backend.device(), backend.index(), element) {}
  static TensorReader of_host(Element element) { return {DeviceType::cpu, 0, element}; }

  // The first element; null for a null tensor, which means that it is not given. Never null for one that is,
  // even where it has no elements.
  void* operator()(const ragtime_tensor* tensor, const char* name,
                   std::initializer_list<Extent> shape) const {
    return read(tensor, name, element_, shape);
  }
  void* operator()(const ragtime_tensor* tensor, const char* name, std::span<const Extent> shape) const {
    return read(tensor, name, element_, shape);
  }
  void* read(const ragtime_tensor* tensor, const char* name, Element element,
             std::initializer_list<Extent> shape) const {
    return read(tensor, name, element, std::span(shape.begin(), shape.size()));
  }
  void* read(const ragtime_tensor* tensor, const char* name, Element element,
             std::span<const Extent> shape) const;
  // Those of other dtypes.
  template <class T>
  T* of(const ragtime_tensor* tensor, const char* name, std::initializer_list<Extent> shape) const {
    return static_cast<T*>(read(tensor, name, element_of_type<T>(), shape));
  }
  template <class T>
  T* of(const ragtime_tensor* tensor, const char* name, std::span<const Extent> shape) const {
    return static_cast<T*>(read(tensor, name, element_of_type<T>(), shape));
  }

 private:
  TensorReader(DeviceType device, int index, Element element)
      : device_(device), index_(index), element_(element) {}

  DeviceType device_;
  int index_;
  Element element_;
};

// What owns a tensor's memory goes with it.
ragtime_managed_tensor* make_tensor(const Backend& backend, Element element, const std::int64_t* shape,
                                    std::int32_t ndim, void* data, std::shared_ptr<const void> owner);

// The first size of a tensor whose other sizes depend on it; 0 for a null one.
std::int64_t first_size(const ragtime_tensor* tensor, const char* name);

// A piece of device memory that the caller gives with its size: aligned and large enough, else an Error.
void check_space(const Backend& backend, const void* memory, std::size_t bytes, std::size_t needed,
                 const char* name);

}  // namespace ragtime::c_api
