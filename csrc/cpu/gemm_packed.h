#pragma once
// A right-hand side that is packed once and multiplied many times, as the weights of a recurrent layer are.
#include <vector>

#include "gemm.h"

namespace pydl {

template <class T>
class PackedMatrix {
 public:
  /// B (k, n) in any layout.
  PackedMatrix(View<T> b, int64_t k, int64_t n) : k_(k), n_(n), offsets_(k) {
    constexpr int WIDTH = gemm_detail::TILE_COLUMNS<T>;
    const int64_t panels = (n + WIDTH - 1) / WIDTH;
    panels_.resize(panels * k * WIDTH + LANES<T>);
    for (int64_t i = 0; i < k; ++i) offsets_[i] = i * WIDTH;
    for (int64_t p = 0; p < panels; ++p)
      gemm_detail::pack(b.from(0, p * WIDTH).transposed(), int(std::min<int64_t>(WIDTH, n - p * WIDTH)), k,
                        panels_.data() + p * k * WIDTH, WIDTH);
  }

  /// Columns of C, rounded up to whole vectors: what `add_product` writes.
  int64_t padded() const { return (n_ + LANES<T> - 1) / LANES<T> * LANES<T>; }

  /// C (m, padded) += A (m, k) B on the calling thread; A's rows are contiguous. Columns from n on hold no result.
  void add_product(int64_t m, const T* a, int64_t a_row, T* c, int64_t c_row) const {
    constexpr int WIDTH = gemm_detail::TILE_COLUMNS<T>;
    const Split rows(m, gemm_detail::TILE_ROWS);
    gemm_detail::Tile<T> t;
    t.k = k_, t.a_row = a_row, t.a_step = 1, t.b_offset = offsets_.data(), t.c_row = c_row, t.accumulate = true;
    for (int64_t j = 0; j < n_; j += WIDTH) {  // a panel of B meets all rows of A while it is in the first cache
      t.b = panels_.data() + j * k_;
      const int vectors = int((std::min<int64_t>(WIDTH, n_ - j) + LANES<T> - 1) / LANES<T>);
      for (int64_t p = 0; p < rows.count; ++p) {
        t.a = a + rows.start(p) * a_row, t.c = c + rows.start(p) * c_row + j;
        gemm_detail::run_tile(int(rows.length(p)), vectors, t);
      }
    }
  }

 private:
  int64_t k_, n_;
  std::vector<int64_t> offsets_;
  std::vector<T> panels_;
};

}  // namespace pydl
