#include <cmath>
#include <limits>

#include "../kernels.h"
#include "lines.h"
#include "parallel.h"

namespace pydl {
void layer_norm_forward(In x, In weight, In bias, Out y, Out mean, Out rstd, double eps) {
  int64_t C = x.ndim ? x.dim(-1) : 0, rows = C ? x.size / C : 0;
  expect_same(x, y, "y must be like x");
  expect(mean.size >= rows && rstd.size >= rows, "mean and rstd need one element a row");
  expect((!weight || (weight.size == C && weight.dtype == x.dtype)) && (!bias || (bias.size == C && bias.dtype == x.dtype)),
         "weight and bias need one element a feature, in x's dtype");
  by_float(x, [&](auto t) {
    using T = decltype(t);
    parallel_for(rows, GRAIN / (C + 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T *r = x.ptr<T>() + i * C, *w = weight.ptr<T>(), *b = bias.ptr<T>();
        T* out = y.ptr<T>() + i * C;
        const T m = row_sum(r, C) / T(C);
        const T squares = row_sum<T>(C, [&](int64_t c, int n) {  // a second pass: differences lose nothing to cancellation
          vec<T> d = keep_n<T>(load_n(r + c, n) - m, n);
          return d * d;
        });
        const T s = T(1) / std::sqrt(squares / T(C) + T(eps));
        each_vector<T>(C, [&](int64_t c, int n) {
          vec<T> v = (load_n(r + c, n) - m) * s;
          if (w) v *= load_n(w + c, n);
          store_n(out + c, b ? v + load_n(b + c, n) : v, n);
        });
        mean.ptr<T>()[i] = m, rstd.ptr<T>()[i] = s;
      }
    });
  });
}

/// With h = (x - mean) rstd and v = gy weight: gx = rstd (v - mean(v) - h mean(v h)), gweight = sum gy h, gbias = sum gy.
void layer_norm_backward(In x, In weight, In mean, In rstd, In gy, Out gx, Out gweight, Out gbias) {
  int64_t C = x.ndim ? x.dim(-1) : 0, rows = C ? x.size / C : 0;
  expect_same(x, gx, "gx must be like x");
  expect_same(x, gy, "gy must be like x");
  expect(mean.size >= rows && rstd.size >= rows, "mean and rstd need one element a row");
  expect((!weight || weight.size == C) && (!gweight || gweight.size == C) && (!gbias || gbias.size == C),
         "weight and bias need one element a feature");
  by_float(x, [&](auto t) {
    using T = decltype(t);
    const int64_t grain = std::max<int64_t>(GRAIN / (C + 1) + 1, rows / 16 + 1);
    const int64_t chunks = (rows + grain - 1) / grain;
    T* partial = scratch<T>(0, size_t(chunks * 2 * C));  // sums of each chunk, added in order afterwards
    std::fill(partial, partial + chunks * 2 * C, T(0));
    parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
      T* gw = partial + begin / grain * 2 * C;
      T* gb = gw + C;
      for (int64_t i = begin; i < end; ++i) {
        const T *r = x.ptr<T>() + i * C, *g = gy.ptr<T>() + i * C, *w = weight.ptr<T>();
        T* out = gx.ptr<T>() + i * C;
        const T m = mean.ptr<T>()[i], s = rstd.ptr<T>()[i];
        // v passes through `out`: formed twice, one of the products could be fused into an addition and round otherwise,
        // and v - mean(v) would not be 0 for a single feature.
        vec<T> sum_v[2] = {}, sum_vh[2] = {};
        auto first = [&](int k, int64_t c, int n) __attribute__((always_inline)) {
          vec<T> gc = load_n(g + c, n), v = w ? gc * load_n(w + c, n) : gc, h = (load_n(r + c, n) - m) * s;
          store_n(out + c, v, n);
          store_n(gw + c, load_n(gw + c, n) + gc * h, n);
          store_n(gb + c, load_n(gb + c, n) + gc, n);
          sum_v[k] += v, sum_vh[k] += v * h;
        };
        constexpr int L = LANES<T>;
        int64_t c = 0;
        for (; c + 2 * L <= C; c += 2 * L) first(0, c, L), first(1, c + L, L);
        for (; c < C; c += L) first(0, c, int(std::min<int64_t>(L, C - c)));
        const T a = hsum<T>(sum_v[0] + sum_v[1]) / T(C), b = hsum<T>(sum_vh[0] + sum_vh[1]) / T(C);
        each_vector<T>(C, [&](int64_t c, int n) {
          vec<T> h = (load_n(r + c, n) - m) * s;
          store_n(out + c, s * (load_n(out + c, n) - a - h * b), n);
        });
      }
    });
    for (int64_t c = 0; c < C; ++c) {
      T gw = 0, gb = 0;
      for (int64_t i = 0; i < chunks; ++i) gw += partial[i * 2 * C + c], gb += partial[i * 2 * C + C + c];
      if (gweight) gweight.ptr<T>()[c] = gw;
      if (gbias) gbias.ptr<T>()[c] = gb;
    }
  });
}

