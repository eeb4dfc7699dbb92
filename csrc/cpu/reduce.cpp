#include <algorithm>
#include <limits>
#include <vector>

#include "kernels.h"
#include "parallel.h"
#include "strided.h"

// Reductions of x (outer, n, inner) over n. The order of additions is a tree that depends on the shape alone: blocks of BLOCK
// terms in a few vector accumulators, blocks joined pairwise, so that float32 sums stay as accurate as numpy's.
namespace pydl {
namespace {

constexpr int64_t ROWS = 32;        // rows that a strip of columns adds up before it joins pairwise
constexpr int64_t SHORT = 32;       // rows of at most so many terms are reduced side by side
constexpr int64_t CHUNK = 1 << 15;  // elements that one task reduces; larger ones leave partial results

struct Add {
  template <class T> static constexpr T init() { return 0; }
  template <class V> static PYDL_INLINE V join(V a, V b) { return a + b; }
};
struct Mul {
  template <class T> static constexpr T init() { return 1; }
  template <class V> static PYDL_INLINE V join(V a, V b) { return a * b; }
};
struct Max {
  template <class T> static constexpr T init() { return -std::numeric_limits<T>::infinity(); }
  template <class V> static PYDL_INLINE V join(V a, V b) { return rules::maximum::value(a, b); }
  template <class V> static PYDL_INLINE auto better(V a, V b) { return a > b; }
};
struct Min {
  template <class T> static constexpr T init() { return std::numeric_limits<T>::infinity(); }
  template <class V> static PYDL_INLINE V join(V a, V b) { return rules::minimum::value(a, b); }
  template <class V> static PYDL_INLINE auto better(V a, V b) { return a < b; }
};

// What happens to an element first; p is a parameter that belongs to the result (its maximum, its mean).
struct Same {
  template <class V> static PYDL_INLINE V of(V x, V) { return x; }
};
struct ExpOfDifference {
  template <class V> static PYDL_INLINE V of(V x, V p) { return vexp(x - p); }
};
struct SquareOfDifference {
  template <class V> static PYDL_INLINE V of(V x, V p) { return (x - p) * (x - p); }
};

/// n < LANES elements in the last lanes.
template <class T> PYDL_INLINE vec<T> shifted_load(const T* p, int n) {
  T t[2 * LANES<T>] = {};
  for (int k = 0; k < n; ++k) t[LANES<T> + k] = p[k];
  return load(t + n);
}
/// v in the lanes from `first` on, what adds nothing in the others.
template <class T, class Op> PYDL_INLINE vec<T> lanes_from(vec<T> v, int first) {
  return lane_numbers<T>() < ints<T>{} + first ? splat(Op::template init<T>()) : v;
}
/// Joins n contiguous elements, lane by lane.
template <class T, class Op, class Map> vec<T> row(const T* x, int64_t n, T p) {
  constexpr int L = LANES<T>, N = 8;  // as many accumulators hide the latency of the longest join, that of max
  constexpr int64_t BLOCK = 128 * L;  // 16 terms a lane, as many as numpy's
  if (n > BLOCK) {
    int64_t half = (n / 2 + BLOCK - 1) / BLOCK * BLOCK;
    vec<T> a = row<T, Op, Map>(x, half, p);
    return Op::join(a, row<T, Op, Map>(x + half, n - half, p));
  }
  vec<T> acc[N], q = splat(p);
  PYDL_UNROLL for (int k = 0; k < N; ++k) acc[k] = splat(Op::template init<T>());
  int64_t i = 0;
  for (; i + N * L <= n; i += N * L)
    PYDL_UNROLL for (int k = 0; k < N; ++k) acc[k] = Op::join(acc[k], vec<T>(Map::of(load(x + i + k * L), q)));
  PYDL_UNROLL for (int k = 0; k < N - 1; ++k) if (i + L <= n) acc[k] = Op::join(acc[k], vec<T>(Map::of(load(x + i), q))), i += L;
  if (i < n) {  // the last vector again, without the lanes that were in it before
    int rest = int(n - i);
    vec<T> v = n >= L ? load(x + n - L) : shifted_load(x, rest);
    acc[N - 1] = Op::join(acc[N - 1], lanes_from<T, Op>(Map::of(v, q), L - rest));
  }
  PYDL_UNROLL for (int k = 0; k < 4; ++k) acc[k] = Op::join(acc[k], acc[k + 4]);
  return Op::join(vec<T>(Op::join(acc[0], acc[2])), vec<T>(Op::join(acc[1], acc[3])));
}
/// V vectors side by side; the last of a matrix's row may be partial, `lanes` wide.
template <class T, int V> struct Strip {
  vec<T> v[V];
  static PYDL_INLINE Strip at(const T* p, int lanes) {
    Strip s;
    PYDL_UNROLL for (int k = 0; k < V; ++k) s.v[k] = V == 1 ? load_n(p, lanes) : load(p + k * LANES<T>);
    return s;
  }
};
template <class T, int V, class Op, class Map>
Strip<T, V> columns(const T* x, int64_t stride, int64_t n, const Strip<T, V>& p, int lanes) {
  if (n > ROWS) {
    int64_t half = (n / 2 + ROWS - 1) / ROWS * ROWS;
    auto a = columns<T, V, Op, Map>(x, stride, half, p, lanes);
    auto b = columns<T, V, Op, Map>(x + half * stride, stride, n - half, p, lanes);
    PYDL_UNROLL for (int k = 0; k < V; ++k) a.v[k] = Op::join(a.v[k], b.v[k]);
    return a;
  }
  Strip<T, V> acc;
  PYDL_UNROLL for (int k = 0; k < V; ++k) acc.v[k] = splat(Op::template init<T>());
  for (int64_t r = 0; r < n; ++r, x += stride) {
    auto s = Strip<T, V>::at(x, lanes);
    PYDL_UNROLL for (int k = 0; k < V; ++k) acc.v[k] = Op::join(acc.v[k], vec<T>(Map::of(s.v[k], p.v[k])));
  }
  return acc;
}

/// y (outer, inner) = join over n of Map(x (outer, n, inner), p (outer, inner)); p may be null. `stride`: between outer
/// entries of x.
template <class T, class Op, class Map>
void reduce(const T* x, int64_t stride, const T* p, T* y, int64_t outer, int64_t n, int64_t inner) {
  constexpr int L = LANES<T>;
  if (outer * inner == 0) return;
  if (inner == 1 && n <= SHORT) {  // a row at a time would leave most lanes idle: transpose, and reduce columns
    parallel_for((outer + L - 1) / L, GRAIN / (SHORT * L), [&](int64_t begin, int64_t end) {
      T tile[SHORT * L] = {};
      for (int64_t o = begin * L; o < std::min(outer, end * L); o += L) {
        int rows = int(std::min<int64_t>(L, outer - o));
        for (int r = 0; r < rows; ++r)
          for (int64_t j = 0; j < n; ++j) tile[j * L + r] = x[(o + r) * stride + j];
        auto q = p ? Strip<T, 1>::at(p + o, rows) : Strip<T, 1>{};
        store_n(y + o, columns<T, 1, Op, Map>(tile, L, n, q, L).v[0], rows);
      }
    });
    return;
  }
  if (inner == 1) {
    int64_t chunks = std::max<int64_t>(1, (n + CHUNK - 1) / CHUNK);
    std::vector<T> partial(chunks > 1 ? outer * chunks : 0);
    T* to = chunks > 1 ? partial.data() : y;
    parallel_for(outer * chunks, GRAIN / std::max<int64_t>(1, std::min(n, CHUNK)), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        int64_t o = t / chunks, first = t % chunks * CHUNK;
        vec<T> v = row<T, Op, Map>(x + o * stride + first, std::min(CHUNK, n - first), p ? p[o] : T(0));
        to[t] = fold<T, L>(v, [](auto a, auto b) { return Op::join(a, b); });
      }
    });
    if (chunks > 1) reduce<T, Op, Same>(to, chunks, nullptr, y, outer, chunks, 1);
    return;
  }
  int64_t fold = L;  // narrow matrices: `fold` rows laid side by side fill whole vectors
  while (fold > 1 && fold / 2 * inner % L == 0) fold /= 2;
  if (inner < 2 * L && inner * fold > inner && n >= 4 * fold) {
    int64_t width = fold * inner, count = n / fold, rest = n % fold;
    std::vector<T> wide(outer * width), wide_p(p ? outer * width : 0), last(rest ? outer * inner : 0);
    for (size_t i = 0; i < wide_p.size(); ++i) wide_p[i] = p[i / width * inner + i % inner];
    reduce<T, Op, Map>(x, stride, p ? wide_p.data() : nullptr, wide.data(), outer, count, width);
    reduce<T, Op, Same>(wide.data(), width, nullptr, y, outer, fold, inner);
    if (rest) {
      reduce<T, Op, Map>(x + count * width, stride, p, last.data(), outer, rest, inner);
      for (size_t i = 0; i < last.size(); ++i) y[i] = Op::join(y[i], last[i]);
    }
    return;
  }
  int64_t rows = std::max(ROWS, CHUNK / inner / ROWS * ROWS), chunks = std::max<int64_t>(1, (n + rows - 1) / rows);
  constexpr int64_t BAND = 1024;
  int64_t bands = (inner + BAND - 1) / BAND;
  std::vector<T> partial(chunks > 1 ? outer * chunks * inner : 0);
  T* to = chunks > 1 ? partial.data() : y;
  int64_t work = std::min(n, rows) * std::min(inner, BAND);
  parallel_for(outer * chunks * bands, GRAIN / std::max<int64_t>(1, work), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int64_t c = t / bands % chunks, o = t / bands / chunks, i = t % bands * BAND, i_end = std::min(inner, i + BAND);
      const T* from = x + o * stride + c * rows * inner;
      int64_t count = std::min(rows, n - c * rows);
      auto strip = [&](auto width) {
        constexpr int V = decltype(width)::value;
        int lanes = int(std::min<int64_t>(i_end - i, L));
        auto q = p ? Strip<T, V>::at(p + o * inner + i, lanes) : Strip<T, V>{};
        auto s = columns<T, V, Op, Map>(from + i, inner, count, q, lanes);
        T* out = to + (o * chunks + c) * inner + i;
        PYDL_UNROLL for (int k = 0; k < V; ++k) store_n(out + k * L, s.v[k], lanes);
        i += V * L;
      };
      while (i + 4 * L <= i_end) strip(std::integral_constant<int, 4>{});
      while (i < i_end) strip(std::integral_constant<int, 1>{});
    }
  });
  if (chunks > 1) reduce<T, Op, Same>(to, chunks * inner, nullptr, y, outer, chunks, inner);
}

