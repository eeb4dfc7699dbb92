#include "gemm_kernel.h"

#include <array>
#include <utility>

#include "../functors.h"

namespace pydl::gemm_detail {

namespace {

/// With 16 registers GCC lets sums change places with the products and spills some: 100 instead of 144 GFLOP/s with
/// AVX2.
template <class V>
PYDL_INLINE void stay_in_register([[maybe_unused]] V& v) {
#if defined(__SSE2__) && !defined(__AVX512F__)
  asm volatile("" : "+x"(v));
#endif
}

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
}  // namespace

template <class T> void run_tile(int rows, int vectors, const Tile<T>& t) {
  static constexpr auto kernels = tile_kernels<T>(std::make_integer_sequence<int, TILE_ROWS * TILE_VECTORS>{});
  kernels[(rows - 1) * TILE_VECTORS + vectors - 1](t);
}
template void run_tile(int, int, const Tile<float>&);
template void run_tile(int, int, const Tile<double>&);

}  // namespace pydl::gemm_detail
