#include "gemm.h"

#include "../functors.h"
#include "gemm_thin.h"
#include "parallel.h"

// Blocks for the caches, panels for the kernel: C is computed in blocks of PACKED_DEPTH x COLUMNS of B (packed once, in
// the L2 cache); within a block one panel of TILE_ROWS rows of A (packed, in the L1 cache) meets all panels of B in
// turn.
namespace pydl {

using namespace gemm_detail;

template <class T>
void activate(Activation activation, T* p, int64_t ld, int64_t rows, int64_t columns) {
  auto each = [&](auto rule) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; j += LANES<T>) {
        vec<T> x = load(p + i * ld + j);
        store(p + i * ld + j, rule.value(x, T(0), T(0)));
      }
  };
  switch (activation) {
    case Activation::none:
      return;
    case Activation::relu:
      return each(rules::relu{});
    case Activation::gelu:
      return each(rules::gelu{});
    case Activation::tanh:
      return each(rules::tanh{});
    case Activation::sigmoid:
      return each(rules::sigmoid{});
  }
}
template void activate(Activation, float*, int64_t, int64_t, int64_t);
template void activate(Activation, double*, int64_t, int64_t, int64_t);

namespace {

constexpr int64_t COLUMNS = 640;

/// Rows at a multiple of 2 KB share so few sets of the L1 cache that a panel of them evicts itself.
template <class T>
bool conflicts(int64_t stride) {
  return stride * int64_t(sizeof(T)) % 2048 == 0;
}

/// May the kernel read A where it lies? It then costs no packing, but each panel of B reads it with A's strides.
template <class T>
bool read_in_place(View<T> a, int64_t n) {
  if (a.col == 1) return n <= 2 * TILE_COLUMNS<T> && !conflicts<T>(a.row);
  return a.row == 1 && n <= 4 * TILE_COLUMNS<T> && a.col * int64_t(sizeof(T)) < 1024;
}

/// A tile at the edge of C, or of a C stored by columns: computed in a buffer, then copied. It starts from C or the
/// bias like any other tile, so that an element does not depend on which kind of tile it falls in.
template <class T>
void edge_tile(Tile<T> t, int rows, int columns, int64_t c_col, Activation activation) {
  constexpr int L = LANES<T>, LD = TILE_COLUMNS<T>;
  alignas(64) T buffer[(TILE_ROWS + L) * LD];
  T* c = t.c;
  int64_t c_row = t.c_row;
  int vectors = (columns + L - 1) / L;
  if (t.accumulate || t.col_bias) {
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j) buffer[i * LD + j] = t.accumulate ? c[i * c_row + j * c_col] : t.col_bias[j];
    for (int i = 0; i < rows; ++i)
      for (int j = columns; j < vectors * L; ++j) buffer[i * LD + j] = 0;
    t.accumulate = true;
  }
  t.c = buffer, t.c_row = LD;
  run_tile(rows, vectors, t);
  activate(activation, buffer, LD, rows, columns);
  if (c_col == 1) {
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; j += L) store_n(c + i * c_row + j, load(buffer + i * LD + j), columns - j);
    return;
  }
  for (int j0 = 0; j0 < columns; j0 += L)
    for (int i0 = 0; i0 < rows; i0 += L) {
      vec<T> r[L];
      PYDL_UNROLL for (int i = 0; i < L; ++i) r[i] = load(buffer + (i0 + i) * LD + j0);
      transpose<T>(r);
      alignas(64) T column[L][L];
      PYDL_UNROLL for (int j = 0; j < L; ++j) store(column[j], r[j]);
      for (int j = j0; j < std::min(columns, j0 + L); ++j) store_n(c + i0 * c_row + j * c_col, load(column[j - j0]), rows - i0);
    }
}