void check(const In& x, const Out& y) {
  expect(x.ndim == 3 && y.ndim == 2 && x.shape[0] == y.shape[0] && x.shape[2] == y.shape[1],
         "a reduction takes x (outer, n, inner) and y (outer, inner)");
}
template <class T, class Op, class Map = Same> void reduce(const In& x, const T* p, T* y) {
  int64_t n = x.shape[1], inner = x.shape[2];
  reduce<T, Op, Map>(x.ptr<const T>(), n * inner, p, y, x.shape[0], n, inner);
}
template <class Op> void reduce(const In& x, const Out& y, double divisor = 1) {
  check(x, y);
  expect(x.dtype == y.dtype, "input and output differ in dtype");
  by_float(x, [&](auto t) {
    using T = decltype(t);
    reduce<T, Op>(x, static_cast<const T*>(nullptr), y.ptr<T>());
    if (divisor != 1)
      for (int64_t i = 0; i < y.size; ++i) y.ptr<T>()[i] /= T(divisor);
  });
}

/// The first position of the best element of each column; NaN is better than any number.
template <class T, class Op> void search_columns(const T* x, int64_t n, int64_t inner, int lanes, int64_t* index) {
  vec<T> best = load_n(x, lanes);
  decltype(best < best) at{};
  for (int64_t r = 1; r < n; ++r) {
    vec<T> v = load_n(x + r * inner, lanes);
    auto take = (Op::better(v, best) | (v != v)) & (best == best);
    best = take ? v : best;
    at = take ? decltype(at){} + typename Format<T>::Int(r) : at;
  }
  for (int k = 0; k < lanes; ++k) index[k] = at[k];
}
/// The first position of `best` (or of a NaN where it is one) among n elements.
template <class T> int64_t find(const T* x, int64_t n, T best) {
  if (best != best) {
    for (int64_t i = 0; i < n; ++i)
      if (x[i] != x[i]) return i;
  }
  constexpr int64_t STEP = 4 * LANES<T>;
  int64_t i = 0;
  for (; i + STEP <= n; i += STEP) {
    int hits = 0;
    for (int64_t k = 0; k < STEP; ++k) hits |= x[i + k] == best;
    if (hits) break;
  }
  while (i < n - 1 && x[i] != best) ++i;
  return i;
}
template <class Op> void search(const In& x, const Out& index) {
  check(x, index);
  expect(index.dtype == Dtype::i64, "indices are int64");
  int64_t outer = x.shape[0], n = x.shape[1], inner = x.shape[2];
  if (index.size == 0) return;
  expect(n > 0 && n < (int64_t(1) << 31), "an extreme needs between 1 and 2^31 - 1 elements");
  by_float(x, [&](auto t) {
    using T = decltype(t);
    int64_t* at = index.ptr<int64_t>();
    const T* from = x.ptr<const T>();
    if (inner == 1) {
      std::vector<T> best(outer);
      reduce<T, Op>(x, static_cast<const T*>(nullptr), best.data());
      parallel_for(outer, GRAIN / n, [&](int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; ++o) at[o] = find(from + o * n, n, best[o]);
      });
      return;
    }
    constexpr int L = LANES<T>;
    int64_t strips = (inner + L - 1) / L;
    parallel_for(outer * strips, GRAIN / (n * L), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        int64_t o = t / strips, i = t % strips * L;
        search_columns<T, Op>(from + o * n * inner + i, n, inner, int(std::min<int64_t>(L, inner - i)), at + o * inner + i);
      }
    });
  });
}

