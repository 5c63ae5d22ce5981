// The device's backend, under the name by which host code, which sees no kernel, knows it.

#include "cuda/cuda_backend.hpp"
#include "host/core/backend_registry.hpp"

namespace ragtime {

std::shared_ptr<Backend> make_cuda_backend() {
  return cuda::backend();
}

}  // namespace ragtime
