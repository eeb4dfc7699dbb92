#include <cstring>

#include "../kernels.h"
#include "rows.h"

namespace pydl {
namespace {

/// How an axis lies in its array: x (outer, n, inner).
struct Axis {
  int64_t outer, n, inner;
  explicit Axis(const Array& x) : outer(x.dim(0)), n(x.dim(1)), inner(x.dim(2)) {}
};

bool same_but_axis(const Array& a, const Array& b) { return a.dim(0) == b.dim(0) && a.dim(2) == b.dim(2); }
bool same_shape(const Array& a, const Array& b) { return same_but_axis(a, b) && a.dim(1) == b.dim(1); }

void expect_index(const In& index) { expect(index.dtype == Dtype::i64, "the index must be int64"); }

/// f with an unsigned integer of the size of an element: what moves values without looking at them.
template <class F> void by_size(Dtype dtype, F&& f) {
  int size = item_size(dtype);
  if (size == 1) f(uint8_t{});
  else if (size == 4) f(uint32_t{});
  else f(uint64_t{});
}

enum Mode { SET, ADD, MULTIPLY };

/// f with a function that combines an element with what is written to it.
template <class F> void by_mode(int mode, Dtype dtype, F&& f) {
  if (mode == SET) {
    by_size(dtype, [&](auto t) { f([](auto& y, auto v) { y = v; }, t); });
    return;
  }
  auto with = [&](auto t) {
    if (mode == ADD) f([](auto& y, auto v) { y += v; }, t);
    else f([](auto& y, auto v) { y *= v; }, t);
  };
  if (dtype == Dtype::i64) with(uint64_t{});  // unsigned: wraps round where it overflows
  else if (dtype == Dtype::i32) with(uint32_t{});
  else if (dtype == Dtype::u8) with(uint8_t{});
  else by_float(dtype, with);
}

/// Columns that one task of a scatter takes: every destination is written by one task, in the order of the index.
constexpr int64_t COLUMNS = 64;

}  // namespace

/// y[o, j, i] = x[o, index[j], i]
void index_select(In x, In index, Out y) {
  expect(x.ndim == 3 && y.ndim == 3 && same_but_axis(x, y) && x.dtype == y.dtype, "x (outer, n, inner), y (outer, m, inner)");
  expect(index.size == y.dim(1), "one index a row of y");
  expect_index(index);
  Axis a(x);
  const int64_t m = index.size, *at = index.ptr<int64_t>();
  check_range(index, 0, m, a.n);
  if (a.inner == 1) {
    by_size(x.dtype, [&](auto t) {
      using T = decltype(t);
      parallel_for(a.outer * m, GRAIN, [&](int64_t begin, int64_t end) {
        for (int64_t e = begin; e < end;) {
          const T* from = x.ptr<T>() + e / m * a.n;
          int64_t j = e % m, stop = std::min(end, e + m - j);
          for (; e < stop; ++e, ++j) y.ptr<T>()[e] = from[at[j]];
        }
      });
    });
    return;
  }
  const int64_t row = a.inner * item_size(x.dtype);
  parallel_for(a.outer * m, GRAIN / (a.inner + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t e = begin; e < end; ++e)
      std::memcpy(y.ptr<char>() + e * row, x.ptr<char>() + (e / m * a.n + at[e % m]) * row, size_t(row));
  });
}

/// y[o, index[j], i] = source[o, j, i], or += with add; a source of one element is written everywhere.
void index_write(In index, In source, Out y, bool add) {
  expect(y.ndim == 3 && source.ndim == 3 && source.dtype == y.dtype, "y (outer, n, inner), source (outer, m, inner)");
  const bool one = source.size == 1;
  expect(one || (same_but_axis(source, y) && source.dim(1) == index.size), "source (outer, m, inner) or one element");
  expect_index(index);
  Axis a(y);
  const int64_t m = index.size, *at = index.ptr<int64_t>();
  check_range(index, 0, m, a.n);
  const int64_t blocks = (a.inner + COLUMNS - 1) / COLUMNS;
  by_mode(add ? ADD : SET, y.dtype, [&](auto combine, auto t) {
    using T = decltype(t);
    const T* from = source.ptr<T>();
    parallel_for(a.outer * blocks, GRAIN / (m * std::min(a.inner, COLUMNS) + 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t e = begin; e < end; ++e) {
        int64_t o = e / blocks, c = e % blocks * COLUMNS, width = std::min(COLUMNS, a.inner - c);
        T* to = y.ptr<T>() + o * a.n * a.inner + c;
        const T* row = from + (one ? 0 : o * m * a.inner + c);
        if (a.inner == 1) {
          for (int64_t j = 0; j < m; ++j) combine(to[at[j]], row[one ? 0 : j]);
          continue;
        }
        for (int64_t j = 0; j < m; ++j) {
          T* r = to + at[j] * a.inner;
          if (one)
            for (int64_t i = 0; i < width; ++i) combine(r[i], *row);
          else
            for (int64_t i = 0; i < width; ++i) combine(r[i], row[j * a.inner + i]);
        }
      }
    });
  });
}

