#pragma once

// The only header kernels include for what a GPU can do, and the only place where it is written down. Two
// implementations of one API: cuda/arch/gpu (PTX and builtins, compiled by nvcc for sm_80 and up) and
// cuda/arch/simt (every thread of the launch a fiber, compiled by g++ or clang++). scripts/check_layers.py checks
// that nothing else uses either.
//
// Who am I        thread_index() block_index() block_extent() grid_extent(), each with x, y, z;
//                 thread_rank() in the block, lane(), warp()
// Warp            shfl shfl_xor shfl_up shfl_down, ballot any all: exchange values, order no memory;
//                 warp_sync: orders it. Masks name lanes that are still running, the caller among them.
// Block           block_sync; named_sync, named_arrive(id 1-15, threads): a multiple of 32 of them
// Memory          atomic_add atomic_min atomic_max atomic_cas atomic_increment: relaxed;
//                 atomic_add_acq_rel load_acquire store_release: device scope, global memory;
//                 spin_until(pointer, done): the one way to wait for a value that another block stores
//                 load<Bytes> store: 2, 4, 8 or 16 aligned bytes in one access; load_once store_once: the
//                 same, for what no one will soon read again
// Shared          SharedMemory::take<T>: dynamic, carved array by array; SharedSize: its size on the host, by
//                 the same calls; RAGTIME_SHARED: static
// Asynchronous    cp_async<4, 8, 16>(to, from, bytes): zero behind `bytes`; cp_async_commit cp_async_wait<N>
// Cluster         has_clusters, cluster_rank cluster_size cluster_sync = cluster_arrive + cluster_wait,
//                 map_rank;
//                 mbarrier_* and st_async: 4, 8 or 16 bytes to another block, counted on its mbarrier;
//                 a wait acquires shared memory of the cluster, and no other.
//                 Before sm_90 a cluster is one block, mbarriers count arrivals only, and st_async traps.
// Matrices        ldmatrix_x1 _x2 _x4 (_trans), mma_bf16 mma_f16 (m16n8k16), mma_tf32 (m16n8k8), f32 sums
// Numbers         to_float from_float<T> pack2 to_tf32 bits float_from_bits; exp tanh rsqrt
//                 reciprocal fma
// Launch          launch(config, kernel, arguments...): its result must be looked at;
//                 resident_clusters(config, kernel): how many clusters run at once
//
// Nothing here is a fence: what one block writes for another is published by store_release or
// atomic_add_acq_rel and picked up by spin_until or load_acquire.

#include "cuda/arch/types.cuh"

#if defined(__CUDACC__)
#include "cuda/arch/gpu/primitives.cuh"
#else
#include "cuda/arch/simt/primitives.cuh"
#endif
