#include "host/c_api/tensor.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "host/base/check.hpp"

namespace ragtime::c_api {
namespace {

// DLPack's numbers.
enum Code : int { code_int = 0, code_uint = 1, code_float = 2, code_bfloat = 4, code_bool = 6 };
enum Place : int { place_cpu = 1, place_cuda = 2, place_cuda_managed = 13 };

struct ElementFacts {
  const char* name;
  int code, bits;
};

const ElementFacts& facts_of(Element element) {
  static constexpr ElementFacts facts[] = {
      {"f32", code_float, 32}, {"f64", code_float, 64},   {"bf16", code_bfloat, 16}, {"f16", code_float, 16},
      {"int32", code_int, 32}, {"uint64", code_uint, 64}, {"uint8", code_uint, 8}};
  return facts[static_cast<int>(element)];
}

bool is_element(const ragtime_tensor& tensor, Element element) {
  const ElementFacts& facts = facts_of(element);
  const int code = tensor.dtype.code;
  if (tensor.dtype.lanes != 1 || tensor.dtype.bits != facts.bits) return false;
  // Of numbers that are never negative, frameworks without unsigned ones have signed ones; masks are bools.
  if (element == Element::uint64) return code == code_uint || code == code_int;
  if (element == Element::uint8) return code == code_uint || code == code_bool;
  return code == facts.code;
}

std::string text_of_dtype(const ragtime_tensor& tensor) {
  const int code = tensor.dtype.code;
  const char* const kind = code == code_int      ? "int"
                           : code == code_uint   ? "uint"
                           : code == code_float  ? "float"
                           : code == code_bfloat ? "bfloat"
                           : code == code_bool   ? "bool"
                                                 : "type ";
  std::string text = kind +
                     (code > code_bool || code == 3 || code == 5 ? std::to_string(code) + " of " : "") +
                     std::to_string(tensor.dtype.bits);
  if (tensor.dtype.lanes != 1) text += "x" + std::to_string(tensor.dtype.lanes);
  return text;
}

std::string text_of(std::span<const Extent> shape) {
  std::string text = "[";
  for (const Extent& extent : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent.size) + (extent.or_more ? " or more" : "");
  return text + "]";
}

std::string shape_of(const ragtime_tensor& tensor) {
  std::string text = "[";
  for (std::int32_t i = 0; i < std::min(tensor.ndim, 16); ++i)
    text += (i > 0 ? ", " : "") + std::to_string(tensor.shape[i]);
  return text + (tensor.ndim > 16 ? ", ...]" : "]");
}

std::string place_of(int type, int index) {
  switch (type) {
    case place_cpu:
      return "the CPU";
    case place_cuda:
      return "CUDA device " + std::to_string(index);
    case place_cuda_managed:
      return "managed memory of CUDA";
    default:
      return "a device of type " + std::to_string(type);
  }
}

}  // namespace

Element element_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return Element::f32;
    case DType::f64:
      return Element::f64;
    case DType::bf16:
      return Element::bf16;
    case DType::f16:
      return Element::f16;
  }
  return Element::f32;
}

Element element_of(ragtime_dtype dtype, const char* name) {
  switch (static_cast<int>(dtype)) {
    case RAGTIME_F32:
      return Element::f32;
    case RAGTIME_F64:
      return Element::f64;
    case RAGTIME_BF16:
      return Element::bf16;
    case RAGTIME_F16:
      return Element::f16;
    case RAGTIME_I32:
      return Element::int32;
    case RAGTIME_U8:
      return Element::uint8;
    case RAGTIME_U64:
      return Element::uint64;
  }
  fail(ErrorCode::invalid_argument, name, " is ", static_cast<int>(dtype), ": expected one of ragtime_dtype");
}

Element element_of(const ragtime_tensor& tensor, const char* name) {
  for (const Element element : {Element::f32, Element::f64, Element::bf16, Element::f16, Element::int32,
                                Element::uint64, Element::uint8})
    if (is_element(tensor, element)) return element;
  fail(ErrorCode::shape_mismatch, name, " is of ", text_of_dtype(tensor),
       ": expected f32, f64, bf16, f16, int32, uint64 or uint8");
}

std::int64_t bytes_of(Element element) {
  return facts_of(element).bits / 8;
}

bool is_on_host(const ragtime_tensor& tensor) {
  return static_cast<int>(tensor.device.device_type) == place_cpu;
}

