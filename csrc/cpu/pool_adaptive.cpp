#include <cmath>
#include <limits>

#include "../kernels.h"
#include "lines.h"
#include "parallel.h"

namespace pydl {
namespace {

// Output i of n averages or maximizes over [first(i), last(i)) of N: windows that cover all and overlap by at most one element.
int64_t first(int64_t i, int64_t n, int64_t N) { return i * N / n; }
int64_t last(int64_t i, int64_t n, int64_t N) { return ((i + 1) * N + n - 1) / n; }

void expect_planes(const Array& x, const Array& y) {
  expect(x.ndim == 3 && y.ndim == 3 && x.dim(0) == y.dim(0) && x.dtype == y.dtype, "expected planes x (P, H, W), y (P, oh, ow)");
  constexpr int64_t top = int64_t(1) << 31;
  expect(x.dim(1) * x.dim(2) < top && y.dim(1) < top && y.dim(2) < top, "planes of 2^31 elements and more are not supported");
  expect(x.size > 0 || y.size == 0, "x is empty, y is not");
}
int64_t grain(const Array& x) { return GRAIN / (x.dim(1) * x.dim(2) + 1) + 1; }

}  // namespace

void adaptive_avg_pool_forward(In x, Out y) {
  expect_planes(x, y);
  if (!y.size) return;
  by_float(x, [&](auto t) {
    using T = decltype(t);
    const int64_t H = x.dim(1), W = x.dim(2), oh = y.dim(1), ow = y.dim(2);
    if (oh == 1 && ow == 1) {
      parallel_for(x.dim(0), grain(x), [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p) y.ptr<T>()[p] = row_sum(x.ptr<T>() + p * H * W, H * W) / T(H * W);
      });
      return;
    }
    parallel_for(x.dim(0), grain(x), [&](int64_t begin, int64_t end) {
      T* sums = scratch<T>(0, size_t(W));
      for (int64_t i = begin * oh; i < end * oh; ++i) {  // i: a row of y
        const int64_t y0 = first(i % oh, oh, H), y1 = last(i % oh, oh, H);
        const T* in = x.ptr<T>() + i / oh * H * W;
        T* out = y.ptr<T>() + i * ow;
        std::copy(in + y0 * W, in + y0 * W + W, sums);
        for (int64_t r = y0 + 1; r < y1; ++r)
          each_vector<T>(W, [&](int64_t c, int n) { store_n(sums + c, load_n(sums + c, n) + load_n(in + r * W + c, n), n); });
        for (int64_t j = 0; j < ow; ++j) {
          const int64_t x0 = first(j, ow, W), x1 = last(j, ow, W);
          T sum = sums[x0];
          for (int64_t c = x0 + 1; c < x1; ++c) sum += sums[c];
          out[j] = sum / T((y1 - y0) * (x1 - x0));
        }
      }
    });
  });
}

void adaptive_avg_pool_backward(In gy, Out gx) {
  expect_planes(gx, gy);
  by_float(gx, [&](auto t) {
    using T = decltype(t);
    const int64_t H = gx.dim(1), W = gx.dim(2), oh = gy.dim(1), ow = gy.dim(2);
    parallel_for(gx.dim(0), grain(gx), [&](int64_t begin, int64_t end) {
      T* row = scratch<T>(0, size_t(W));
      for (int64_t p = begin; p < end; ++p) {
        T* out = gx.ptr<T>() + p * H * W;
        if (oh == 1 && ow == 1) {
          std::fill(out, out + H * W, gy.ptr<T>()[p] / T(H * W));
          continue;
        }
        std::fill(out, out + H * W, T(0));
        for (int64_t i = 0; i < oh; ++i) {
          const int64_t y0 = first(i, oh, H), y1 = last(i, oh, H);
          const T* g = gy.ptr<T>() + (p * oh + i) * ow;
          std::fill(row, row + W, T(0));
          for (int64_t j = 0; j < ow; ++j) {
            const int64_t x0 = first(j, ow, W), x1 = last(j, ow, W);
            const T v = g[j] / T((y1 - y0) * (x1 - x0));
            for (int64_t c = x0; c < x1; ++c) row[c] += v;
          }
          for (int64_t r = y0; r < y1; ++r)
            each_vector<T>(
                W, [&](int64_t c, int n) { store_n(out + r * W + c, load_n(out + r * W + c, n) + load_n(row + c, n), n); });
        }
      }
    });
  });
}

void adaptive_max_pool_forward(In x, Out y, Out index) {
  expect_planes(x, y);
  expect(index.size == y.size && index.dtype == Dtype::i32, "index must be int32, like y");
  if (!y.size) return;
  by_float(x, [&](auto t) {
    using T = decltype(t);
    const int64_t H = x.dim(1), W = x.dim(2), oh = y.dim(1), ow = y.dim(2);
    parallel_for(x.dim(0), grain(x), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin * oh * ow; o < end * oh * ow; ++o) {
        const int64_t i = o / ow % oh, j = o % ow, x0 = first(j, ow, W), x1 = last(j, ow, W);
        const T* in = x.ptr<T>() + o / (oh * ow) * H * W;
        int64_t at = first(i, oh, H) * W + x0;
        T best = in[at];
        for (int64_t r = first(i, oh, H); r < last(i, oh, H); ++r)
          for (int64_t c = r * W + x0; c < r * W + x1; ++c)
            if (in[c] > best || std::isnan(in[c])) best = in[c], at = c;
        y.ptr<T>()[o] = best, index.ptr<int32_t>()[o] = int32_t(at);
      }
    });
  });
}

}  // namespace pydl
