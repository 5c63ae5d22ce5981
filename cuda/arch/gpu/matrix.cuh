#pragma once

// Tensor cores. Fragments as in the PTX ISA, with g = lane / 4 and t = lane % 4; a register of 16-bit values
// holds two neighbours, the first in the low half:
//   m16n8k16  A [16 x 16]  a0 (g, 2t) a1 (g+8, 2t) a2 (g, 2t+8) a3 (g+8, 2t+8)
//             B [16 x 8]   b0 (2t, g) b1 (2t+8, g), neighbours along k
//   m16n8k8   A [16 x 8]   a0 (g, t) a1 (g+8, t) a2 (g, t+4) a3 (g+8, t+4)
//             B [8 x 8]    b0 (t, g) b1 (t+4, g)
//   C [16 x 8]             c0 (g, 2t) c1 (g, 2t+1) c2 (g+8, 2t) c3 (g+8, 2t+1)
// ldmatrix: lane l names row l % 8 of matrix l / 8, 16 bytes long, and gets of every matrix elements 2t and
// 2t+1 of row g; with _trans, rows 2t and 2t+1 of column g.

#include "cuda/arch/gpu/memory.cuh"

namespace ragtime::arch {
inline namespace on_gpu {

#define RAGTIME_LDMATRIX_X1(name, form)                                         \
  RAGTIME_DEVICE void name(std::uint32_t(&r)[1], const void* row) {             \
    asm volatile("ldmatrix.sync.aligned.m8n8.x1" form ".shared.b16 {%0}, [%1];" \
                 : "=r"(r[0])                                                   \
                 : "r"(shared_address(row))                                     \
                 : "memory");                                                   \
  }
#define RAGTIME_LDMATRIX_X2(name, form)                                             \
  RAGTIME_DEVICE void name(std::uint32_t(&r)[2], const void* row) {                 \
    asm volatile("ldmatrix.sync.aligned.m8n8.x2" form ".shared.b16 {%0, %1}, [%2];" \
                 : "=r"(r[0]), "=r"(r[1])                                           \
                 : "r"(shared_address(row))                                         \
                 : "memory");                                                       \
  }
#define RAGTIME_LDMATRIX_X4(name, form)                                                     \
  RAGTIME_DEVICE void name(std::uint32_t(&r)[4], const void* row) {                         \
    asm volatile("ldmatrix.sync.aligned.m8n8.x4" form ".shared.b16 {%0, %1, %2, %3}, [%4];" \
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])                           \
                 : "r"(shared_address(row))                                                 \
                 : "memory");                                                               \
  }
RAGTIME_LDMATRIX_X1(ldmatrix_x1, "")
RAGTIME_LDMATRIX_X1(ldmatrix_x1_trans, ".trans")
RAGTIME_LDMATRIX_X2(ldmatrix_x2, "")
RAGTIME_LDMATRIX_X2(ldmatrix_x2_trans, ".trans")
RAGTIME_LDMATRIX_X4(ldmatrix_x4, "")
RAGTIME_LDMATRIX_X4(ldmatrix_x4_trans, ".trans")
#undef RAGTIME_LDMATRIX_X1
#undef RAGTIME_LDMATRIX_X2
#undef RAGTIME_LDMATRIX_X4

// c += a . b, f32 sums.
#define RAGTIME_MMA(name, form)                                                                              \
  RAGTIME_DEVICE void name(float(&c)[4], const std::uint32_t(&a)[4], const std::uint32_t(&b)[2]) {           \
    asm volatile("mma.sync.aligned." form " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                            \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                        \
  }
RAGTIME_MMA(mma_bf16, "m16n8k16.row.col.f32.bf16.bf16.f32")
RAGTIME_MMA(mma_f16, "m16n8k16.row.col.f32.f16.f16.f32")
RAGTIME_MMA(mma_tf32, "m16n8k8.row.col.f32.tf32.tf32.f32")
#undef RAGTIME_MMA

}  // namespace on_gpu
}  // namespace ragtime::arch
