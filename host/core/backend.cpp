#include "ragtime/backend.hpp"

#include "host/core/check.hpp"
#include "host/cpu/cpu_backend.hpp"
#include "ragtime/error.hpp"

namespace ragtime {

std::shared_ptr<Backend> make_backend(std::string_view device) {
  if (device == "cpu" || device == "auto") return make_cpu_backend();
  if (device == "cuda")
    fail(ErrorCode::unsupported,
         "device is \"cuda\", but this build of ragtime has no CUDA backend: use \"cpu\" or \"auto\"");
  fail(ErrorCode::invalid_argument, "device is \"", device, "\": expected \"auto\", \"cpu\" or \"cuda\"");
}

std::vector<std::string> backends_built() {
  return {"cpu"};
}

Buffer::Buffer(std::shared_ptr<Backend> backend, std::size_t bytes)
    : backend_(std::move(backend)), bytes_(bytes) {
  if (bytes_ > 0) memory_ = backend_->allocate(bytes_);
}

Buffer::~Buffer() {
  if (memory_ != nullptr) backend_->deallocate(memory_, bytes_);
}

void Buffer::swap(Buffer& other) noexcept {
  std::swap(backend_, other.backend_);
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
}

}  // namespace ragtime