void* TensorReader::read(const ragtime_tensor* tensor, const char* name, Element element,
                         std::span<const Extent> shape) const {
  if (tensor == nullptr) return nullptr;
  constexpr ErrorCode mismatch = ErrorCode::shape_mismatch;
  check(is_element(*tensor, element), mismatch, name, " is of ", text_of_dtype(*tensor), ": expected ",
        facts_of(element).name);

  const int type = tensor->device.device_type, index = tensor->device.device_id;
  const bool here = device_ == DeviceType::cpu
                        ? type == place_cpu
                        : (type == place_cuda && index == index_) || type == place_cuda_managed;
  check(here, mismatch, name, " is on ", place_of(type, index), ": expected ",
        place_of(device_ == DeviceType::cpu ? place_cpu : place_cuda, index_));

  const auto ndim = static_cast<std::int32_t>(shape.size());
  check(tensor->ndim == ndim, mismatch, name, " has ", tensor->ndim, " dimensions: expected ",
        text_of(shape));
  check(ndim == 0 || tensor->shape != nullptr, ErrorCode::invalid_argument, name, ".shape is null: expected ",
        ndim, " sizes");
  bool fits = true;
  const Extent* expected = shape.data();
  for (std::int32_t i = 0; i < ndim; ++i, ++expected)
    fits = fits &&
           (tensor->shape[i] == expected->size || (expected->or_more && tensor->shape[i] > expected->size));
  check(fits, mismatch, name, " has shape ", shape_of(*tensor), ": expected ", text_of(shape));

  const std::int64_t element_bytes = bytes_of(element);
  std::int64_t elements = 1;
  for (std::int32_t i = ndim - 1; i >= 0; --i) {
    const bool matters = tensor->shape[i] > 1;
    if (matters && tensor->strides != nullptr)
      check(tensor->strides[i] == elements ||
                std::find(tensor->shape, tensor->shape + ndim, 0) != tensor->shape + ndim,
            mismatch, name, " has stride ", tensor->strides[i], " in dimension ", i, ": expected ", elements,
            ", contiguous rows");
    check(!__builtin_mul_overflow(elements, tensor->shape[i], &elements), mismatch, name, " has shape ",
          shape_of(*tensor), ", which is larger than any memory");
  }
  std::int64_t bytes = 0;
  check(!__builtin_mul_overflow(elements, element_bytes, &bytes), mismatch, name, " has shape ",
        shape_of(*tensor), ", which is larger than any memory");

  if (elements == 0) {
    alignas(256) static char nothing[256];
    return nothing;
  }
  check(tensor->data != nullptr, ErrorCode::invalid_argument, name, ".data is null: expected ", bytes,
        " bytes");
  std::uintptr_t address = 0, end = 0;
  check(!__builtin_add_overflow(reinterpret_cast<std::uintptr_t>(tensor->data), tensor->byte_offset,
                                &address) &&
            !__builtin_add_overflow(address, static_cast<std::uintptr_t>(bytes), &end),
        ErrorCode::invalid_argument, name, ".byte_offset is ", tensor->byte_offset,
        ": expected a place from which ", bytes, " bytes are memory");
  check(address % static_cast<std::uintptr_t>(element_bytes) == 0, ErrorCode::invalid_argument, name,
        " is not aligned to its elements of ", element_bytes, " bytes");
  return reinterpret_cast<void*>(address);
}

ragtime_managed_tensor* make_tensor(const Backend& backend, Element element, const std::int64_t* shape,
                                    std::int32_t ndim, void* data, std::shared_ptr<const void> owner) {
  struct Owned {
    ragtime_managed_tensor managed = {};
    std::vector<std::int64_t> shape, strides;
    std::shared_ptr<const void> owner;
  };
  auto owned = std::make_unique<Owned>();
  owned->shape.assign(shape, shape + ndim);
  owned->strides.resize(static_cast<std::size_t>(ndim));
  std::int64_t stride = 1;
  for (std::int32_t i = ndim - 1; i >= 0; --i) {
    owned->strides[static_cast<std::size_t>(i)] = stride;
    // Beyond any memory only where there are no elements; then no stride is ever used.
    if (__builtin_mul_overflow(stride, std::max<std::int64_t>(shape[i], 1), &stride)) stride = 1;
  }
  owned->owner = std::move(owner);
  ragtime_tensor& tensor = owned->managed.dl_tensor;
  tensor.data = data;
  tensor.device.device_type = static_cast<decltype(tensor.device.device_type)>(
      backend.device() == DeviceType::cpu ? place_cpu : place_cuda);
  tensor.device.device_id = backend.index();
  tensor.ndim = ndim;
  tensor.dtype.code = static_cast<std::uint8_t>(facts_of(element).code);
  tensor.dtype.bits = static_cast<std::uint8_t>(facts_of(element).bits);
  tensor.dtype.lanes = 1;
  tensor.shape = owned->shape.data();
  tensor.strides = owned->strides.data();
  owned->managed.manager_ctx = owned.get();
  owned->managed.deleter = [](ragtime_managed_tensor* self) {
    delete static_cast<Owned*>(self->manager_ctx);
  };
  return &owned.release()->managed;
}

std::int64_t first_size(const ragtime_tensor* tensor, const char* name) {
  if (tensor == nullptr) return 0;
  check(tensor->ndim >= 1, ErrorCode::shape_mismatch, name, " has ", tensor->ndim,
        " dimensions: expected 1 or more");
  check(tensor->shape != nullptr, ErrorCode::invalid_argument, name, ".shape is null: expected ",
        tensor->ndim, " sizes");
  check(tensor->shape[0] >= 0, ErrorCode::shape_mismatch, name, ".shape[0] is ", tensor->shape[0],
        ": expected 0 or more");
  return tensor->shape[0];
}

void check_space(const Backend& backend, const void* memory, std::size_t bytes, std::size_t needed,
                 const char* name) {
  if (needed == 0) return;
  check(memory != nullptr, ErrorCode::invalid_argument, name, " is null: expected ", needed, " bytes");
  const std::uintptr_t alignment = backend.device() == DeviceType::cuda ? 256 : 16;
  check(reinterpret_cast<std::uintptr_t>(memory) % alignment == 0, ErrorCode::invalid_argument, name,
        " is at ", memory, ": expected memory aligned to ", alignment, " bytes");
  check(bytes >= needed, ErrorCode::out_of_range, name, "_bytes is ", bytes, ": expected at least ", needed);
}

}  // namespace ragtime::c_api
