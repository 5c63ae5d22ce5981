#pragma once

// The inner loops of the CPU backend, compiled once per instruction set and chosen when the program starts.
//
// Batch invariance starts here. `multiply` gives every row the same chain of multiply-adds in the same order
// of k, however many rows a call has, so a row's bits do not depend on its neighbours. A CBLAS promises no
// such thing (its kernels for small matrices differ from those for large ones), and packs the weights anew on
// every call, where the recurrence multiplies by the same ones hundreds of times. docs/performance.md has
// both measured.

#include <cstdint>

#include "host/cpu/kernel_types.hpp"

namespace ragtime::cpu {

template <class T>
struct Kernels {
  std::int64_t panel;  // columns of a packed panel

  // y [rows, n] = x [rows, k] * W, or y += with accumulate; W packed by pack_weight; bias [n] or null (not
  // with accumulate).
  void (*multiply)(const T* x, std::int64_t ldx, const T* packed, const T* bias, std::int64_t k,
                   std::int64_t n, T* y, std::int64_t ldy, std::int64_t rows, bool accumulate);

  // c [m, n] = a^T b, or c += with accumulate; a [k, m], b [k, n] packed by pack_transposed.
  void (*multiply_transposed)(const T* a, std::int64_t lda, const T* packed, std::int64_t k, std::int64_t m,
                              std::int64_t n, T* c, std::int64_t ldc, bool accumulate);

  // One visit of one sequence. gates [4H] hold the x side on entry and i, f, g, o after their activations on
  // return; recurrent [4H] is the h side; c [H] is c_{t-1} on entry, c_t on return; h [H] = o tanh(c).
  void (*lstm_forward)(std::int64_t hidden, T* gates, const T* recurrent, T* c, T* h);

  // The adjoint. d_c [H] is dL/dc_t from the later visits on entry, dL/dc_{t-1} on return; c_previous null
  // means zero.
  void (*lstm_backward)(std::int64_t hidden, const T* gates, const T* c, const T* c_previous, const T* d_h,
                        T* d_c, T* d_gates);

  void (*add_scaled)(std::int64_t n, T factor, const T* x, T* y);           // y += factor x
  void (*multiply_tanh)(std::int64_t n, const T* gates, const T* c, T* h);  // h = gates tanh(c)
  void (*tanh)(std::int64_t n, const T* x, T* y);

  // BCE with logits of one row against targets [n] (null: all zero): returns sum (1-y) z + (1 +
  // (pos_weight-1) y) softplus(-z); loss [n] and d_logits [n], each null or written, d_logits times scale.
  double (*bce_row)(std::int64_t n, const T* logits, const T* targets, const T* pos_weight, T scale, T* loss,
                    T* d_logits);

  // Dropout of n elements that are elements first .. first+n of their sequence (philox.hpp).
  void (*dropout)(std::int64_t n, const T* x, T* y, const DropoutStream& stream, std::uint64_t first);

  void (*adamw)(std::int64_t n, const AdamWStep& step, const T* gradients, T* parameters, T* first_moment,
                T* second_moment);
};

// The kernels for this processor.
template <class T>
const Kernels<T>& kernels();

const char* instruction_set();  // the one the kernels were chosen for

// Elements of a packed [k -> n] weight.
template <class T>
std::int64_t packed_size(std::int64_t k, std::int64_t n) {
  const std::int64_t panel = kernels<T>().panel;
  return (n + panel - 1) / panel * panel * k;
}

// Packs a weight for y = x W^T, with weight [n, k] as nn.Linear keeps it.
template <class T>
void pack_weight(const T* weight, std::int64_t n, std::int64_t k, T* packed);

// Packs b [k, n] with leading dimension ldb, for y = x b and for a^T b.
template <class T>
void pack_transposed(const T* b, std::int64_t ldb, std::int64_t k, std::int64_t n, T* packed);

// Kernels<T>::multiply over many rows, split over the threads.
template <class T>
void multiply_rows(const T* x, std::int64_t ldx, const T* packed, const T* bias, std::int64_t k,
                   std::int64_t n, T* y, std::int64_t ldy, std::int64_t rows, bool accumulate = false);

// c [m, n] = a^T b, or c += with accumulate, a sum over the rows of a batch: a [rows, m], packed the rows of
// b [rows, n].
template <class T>
void multiply_transposed(const T* a, std::int64_t lda, const T* packed, std::int64_t rows, std::int64_t m,
                         std::int64_t n, T* c, bool accumulate);

// sums [n] = the sum of the rows of a [rows, n], or += with accumulate, in row order.
template <class T>
void sum_rows(const T* a, std::int64_t lda, std::int64_t rows, std::int64_t n, T* sums, bool accumulate);

}  // namespace ragtime::cpu
