#pragma once

// The backends that make_backend knows besides "cpu".

#include <memory>
#include <string>

#include "ragtime/backend.hpp"

namespace ragtime {

struct LstmChoice;
struct LstmDesc;
struct LstmDeviceModel;

struct BackendEntry {
  std::string name;
  std::shared_ptr<Backend> (*make)();  // throws Error(unsupported) when its device is missing
};

// For backends that are linked in beside the library, as the tests do with the emulated one. "auto" does not
// take them.
void register_backend(BackendEntry entry);

#ifdef RAGTIME_CUDA_BACKEND
// cuda/make_backend.cu
std::shared_ptr<Backend> make_cuda_backend();
LstmChoice cuda_lstm_choice(const LstmDeviceModel& model, const LstmDesc& desc);
#endif

}  // namespace ragtime