/// One thread's product.
template <class T>
void gemm_block(const Gemm<T>& g) {
  constexpr int L = LANES<T>, WIDTH = TILE_COLUMNS<T>;
  const Split rows(g.m, TILE_ROWS);
  const int64_t depth = std::max<int64_t>(8, (Split(g.k, PACKED_DEPTH).length(0) + 7) / 8 * 8);
  const int64_t width = (Split(g.n, COLUMNS).length(0) + WIDTH - 1) / WIDTH * WIDTH;
  const bool b_in_place =
      g.b.col == 1 && (rows.count == 1 || (g.k * g.n * int64_t(sizeof(T)) <= 1 << 16 && g.b.row * int64_t(sizeof(T)) < 1024));
  const bool a_in_place = read_in_place(g.a, g.n);
  T* b_panels = scratch<T>(0, (depth + 2) * (width + WIDTH));
  T* a_panel = scratch<T>(1, depth * TILE_ROWS + L);
  int64_t b_rows[PACKED_DEPTH];
  if (b_in_place)
    for (int64_t k = 0; k < depth; ++k) b_rows[k] = k * g.b.row;

  for (int64_t k0 = 0; k0 < g.k || k0 == 0; k0 += depth) {
    const bool first = k0 == 0, last = k0 + depth >= g.k;
    Tile<T> t;
    t.k = std::min(depth, g.k - k0);
    t.c_row = g.c_row;
    t.accumulate = g.accumulate || !first;
    t.relu = last && g.activation == Activation::relu;
    const Activation activation = last && !t.relu ? g.activation : Activation::none;
    for (int64_t j0 = 0; j0 < g.n; j0 += width) {
      const int64_t n = std::min(width, g.n - j0);
      const View<T> b = g.b.from(k0, j0);
      const int64_t packed_from = b_in_place ? n / L * L : 0;  // whole vectors can be read in place
      for (int64_t j = packed_from; j < n; j += WIDTH)
        pack(b.from(0, j).transposed(), int(std::min<int64_t>(WIDTH, n - j)), t.k, b_panels + j * t.k, WIDTH);
      for (int64_t p = 0; p < rows.count; ++p) {
        const int64_t i = rows.start(p);
        const int h = int(rows.length(p));
        const View<T> a = g.a.from(i, k0);
        if (a_in_place) {
          t.a = a.p, t.a_row = a.row, t.a_step = a.col;
        } else {
          pack(a, h, t.k, a_panel, h);
          t.a = a_panel, t.a_row = 1, t.a_step = h;
        }
        t.row_bias = g.row_bias ? g.row_bias + i : nullptr;
        for (int64_t j = 0; j < n;) {
          const bool in_place = j < packed_from;
          const int w = int(std::min<int64_t>(WIDTH, (in_place ? packed_from : n) - j));
          t.b = in_place ? b.p + j : b_panels + j * t.k;
          t.b_offset = in_place ? b_rows : PACKED_ROWS<T>.offset;
          t.c = g.c + i * g.c_row + (j0 + j) * g.c_col;
          t.col_bias = g.col_bias ? g.col_bias + j0 + j : nullptr;
          if (g.c_col == 1 && w % L == 0) {
            run_tile(h, w / L, t);
            activate(activation, t.c, t.c_row, h, w);
          } else {
            edge_tile(t, h, w, g.c_col, activation);
          }
          j += w;
        }
      }
    }
  }
}

/// Cuts C into a grid of as many blocks as threads, the cheapest one by padded work and packing.
template <class T>
void gemm_grid(const Gemm<T>& g, int threads) {
  constexpr int64_t L = LANES<T>;
  int best = 1;
  double least = 1e300;
  for (int d = 1; d <= threads; ++d) {
    if (threads % d) continue;
    double m = double((g.m + d - 1) / d), n = double((g.n + threads / d - 1) / (threads / d)), k = double(g.k);
    double cost = std::max(m, 8.0) * double((int64_t(n) + L - 1) / L * L) * k / TILE_COLUMNS<T> + 0.3 * (m + n) * k;
    if (cost < least) least = cost, best = d;
  }
  auto pieces = [](int64_t units, int64_t count) { return Split(units, (units + count - 1) / count); };
  const Split down = pieces((g.m + 3) / 4, best), across = pieces((g.n + L - 1) / L, threads / best);
  parallel_for(down.count * across.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      int64_t i = block / across.count, j = block % across.count;
      int64_t m0 = down.start(i) * 4, n0 = across.start(j) * L;
      gemm_block(g.part(m0, std::min(g.m - m0, down.length(i) * 4), n0, std::min(g.n - n0, across.length(j) * L)));
    }
  });
}

/// B's columns are contiguous (x W^T): is it cheaper to compute C^T = W x^T, transposing x and C instead of W?
template <class T>
bool cheaper_transposed(const Gemm<T>& g) {
  if (g.b.row != 1 || g.b.col == 1 || g.a.col != 1) return false;
  auto pad = [](int64_t n) { return double((n + LANES<T> - 1) / LANES<T> * LANES<T>) / double(n); };
  double m = double(g.m), n = double(g.n), k = double(g.k), product = m * n * k / TILE_COLUMNS<T>;
  double stay = 0.3 * n * k + (read_in_place(g.a, g.n) ? 0 : 0.3 * m * k) + product * pad(g.n);
  double swap = 0.3 * m * k + (read_in_place(g.b.transposed(), g.m) ? 0 : 0.3 * n * k) + 0.5 * m * n + product * pad(g.m);
  return swap < stay;
}

}  // namespace

template <class T>
void gemm(const Gemm<T>& given) {
  if (given.m == 0 || given.n == 0) return;
  Gemm<T> g = given;
  if (g.c_col != 1 && g.c_row == 1) g = g.transposed();
  if (is_thin(g)) return thin_product(g);
  if (cheaper_transposed(g)) g = g.transposed();
  const bool small = double(g.m) * double(g.n) * double(g.k) < 2e5;  // a few microseconds: not worth waking a thread
  const int threads = small ? 1 : num_threads();
  if (threads == 1) gemm_block(g);
  else gemm_grid(g, threads);
}
template void gemm(const Gemm<float>&);
template void gemm(const Gemm<double>&);

}  // namespace pydl
