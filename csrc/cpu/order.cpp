#include "../kernels.h"
#include "parallel.h"

namespace pydl {
namespace {

/// One run of n sums of `width` neighbouring columns, a step apart; float is summed in double.
template <class T, int W> void running(const T* x, T* y, int64_t n, int64_t step, int64_t apart, int width) {
  double sum[W] = {};
  for (int64_t i = 0; i < n; ++i, x += step, y += step)
    for (int c = 0; c < width; ++c) y[c * apart] = T(sum[c] += x[c * apart]);
}

}  // namespace

/// y[o, i, c] = x[o, 0, c] + ... + x[o, i, c], or from the end with reverse.
void cumsum(In x, Out y, bool reverse) {
  expect(x.ndim == 3, "x (outer, n, inner)");
  expect_same(x, y, "y must be like x");
  const int64_t outer = x.dim(0), n = x.dim(1), inner = x.dim(2);
  constexpr int W = 8;  // columns, or rows where there is one column, at a time: one sum alone would wait for its additions
  by_float(x, [&](auto t) {
    using T = decltype(t);
    const bool rows = inner == 1;
    const int64_t blocks = rows ? (outer + W - 1) / W : (inner + W - 1) / W, apart = rows ? n : 1;
    const int64_t step = reverse ? -inner : inner, last = reverse ? (n - 1) * inner : 0;
    parallel_for(rows ? blocks : outer * blocks, GRAIN / (n * W + 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t e = begin; e < end; ++e) {
        const int64_t first = e % blocks * W, left = (rows ? outer : inner) - first;
        const int64_t start = (rows ? first * n : e / blocks * n * inner + first) + last;
        if (left >= W) running<T, W>(x.ptr<T>() + start, y.ptr<T>() + start, n, step, apart, W);
        else running<T, W>(x.ptr<T>() + start, y.ptr<T>() + start, n, step, apart, int(left));
      }
    });
  });
}

}  // namespace pydl
