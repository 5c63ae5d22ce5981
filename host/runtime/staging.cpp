#include "host/runtime/staging.hpp"

#include <cstring>

namespace ragtime {
namespace {

// A little more than is asked for, so that batches of growing size do not each take new memory.
template <class Memory>
void grow(Memory& memory, const std::shared_ptr<Backend>& backend, std::size_t bytes) {
  if (memory.bytes() < bytes) memory = Memory(backend, bytes + bytes / 4);
}

}  // namespace

void Staging::copy(HostBuffer& host, Buffer& device, Stream stream) const {
  if (bytes_ == 0) return;
  if (host.bytes() > 0) backend_->synchronize(stream);
  grow(host, backend_, bytes_);
  grow(device, backend_, bytes_);
  for (const Piece& piece : pieces_)
    if (piece.bytes > 0) std::memcpy(host.as<std::byte>() + piece.begin, piece.data, piece.bytes);
  backend_->copy(device.data(), host.data(), bytes_, CopyKind::to_device, stream);
}

}  // namespace ragtime
