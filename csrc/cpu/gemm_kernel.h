#pragma once
// The innermost loop of every matrix product: a tile of H rows x W vectors of C held in registers.
// Every element of C is one chain of multiply-adds in ascending k, whatever the tile's height, width or thread: results
// do not depend on how the work was cut.
#include <array>
#include <utility>

#include "../functors.h"

namespace pydl::gemm_detail {

// Rows and vectors of the largest tile: as many accumulators as there are registers, less two vectors of B and one of
// A.
#if defined(__AVX512F__)
constexpr int TILE_ROWS = 14;  // 14 x 2 of 32 registers
#elif defined(__aarch64__)
constexpr int TILE_ROWS = 12;  // 12 x 2 of 32
#else
constexpr int TILE_ROWS = 6;  // 6 x 2 of 16
#endif
constexpr int TILE_VECTORS = 2;
template <class T>
constexpr int TILE_COLUMNS = TILE_VECTORS * LANES<T>;

/// With 16 registers GCC lets sums change places with the products and spills some: 100 instead of 144 GFLOP/s with
/// AVX2.
template <class V>
PYDL_INLINE void stay_in_register([[maybe_unused]] V& v) {
#if defined(__SSE2__) && !defined(__AVX512F__)
  asm volatile("" : "+x"(v));
#endif
}

/// One tile: C[i][j] (+)= bias + sum over k of a[i * a_row + k * a_step] * b[b_offset[k] + j].
/// The offsets let one kernel read packed panels, a matrix in place, and the taps of a convolution (implicit im2col).
template <class T>
struct Tile {
  int64_t k = 0;
  const T* a = nullptr;
  int64_t a_row = 0, a_step = 0;
  const T* b = nullptr;
  const int64_t* b_offset = nullptr;
  T* c = nullptr;
  int64_t c_row = 0;
  int64_t b_vector = LANES<T>, c_vector = LANES<T>;  // from a tile's first vector to its second, in B and in C
  const T* row_bias = nullptr;                       // bias[i], where the sum starts
  const T* col_bias = nullptr;                       // bias[j]; whole vectors are read
  bool accumulate = false;                           // the sum starts from C, which already has the bias
  bool relu = false;
};

template <class T, int H, int W>
void tile_kernel(const Tile<T>& t) {
  constexpr int L = LANES<T>, GROUPS = (H + 2) / 3;
  vec<T> sum[H][W];
  // The rows of A hang on one pointer per three rows, with the row stride as index (x86 addresses p, p + s, p + 2s):
  // a pointer each would not fit into the general registers.
  const char* row[GROUPS];
  const int64_t row_bytes = t.a_row * int64_t(sizeof(T)), step_bytes = t.a_step * int64_t(sizeof(T));
  PYDL_UNROLL for (int g = 0; g < GROUPS; ++g) row[g] = (const char*)t.a + 3 * g * row_bytes;

  PYDL_UNROLL for (int i = 0; i < H; ++i) PYDL_UNROLL for (int j = 0; j < W; ++j) {
    if (t.accumulate) sum[i][j] = load(t.c + i * t.c_row + j * t.c_vector);
    else if (t.row_bias) sum[i][j] = splat(t.row_bias[i]);
    else if (t.col_bias) sum[i][j] = load(t.col_bias + j * L);
    else sum[i][j] = vec<T>{};
  }
  const int64_t* offset = t.b_offset;
  const T* b = t.b;
  const int64_t b_vector = t.b_vector;
  auto step = [&](int64_t b_offset) __attribute__((always_inline)) {
    vec<T> bv[W];
    PYDL_UNROLL for (int j = 0; j < W; ++j) bv[j] = load(b + b_offset + j * b_vector);
    PYDL_UNROLL for (int i = 0; i < H; ++i) {
      T av = *(const T*)(row[i / 3] + (i % 3) * row_bytes);
      PYDL_UNROLL for (int j = 0; j < W; ++j) {
        sum[i][j] += av * bv[j];
        stay_in_register(sum[i][j]);
      }
    }
    // Opaque to the compiler, which would otherwise load the A of later steps early and spill the sums.
    PYDL_UNROLL for (int g = 0; g < GROUPS; ++g) {
      row[g] += step_bytes;
      asm volatile("" : "+r"(row[g]));
    }
  };
  int64_t k = t.k;
  for (; k >= 4; k -= 4, offset += 4) PYDL_UNROLL for (int u = 0; u < 4; ++u) step(offset[u]);
  for (; k > 0; --k, ++offset) step(*offset);

  if (t.relu)
    PYDL_UNROLL for (int i = 0; i < H; ++i) PYDL_UNROLL for (int j = 0; j < W; ++j) sum[i][j] =
        rules::relu::value(sum[i][j], T(0), T(0));
  PYDL_UNROLL for (int i = 0; i < H; ++i) PYDL_UNROLL for (int j = 0; j < W; ++j)
      store(t.c + i * t.c_row + j * t.c_vector, sum[i][j]);
}

template <class T, int... I>
constexpr auto tile_kernels(std::integer_sequence<int, I...>) {
  return std::array<void (*)(const Tile<T>&), sizeof...(I)>{tile_kernel<T, I / TILE_VECTORS + 1, I % TILE_VECTORS + 1>...};
}
/// Computes a tile of `rows` x `vectors` whole vectors.
template <class T>
inline void run_tile(int rows, int vectors, const Tile<T>& t) {
  static constexpr auto kernels = tile_kernels<T>(std::make_integer_sequence<int, TILE_ROWS * TILE_VECTORS>{});
  kernels[(rows - 1) * TILE_VECTORS + vectors - 1](t);
}

}  // namespace pydl::gemm_detail
