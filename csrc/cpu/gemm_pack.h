#pragma once
// Copies of parts of a matrix in the order in which the tile kernel reads them: panel[k][i], i the free axis.
#include <algorithm>
#include <utility>

#include "gemm_kernel.h"

namespace pydl {

/// A matrix in any layout: element (i, j) at p[i * row + j * col].
template <class T>
struct View {
  const T* p = nullptr;
  int64_t row = 0, col = 0;
  View transposed() const { return {p, col, row}; }
  View from(int64_t i, int64_t j) const { return {p + i * row + j * col, row, col}; }
};

namespace gemm_detail {

/// The most rows that are packed at a time, a multiple of 8, and where a tile finds them: row k at k * TILE_COLUMNS.
constexpr int64_t PACKED_DEPTH = 384;
template <class T>
struct PackedRows {
  int64_t offset[PACKED_DEPTH];
  constexpr PackedRows() : offset() {
    for (int64_t k = 0; k < PACKED_DEPTH; ++k) offset[k] = k * TILE_COLUMNS<T>;
  }
};
template <class T>
constexpr PackedRows<T> PACKED_ROWS{};

template <int S, class V, size_t... I>
PYDL_INLINE V swap_low(V a, V b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, ((I & S) ? int(I - S + sizeof...(I)) : int(I))...);
}
template <int S, class V, size_t... I>
PYDL_INLINE V swap_high(V a, V b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, ((I & S) ? int(I + sizeof...(I)) : int(I + S))...);
}
/// Transposes LANES vectors in registers: log2(LANES) stages of exchanges at distance S.
template <class T, int S = LANES<T> / 2>
PYDL_INLINE void transpose(vec<T>* r) {
  constexpr int L = LANES<T>;
  using All = std::make_index_sequence<L>;
  PYDL_UNROLL for (int i = 0; i < L; ++i) {
    if (i & S) continue;
    vec<T> a = r[i], b = r[i + S];
    r[i] = swap_low<S>(a, b, All{}), r[i + S] = swap_high<S>(a, b, All{});
  }
  if constexpr (S > 1) transpose<T, S / 2>(r);
}

/// dst[k * ld + i] = src[i * stride + k] for up to LANES rows i. Where rows < LANES the stores run up to a vector over
/// (into the next k, which is written after): the destination has LANES elements to spare at its end.
template <class T>
void pack_strip(const T* src, int64_t stride, int rows, int64_t depth, T* dst, int64_t ld) {
  constexpr int L = LANES<T>;
  if (depth < L) {
    vec<T> r[L];
    for (int i = 0; i < L; ++i) {
      const T* row = src + stride * std::min(i, rows - 1);
      // Surplus lanes may be read as long as they lie before the end of the last row.
      const bool open = stride > 0 && (rows - 1 - i) * stride + depth >= L;
      r[i] = open ? load(row) : load_n(row, int(depth));
    }
    transpose<T>(r);
    for (int64_t k = 0; k < depth; ++k) store(dst + k * ld, r[k]);
    return;
  }
  const T* row[L];
  for (int i = 0; i < L; ++i) row[i] = src + stride * std::min(i, rows - 1);
  for (int64_t k = 0; k < depth; k += L) {
    k = std::min(k, depth - L);  // the last block overlaps the one before: no scalar rest
    vec<T> r[L];
    PYDL_UNROLL for (int i = 0; i < L; ++i) r[i] = load(row[i] + k);
    transpose<T>(r);
    PYDL_UNROLL for (int i = 0; i < L; ++i) store(dst + (k + i) * ld, r[i]);
  }
}

/// dst[k * ld + i] = src[k * stride + i], i < n; writes whole vectors (see pack_strip).
template <class T>
void pack_copy(const T* src, int64_t stride, int n, int64_t depth, T* dst, int64_t ld) {
  constexpr int L = LANES<T>;
  int whole = n / L * L, rest = n - whole;
  // Surplus lanes of a row may be read as long as they lie before the end of the last row.
  int64_t open = rest == 0 ? depth : stride >= L - rest ? depth - 1 : 0;
  for (int64_t k = 0; k < depth; ++k, src += stride, dst += ld) {
    for (int i = 0; i < whole; i += L) store(dst + i, load(src + i));
    if (rest) store(dst + whole, k < open ? load(src + whole) : load_n(src + whole, rest));
  }
}

/// Panel of n <= a few vectors along the rows of v, `depth` along its columns: dst[k * ld + i] = v(i, k).
template <class T>
void pack(View<T> v, int n, int64_t depth, T* dst, int64_t ld) {
  constexpr int L = LANES<T>;
  if (v.row == 1) return pack_copy(v.p, v.col, n, depth, dst, ld);
  if (v.col == 1 && n <= L) return pack_strip(v.p, v.row, n, depth, dst, ld);
  if (v.col == 1) {
    for (int g = 0; g < n; g += L) {
      int i = std::min(g, n - L);  // the last strip overlaps: a spill would destroy the first one's next row
      pack_strip(v.p + i * v.row, v.row, L, depth, dst + i, ld);
    }
    return;
  }
  for (int64_t k = 0; k < depth; ++k)
    for (int i = 0; i < n; ++i) dst[k * ld + i] = v.p[i * v.row + k * v.col];
}

}  // namespace gemm_detail
}  // namespace pydl