// Batch norm over x (N, C, S). The work is cut into groups of channels and those into blocks of samples. A group is one
// channel, walked along S, or where S = 1 as many channels as a vector has lanes, walked down the samples.

namespace {

/// Four sums side by side, for one would wait for each addition, joined now and then, so that rounding errors stay small.
template <class T> struct Accumulator {
  vec<T> part[4] = {}, total{};
  PYDL_INLINE void join() {
    total += (part[0] + part[1]) + (part[2] + part[3]);
    for (auto& p : part) p = vec<T>{};
  }
};

template <class T> struct Channels {
  static constexpr int L = LANES<T>;
  int64_t N, C, S, groups, rows, blocks;  // rows: samples of a block
  bool across;                            // lanes are channels

  explicit Channels(const Array& x) {
    expect(x.ndim >= 2, "x needs the axes (N, C, ...)");
    N = x.dim(0), C = x.dim(1), S = x.count(2, x.ndim);
    across = S == 1;
    groups = across ? (C + L - 1) / L : C;
    rows = across ? 512 : std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(S, 1));  // sums in T stay short, data in L2
    blocks = S ? (N + rows - 1) / rows : 0;
  }
  int channels(int64_t g) const { return across ? int(std::min<int64_t>(L, C - g * L)) : 1; }
  int64_t first(int64_t g) const { return across ? g * L : g; }
  double count() const { return double(N * S); }
  double count(int64_t b) const { return double(std::min(rows, N - b * rows) * S); }
  /// A parameter of the group's channels in every lane that belongs to them; `none` where it is absent.
  PYDL_INLINE vec<T> parameter(const Array& p, int64_t g, T none) const {
    if (!p) return splat(none);
    return across ? load_n(p.ptr<T>() + g * L, channels(g)) : splat(p.ptr<T>()[g]);
  }
  PYDL_INLINE vec<T> parameter(const double* p) const {
    vec<T> v = splat(T(p[0]));
    if (across)
      for (int i = 1; i < L; ++i) v[i] = T(p[i]);
    return v;
  }
  /// Sums of the lanes (or the lanes themselves) as doubles, one a channel.
  PYDL_INLINE void sums(const Accumulator<T>& a, double* out) const {
    if (across)
      for (int i = 0; i < L; ++i) out[i] = double(a.total[i]);
    else out[0] = double(hsum<T>(a.total));
  }
  /// f(k, offset, lanes) for the vectors of a block; k in 0..3 says which of four sums the vector belongs to. join() follows
  /// about every 64 vectors and at the end.
  template <class F, class J> PYDL_INLINE void walk(int64_t g, int64_t b, F&& f, J&& join) const {
    const int64_t end = std::min(N, (b + 1) * rows);
    int64_t n = b * rows, steps = 0;
    auto step = [&](int64_t vectors) {
      if ((steps += vectors) >= 64) join(), steps = 0;
    };
    if (across) {
      const int w = channels(g);
      const int64_t base = g * L;
      if (w == L)
        for (; n + 4 <= end; n += 4) {
          PYDL_UNROLL for (int k = 0; k < 4; ++k) f(k, base + (n + k) * C, L);
          step(4);
        }
      for (; n < end; ++n) f(0, base + n * C, w), step(1);
    } else {
      for (; n < end; ++n) {
        const int64_t base = (n * C + g) * S;
        for (int64_t s = 0; s < S;) {
          const int64_t stop = std::min(S, s + 64 * L);
          step((stop - s) / L);
          for (; s + 4 * L <= stop; s += 4 * L) PYDL_UNROLL for (int k = 0; k < 4; ++k) f(k, base + s + k * L, L);
          for (; s + L <= stop; s += L) f(0, base + s, L);
          if (s < stop) f(1, base + s, int(stop - s)), s = stop;
        }
      }
    }
    join();
  }
  template <class F> PYDL_INLINE void walk(int64_t g, int64_t b, F&& f) const {
    walk(g, b, f, [] {});
  }
};

