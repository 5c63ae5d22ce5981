#define RAGTIME_ISA baseline
#define RAGTIME_VECTOR_BYTES 16
#include "host/cpu/kernels_impl.hpp"
