#include <cmath>

#include "../kernels.h"
#include "../simd.h"
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
        const T* r = x.ptr<T>() + i * C;
        T* out = y.ptr<T>() + i * C;
        constexpr int L = LANES<T>;
        vec<T> sum{}, squares{};
        for (int64_t c = 0; c < C; c += L) sum += load_n(r + c, int(std::min<int64_t>(L, C - c)));
        T m = hsum<T>(sum) / T(C);
        for (int64_t c = 0; c < C; c += L) {  // two passes: the difference to the mean loses nothing to cancellation
          int n = int(std::min<int64_t>(L, C - c));
          vec<T> d = load_n(r + c, n) - m;
          if (n < L) { T z[L] = {}; memcpy(z, &d, sizeof(T) * n); memcpy(&d, z, sizeof d); }
          squares += d * d;
        }
        T s = T(1) / std::sqrt(hsum<T>(squares) / T(C) + T(eps));
        for (int64_t c = 0; c < C; ++c) {
          T v = (r[c] - m) * s;
          if (weight) v *= weight.ptr<T>()[c];
          out[c] = bias ? v + bias.ptr<T>()[c] : v;
        }
        mean.ptr<T>()[i] = m, rstd.ptr<T>()[i] = s;
      }
    });
  });
}

/// With h = (x - mean) rstd and g = gy weight: gx = rstd (g - mean(g) - h mean(g h)), gweight = sum gy h, gbias = sum gy.
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
    std::vector<T> partial(chunks * 2 * C);  // sums of each chunk, added in order afterwards
    parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
      T* gw = partial.data() + begin / grain * 2 * C;
      T* gb = gw + C;
      for (int64_t i = begin; i < end; ++i) {
        const T *r = x.ptr<T>() + i * C, *g = gy.ptr<T>() + i * C, *w = weight.ptr<T>();
        T* out = gx.ptr<T>() + i * C;
        const T m = mean.ptr<T>()[i], s = rstd.ptr<T>()[i];
        T a = 0, b = 0;
        for (int64_t c = 0; c < C; ++c) {
          T h = (r[c] - m) * s, v = w ? g[c] * w[c] : g[c];
          a += v, b += v * h;
          gw[c] += g[c] * h, gb[c] += g[c];
        }
        a /= T(C), b /= T(C);
        for (int64_t c = 0; c < C; ++c) {
          T h = (r[c] - m) * s, v = w ? g[c] * w[c] : g[c];
          out[c] = s * (v - a - h * b);
        }
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

}  // namespace pydl
