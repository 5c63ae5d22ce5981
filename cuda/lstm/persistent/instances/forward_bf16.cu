#include "cuda/lstm/persistent/forward.cuh"
#include "cuda/lstm/persistent/tiles.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <>
std::span<const LstmPersistentKernel<LstmPersistentForward<arch::bf16>>> lstm_forward_kernels<arch::bf16>() {
#define RAGTIME_LSTM_KERNEL(...) lstm_forward_kernel<arch::bf16, LstmTiling<__VA_ARGS__>>(),
  static const LstmPersistentKernel<LstmPersistentForward<arch::bf16>> kernels[] = {
      RAGTIME_LSTM_FORWARD_16(RAGTIME_LSTM_KERNEL)};
#undef RAGTIME_LSTM_KERNEL
  return kernels;
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
