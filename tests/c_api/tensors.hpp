#pragma once

// Tensors of the C API on each backend, and every way in which one of them can be wrong.

#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ragtime/ragtime.h"
#include "tests/support/operation_test.hpp"

namespace ragtime::test {

#define EXPECT_REFUSED(call, status, text)                       \
  do {                                                           \
    EXPECT_EQ(call, status) << ragtime_last_error();             \
    EXPECT_THAT(ragtime_last_error(), testing::HasSubstr(text)); \
  } while (false)

#define EXPECT_DONE(call) EXPECT_EQ(call, RAGTIME_OK) << ragtime_last_error()

// A tensor of a run: where its pointer stands, and under which name errors speak of it.
struct Place {
  const ragtime_tensor** tensor;
  const char* name;
  // Which sizes are refused: any other; in the first dimension only smaller ones; or none, as others go by
  // them.
  enum Sizes { exact, or_more, any } sizes = exact;
};

// Everything that a DLTensor can be and its place cannot take, one after the other.
inline void expect_refused_when_spoilt(const Backend& backend, const std::vector<Place>& places,
                                       const std::function<ragtime_status()>& run) {
  for (const Place& place : places) {
    const ragtime_tensor* const good = *place.tensor;
    ASSERT_NE(good, nullptr) << place.name;
    std::vector<std::int64_t> shape(good->shape, good->shape + good->ndim), strides = shape;
    const auto refused = [&](const ragtime_tensor& bad, ragtime_status status, const char* what) {
      *place.tensor = &bad;
      EXPECT_EQ(run(), status) << place.name << ": " << what << ": " << ragtime_last_error();
      const std::string text = ragtime_last_error();
      EXPECT_THAT(text, testing::AnyOf(testing::HasSubstr(std::string(place.name) + " "),
                                       testing::HasSubstr(std::string(place.name) + ".")))
          << what;
      EXPECT_THAT(text, testing::AnyOf(testing::HasSubstr("expected"), testing::HasSubstr("larger than"),
                                       testing::HasSubstr("aligned")))
          << what;
      *place.tensor = good;
    };
    constexpr ragtime_status mismatch = RAGTIME_SHAPE_MISMATCH, invalid = RAGTIME_INVALID_ARGUMENT;
    const auto as = [&](int code, int bits, int lanes, const char* what) {
      ragtime_tensor bad = *good;
      bad.dtype.code = static_cast<std::uint8_t>(code);
      bad.dtype.bits = static_cast<std::uint8_t>(bits);
      bad.dtype.lanes = static_cast<std::uint16_t>(lanes);
      refused(bad, mismatch, what);
    };
    as(2, 64, 1, "f64");
    as(0, 16, 1, "int16");
    as(250, good->dtype.bits, 1, "an unknown type");
    as(good->dtype.code, good->dtype.bits, 2, "two lanes");
    as(good->dtype.code == 2 ? 0 : 2, 32, 1, "float for int, or int for float");

    const auto on = [&](int type, int index, const char* what) {
      ragtime_tensor bad = *good;
      bad.device.device_type = type;
      bad.device.device_id = index;
      refused(bad, mismatch, what);
    };
    on(backend.device() == DeviceType::cpu ? 2 : 1, 0, "the other device");
    on(10, 0, "a foreign device");
    if (backend.device() == DeviceType::cuda) on(2, backend.index() + 1, "the next device");

    ragtime_tensor bad = *good;
    bad.ndim = good->ndim + 1;
    std::vector<std::int64_t> more = shape;
    more.push_back(1);
    bad.shape = more.data();
    refused(bad, mismatch, "a dimension more");
    bad.ndim = 0;
    refused(bad, mismatch, "no dimension");
    bad.ndim = -1;
    refused(bad, mismatch, "-1 dimensions");
    bad = *good;
    bad.shape = nullptr;
    refused(bad, invalid, "no shape");
    bad = *good;
    bad.data = nullptr;
    refused(bad, invalid, "no data");
    if (good->dtype.bits > 8) {
      bad = *good;
      bad.byte_offset = 1;
      refused(bad, invalid, "a byte off");
    }

    bad = *good;
    bad.shape = shape.data();
    const auto sized = [&](std::size_t i, std::int64_t size, const char* what) {
      const std::int64_t kept = shape[i];
      shape[i] = size;
      refused(bad, mismatch, what);
      shape[i] = kept;
    };
    for (std::size_t i = 0; i < shape.size(); ++i) {
      sized(i, -1, "a negative size");
      if (place.sizes == Place::any) continue;
      sized(i, shape[i] - 1, "too small");
      if (i > 0 || place.sizes == Place::exact) sized(i, shape[i] + 1, "too large");
    }
    if (place.sizes != Place::any && good->dtype.bits > 8)
      sized(0, std::int64_t{1} << 62, "beyond any memory");
    std::int64_t stride = 1;
    for (std::size_t i = shape.size(); i-- > 0; stride *= shape[i]) strides[i] = stride;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] <= 1) continue;
      strides[i] += 1;
      bad.strides = strides.data();
      refused(bad, mismatch, "strided");
      strides[i] -= 1;
    }
  }
}

