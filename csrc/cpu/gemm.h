#pragma once
// The matrix product of the CPU kernels: C = activation(A B + bias), A and B in any layout.
#include "gemm_kernel.h"
#include "gemm_pack.h"

namespace pydl {

enum class Activation { none, relu, gelu, tanh, sigmoid };

/// C (m, n) = activation(A (m, k) B (k, n) + bias (+ C)). C's rows or its columns are contiguous.
template <class T>
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  View<T> a, b;
  T* c = nullptr;
  int64_t c_row = 0, c_col = 1;
  const T* row_bias = nullptr;  // (m,), added along each row of C
  const T* col_bias = nullptr;  // (n,)
  bool accumulate = false;      // add to what C holds; excludes a bias
  Activation activation = Activation::none;

  /// C^T = B^T A^T
  Gemm transposed() const {
    return {n, m, k, b.transposed(), a.transposed(), c, c_col, c_row, col_bias, row_bias, accumulate, activation};
  }
  /// The rows [i, i + rows) and columns [j, j + columns) of C.
  Gemm part(int64_t i, int64_t rows, int64_t j, int64_t columns) const {
    return {rows,
            columns,
            k,
            a.from(i, 0),
            b.from(0, j),
            c + i * c_row + j * c_col,
            c_row,
            c_col,
            row_bias ? row_bias + i : nullptr,
            col_bias ? col_bias + j : nullptr,
            accumulate,
            activation};
  }
};

/// Runs on all threads, or on the caller's alone inside a parallel loop. Scratch slots 0 and 1 are its own.
template <class T>
void gemm(const Gemm<T>& g);

/// p[i * ld + j] = activation(p[i * ld + j]) for whole vectors: columns rounded up to LANES.
template <class T>
void activate(Activation activation, T* p, int64_t ld, int64_t rows, int64_t columns);

/// 0 .. length cut into the fewest pieces of at most `most`, sizes equal to within one.
struct Split {
  int64_t count, size, larger;
  Split(int64_t length, int64_t most)
      : count(std::max<int64_t>(1, (length + most - 1) / most)), size(length / count), larger(length % count) {}
  int64_t start(int64_t i) const { return size * i + std::min(i, larger); }
  int64_t length(int64_t i) const { return size + (i < larger); }
};

}  // namespace pydl
