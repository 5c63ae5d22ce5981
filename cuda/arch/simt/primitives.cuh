#pragma once

// The primitives of cuda/arch/arch.cuh, emulated. Each is a call of cuda/arch/simt/machine/device.hpp with
// the line of source it stands in; what touches a kernel's memory is inline, so that the sanitizers see it in
// the kernel.

#include "cuda/arch/simt/async.cuh"
#include "cuda/arch/simt/cluster.cuh"
#include "cuda/arch/simt/launch.cuh"
#include "cuda/arch/simt/matrix.cuh"
#include "cuda/arch/simt/memory.cuh"
#include "cuda/arch/simt/numbers.cuh"
#include "cuda/arch/simt/threads.cuh"