/// reduce(g, b, sums) for all blocks, finish(g, sums of the group's blocks), apply(g, b). `width` doubles of sums a channel.
/// A channel stays in the cache from its reduction to its application, unless there are too few to share out.
template <class T, int width, class R, class F, class A>
void by_channel(const Channels<T>& x, R&& reduce, F&& finish, A&& apply) {
  const int64_t lanes = x.across ? LANES<T> : 1, block = width * lanes, group = block * x.blocks;
  double* sums = scratch<double>(0, size_t(x.groups * group + 1));
  if (x.groups >= 16 || x.blocks <= 1) {
    const int64_t work = std::max<int64_t>(1, x.N * x.S * lanes);
    parallel_for(x.groups, GRAIN / work + 1, [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; ++g) {
        for (int64_t b = 0; b < x.blocks; ++b) reduce(g, b, sums + g * group + b * block);
        finish(g, sums + g * group);
        for (int64_t b = 0; b < x.blocks; ++b) apply(g, b);
      }
    });
    return;
  }
  const int64_t units = x.groups * x.blocks;
  parallel_for(units, 1, [&](int64_t i, int64_t) { reduce(i / x.blocks, i % x.blocks, sums + i * block); });
  for (int64_t g = 0; g < x.groups; ++g) finish(g, sums + g * group);
  parallel_for(units, 1, [&](int64_t i, int64_t) { apply(i / x.blocks, i % x.blocks); });
}

/// Mean and sum of squared differences of a block: [mean..., squares...], by two passes, each correcting the one before.
template <class T> void moments(const Channels<T>& shape, const T* x, int64_t g, int64_t b, double* out) {
  constexpr int L = LANES<T>;
  const double count = shape.count(b);
  const int channels = shape.across ? L : 1;
  double rest[L];
  Accumulator<T> sum, difference, square;
  shape.walk(
      g, b, [&](int k, int64_t o, int n) __attribute__((always_inline)) { sum.part[k] += load_n(x + o, n); },
      [&] { sum.join(); });
  shape.sums(sum, out);
  for (int i = 0; i < channels; ++i) out[i] = T(out[i] / count);
  const vec<T> m = shape.parameter(out);
  shape.walk(
      g, b,
      [&](int k, int64_t o, int n) __attribute__((always_inline)) {
        vec<T> d = load_n(x + o, n) - m;
        if (n < L) d = keep_n<T>(d, n);
        difference.part[k] += d, square.part[k] += d * d;
      },
      [&] { difference.join(), square.join(); });
  shape.sums(difference, rest);
  shape.sums(square, out + channels);
  // Two loops: GCC 12 makes wrong vectors of one at -O3 -march=x86-64-v2.
  for (int i = 0; i < channels; ++i) out[i] += rest[i] / count;
  for (int i = 0; i < channels; ++i) out[channels + i] -= rest[i] * rest[i] / count;
}

/// [sum gy..., sum gy (x - mean)...] of a block
template <class T>
void gradient_sums(const Channels<T>& shape, const T* x, const T* gy, vec<T> mean, int64_t g, int64_t b, double* out) {
  Accumulator<T> sum, product;
  shape.walk(
      g, b,
      [&](int k, int64_t o, int n) __attribute__((always_inline)) {
        vec<T> v = load_n(gy + o, n), d = load_n(x + o, n) - mean;
        if (n < LANES<T>) d = keep_n<T>(d, n);  // else 0 times an infinite mean
        sum.part[k] += v, product.part[k] += v * d;
      },
      [&] { sum.join(), product.join(); });
  shape.sums(sum, out);
  shape.sums(product, out + (shape.across ? LANES<T> : 1));
}

