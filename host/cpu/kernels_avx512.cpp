#define RAGTIME_ISA avx512
#define RAGTIME_VECTOR_BYTES 64
#include "host/cpu/kernels_impl.hpp"
