#include "host/tool/train/readback.hpp"

#include "host/base/sixteen_bit.hpp"

namespace ragtime {

LossPair::LossPair(std::shared_ptr<Backend> backend)
    : backend_(std::move(backend)),
      memory_(backend_, 2 * sizeof(float)),
      host_(backend_, 2 * sizeof(float)) {}

void LossPair::queue(Stream stream) {
  backend_->copy(host_.data(), memory_.data(), memory_.bytes(), CopyKind::to_host, stream);
}

LossPair::Values LossPair::values() const {
  return {host_.as<float>()[0], host_.as<float>()[1]};
}

void Logits::queue(const void* logits, std::int64_t count, Stream stream) {
  values_.resize(static_cast<std::size_t>(count));
  const std::size_t bytes = values_.size() * size_of(dtype_);
  if (host_.bytes() < bytes) host_ = HostBuffer(backend_, bytes);
  if (bytes > 0) backend_->copy(host_.data(), logits, bytes, CopyKind::to_host, stream);
}

std::span<const float> Logits::values() {
  to_floats(host_.data(), dtype_, values_);
  return values_;
}

}  // namespace ragtime
