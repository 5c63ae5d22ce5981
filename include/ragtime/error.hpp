#pragma once

// How failures are reported: by exceptions of one type, which say what kind of failure it is.

#include <stdexcept>
#include <string>

namespace ragtime {

// What kind of failure it is.
enum class ErrorCode {
  invalid_argument,  // a value that can never be right: a negative size, a null pointer, NaN where a number
                     // belongs
  shape_mismatch,    // sizes or dtypes that do not agree with each other
  out_of_range,      // an index beyond its table
  parse_error,       // a file whose content is not what its format asks for
  io_error,          // the operating system refused to open, read, write or close
  unsupported,       // right, but this build or this backend cannot do it
  out_of_memory,     // the allocation failed; nothing was changed
  device_error,      // CUDA, cuBLAS or cuDNN reported a failure
};

// Every failure of the library. The text names the argument, its value and what was expected.
class Error : public std::runtime_error {
 public:
  // what() gives the message.
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }  // what kind of failure it is

 private:
  ErrorCode code_;
};

}  // namespace ragtime
