#pragma once

#include "cuda/arch/types.cuh"
#include "ragtime/types.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// Calls make.operator()<float>(), <arch::bf16>() or <arch::f16>(), as the dtype says. Plans have refused f64
// before.
template <class Make>
auto with_element(DType dtype, Make&& make) {
  switch (dtype) {
    case DType::bf16:
      return make.template operator()<arch::bf16>();
    case DType::f16:
      return make.template operator()<arch::f16>();
    default:
      return make.template operator()<float>();
  }
}

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
