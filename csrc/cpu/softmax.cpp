#include <cmath>

#include "../kernels.h"
#include "lines.h"
#include "parallel.h"

// softmax and its logarithm over one axis of x, seen as (outer, n, inner). Rows (inner = 1) and columns, LANES at a time, are
// read from memory once: the further passes find them in the cache.
namespace pydl {
namespace {

struct Lines {
  int64_t outer, n, inner;
  Lines(const Array& x, int64_t dim) {
    expect(dim >= 0 && dim < x.ndim, "no such axis");
    outer = x.count(0, int(dim)), n = x.dim(int(dim)), inner = x.count(int(dim) + 1, x.ndim);
  }
};

/// row(offset) for each row, or columns(offset, lanes) for each strip of columns
template <class T, class R, class C> void each_line(const Lines& x, R&& row, C&& columns) {
  constexpr int L = LANES<T>;
  if (x.n == 0) return;
  if (x.inner == 1) {
    parallel_for(x.outer, GRAIN / 4 / x.n + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) row(i * x.n);
    });
    return;
  }
  const int64_t strips = (x.inner + L - 1) / L;
  parallel_for(x.outer * strips, GRAIN / 4 / (x.n * L) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % strips * L, offset = i / strips * x.n * x.inner + first;
      const int lanes = int(std::min<int64_t>(L, x.inner - first));
      if (lanes == L) columns(offset, L);  // a constant, which makes the partial loads plain ones
      else columns(offset, lanes);
    }
  });
}

}  // namespace

void softmax_forward(In x, Out y, int64_t dim) {
  expect_same(x, y, "y must be like x");
  const Lines shape(x, dim);
  by_float(x, [&](auto t) {
    using T = decltype(t);
    each_line<T>(
        shape,
        [&](int64_t o) {
          const T* in = x.ptr<T>() + o;
          T* out = y.ptr<T>() + o;
          const T sum = row_exp_sum(in, shape.n, row_max(in, shape.n), [&](vec<T> e, int64_t i, int lanes) {
            store_n(out + i, e, lanes);
            return e;
          });
          const T factor = T(1) / sum;
          each_vector<T>(shape.n, [&](int64_t i, int lanes) { store_n(out + i, load_n(out + i, lanes) * factor, lanes); });
        },
        [&](int64_t o, int lanes) __attribute__((always_inline)) {
          const T* in = x.ptr<T>() + o;
          T* out = y.ptr<T>() + o;
          const vec<T> max = column_max(in, shape.n, shape.inner, lanes);
          const vec<T> sum = column_exp_sum(in, shape.n, shape.inner, lanes, max, [&](vec<T> e, int64_t i) {
            store_n(out + i * shape.inner, e, lanes);
            return e;
          });
          const vec<T> factor = T(1) / sum;
          for (int64_t i = 0; i < shape.n; ++i) {
            T* p = out + i * shape.inner;
            store_n(p, load_n(p, lanes) * factor, lanes);
          }
        });
  });
}

/// gx = y (gy - sum y gy)
void softmax_backward(In y, In gy, Out gx, int64_t dim) {
  expect_same(y, gx, "gx must be like y");
  expect_same(y, gy, "gy must be like y");
  const Lines shape(y, dim);
  by_float(y, [&](auto t) {
    using T = decltype(t);
    constexpr int L = LANES<T>;
    each_line<T>(
        shape,
        [&](int64_t o) {
          const T *p = y.ptr<T>() + o, *g = gy.ptr<T>() + o;
          T* out = gx.ptr<T>() + o;
          vec<T> sums[2] = {};
          int64_t i = 0;
          for (; i + 2 * L <= shape.n; i += 2 * L)
            PYDL_UNROLL for (int k = 0; k < 2; ++k) sums[k] += load(p + i + k * L) * load(g + i + k * L);
          for (; i < shape.n; i += L) {
            int lanes = int(std::min<int64_t>(L, shape.n - i));
            sums[0] += load_n(p + i, lanes) * load_n(g + i, lanes);
          }
          const T sum = hsum<T>(sums[0] + sums[1]);
          each_vector<T>(shape.n, [&](int64_t i, int lanes) {
            store_n(out + i, load_n(p + i, lanes) * (load_n(g + i, lanes) - sum), lanes);
          });
        },
        [&](int64_t o, int lanes) __attribute__((always_inline)) {
          const T *p = y.ptr<T>() + o, *g = gy.ptr<T>() + o;
          T* out = gx.ptr<T>() + o;
          vec<T> sum{};
          for (int64_t i = 0, at = 0; i < shape.n; ++i, at += shape.inner) sum += load_n(p + at, lanes) * load_n(g + at, lanes);
          for (int64_t i = 0, at = 0; i < shape.n; ++i, at += shape.inner)
            store_n(out + at, load_n(p + at, lanes) * (load_n(g + at, lanes) - sum), lanes);
        });
  });
}