/// y (outer, inner) seen as (outer, n, inner).
Strided along(const Array& y, int64_t n) {
  Strided s;
  static_cast<Array&>(s) = y;
  s.ndim = 3, s.size = y.size * n;
  s.shape[0] = y.shape[0], s.shape[1] = n, s.shape[2] = y.shape[1];
  s.strides[0] = y.shape[1], s.strides[1] = 0, s.strides[2] = 1;
  return s;
}
Strided as_strided(const In& x) {
  Strided s;
  static_cast<Array&>(s) = x;
  for (int64_t d = x.ndim, stride = 1; d-- > 0; stride *= x.shape[d]) s.strides[d] = stride;
  return s;
}
/// gx = F(x, y, gy) with y, gy (outer, inner) repeated along n.
template <template <class> class F> void spread(const In& x, const In& y, const In& gy, const Out& gx, double a = 0) {
  expect_same(x, gx, "input and gradient differ");
  expect_same(y, gy, "result and its gradient differ");
  expect(x.dtype == y.dtype && x.ndim == 3 && gx.ndim == 3 && y.ndim == 2 && gy.ndim == 2 && x.shape[0] == y.shape[0] &&
             x.shape[2] == y.shape[1],
         "a reduction's gradient takes x (outer, n, inner) and y (outer, inner)");
  Strided xs = as_strided(x), ys = along(y, x.shape[1]), gys = along(gy, x.shape[1]);
  const Strided* in[] = {&xs, &ys, &gys};
  by_float(x, [&](auto t) { walk(in, 3, gx, F<decltype(t)>::run, a); });
}
template <class T> struct LogsumexpGradient {
  static void run(const void* const* in, void* out, int64_t n, double, double) {
    map<T, 3>(in, out, n, [](auto x, auto y, auto gy) { return gy * vexp(x - y); });
  }
};
template <class T> struct VarGradient {
  static void run(const void* const* in, void* out, int64_t n, double a, double) {
    map<T, 3>(in, out, n, [c = T(a)](auto x, auto mean, auto gy) { return gy * (c * (x - mean)); });
  }
};

}  // namespace

