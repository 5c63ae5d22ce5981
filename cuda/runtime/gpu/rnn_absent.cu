// cuda/runtime/rnn.hpp where this library was built without cuDNN's headers.

#include "cuda/runtime/rnn.hpp"
#include "host/base/check.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

struct Rnn::State {
  std::vector<RnnPiece> pieces;
};

Rnn::Rnn(const RnnDesc&) {
  fail(ErrorCode::unsupported,
       "the cudnn algorithm is not in this build: cudnn.h of cuDNN 9 was not found when it was made");
}
Rnn::~Rnn() = default;
Rnn::Rnn(Rnn&&) noexcept = default;
Rnn& Rnn::operator=(Rnn&&) noexcept = default;

// Nothing reaches these: there is no Rnn.
std::size_t Rnn::weight_bytes() const {
  return 0;
}
std::size_t Rnn::workspace_bytes() const {
  return 0;
}
std::size_t Rnn::reserve_bytes() const {
  return 0;
}
const std::vector<RnnPiece>& Rnn::pieces() const {
  return state_->pieces;
}
void Rnn::forward(const RnnForward&, Stream) const {}
void Rnn::backward(const RnnBackward&, Stream) const {}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
