#include "cuda/lstm/persistent/backward.cuh"
#include "cuda/lstm/persistent/tiles.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

template <>
std::span<const LstmPersistentKernel<LstmPersistentBackward<float>>> lstm_backward_kernels<float>() {
#define RAGTIME_LSTM_KERNEL(...) lstm_backward_kernel<float, LstmTiling<__VA_ARGS__>>(),
  static const LstmPersistentKernel<LstmPersistentBackward<float>> kernels[] = {
      RAGTIME_LSTM_BACKWARD_32(RAGTIME_LSTM_KERNEL)};
#undef RAGTIME_LSTM_KERNEL
  return kernels;
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
