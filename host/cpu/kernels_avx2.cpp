#define RAGTIME_ISA avx2
#define RAGTIME_VECTOR_BYTES 32
#include "host/cpu/kernels_impl.hpp"
