// ldmatrix and mma, from the fragment maps of the PTX ISA (see cuda/arch/gpu/matrix.cuh).

#include <cstring>

#include "cuda/arch/simt/machine/warp.hpp"

namespace ragtime::simt {
namespace {

struct LoadArgument {
  std::uint16_t row[8];  // what this lane supplies
  std::uint32_t result[4];
  unsigned matrices;
  bool transposed;
};

void combine_loads(void** arguments, std::uint32_t) {
  const auto element = [&](unsigned matrix, unsigned row, unsigned column) -> std::uint32_t {
    return static_cast<LoadArgument*>(arguments[matrix * 8 + row])->row[column];
  };
  for (unsigned lane = 0; lane < arch::warp_size; ++lane) {
    auto& mine = *static_cast<LoadArgument*>(arguments[lane]);
    const unsigned g = lane / 4, t = lane % 4;
    for (unsigned matrix = 0; matrix < mine.matrices; ++matrix)
      mine.result[matrix] = mine.transposed ? element(matrix, 2 * t, g) | element(matrix, 2 * t + 1, g) << 16
                                            : element(matrix, g, 2 * t) | element(matrix, g, 2 * t + 1) << 16;
  }
}

struct MultiplyArgument {
  std::uint32_t a[4], b[2];
  float c[4];
};

float as_float(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
// The half of a register, as a number.
template <Format format>
float half_of(std::uint32_t pair, unsigned half) {
  const auto bits = static_cast<std::uint16_t>(pair >> 16 * half);
  if constexpr (format == Format::bf16) return as_float(std::uint32_t{bits} << 16);
  __half_raw raw;
  raw.x = bits;
  return __half2float(__half(raw));
}

struct Operands {
  static constexpr unsigned most = 16;  // of k
  float a[16][most], b[most][8], c[16][8];
};

void unpack_tf32(Operands& whole, const MultiplyArgument& fragment, unsigned g, unsigned t) {
  // The machine reads the upper 19 bits only.
  const auto value = [](std::uint32_t bits) { return as_float(bits & 0xFFFFE000u); };
  for (unsigned i = 0; i < 4; ++i) whole.a[g + 8 * (i % 2)][t + 4 * (i / 2)] = value(fragment.a[i]);
  for (unsigned i = 0; i < 2; ++i) whole.b[t + 4 * i][g] = value(fragment.b[i]);
}

template <Format format>
void unpack_pairs(Operands& whole, const MultiplyArgument& fragment, unsigned g, unsigned t) {
  for (unsigned half = 0; half < 2; ++half) {
    for (unsigned i = 0; i < 4; ++i)
      whole.a[g + 8 * (i % 2)][2 * t + half + 8 * (i / 2)] = half_of<format>(fragment.a[i], half);
    for (unsigned i = 0; i < 2; ++i) whole.b[2 * t + half + 8 * i][g] = half_of<format>(fragment.b[i], half);
  }
}

template <Format format>
void combine_products(void** arguments, std::uint32_t) {
  constexpr unsigned depth = format == Format::tf32 ? 8 : 16;
  Operands whole;
  const auto place = [&](unsigned lane, unsigned i) -> float& {
    return whole.c[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2];
  };
  for (unsigned lane = 0; lane < arch::warp_size; ++lane) {
    const auto& fragment = *static_cast<MultiplyArgument*>(arguments[lane]);
    if constexpr (format == Format::tf32)
      unpack_tf32(whole, fragment, lane / 4, lane % 4);
    else
      unpack_pairs<format>(whole, fragment, lane / 4, lane % 4);
    for (unsigned i = 0; i < 4; ++i) place(lane, i) = fragment.c[i];
  }
  for (auto& row : whole.c)
    for (unsigned n = 0; n < 8; ++n) {
      const auto m = static_cast<unsigned>(&row - whole.c);
      float sum = 0;
      for (unsigned k = 0; k < depth; ++k) sum += whole.a[m][k] * whole.b[k][n];
      row[n] += sum;
    }
  for (unsigned lane = 0; lane < arch::warp_size; ++lane)
    for (unsigned i = 0; i < 4; ++i) static_cast<MultiplyArgument*>(arguments[lane])->c[i] = place(lane, i);
}

}  // namespace

void load_matrices(const char* operation, unsigned matrices, bool transposed, const void* row,
                   std::uint32_t* result, Site site) {
  const Unwatched unwatched;
  LoadArgument mine{{}, {}, matrices, transposed};
  if (row != nullptr) std::memcpy(mine.row, row, sizeof(mine.row));
  meet(operation, arch::all_lanes, &mine, combine_loads, true, site);
  std::memcpy(result, mine.result, matrices * sizeof(*result));
}

void multiply_accumulate(const char* operation, Format format, float (&c)[4], const std::uint32_t (&a)[4],
                         const std::uint32_t (&b)[2], Site site) {
  const Unwatched unwatched;
  MultiplyArgument mine;
  std::memcpy(mine.a, a, sizeof(a));
  std::memcpy(mine.b, b, sizeof(b));
  std::memcpy(mine.c, c, sizeof(c));
  const Combine combine = format == Format::bf16  ? combine_products<Format::bf16>
                          : format == Format::f16 ? combine_products<Format::f16>
                                                  : combine_products<Format::tf32>;
  meet(operation, arch::all_lanes, &mine, combine, true, site);
  std::memcpy(c, mine.c, sizeof(c));
}

}  // namespace ragtime::simt
