#include "cuda/lstm/persistent/forward.cuh"
#include "cuda/lstm/persistent/tiles.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <>
std::span<const LstmPersistentKernel<LstmPersistentForward<float>>> lstm_forward_kernels<float>() {
#define RAGTIME_LSTM_KERNEL(...) lstm_forward_kernel<float, LstmTiling<__VA_ARGS__>>(),
  static const LstmPersistentKernel<LstmPersistentForward<float>> kernels[] = {
      RAGTIME_LSTM_FORWARD_32(RAGTIME_LSTM_KERNEL)};
#undef RAGTIME_LSTM_KERNEL
  return kernels;
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
