#pragma once
// Products with at most four rows: bound by reading B once, so nothing is packed.
#include "gemm.h"
#include "parallel.h"

namespace pydl::gemm_detail {

constexpr int THIN_ROWS = 4;

/// A finished run of `n` elements: bias was in the sum already; the activation is applied in a buffer at the edge.
template <class T>
void write_run(const Gemm<T>& g, const T* sum, int i, int64_t j, int64_t n) {
  constexpr int64_t L = LANES<T>;
  T buffer[L];
  for (int64_t l = 0; l < n; l += L) {
    int lanes = int(std::min(L, n - l));
    store(buffer, load_n(sum + l, lanes));
    activate(g.activation, buffer, L, 1, L);
    store_n(g.c + i * g.c_row + (j + l) * g.c_col, load(buffer), lanes);
  }
}

/// What the sum of element (i, j) starts from.
template <class T>
T start(const Gemm<T>& g, int i, int64_t j) {
  if (g.accumulate) return g.c[i * g.c_row + j * g.c_col];
  return g.row_bias ? g.row_bias[i] : g.col_bias ? g.col_bias[j] : T(0);
}

/// Rows of B contiguous: the sums of `SPAN` columns stay in the L1 cache while rows of B stream by, eight at a time.
template <class T, int H>
void thin_rows(const Gemm<T>& g, int64_t begin, int64_t end) {
  constexpr int L = LANES<T>, AHEAD = 8, SPAN = 512;
  alignas(64) T sums[H][SPAN];
  for (int64_t j0 = begin; j0 < end; j0 += SPAN) {
    const int n = int(std::min<int64_t>(SPAN, end - j0)), whole = n / L * L, rest = n - whole;
    for (int i = 0; i < H; ++i)
      for (int j = 0; j < n; ++j) sums[i][j] = start(g, i, j0 + j);
    for (int64_t k = 0; k < g.k; k += AHEAD) {
      const int depth = int(std::min<int64_t>(AHEAD, g.k - k));
      const T* b = g.b.p + k * g.b.row + j0;
      T a[H][AHEAD];
      for (int i = 0; i < H; ++i)
        for (int d = 0; d < depth; ++d) a[i][d] = g.a.p[i * g.a.row + (k + d) * g.a.col];
      auto column = [&](int j, auto read) {
        vec<T> sum[H];
        PYDL_UNROLL for (int i = 0; i < H; ++i) sum[i] = load(&sums[i][j]);
        auto row = [&](int d) {
          vec<T> y = read(b + d * g.b.row + j);
          PYDL_UNROLL for (int i = 0; i < H; ++i) sum[i] += a[i][d] * y;
        };
        if (depth == AHEAD) PYDL_UNROLL for (int d = 0; d < AHEAD; ++d) row(d);
        else
          for (int d = 0; d < depth; ++d) row(d);
        PYDL_UNROLL for (int i = 0; i < H; ++i) store(&sums[i][j], sum[i]);
      };
      for (int j = 0; j < whole; j += L) column(j, [](const T* p) { return load(p); });
      if (rest) column(whole, [rest](const T* p) { return load_n(p, rest); });
    }
    for (int i = 0; i < H; ++i) write_run(g, sums[i], i, j0, n);
  }
}

/// Columns of B contiguous: squares of B are transposed in registers, so that here too an element of C is one chain of
/// multiply-adds in ascending k (an inner product over the lanes would make the result depend on B's layout).
template <class T, int H>
void thin_columns(const Gemm<T>& g, int64_t begin, int64_t end) {
  constexpr int L = LANES<T>;
  for (int64_t j = begin; j < end; j += L) {
    const int n = int(std::min<int64_t>(L, end - j));
    const T* column[L];
    for (int l = 0; l < L; ++l) column[l] = g.b.p + (j + std::min(l, n - 1)) * g.b.col;
    alignas(64) T first[L];
    vec<T> sum[H];
    for (int i = 0; i < H; ++i) {
      for (int l = 0; l < L; ++l) first[l] = start(g, i, j + std::min(l, n - 1));
      sum[i] = load(first);
    }
    vec<T> square[L];
    auto row = [&](int64_t k, int d) {
      PYDL_UNROLL for (int i = 0; i < H; ++i) sum[i] += g.a.p[i * g.a.row + (k + d) * g.a.col] * square[d];
    };
    int64_t k = 0;
    for (; k + L <= g.k; k += L) {
      PYDL_UNROLL for (int l = 0; l < L; ++l) square[l] = load(column[l] + k);
      transpose<T>(square);
      PYDL_UNROLL for (int d = 0; d < L; ++d) row(k, d);
    }
    if (const int rest = int(g.k - k)) {
      PYDL_UNROLL for (int l = 0; l < L; ++l) square[l] = load_n(column[l] + k, rest);
      transpose<T>(square);
      for (int d = 0; d < rest; ++d) row(k, d);
    }
    for (int i = 0; i < H; ++i) {
      store(first, sum[i]);
      if (g.c_col == 1) write_run(g, first, i, j, n);
      else
        for (int l = 0; l < n; ++l) write_run(g, first + l, i, j + l, 1);
    }
  }
}

template <class T, int H>
void thin(const Gemm<T>& g, bool by_rows) {
  // chunks of about 64 KB of B
  int64_t grain = std::max<int64_t>(64, (int64_t(1) << 16) / int64_t(sizeof(T)) / std::max<int64_t>(g.k, 1) / 64 * 64);
  parallel_for(g.n, grain, [&](int64_t begin, int64_t end) {
    if (by_rows) thin_rows<T, H>(g, begin, end);
    else thin_columns<T, H>(g, begin, end);
  });
}

/// Computes C by one of the two ways above where it has few rows, or few columns, and the layout fits.
template <class T>
bool thin_product(Gemm<T> g) {
  enum { NO, ROWS, COLUMNS };
  auto way = [](const Gemm<T>& x) {
    if (x.m > THIN_ROWS) return NO;
    return x.b.col == 1 && x.c_col == 1 ? ROWS : x.b.row == 1 ? COLUMNS : NO;
  };
  auto chosen = way(g);
  if (chosen == NO) g = g.transposed(), chosen = way(g);
  if (chosen == NO) return false;
  const bool by_rows = chosen == ROWS;
  switch (g.m) {
    case 1:
      thin<T, 1>(g, by_rows);
      break;
    case 2:
      thin<T, 2>(g, by_rows);
      break;
    case 3:
      thin<T, 3>(g, by_rows);
      break;
    default:
      thin<T, 4>(g, by_rows);
  }
  return true;
}

}  // namespace pydl::gemm_detail
