#pragma once

// Matrix products by cuBLASLt. Two implementations: gpu/, and simt/ (plain loops).
//
// The algorithm is chosen once, when a Gemm is made, for the largest sizes, and never one that splits the
// inner dimension: so the same inputs give the same bits on every run, and what a row of C gets depends on
// that row of A alone, however many rows there are.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "cuda/arch/types.cuh"
#include "ragtime/types.hpp"

namespace ragtime::cuda {
inline namespace RAGTIME_ARCH {

// C [m, n] = op(A) [m, k] op(B) [k, n], all row-major; the stride is that between stored rows, in elements.
// Sums are f32.
struct GemmDesc {
  std::int64_t m = 0, n = 0, k = 0;  // m and k: the most that a run will ask for
  bool transpose_a = false;          // A is stored [k, m]
  bool transpose_b = false;          // B is stored [n, k]
  std::int64_t stride_a = 0, stride_b = 0, stride_c = 0;
  DType ab = DType::f32;  // of A and B: f32, bf16 or f16
  DType c = DType::f32;   // as ab, or f32
  bool bias = false;      // bias [n] of C's dtype is added to every row; c as ab, and not when accumulating
  bool tf32 = false;      // f32 factors may be rounded to tf32
};

struct GemmArgs {
  std::int64_t m = 0, k = 0;  // may be 0: then C stays as it is, or is 0 for k = 0
  const void* a = nullptr;
  const void* b = nullptr;
  const void* bias = nullptr;
  void* c = nullptr;
  bool accumulate = false;    // add to C
  void* workspace = nullptr;  // [workspace_bytes()]
};

class Gemm {
 public:
  explicit Gemm(const GemmDesc& desc);
  ~Gemm();
  Gemm(Gemm&&) noexcept;
  Gemm& operator=(Gemm&&) noexcept;

  std::size_t workspace_bytes() const;
  // A, B and C aligned to their elements at least; to 16 bytes is faster, and may be another algorithm with
  // other bits.
  void run(const GemmArgs& args, Stream stream) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace RAGTIME_ARCH
}  // namespace ragtime::cuda
