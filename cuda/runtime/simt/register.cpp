// Tests linked with this see one more backend, "cuda_on_simt": the CUDA backend's own sources, on the
// emulation. RAGTIME_SIMT_SEED chooses the schedules (0).

#include <cstdlib>

#include "cuda/arch/simt/simt.hpp"
#include "cuda/backend.hpp"
#include "host/runtime/backend_registry.hpp"

namespace {

std::shared_ptr<ragtime::Backend> make_simt_backend() {
  if (const char* const seed = std::getenv("RAGTIME_SIMT_SEED"))
    ragtime::simt::set_seed(std::strtoull(seed, nullptr, 10));
  return ragtime::cuda::backend();
}

[[maybe_unused]] const bool registered = [] {
  ragtime::register_backend({"cuda_on_simt", make_simt_backend});
  return true;
}();

}  // namespace
