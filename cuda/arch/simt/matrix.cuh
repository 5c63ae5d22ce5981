#pragma once

#include "cuda/arch/simt/threads.cuh"

namespace ragtime::arch {
inline namespace on_simt {

// The row is read here, by the lane that names it.
template <unsigned Matrices>
void load_matrices(const char* operation, std::uint32_t (&r)[Matrices], const void* row, bool transposed,
                   Site site) {
  unsigned char bytes[16] = {};
  if (lane() < Matrices * 8) {
    simt::check_aligned(row, 16, operation, site);
    simt::check_shared(row, 16, operation, site);
    std::memcpy(bytes, row, sizeof(bytes));
  }
  simt::load_matrices(operation, Matrices, transposed, bytes, r, site);
}
inline void ldmatrix_x1(std::uint32_t (&r)[1], const void* row, Site site = Site::here()) {
  load_matrices("ldmatrix_x1", r, row, false, site);
}
inline void ldmatrix_x1_trans(std::uint32_t (&r)[1], const void* row, Site site = Site::here()) {
  load_matrices("ldmatrix_x1_trans", r, row, true, site);
}
inline void ldmatrix_x2(std::uint32_t (&r)[2], const void* row, Site site = Site::here()) {
  load_matrices("ldmatrix_x2", r, row, false, site);
}
inline void ldmatrix_x2_trans(std::uint32_t (&r)[2], const void* row, Site site = Site::here()) {
  load_matrices("ldmatrix_x2_trans", r, row, true, site);
}
inline void ldmatrix_x4(std::uint32_t (&r)[4], const void* row, Site site = Site::here()) {
  load_matrices("ldmatrix_x4", r, row, false, site);
}
inline void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* row, Site site = Site::here()) {
  load_matrices("ldmatrix_x4_trans", r, row, true, site);
}

inline void mma_bf16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                     Site site = Site::here()) {
  simt::multiply_accumulate("mma_bf16", simt::Format::bf16, c, a, b, site);
}
inline void mma_f16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                    Site site = Site::here()) {
  simt::multiply_accumulate("mma_f16", simt::Format::f16, c, a, b, site);
}
inline void mma_tf32(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                     Site site = Site::here()) {
  simt::multiply_accumulate("mma_tf32", simt::Format::tf32, c, a, b, site);
}

}  // namespace on_simt
}  // namespace ragtime::arch