void sum(In x, Out y, double divisor) { reduce<Add>(x, y, divisor); }
void prod(In x, Out y) { reduce<Mul>(x, y); }
void max(In x, Out y) { reduce<Max>(x, y); }
void min(In x, Out y) { reduce<Min>(x, y); }
void argmax(In x, Out index) { search<Max>(x, index); }
void argmin(In x, Out index) { search<Min>(x, index); }

void scatter_index(In gy, In index, Out gx) {
  expect(gx.ndim == 3 && gy.ndim == 2 && index.ndim == 2 && index.dtype == Dtype::i64 && gy.dtype == gx.dtype,
         "scatter_index takes gy and int64 indices (outer, inner), gx (outer, n, inner)");
  int64_t n = gx.shape[1], inner = gx.shape[2];
  expect(gy.shape[0] == gx.shape[0] && gy.shape[1] == inner && index.shape[0] == gx.shape[0] && index.shape[1] == inner,
         "scatter_index takes gy and int64 indices (outer, inner), gx (outer, n, inner)");
  by_float(gx, [&](auto t) {
    using T = decltype(t);
    parallel_for(gx.shape[0], GRAIN / std::max<int64_t>(1, n * inner), [&](int64_t begin, int64_t end) {
      T* to = gx.ptr<T>();
      std::fill(to + begin * n * inner, to + end * n * inner, T(0));
      for (int64_t i = begin * inner; i < end * inner; ++i) {
        int64_t k = index.ptr<const int64_t>()[i];
        expect(k >= 0 && k < n, "scatter_index: index out of range");
        to[(i / inner * n + k) * inner + i % inner] = gy.ptr<const T>()[i];
      }
    });
  });
}

