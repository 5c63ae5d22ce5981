// Included by one translation unit per instruction set, with RAGTIME_ISA (a namespace) and
// RAGTIME_VECTOR_BYTES defined. No include guard on purpose; no standard header with inline code, see
// kernel_types.hpp.

#include "host/cpu/kernels.hpp"
#include "host/cpu/vector_math.hpp"

namespace ragtime::cpu::RAGTIME_ISA {
namespace {

using vmath::exp_;
using vmath::log1p_;
using vmath::sigmoid_;
using vmath::tanh_;

template <class T>
struct Vector {
  static constexpr int64_t lanes = RAGTIME_VECTOR_BYTES / static_cast<int64_t>(sizeof(T));
  typedef T type __attribute__((vector_size(RAGTIME_VECTOR_BYTES), aligned(sizeof(T)), may_alias));
};

// Accumulators: rows x vectors of them fill the registers and leave room for one panel row.
#if RAGTIME_VECTOR_BYTES == 64
constexpr int vectors_a_panel = 2, rows_a_tile = 12;
#elif RAGTIME_VECTOR_BYTES == 32
constexpr int vectors_a_panel = 2, rows_a_tile = 6;
#else
constexpr int vectors_a_panel = 2, rows_a_tile = 4;
#endif

constexpr int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

constexpr int64_t k_block = 256;  // a panel of this many rows stays in the first-level cache

template <class T>
constexpr int64_t panel_columns = vectors_a_panel* Vector<T>::lanes;

// R rows of one panel: y (+)= x * packed over `depth` values of k. The loops over r and v unroll into
// registers.
template <class T, int R>
inline void tile(const T* x, int64_t ldx, const T* packed, int64_t depth, const T* start, int64_t ld_start,
                 T* y, int64_t ldy) {
  using V = typename Vector<T>::type;
  constexpr int64_t lanes = Vector<T>::lanes;
  V sum[R][vectors_a_panel];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors_a_panel; ++v)
      sum[r][v] = *reinterpret_cast<const V*>(start + r * ld_start + v * lanes);
  for (int64_t k = 0; k < depth; ++k) {
    V w[vectors_a_panel];
#pragma GCC unroll 4
    for (int v = 0; v < vectors_a_panel; ++v)
      w[v] = *reinterpret_cast<const V*>(packed + k * panel_columns<T> + v * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const T value = x[r * ldx + k];
#pragma GCC unroll 4
      for (int v = 0; v < vectors_a_panel; ++v) sum[r][v] += value * w[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors_a_panel; ++v) *reinterpret_cast<V*>(y + r * ldy + v * lanes) = sum[r][v];
}

template <class T, int R>
void tile_of(int64_t rows, const T* x, int64_t ldx, const T* packed, int64_t depth, const T* start,
             int64_t ld_start, T* y, int64_t ldy) {
  if (rows == R) return tile<T, R>(x, ldx, packed, depth, start, ld_start, y, ldy);
  if constexpr (R > 1) tile_of<T, R - 1>(rows, x, ldx, packed, depth, start, ld_start, y, ldy);
}

template <class T>
constexpr T zeros[panel_columns<T>] = {};

// One tile of up to rows_a_tile rows and one panel. start: what the sums begin with, null for zeros.
template <class T>
inline void panel_tile(int64_t rows, const T* x, int64_t ldx, const T* packed, int64_t depth, int64_t columns,
                       const T* start, int64_t ld_start, T* y, int64_t ldy) {
  constexpr int64_t width = panel_columns<T>;
  if (columns == width)
    return tile_of<T, rows_a_tile>(rows, x, ldx, packed, depth, start != nullptr ? start : zeros<T>,
                                   start != nullptr ? ld_start : 0, y, ldy);
  // The last panel, when it is not full, goes through a tile of its own.
  T edge[rows_a_tile * width] = {};
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < width; ++j)
      edge[r * width + j] = start != nullptr && j < columns ? start[r * ld_start + j] : T(0);
  tile_of<T, rows_a_tile>(rows, x, ldx, packed, depth, edge, width, edge, width);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < columns; ++j) y[r * ldy + j] = edge[r * width + j];
}

template <class T>
void multiply(const T* x, int64_t ldx, const T* packed, const T* bias, int64_t k, int64_t n, T* y,
              int64_t ldy, int64_t rows, bool accumulate) {
  constexpr int64_t width = panel_columns<T>;
  for (int64_t column = 0; column < n; column += width)
    for (int64_t k0 = 0; k0 == 0 || k0 < k; k0 += k_block)
      for (int64_t row = 0; row < rows; row += rows_a_tile) {
        T* to = y + row * ldy + column;
        const bool add = accumulate || k0 > 0;
        panel_tile<T>(smaller(rows - row, rows_a_tile), x + row * ldx + k0, ldx,
                      packed + column * k + k0 * width, smaller(k - k0, k_block), smaller(n - column, width),
                      add               ? to
                      : bias != nullptr ? bias + column
                                        : nullptr,
                      add ? ldy : 0, to, ldy);
      }
}

// The columns of a that a tile needs are turned into its rows first, so that the inner loop is the same as
// above.
template <class T>
void multiply_transposed(const T* a, int64_t lda, const T* packed, int64_t k, int64_t m, int64_t n, T* c,
                         int64_t ldc, bool accumulate) {
  constexpr int64_t width = panel_columns<T>;
  T turned[rows_a_tile * k_block];
  for (int64_t k0 = 0; k0 == 0 || k0 < k; k0 += k_block) {
    const int64_t depth = smaller(k - k0, k_block);
    const bool add = accumulate || k0 > 0;
    for (int64_t row = 0; row < m; row += rows_a_tile) {
      const int64_t rows = smaller(m - row, rows_a_tile);
      for (int64_t i = 0; i < depth; ++i)
        for (int64_t r = 0; r < rows; ++r) turned[r * k_block + i] = a[(k0 + i) * lda + row + r];
      for (int64_t column = 0; column < n; column += width) {
        T* to = c + row * ldc + column;
        panel_tile<T>(rows, turned, k_block, packed + column * k + k0 * width, depth,
                      smaller(n - column, width), add ? to : nullptr, ldc, to, ldc);
      }
    }
  }
}

template <class T>
void lstm_forward(int64_t hidden, T* __restrict gates, const T* __restrict recurrent, T* __restrict c,
                  T* __restrict h) {
  T* __restrict in = gates;
  T* __restrict forget = gates + hidden;
  T* __restrict cell = gates + 2 * hidden;
  T* __restrict out = gates + 3 * hidden;
  for (int64_t j = 0; j < hidden; ++j) {
    const T i = sigmoid_(in[j] + recurrent[j]);
    const T f = sigmoid_(forget[j] + recurrent[hidden + j]);
    const T g = tanh_(cell[j] + recurrent[2 * hidden + j]);
    const T o = sigmoid_(out[j] + recurrent[3 * hidden + j]);
    const T next = f * c[j] + i * g;
    in[j] = i;
    forget[j] = f;
    cell[j] = g;
    out[j] = o;
    c[j] = next;
    h[j] = o * tanh_(next);
  }
}

template <class T>
void lstm_backward(int64_t hidden, const T* __restrict gates, const T* __restrict c,
                   const T* __restrict c_previous, const T* __restrict d_h, T* __restrict d_c,
                   T* __restrict d_gates) {
  for (int64_t j = 0; j < hidden; ++j) {
    const T i = gates[j], f = gates[hidden + j], g = gates[2 * hidden + j], o = gates[3 * hidden + j];
    const T bounded = tanh_(c[j]);
    const T before = c_previous != nullptr ? c_previous[j] : T(0);
    const T d_cell = d_c[j] + d_h[j] * o * (T(1) - bounded * bounded);
    d_gates[j] = d_cell * g * i * (T(1) - i);
    d_gates[hidden + j] = d_cell * before * f * (T(1) - f);
    d_gates[2 * hidden + j] = d_cell * i * (T(1) - g * g);
    d_gates[3 * hidden + j] = d_h[j] * bounded * o * (T(1) - o);
    d_c[j] = d_cell * f;
  }
}

template <class T>
void add_scaled(int64_t n, T factor, const T* __restrict x, T* __restrict y) {
  for (int64_t j = 0; j < n; ++j) y[j] += factor * x[j];
}

template <class T>
void multiply_tanh(int64_t n, const T* __restrict gates, const T* __restrict c, T* __restrict h) {
  for (int64_t j = 0; j < n; ++j) h[j] = gates[j] * tanh_(c[j]);
}

template <class T>
void tanh_row(int64_t n, const T* x, T* y) {
  for (int64_t j = 0; j < n; ++j) y[j] = tanh_(x[j]);
}

// With e = exp(-|z|): softplus(-z) = max(-z, 0) + log1p(e), and the gradient of the row is
// p (1 + (w-1) y) - w y, with p = sigmoid(z).
template <class T>
double bce_row(int64_t n, const T* __restrict logits, const T* __restrict targets,
               const T* __restrict pos_weight, T scale, T* __restrict loss, T* __restrict d_logits) {
  constexpr int64_t block = 64;
  T losses[block];
  double total = 0;
  for (int64_t j0 = 0; j0 < n; j0 += block) {
    const int64_t count = n - j0 < block ? n - j0 : block;
    for (int64_t j = 0; j < count; ++j) {
      const T z = logits[j0 + j];
      const T y = targets != nullptr ? targets[j0 + j] : T(0);
      const T w = pos_weight != nullptr ? pos_weight[j0 + j] : T(1);
      const T magnitude = z < T(0) ? -z : z;
      const T e = exp_(-magnitude);
      const T stretch = T(1) + (w - T(1)) * y;
      const T softplus = (z < T(0) ? -z : T(0)) + log1p_(e);
      losses[j] = (T(1) - y) * z + stretch * softplus;
      if (d_logits != nullptr) {
        const T p = (z < T(0) ? e : T(1)) / (T(1) + e);
        d_logits[j0 + j] = scale * (p * stretch - w * y);
      }
    }
    for (int64_t j = 0; j < count; ++j) total += static_cast<double>(losses[j]);
    if (loss != nullptr)
      for (int64_t j = 0; j < count; ++j) loss[j0 + j] = losses[j];
  }
  return total;
}

// Philox4x32-10 over several quads of elements at once; the same numbers as dropout_numbers in philox.hpp.
template <class T>
void dropout(int64_t n, const T* x, T* y, const DropoutStream& stream, uint64_t first) {
  constexpr int64_t quads = 16;
  uint32_t numbers[4][quads];
  const T scale = static_cast<T>(stream.scale);
  const uint64_t last = first + static_cast<uint64_t>(n);
  for (uint64_t quad = first / 4; quad * 4 < last; quad += quads) {
    for (int64_t q = 0; q < quads; ++q) {
      const uint64_t index = quad + static_cast<uint64_t>(q);
      uint32_t c0 = static_cast<uint32_t>(index),
               c1 = static_cast<uint32_t>(index >> 32) ^ (stream.site << 16);
      uint32_t c2 = stream.sequence_id, c3 = stream.step;
      uint32_t k0 = static_cast<uint32_t>(stream.seed), k1 = static_cast<uint32_t>(stream.seed >> 32);
#pragma GCC unroll 10
      for (int round = 0; round < 10; ++round) {
        const uint64_t p0 = uint64_t{0xD2511F53} * c0, p1 = uint64_t{0xCD9E8D57} * c2;
        c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
        c1 = static_cast<uint32_t>(p1);
        c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
        c3 = static_cast<uint32_t>(p0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
      }
      numbers[0][q] = c0;
      numbers[1][q] = c1;
      numbers[2][q] = c2;
      numbers[3][q] = c3;
    }
    for (int64_t e = 0; e < 4 * quads; ++e) {
      const uint64_t element = quad * 4 + static_cast<uint64_t>(e);
      if (element < first || element >= last) continue;
      const uint64_t j = element - first;
      y[j] = numbers[e % 4][e / 4] >= stream.threshold ? x[j] * scale : T(0);
    }
  }
}

template <class T>
void adamw(int64_t n, const AdamWStep& step, const T* __restrict gradients, T* __restrict parameters,
           T* __restrict first_moment, T* __restrict second_moment) {
  const T gradient_scale = static_cast<T>(step.gradient_scale), decay = static_cast<T>(step.decay);
  const T beta1 = static_cast<T>(step.beta1), beta2 = static_cast<T>(step.beta2);
  const T rest1 = static_cast<T>(1 - step.beta1), rest2 = static_cast<T>(1 - step.beta2);
  const T step_size = static_cast<T>(step.step_size), root_scale = static_cast<T>(step.root_scale);
  const T epsilon = static_cast<T>(step.epsilon);
  for (int64_t j = 0; j < n; ++j) {
    const T g = gradients[j] * gradient_scale;
    const T m = beta1 * first_moment[j] + rest1 * g;
    const T v = beta2 * second_moment[j] + rest2 * g * g;
    first_moment[j] = m;
    second_moment[j] = v;
    parameters[j] = parameters[j] * decay - step_size * m / (vmath::sqrt_(v) * root_scale + epsilon);
  }
}

template <class T>
constexpr Kernels<T> table = {panel_columns<T>, multiply<T>,      multiply_transposed<T>,
                              lstm_forward<T>,  lstm_backward<T>, add_scaled<T>,
                              multiply_tanh<T>, tanh_row<T>,      bce_row<T>,
                              dropout<T>,       adamw<T>};

}  // namespace

const Kernels<float>& float_kernels() {
  return table<float>;
}
const Kernels<double>& double_kernels() {
  return table<double>;
}

}  // namespace ragtime::cpu::RAGTIME_ISA
