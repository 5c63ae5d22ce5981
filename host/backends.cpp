// The backends of this build. Nothing else in host/ names them all.

#include "host/cpu/cpu_backend.hpp"
#include "host/runtime/backend_registry.hpp"

namespace ragtime {

#ifdef RAGTIME_CUDA_BACKEND
std::shared_ptr<Backend> make_cuda_backend();  // cuda/make_backend.cu
#endif

std::vector<BackendEntry> backends_of_library() {
  return {
      {"cpu", make_cpu_backend},
#ifdef RAGTIME_CUDA_BACKEND
      {"cuda", make_cuda_backend},
#endif
  };
}

}  // namespace ragtime