void expect_channels(const Array& x, std::initializer_list<const Array*> parameters) {
  for (const Array* p : parameters)
    expect(!*p || (p->size == x.dim(1) && p->dtype == x.dtype), "parameters need one element a channel, in x's dtype");
}

/// weight / sqrt(var + eps) of a group's channels
template <class T> PYDL_INLINE vec<T> slope(const Channels<T>& shape, In weight, const Array& var, int64_t g, double eps) {
  return shape.parameter(weight, g, 1) / vsqrt(shape.parameter(var, g, 1) + T(eps));
}

/// y = (x - mean) weight / sqrt(var + eps) + bias in a block
template <class T>
void normalize(const Channels<T>& shape, In x, In weight, In bias, const Array& mean, const Array& var, Out y, double eps,
               int64_t g, int64_t b) {
  const vec<T> a = slope(shape, weight, var, g, eps), m = shape.parameter(mean, g, 0), shift = shape.parameter(bias, g, 0);
  const T* in = x.ptr<T>();
  T* out = y.ptr<T>();
  shape.walk(g, b, [&](int, int64_t o, int n) __attribute__((always_inline)) {
    store_n(out + o, (load_n(in + o, n) - m) * a + shift, n);
  });
}

/// Adds the sums of a group's blocks: gbias = sum gy, gweight = sum gy (x - mean) / sqrt(var + eps).
template <class T>
void parameter_gradients(const Channels<T>& shape, In var, double eps, int64_t g, const double* sums, Out gweight, Out gbias) {
  const int lanes = shape.across ? LANES<T> : 1;
  for (int i = 0; i < shape.channels(g); ++i) {
    const int64_t c = shape.first(g) + i;
    double a = 0, b = 0;
    for (int64_t k = 0; k < shape.blocks; ++k) a += sums[2 * lanes * k + i], b += sums[2 * lanes * k + lanes + i];
    gbias.ptr<T>()[c] = T(a), gweight.ptr<T>()[c] = T(b / std::sqrt(double(var.ptr<T>()[c] + T(eps))));
  }
}

}  // namespace

void batch_norm_forward(In x, In weight, In bias, Out y, Out mean, Out var, double eps) {
  expect_same(x, y, "y must be like x");
  expect(mean && var, "mean and var are wanted");
  by_float(x, [&](auto t) {
    using T = decltype(t);
    const Channels<T> shape(x);
    expect_channels(x, {&weight, &bias, &mean, &var});
    auto finish = [&](int64_t g, const double* sums) {
      const int lanes = shape.across ? LANES<T> : 1;
      for (int i = 0; i < shape.channels(g); ++i) {
        double n = 0, m = std::numeric_limits<double>::quiet_NaN(), squares = m;
        for (int64_t b = 0; b < shape.blocks; ++b) {  // Chan, Golub, LeVeque 1979
          const double *s = sums + b * 2 * lanes + i, k = shape.count(b), d = s[0] - m;
          if (b == 0) m = s[0], squares = s[lanes];
          else squares += s[lanes] + d * d * n * k / (n + k), m += d * k / (n + k);
          n += k;
        }
        mean.ptr<T>()[shape.first(g) + i] = T(m), var.ptr<T>()[shape.first(g) + i] = T(squares / n);
      }
    };
    by_channel<T, 2>(
        shape, [&](int64_t g, int64_t b, double* out) { moments(shape, x.ptr<T>(), g, b, out); }, finish,
        [&](int64_t g, int64_t b) { normalize(shape, x, weight, bias, mean, var, y, eps, g, b); });
  });
}

void batch_norm_eval_forward(In x, In mean, In var, In weight, In bias, Out y, double eps) {
  expect_same(x, y, "y must be like x");
  by_float(x, [&](auto t) {
    using T = decltype(t);
    const Channels<T> shape(x);
    expect_channels(x, {&weight, &bias, &mean, &var});
    expect(mean && var, "mean and var must be given");
    by_channel<T, 0>(
        shape, [](int64_t, int64_t, double*) {}, [](int64_t, const double*) {},
        [&](int64_t g, int64_t b) { normalize(shape, x, weight, bias, mean, var, y, eps, g, b); });
  });
}

