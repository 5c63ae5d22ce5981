// Operations that this backend does not have yet.

#include "cuda/cuda_operations.hpp"
#include "host/core/check.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

std::unique_ptr<LstmOperation> make_lstm(const LstmDesc& desc) {
  if (desc.algorithm == LstmAlgorithm::cudnn) return make_lstm_cudnn(desc);
  fail(ErrorCode::unsupported, "the cuda backend has no LSTM yet");
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
