#pragma once

#include <memory>

#include "cuda/arch/types.cuh"
#include "ragtime/backend.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// The same one at every call. Throws Error(unsupported) when no device answers.
std::shared_ptr<Backend> backend();

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
