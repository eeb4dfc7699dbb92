#pragma once
// The innermost loop of every matrix product: a tile of H rows x W vectors of C held in registers.
// Every element of C is one chain of multiply-adds in ascending k, whatever the tile's height, width or thread: results
// do not depend on how the work was cut.
#include <cstdint>

#include "../simd.h"

namespace pydl::gemm_detail {

// Rows and vectors of the largest tile: as many sums as there are registers, less some for B and A.
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

/// Computes a tile of `rows` x `vectors` whole vectors (gemm_kernel.cpp).
template <class T> void run_tile(int rows, int vectors, const Tile<T>& t);

}  // namespace pydl::gemm_detail