void logsumexp(In x, Out y) {
  check(x, y);
  expect(x.dtype == y.dtype, "input and output differ in dtype");
  by_float(x, [&](auto t) {
    using T = decltype(t);
    std::vector<T> largest(y.size);
    T* to = y.ptr<T>();
    reduce<T, Max>(x, static_cast<const T*>(nullptr), largest.data());
    for (T& m : largest)
      if (std::isinf(m)) m = 0;  // inf - inf would be NaN
    reduce<T, Add, ExpOfDifference>(x, static_cast<const T*>(largest.data()), to);
    for (int64_t i = 0; i < y.size; ++i) to[i] = std::log(to[i]) + largest[i];
  });
}
void logsumexp_backward(In x, In y, In gy, Out gx) { spread<LogsumexpGradient>(x, y, gy, gx); }

void var(In x, Out y, Out mean, double correction) {
  reduce<Add>(x, mean, double(x.ndim == 3 ? x.shape[1] : 1));
  expect_same(y, mean, "variance and mean differ");
  by_float(x, [&](auto t) {
    using T = decltype(t);
    reduce<T, Add, SquareOfDifference>(x, mean.ptr<const T>(), y.ptr<T>());
    T divisor = std::max(T(0), T(double(x.shape[1]) - correction));
    for (int64_t i = 0; i < y.size; ++i) y.ptr<T>()[i] /= divisor;
  });
}
void var_backward(In x, In mean, In gy, Out gx, double correction) {
  double n = x.ndim == 3 ? double(x.shape[1]) : 1;
  spread<VarGradient>(x, mean, gy, gx, 2 / std::max(0.0, n - correction));
}

}  // namespace pydl