// A backend opened through the C API beside that of C++, and tensors in its memory.
class CApiBackend : public OnBackend {
 protected:
  void SetUp() override {
    OnBackend::SetUp();
    if (IsSkipped()) return;
    EXPECT_DONE(ragtime_backend_open(GetParam().c_str(), nullptr, &opened));
  }
  void TearDown() override {
    EXPECT_DONE(ragtime_backend_close(opened));
    OnBackend::TearDown();
  }

  template <class T>
  const ragtime_tensor* tensor(std::vector<std::int64_t> shape, const std::vector<T>& values) {
    auto made = std::make_unique<Made>();
    made->memory = Buffer(backend, values.size() * sizeof(T));
    backend->copy(made->memory.data(), values.data(), made->memory.bytes(), CopyKind::to_device);
    backend->synchronize();
    made->shape = std::move(shape);
    ragtime_tensor& dl = made->dl;
    dl.data = made->memory.data();
    dl.device.device_type = backend->device() == DeviceType::cpu ? 1 : 2;
    dl.device.device_id = backend->index();
    dl.ndim = static_cast<std::int32_t>(made->shape.size());
    dl.dtype.code = std::is_floating_point_v<T> ? 2 : std::is_signed_v<T> ? 0 : 1;
    dl.dtype.bits = 8 * sizeof(T);
    dl.dtype.lanes = 1;
    dl.shape = made->shape.data();
    tensors.push_back(std::move(made));
    return &tensors.back()->dl;
  }
  // Of numbers drawn, or NaN where they are to be written.
  const ragtime_tensor* drawn(const std::vector<std::int64_t>& shape) {
    return tensor(shape, numbers.vector<float>(elements(shape)));
  }
  const ragtime_tensor* poisoned(const std::vector<std::int64_t>& shape) {
    return tensor(shape, std::vector<float>(static_cast<std::size_t>(elements(shape)), nan<float>));
  }
  void* space(std::size_t bytes) {
    return tensor<std::uint8_t>({static_cast<std::int64_t>(bytes)}, std::vector<std::uint8_t>(bytes, 0xFF))
        ->data;
  }
  std::vector<float> host(const ragtime_tensor* from) const {
    std::vector<float> values(
        static_cast<std::size_t>(elements(std::vector<std::int64_t>(from->shape, from->shape + from->ndim))));
    backend->copy(values.data(), from->data, values.size() * sizeof(float), CopyKind::to_host);
    backend->synchronize();
    return values;
  }
  static std::int64_t elements(const std::vector<std::int64_t>& shape) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    return count;
  }

  struct Made {
    Buffer memory;
    std::vector<std::int64_t> shape;
    ragtime_tensor dl = {};
  };
  ragtime_backend opened = nullptr;
  std::vector<std::unique_ptr<Made>> tensors;
  Numbers numbers{1};
};

// T with the size it is known to the library by.
template <class T>
T sized() {
  T made = {};
  made.struct_size = sizeof(T);
  return made;
}

}  // namespace ragtime::test
