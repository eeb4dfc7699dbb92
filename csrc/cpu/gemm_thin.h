#pragma once
// Products with at most four rows (or, transposed, columns): bound by reading B once, so B is not packed.
// An element of C is LANES partial sums, of the k with the same remainder, added up as a tree. Both ways below compute
// it so: lanes of a vector where B's columns are contiguous, rows of a buffer where its rows are. So a result depends
// on the shape and not on the layout.
#include "gemm.h"
#include "parallel.h"

namespace pydl::gemm_detail {

constexpr int THIN_ROWS = 4;

template <class T>
bool is_thin(const Gemm<T>& g) {
  return std::min(g.m, g.n) <= THIN_ROWS && g.k >= 2 * LANES<T>;
}

/// C(i, j ...) = activation(start + sum) for n <= LANES elements.
template <class T>
void finish_run(const Gemm<T>& g, vec<T> sum, int i, int64_t j, int n) {
  constexpr int L = LANES<T>;
  alignas(64) T buffer[L];
  T* c = g.c + i * g.c_row + j * g.c_col;
  if (g.accumulate) {
    for (int l = 0; l < n; ++l) buffer[l] = c[l * g.c_col];
    sum = load_n(buffer, n) + sum;
  } else if (g.row_bias) {
    sum = g.row_bias[i] + sum;
  } else if (g.col_bias) {
    sum = load_n(g.col_bias + j, n) + sum;
  }
  store(buffer, sum);
  activate(g.activation, buffer, L, 1, L);
  if (g.c_col == 1) store_n(c, load(buffer), n);
  else
    for (int l = 0; l < n; ++l) c[l * g.c_col] = buffer[l];
}

/// Adds LANES vectors up, elementwise, in the order of a tree.
template <class T>
PYDL_INLINE vec<T> tree(vec<T>* r) {
  PYDL_UNROLL for (int s = LANES<T> / 2; s; s /= 2) PYDL_UNROLL for (int i = 0; i < s; ++i) r[i] += r[i + s];
  return r[0];
}

/// Rows of B contiguous: they stream by, each added to the partial sums of its k, which stay in the L1 cache.
template <class T, int H>
void thin_rows(const Gemm<T>& g, int64_t begin, int64_t end) {
  constexpr int L = LANES<T>, SPAN = 16384 / int(sizeof(T)) / L / H / L * L;
  alignas(64) T sums[H][L][SPAN];
  for (int64_t j0 = begin; j0 < end; j0 += SPAN) {
    const int n = int(std::min<int64_t>(SPAN, end - j0)), whole = n / L * L, rest = n - whole;
    for (int i = 0; i < H; ++i)
      for (int l = 0; l < L; ++l) std::fill(sums[i][l], sums[i][l] + whole + (rest ? L : 0), T(0));
    // Surplus lanes may be read as long as they lie before the end of the last row.
    const int64_t open = g.b.row >= L - rest ? g.k - 1 : 0;
    for (int64_t k = 0; k < g.k; ++k) {
      const T* b = g.b.p + k * g.b.row + j0;
      const int l = int(k % L);
      T a[H];
      PYDL_UNROLL for (int i = 0; i < H; ++i) a[i] = g.a.p[i * g.a.row + k * g.a.col];
      auto add = [&](int j, vec<T> y) {
        PYDL_UNROLL for (int i = 0; i < H; ++i) store(&sums[i][l][j], load(&sums[i][l][j]) + a[i] * y);
      };
      for (int j = 0; j < whole; j += L) add(j, load(b + j));
      if (rest) add(whole, k < open ? load(b + whole) : load_n(b + whole, rest));
    }
    for (int i = 0; i < H; ++i)
      for (int j = 0; j < n; j += L) {
        vec<T> r[L];
        PYDL_UNROLL for (int l = 0; l < L; ++l) r[l] = load(&sums[i][l][j]);
        finish_run(g, tree<T>(r), i, j0 + j, std::min(L, n - j));
      }
  }
}

/// Columns of B and rows of A contiguous: inner products by vectors, several columns at a time to share the loads of A.
template <class T, int H>
void thin_columns(const Gemm<T>& g, int64_t begin, int64_t end) {
  constexpr int L = LANES<T>, REGISTERS = TILE_ROWS * TILE_VECTORS / H,
                D = std::min(L, REGISTERS >= 8   ? 8
                                : REGISTERS >= 4 ? 4
                                                 : 2);
  alignas(64) T sums[H][L][L];
  const int64_t whole = g.k / L * L;
  const int rest = int(g.k - whole);
  for (int64_t j = begin; j < end; j += L) {
    const int n = int(std::min<int64_t>(L, end - j));
    for (int d0 = 0; d0 < n; d0 += D) {
      const T* column[D];
      for (int d = 0; d < D; ++d) column[d] = g.b.p + (j + std::min(d0 + d, n - 1)) * g.b.col;
      vec<T> sum[H][D] = {};
      auto step = [&](int64_t k, auto read) __attribute__((always_inline)) {
        vec<T> x[H];
        PYDL_UNROLL for (int i = 0; i < H; ++i) x[i] = read(g.a.p + i * g.a.row + k);
        PYDL_UNROLL for (int d = 0; d < D; ++d) {
          vec<T> y = read(column[d] + k);
          PYDL_UNROLL for (int i = 0; i < H; ++i) sum[i][d] += x[i] * y;
        }
      };
      for (int64_t k = 0; k < whole; k += L) step(k, [](const T* p) { return load(p); });
      if (rest) step(whole, [rest](const T* p) { return load_n(p, rest); });
      PYDL_UNROLL for (int i = 0; i < H; ++i) PYDL_UNROLL for (int d = 0; d < D; ++d) store(sums[i][d0 + d], sum[i][d]);
    }
    for (int i = 0; i < H; ++i) {
      vec<T> r[L];
      PYDL_UNROLL for (int l = 0; l < L; ++l) r[l] = l < n ? load(sums[i][l]) : vec<T>{};
      transpose<T>(r);
      finish_run(g, tree<T>(r), i, j, n);
    }
  }
}

template <class T, int H>
void thin(const Gemm<T>& g) {
  // Wide pieces, for rows of B are read piece by piece; the threads get one each, if there is work for more than one.
  const int64_t pieces = g.n * g.k < (1 << 15) ? 1 : num_threads();
  const int64_t grain = ((g.n + pieces - 1) / pieces + 63) / 64 * 64;
  parallel_for(g.n, grain, [&](int64_t begin, int64_t end) {
    if (g.b.col == 1) thin_rows<T, H>(g, begin, end);
    else thin_columns<T, H>(g, begin, end);
  });
}

/// dst (rows, columns), contiguous, of a matrix in any layout.
template <class T>
View<T> contiguous(View<T> v, int64_t rows, int64_t columns, int slot) {
  T* dst = scratch<T>(slot, rows * columns);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) dst[i * columns + j] = v.p[i * v.row + j * v.col];
  return {dst, columns, 1};
}

template <class T>
void thin_product(Gemm<T> g) {
  if (g.m > THIN_ROWS) g = g.transposed();
  if (g.b.col != 1 && g.b.row != 1) g.b = contiguous(g.b, g.k, g.n, 0);
  if (g.b.col != 1 && g.a.col != 1) g.a = contiguous(g.a, g.m, g.k, 1);
  switch (g.m) {
    case 1:
      return thin<T, 1>(g);
    case 2:
      return thin<T, 2>(g);
    case 3:
      return thin<T, 3>(g);
    default:
      return thin<T, 4>(g);
  }
}

}  // namespace pydl::gemm_detail