/// With h = (x - mean) / sqrt(var + eps), a = weight / sqrt(var + eps), M = N S:
/// gx = a (gy - sum gy / M - h sum(gy h) / M) + gmean / M + 2 gvar (x - mean) / M.
void batch_norm_backward(In x, In weight, In mean, In var, In gy, In gmean, In gvar, Out gx, Out gweight, Out gbias, double eps) {
  expect_same(x, gx, "gx must be like x");
  expect_same(x, gy, "gy must be like x");
  by_float(x, [&](auto t) {
    using T = decltype(t);
    const Channels<T> shape(x);
    expect_channels(x, {&weight, &mean, &var, &gmean, &gvar, &gweight, &gbias});
    expect(mean && var && gweight && gbias, "mean, var, gweight and gbias must be given");
    by_channel<T, 2>(
        shape,
        [&](int64_t g, int64_t b, double* out) {
          gradient_sums(shape, x.ptr<T>(), gy.ptr<T>(), shape.parameter(mean, g, 0), g, b, out);
        },
        [&](int64_t g, const double* sums) { parameter_gradients(shape, var, eps, g, sums, gweight, gbias); },
        [&](int64_t g, int64_t b) {
          const T count = T(shape.count());
          const vec<T> a = slope(shape, weight, var, g, eps), rstd = slope(shape, In{}, var, g, eps);
          const vec<T> m = shape.parameter(mean, g, 0);
          const vec<T> p = (shape.parameter(gmean, g, 0) - a * shape.parameter(gbias, g, 0)) / count;
          const vec<T> q = (T(2) * shape.parameter(gvar, g, 0) - a * rstd * shape.parameter(gweight, g, 0)) / count;
          const T *in = x.ptr<T>(), *gradient = gy.ptr<T>();
          T* out = gx.ptr<T>();
          shape.walk(g, b, [&](int, int64_t o, int n) __attribute__((always_inline)) {
            store_n(out + o, a * load_n(gradient + o, n) + (q * (load_n(in + o, n) - m) + p), n);
          });
        });
  });
}

/// gx = a gy, gmean = -a sum gy, gvar = -a sum(gy h) / (2 sqrt(var + eps)); a and h as above
void batch_norm_eval_backward(In x, In mean, In var, In weight, In gy, Out gx, Out gmean, Out gvar, Out gweight, Out gbias,
                              double eps) {
  expect_same(x, gx, "gx must be like x");
  expect_same(x, gy, "gy must be like x");
  by_float(x, [&](auto t) {
    using T = decltype(t);
    const Channels<T> shape(x);
    expect_channels(x, {&weight, &mean, &var, &gmean, &gvar, &gweight, &gbias});
    expect(mean && var && gmean && gvar && gweight && gbias, "all but weight must be given");
    by_channel<T, 2>(
        shape,
        [&](int64_t g, int64_t b, double* out) {
          gradient_sums(shape, x.ptr<T>(), gy.ptr<T>(), shape.parameter(mean, g, 0), g, b, out);
        },
        [&](int64_t g, const double* sums) {
          parameter_gradients(shape, var, eps, g, sums, gweight, gbias);
          for (int64_t c = shape.first(g), end = c + shape.channels(g); c < end; ++c) {
            const T rstd = T(1) / std::sqrt(var.ptr<T>()[c] + T(eps)), a = weight ? weight.ptr<T>()[c] * rstd : rstd;
            gmean.ptr<T>()[c] = -a * gbias.ptr<T>()[c], gvar.ptr<T>()[c] = T(-0.5) * a * rstd * gweight.ptr<T>()[c];
          }
        },
        [&](int64_t g, int64_t b) {
          const vec<T> a = slope(shape, weight, var, g, eps);
          const T* gradient = gy.ptr<T>();
          T* out = gx.ptr<T>();
          shape.walk(g, b, [&](int, int64_t o, int n) __attribute__((always_inline)) {
            store_n(out + o, a * load_n(gradient + o, n), n);
          });
        });
  });
}

}  // namespace pydl