void log_softmax_forward(In x, Out y, int64_t dim) {
  expect_same(x, y, "y must be like x");
  const Lines shape(x, dim);
  by_float(x, [&](auto t) {
    using T = decltype(t);
    each_line<T>(
        shape,
        [&](int64_t o) {
          const T* in = x.ptr<T>() + o;
          T* out = y.ptr<T>() + o;
          const T max = row_max(in, shape.n);
          const T log_sum = std::log(row_exp_sum(in, shape.n, max, [](vec<T> e, int64_t, int) { return e; }));
          each_vector<T>(shape.n,
                         [&](int64_t i, int lanes) { store_n(out + i, (load_n(in + i, lanes) - max) - log_sum, lanes); });
        },
        [&](int64_t o, int lanes) __attribute__((always_inline)) {
          const T* in = x.ptr<T>() + o;
          T* out = y.ptr<T>() + o;
          const vec<T> max = column_max(in, shape.n, shape.inner, lanes);
          const vec<T> log_sum = vlog(column_exp_sum(in, shape.n, shape.inner, lanes, max, [](vec<T> e, int64_t) { return e; }));
          for (int64_t i = 0, at = 0; i < shape.n; ++i, at += shape.inner)
            store_n(out + at, (load_n(in + at, lanes) - max) - log_sum, lanes);
        });
  });
}

/// gx = gy - exp(y) sum gy
void log_softmax_backward(In y, In gy, Out gx, int64_t dim) {
  expect_same(y, gx, "gx must be like y");
  expect_same(y, gy, "gy must be like y");
  const Lines shape(y, dim);
  by_float(y, [&](auto t) {
    using T = decltype(t);
    constexpr int L = LANES<T>;
    each_line<T>(
        shape,
        [&](int64_t o) {
          const T *p = y.ptr<T>() + o, *g = gy.ptr<T>() + o;
          T* out = gx.ptr<T>() + o;
          vec<T> sums[2] = {};
          int64_t i = 0;
          for (; i + 2 * L <= shape.n; i += 2 * L) PYDL_UNROLL for (int k = 0; k < 2; ++k) sums[k] += load(g + i + k * L);
          for (; i < shape.n; i += L) sums[0] += load_n(g + i, int(std::min<int64_t>(L, shape.n - i)));
          const T sum = hsum<T>(sums[0] + sums[1]);
          each_vector<T>(shape.n, [&](int64_t i, int lanes) {
            store_n(out + i, load_n(g + i, lanes) - vexp(load_n(p + i, lanes)) * sum, lanes);
          });
        },
        [&](int64_t o, int lanes) __attribute__((always_inline)) {
          const T *p = y.ptr<T>() + o, *g = gy.ptr<T>() + o;
          T* out = gx.ptr<T>() + o;
          vec<T> sum{};
          for (int64_t i = 0, at = 0; i < shape.n; ++i, at += shape.inner) sum += load_n(g + at, lanes);
          for (int64_t i = 0, at = 0; i < shape.n; ++i, at += shape.inner)
            store_n(out + at, load_n(g + at, lanes) - vexp(load_n(p + at, lanes)) * sum, lanes);
        });
  });
}

}  // namespace pydl
