#include "host/cpu/kernels.hpp"

#include <algorithm>
#include <type_traits>

#include "host/cpu/parallel.hpp"

namespace ragtime::cpu {

#define RAGTIME_DECLARE_KERNELS(isa)       \
  namespace isa {                          \
  const Kernels<float>& float_kernels();   \
  const Kernels<double>& double_kernels(); \
  }
RAGTIME_DECLARE_KERNELS(baseline)
#ifdef RAGTIME_X86_KERNELS
RAGTIME_DECLARE_KERNELS(avx2)
RAGTIME_DECLARE_KERNELS(avx512)
#endif

namespace {

constexpr std::int64_t rows_a_task = 96;
constexpr std::int64_t columns_a_task = 256;

enum class InstructionSet { baseline, avx2, avx512 };

InstructionSet detect() {
#ifdef RAGTIME_X86_KERNELS
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return InstructionSet::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return InstructionSet::avx2;
#endif
  return InstructionSet::baseline;
}

template <class T>
const Kernels<T>& pick(const Kernels<float>& of_float, const Kernels<double>& of_double) {
  if constexpr (std::is_same_v<T, float>)
    return of_float;
  else
    return of_double;
}

template <class T>
const Kernels<T>& choose() {
  switch (detect()) {
#ifdef RAGTIME_X86_KERNELS
    case InstructionSet::avx512:
      return pick<T>(avx512::float_kernels(), avx512::double_kernels());
    case InstructionSet::avx2:
      return pick<T>(avx2::float_kernels(), avx2::double_kernels());
#endif
    default:
      return pick<T>(baseline::float_kernels(), baseline::double_kernels());
  }
}

// packed[panel][k][column in panel], zeros beyond n.
template <class T, class At>
void pack(std::int64_t k, std::int64_t n, T* packed, At at) {
  const std::int64_t panel = kernels<T>().panel;
  parallel_for((n + panel - 1) / panel, [&](std::int64_t p) {
    T* to = packed + p * panel * k;
    for (std::int64_t row = 0; row < k; ++row)
      for (std::int64_t j = 0; j < panel; ++j) *to++ = p * panel + j < n ? at(row, p * panel + j) : T(0);
  });
}

}  // namespace

const char* instruction_set() {
  switch (detect()) {
    case InstructionSet::avx512:
      return "AVX-512";
    case InstructionSet::avx2:
      return "AVX2";
    default:
      return "baseline instructions";
  }
}

template <class T>
const Kernels<T>& kernels() {
  static const Kernels<T>& chosen = choose<T>();
  return chosen;
}

template <class T>
void pack_weight(const T* weight, std::int64_t n, std::int64_t k, T* packed) {
  pack(k, n, packed, [=](std::int64_t row, std::int64_t column) { return weight[column * k + row]; });
}

template <class T>
void pack_transposed(const T* b, std::int64_t ldb, std::int64_t k, std::int64_t n, T* packed) {
  pack(k, n, packed, [=](std::int64_t row, std::int64_t column) { return b[row * ldb + column]; });
}

template <class T>
void multiply_rows(const T* x, std::int64_t ldx, const T* packed, const T* bias, std::int64_t k,
                   std::int64_t n, T* y, std::int64_t ldy, std::int64_t rows, bool accumulate) {
  const auto& kernel = kernels<T>();
  parallel_blocks(rows, rows_a_task, [&](std::int64_t begin, std::int64_t end) {
    kernel.multiply(x + begin * ldx, ldx, packed, bias, k, n, y + begin * ldy, ldy, end - begin, accumulate);
  });
}

template <class T>
void multiply_transposed(const T* a, std::int64_t lda, const T* packed, std::int64_t rows, std::int64_t m,
                         std::int64_t n, T* c, bool accumulate) {
  const auto& kernel = kernels<T>();
  parallel_blocks(m, rows_a_task, [&](std::int64_t begin, std::int64_t end) {
    kernel.multiply_transposed(a + begin, lda, packed, rows, end - begin, n, c + begin * n, n, accumulate);
  });
}

template <class T>
void sum_rows(const T* a, std::int64_t lda, std::int64_t rows, std::int64_t n, T* sums, bool accumulate) {
  parallel_blocks(n, columns_a_task, [&](std::int64_t begin, std::int64_t end) {
    if (!accumulate) std::fill(sums + begin, sums + end, T(0));
    for (std::int64_t row = 0; row < rows; ++row)
      kernels<T>().add_scaled(end - begin, T(1), a + row * lda + begin, sums + begin);
  });
}

#define RAGTIME_INSTANTIATE(T)                                                                               \
  template const Kernels<T>& kernels<T>();                                                                   \
  template void pack_weight<T>(const T*, std::int64_t, std::int64_t, T*);                                    \
  template void pack_transposed<T>(const T*, std::int64_t, std::int64_t, std::int64_t, T*);                  \
  template void multiply_rows<T>(const T*, std::int64_t, const T*, const T*, std::int64_t, std::int64_t, T*, \
                                 std::int64_t, std::int64_t, bool);                                          \
  template void multiply_transposed<T>(const T*, std::int64_t, const T*, std::int64_t, std::int64_t,         \
                                       std::int64_t, T*, bool);                                              \
  template void sum_rows<T>(const T*, std::int64_t, std::int64_t, std::int64_t, T*, bool);
RAGTIME_INSTANTIATE(float)
RAGTIME_INSTANTIATE(double)

}  // namespace ragtime::cpu
