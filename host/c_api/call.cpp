#include "host/c_api/call.hpp"

#include <cstdio>

namespace ragtime::c_api {
namespace {

// Of fixed size, so that there is always room to say that there is no memory.
thread_local char last_error[1024] = "";

ragtime_status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return RAGTIME_INVALID_ARGUMENT;
    case ErrorCode::shape_mismatch:
      return RAGTIME_SHAPE_MISMATCH;
    case ErrorCode::out_of_range:
      return RAGTIME_OUT_OF_RANGE;
    case ErrorCode::parse_error:
      return RAGTIME_PARSE_ERROR;
    case ErrorCode::io_error:
      return RAGTIME_IO_ERROR;
    case ErrorCode::unsupported:
      return RAGTIME_UNSUPPORTED;
    case ErrorCode::out_of_memory:
      return RAGTIME_OUT_OF_MEMORY;
    case ErrorCode::device_error:
      return RAGTIME_DEVICE_ERROR;
  }
  return RAGTIME_INTERNAL_ERROR;
}

}  // namespace

ragtime_status record(ragtime_status status, const char* function, const char* text) noexcept {
  std::snprintf(last_error, sizeof(last_error), "%s: %s", function, text);
  return status;
}
ragtime_status record(const char* function, const Error& error) noexcept {
  return record(status_of(error.code()), function, error.what());
}

void write_text(const std::string& from, char* text, std::size_t bytes) {
  out(text, "text");
  check(bytes > 0, ErrorCode::invalid_argument, "bytes is 0: expected room for a zero at least");
  const std::size_t length = std::min(from.size(), bytes - 1);
  std::memcpy(text, from.data(), length);
  text[length] = '\0';
}

bool flag(std::int32_t value, const char* name) {
  check(value == 0 || value == 1, ErrorCode::invalid_argument, name, " is ", value, ": expected 0 or 1");
  return value == 1;
}

DType dtype_of(ragtime_dtype dtype, const char* name) {
  switch (static_cast<int>(dtype)) {
    case RAGTIME_F32:
      return DType::f32;
    case RAGTIME_F64:
      return DType::f64;
    case RAGTIME_BF16:
      return DType::bf16;
    case RAGTIME_F16:
      return DType::f16;
  }
  fail(ErrorCode::invalid_argument, name, " is ", static_cast<int>(dtype),
       ": expected RAGTIME_F32, RAGTIME_F64, RAGTIME_BF16 or RAGTIME_F16");
}

Capacity capacity_of(const ragtime_capacity& capacity) {
  return {capacity.sequences, capacity.rows, capacity.codes, capacity.steps};
}

}  // namespace ragtime::c_api

const char* ragtime_version(void) {
  return RAGTIME_VERSION;
}

const char* ragtime_last_error(void) {
  return ragtime::c_api::last_error;
}

const char* ragtime_status_name(ragtime_status status) {
  switch (static_cast<int>(status)) {
    case RAGTIME_OK:
      return "ok";
    case RAGTIME_INVALID_ARGUMENT:
      return "invalid argument";
    case RAGTIME_SHAPE_MISMATCH:
      return "shape mismatch";
    case RAGTIME_OUT_OF_RANGE:
      return "out of range";
    case RAGTIME_PARSE_ERROR:
      return "parse error";
    case RAGTIME_IO_ERROR:
      return "io error";
    case RAGTIME_UNSUPPORTED:
      return "unsupported";
    case RAGTIME_OUT_OF_MEMORY:
      return "out of memory";
    case RAGTIME_DEVICE_ERROR:
      return "device error";
    case RAGTIME_INTERNAL_ERROR:
      return "internal error";
  }
  return "unknown status";
}
