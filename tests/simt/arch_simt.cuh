#pragma once

// The primitives of cuda/arch/arch.cuh, emulated. Each is a call of tests/simt/device.hpp with the line of
// source it stands in; what touches a kernel's memory is inline, so that the sanitizers see it in the kernel.

#include "tests/simt/arch/async.cuh"
#include "tests/simt/arch/cluster.cuh"
#include "tests/simt/arch/launch.cuh"
#include "tests/simt/arch/matrix.cuh"
#include "tests/simt/arch/memory.cuh"
#include "tests/simt/arch/numbers.cuh"
#include "tests/simt/arch/threads.cuh"
