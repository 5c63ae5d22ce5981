#pragma once

// The primitives on a GPU: builtins where CUDA has one, PTX where it has none. Plain sm_90 features only,
// none of sm_90a, so that the same code runs on later GPUs.

#include <cuda_runtime.h>

#include "cuda/arch/gpu/async.cuh"
#include "cuda/arch/gpu/cluster.cuh"
#include "cuda/arch/gpu/launch.cuh"
#include "cuda/arch/gpu/matrix.cuh"
#include "cuda/arch/gpu/memory.cuh"
#include "cuda/arch/gpu/numbers.cuh"
#include "cuda/arch/gpu/threads.cuh"
