#pragma once

// The edge between C and C++: exceptions become a status and a text, structs of any version become ours.

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "host/base/check.hpp"
#include "ragtime/ragtime.h"
#include "ragtime/types.hpp"

namespace ragtime::c_api {

// Keeps the text for ragtime_last_error, and gives the status back.
ragtime_status record(ragtime_status status, const char* function, const char* text) noexcept;
ragtime_status record(const char* function, const Error& error) noexcept;

// The body of every function of the API that can fail.
template <class Body>
ragtime_status call(const char* function, Body&& body) noexcept {
  try {
    body();
    return RAGTIME_OK;
  } catch (const Error& error) {
    return record(function, error);
  } catch (const std::bad_alloc&) {
    return record(RAGTIME_OUT_OF_MEMORY, function, "the host has no memory left");
  } catch (const std::exception& error) {
    return record(RAGTIME_INTERNAL_ERROR, function, error.what());
  } catch (...) {
    return record(RAGTIME_INTERNAL_ERROR, function, "an unknown exception");
  }
}

template <class T>
T* out(T* pointer, const char* name) {
  check(pointer != nullptr, ErrorCode::invalid_argument, name, " is null: expected where to write to");
  return pointer;
}

// A copy of what the caller gave. Newer callers have more members; what of those is not 0 cannot be honoured.
template <class Struct>
Struct taken(const Struct* given, const char* name) {
  check(given != nullptr, ErrorCode::invalid_argument, name, " is null: expected a struct");
  const std::size_t bytes = given->struct_size;
  constexpr std::size_t most = 4096;
  check(bytes >= sizeof(Struct) && bytes <= most, ErrorCode::invalid_argument, name, ".struct_size is ",
        bytes, ": expected its sizeof, ", sizeof(Struct));
  const auto* const rest = reinterpret_cast<const unsigned char*>(given);
  check(std::all_of(rest + sizeof(Struct), rest + bytes, [](unsigned char byte) { return byte == 0; }),
        ErrorCode::unsupported, name, ".struct_size is ", bytes, ", and what it has beyond the ",
        sizeof(Struct), " bytes that this version knows is not 0");
  return *given;
}

// Cut to fit `text` [bytes], and ended by a zero.
void write_text(const std::string& from, char* text, std::size_t bytes);

// 0 or 1; an int32 may be anything.
bool flag(std::int32_t value, const char* name);
DType dtype_of(ragtime_dtype dtype, const char* name);
Capacity capacity_of(const ragtime_capacity& capacity);

}  // namespace ragtime::c_api