/// y[o, j, i] = x[o, index[o, j, i], i]
void gather(In x, In index, Out y) {
  expect(x.ndim == 3 && y.ndim == 3 && index.ndim == 3, "x (outer, n, inner), index and y (outer, m, inner)");
  expect(same_but_axis(x, y) && same_shape(index, y) && x.dtype == y.dtype, "x (outer, n, inner), index and y (outer, m, inner)");
  expect_index(index);
  Axis a(x);
  const int64_t m = y.dim(1), rows = a.outer * m, *at = index.ptr<int64_t>();
  by_size(x.dtype, [&](auto t) {
    using T = decltype(t);
    parallel_for(rows, GRAIN / (a.inner + 1) + 1, [&](int64_t begin, int64_t end) {
      check_range(index, begin * a.inner, end * a.inner, a.n);
      if (a.inner == 1) {
        for (int64_t e = begin; e < end;) {
          const T* from = x.ptr<T>() + e / m * a.n;
          for (const int64_t stop = std::min(end, (e / m + 1) * m); e < stop; ++e) y.ptr<T>()[e] = from[at[e]];
        }
        return;
      }
      for (int64_t e = begin; e < end; ++e) {
        const T* from = x.ptr<T>() + e / m * a.n * a.inner;
        const int64_t* j = at + e * a.inner;
        T* to = y.ptr<T>() + e * a.inner;
        for (int64_t i = 0; i < a.inner; ++i) to[i] = from[j[i] * a.inner + i];
      }
    });
  });
}

/// y[o, index[o, j, i], i] = source[o, j, i] (mode 0), += (1), *= (2); a source of one element is written everywhere.
void scatter(In index, In source, Out y, int mode) {
  expect(y.ndim == 3 && index.ndim == 3 && same_but_axis(index, y), "y (outer, n, inner), index (outer, m, inner)");
  const bool one = source.size == 1;
  expect(source.dtype == y.dtype && (one || (source.ndim == 3 && same_shape(index, source))), "source like index, in y's dtype");
  expect(mode >= SET && mode <= MULTIPLY, "mode is 0, 1 or 2");
  expect_index(index);
  Axis a(y);
  const int64_t m = index.dim(1), *at = index.ptr<int64_t>();
  check_range(index, 0, index.size, a.n);
  const int64_t blocks = (a.inner + COLUMNS - 1) / COLUMNS;
  by_mode(mode, y.dtype, [&](auto combine, auto t) {
    using T = decltype(t);
    const T* from = source.ptr<T>();
    parallel_for(a.outer * blocks, GRAIN / (m * std::min(a.inner, COLUMNS) + 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t e = begin; e < end; ++e) {
        int64_t o = e / blocks, c = e % blocks * COLUMNS, width = std::min(COLUMNS, a.inner - c);
        T* to = y.ptr<T>() + o * a.n * a.inner + c;
        if (a.inner == 1) {
          for (int64_t j = o * m; j < (o + 1) * m; ++j) combine(to[at[j]], from[one ? 0 : j]);
          continue;
        }
        for (int64_t j = 0; j < m; ++j) {
          const int64_t first = (o * m + j) * a.inner + c;
          for (int64_t i = 0; i < width; ++i) combine(to[at[first + i] * a.inner + i], from[one ? 0 : first + i]);
        }
      }
    });
  });
}

}  // namespace pydl
