#include <limits>

#include "../kernels.h"
#include "../simd_math.h"
#include "parallel.h"

// Pooling of planes. A plane is first copied into a workspace with its padding, every row taken apart by column modulo the
// stride: then neighbouring outputs read neighbouring elements, and one loop over vectors serves every stride, padding and
// dilation.
namespace pydl {
namespace {

struct Window {
  int64_t kh, kw, sh, sw, ph, pw, dh, dw;
};

template <class T> struct Workspace {
  static constexpr int L = LANES<T>;
  Window w;
  int64_t H, W, oh, ow, rows, pitch;
  T* data;
  int64_t* taps;  // where the elements of a window are, from its first

  static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

  Workspace(const Window& window, const Array& x, const Array& y, T padding) : w(window) {
    H = x.dim(1), W = x.dim(2), oh = y.dim(1), ow = y.dim(2);
    rows = std::max((oh - 1) * w.sh + (w.kh - 1) * w.dh + 1, H + w.ph);
    pitch = up(std::max((ow - 1) * w.sw + (w.kw - 1) * w.dw + 1, W + w.pw), w.sw) + L;  // the last vector of outputs may overhang
    data = scratch<T>(0, size_t(rows * w.sw * pitch));
    std::fill(data, data + rows * w.sw * pitch, padding);
    taps = scratch<int64_t>(1, size_t(w.kh * w.kw));
    for (int64_t i = 0; i < w.kh; ++i)
      for (int64_t j = 0; j < w.kw; ++j) taps[i * w.kw + j] = (i * w.dh * w.sw + j * w.dw % w.sw) * pitch + j * w.dw / w.sw;
  }
  /// First element of the windows of an output row.
  T* window_row(int64_t oy) const { return data + oy * w.sh * w.sw * pitch; }
  /// Where columns c, c + sw, c + 2 sw, ... of row y of the plane are.
  T* place(int64_t y, int64_t c) const { return data + ((y + w.ph) * w.sw + (c + w.pw) % w.sw) * pitch + (c + w.pw) / w.sw; }

  void read(const T* x) const {
    for (int64_t y = 0; y < H; ++y, x += W) {
      int64_t c = 0;
      if (w.sw == 1) {
        std::copy(x, x + W, place(y, 0));
        continue;
      }
      if (w.sw == 2) {
        T *even = place(y, 0), *odd = place(y, 1);
        for (; c + 2 * L <= W; c += 2 * L) {
          Halves<T> h = deinterleave<T>(load(x + c), load(x + c + L));
          store(even + c / 2, h.even), store(odd + c / 2, h.odd);
        }
        for (; c + 2 <= W; c += 2) even[c / 2] = x[c], odd[c / 2] = x[c + 1];
        if (c < W) even[c / 2] = x[c];
        continue;
      }
      for (int64_t first = 0; first < std::min(w.sw, W); ++first) {
        T* to = place(y, first);
        for (c = first; c < W; c += w.sw) *to++ = x[c];
      }
    }
  }
  void write(T* x) const {
    for (int64_t y = 0; y < H; ++y, x += W) {
      int64_t c = 0;
      if (w.sw == 1) {
        std::copy(place(y, 0), place(y, 0) + W, x);
        continue;
      }
      if (w.sw == 2) {
        const T *even = place(y, 0), *odd = place(y, 1);
        for (; c + 2 * L <= W; c += 2 * L) interleave<T>({load(even + c / 2), load(odd + c / 2)}, x + c);
        for (; c + 2 <= W; c += 2) x[c] = even[c / 2], x[c + 1] = odd[c / 2];
        if (c < W) x[c] = even[c / 2];
        continue;
      }
      for (int64_t first = 0; first < std::min(w.sw, W); ++first) {
        const T* from = place(y, first);
        for (c = first; c < W; c += w.sw) x[c] = *from++;
      }
    }
  }
};

int64_t grain(const Array& x, const Array& y) { return GRAIN / 2 / (x.dim(1) * x.dim(2) + y.dim(1) * y.dim(2) + 1) + 1; }

void expect_windows(const Array& x, const Array& y, const Window& w) {
  expect(x.ndim == 3 && y.ndim == 3 && x.dim(0) == y.dim(0) && x.dtype == y.dtype, "expected planes x (P, H, W), y (P, oh, ow)");
  constexpr int64_t top = int64_t(1) << 31;
  expect(x.dim(1) * x.dim(2) < top, "planes of 2^31 elements and more are not supported");
  auto small = [](int64_t least, std::initializer_list<int64_t> values) {
    for (int64_t v : values)
      if (v < least || v >= (1 << 20)) return false;
    return true;
  };
  expect(small(1, {w.kh, w.kw, w.sh, w.sw, w.dh, w.dw}) && small(0, {w.ph, w.pw}), "window sizes must be between 1 and 2^20");
}

template <class T> PYDL_INLINE void store_index(int32_t* p, ints<T> v, int n) {
  if constexpr (sizeof(T) == 4) store_n<int32_t>(p, (vec<int32_t>)v, n);
  else
    for (int i = 0; i < n; ++i) p[i] = int32_t(v[i]);
}

/// kh, kw: the window's size where it is known in advance, else 0
template <class T, int kh, int kw> void max_pool(const Workspace<T>& s, const typename Format<T>::Int* first_x, T* y,
                                                 int32_t* index) {
  constexpr int L = LANES<T>;
  using I = ints<T>;
  using Number = typename Format<T>::Int;
  const Window& w = s.w;
  const int64_t KH = kh ? kh : w.kh, KW = kw ? kw : w.kw;
  const I columns = lane_numbers<T>() * Number(w.sw);
  for (int64_t oy = 0; oy < s.oh; ++oy) {
    int64_t fy = oy * w.sh - w.ph;
    const int64_t top = fy;
    while (fy < 0) fy += w.dh;
    for (int64_t ox = 0; ox < s.ow; ox += L) {
      const T* p = s.window_row(oy) + ox;
      const I start = columns + Number(top * s.W + ox * w.sw - w.pw);
      vec<T> best = splat(-std::numeric_limits<T>::infinity());
      I fx, none = I{} - 1;
      memcpy(&fx, first_x + ox, sizeof fx);
      I at = fy < s.H ? (fx < 0 ? none : fx + Number(fy * s.W)) : none;
      PYDL_UNROLL for (int64_t i = 0; i < KH; ++i) PYDL_UNROLL for (int64_t j = 0; j < KW; ++j) {
        const vec<T> v = load(p + s.taps[i * KW + j]);
        const auto better = (v > best) | (v != v);  // the first of equals, but NaN beats all
        best = better ? v : best;
        at = better ? start + Number(i * w.dh * s.W + j * w.dw) : at;
      }
      // A vector that overhangs its row is overwritten by the next row: only the plane's end needs care.
      const int n = int(std::min<int64_t>(L, (s.oh - oy) * s.ow - ox));
      store_n(y + oy * s.ow + ox, best, n);
      store_index<T>(index + oy * s.ow + ox, at, n);
    }
  }
}

}  // namespace

void max_pool_forward(In x, Out y, Out index, int64_t kh, int64_t kw, int64_t sh, int64_t sw, int64_t ph, int64_t pw, int64_t dh,
                      int64_t dw) {
  const Window w{kh, kw, sh, sw, ph, pw, dh, dw};
  expect_windows(x, y, w);
  expect(index.size == y.size && index.dtype == Dtype::i32, "index must be int32, like y");
  if (!y.size) return;
  by_float(x, [&](auto t) {
    using T = decltype(t);
    using Number = typename Format<T>::Int;
    parallel_for(x.dim(0), grain(x, y), [&](int64_t begin, int64_t end) {
      const Workspace<T> s(w, x, y, -std::numeric_limits<T>::infinity());
      auto* first_x = scratch<Number>(2, size_t(s.ow + LANES<T>));  // the first column of each window inside the plane
      for (int64_t ox = 0; ox < s.ow + LANES<T>; ++ox) {
        int64_t c = ox * sw - pw;
        while (c < 0) c += dw;
        first_x[ox] = c < s.W ? Number(c) : -1;
      }
      auto run = kh == 2 && kw == 2 ? max_pool<T, 2, 2> : kh == 3 && kw == 3 ? max_pool<T, 3, 3> : max_pool<T, 0, 0>;
      for (int64_t p = begin; p < end; ++p) {
        s.read(x.ptr<T>() + p * s.H * s.W);
        run(s, first_x, y.ptr<T>() + p * s.oh * s.ow, index.ptr<int32_t>() + p * s.oh * s.ow);
      }
    });
  });
}

void max_pool_backward(In gy, In index, Out gx) {
  expect(gx.ndim == 3 && gy.ndim == 3 && gx.dim(0) == gy.dim(0) && gx.dtype == gy.dtype,
         "expected planes gx (P, H, W), gy (P, oh, ow)");
  expect(index.size == gy.size && index.dtype == Dtype::i32, "index must be int32, like gy");
  by_float(gy, [&](auto t) {
    using T = decltype(t);
    const int64_t plane = gx.dim(1) * gx.dim(2), n = gy.dim(1) * gy.dim(2);
    parallel_for(gx.dim(0), grain(gx, gy), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        T* out = gx.ptr<T>() + p * plane;
        const T* g = gy.ptr<T>() + p * n;
        const int32_t* at = index.ptr<int32_t>() + p * n;
        std::fill(out, out + plane, T(0));
        for (int64_t i = 0; i < n; ++i)
          if (uint32_t(at[i]) < uint64_t(plane)) out[at[i]] += g[i];  // -1: a window of padding alone
      }
    });
  });
}

namespace {

/// f(workspace, reciprocal divisors of the columns, plane) for each plane, with what both directions of averaging need
template <class T, class F>
void each_plane(const Array& x, const Array& y, In rows, In columns, const Window& w, F&& f) {
  expect(rows.size == y.dim(1) && columns.size == y.dim(2) && rows.dtype == x.dtype && columns.dtype == x.dtype,
         "rows and columns need one divisor for each row and column of y");
  parallel_for(x.dim(0), grain(x, y), [&](int64_t begin, int64_t end) {
    const Workspace<T> s(w, x, y, T(0));
    T* divisors = scratch<T>(2, size_t(s.ow + LANES<T>));
    std::copy(columns.ptr<T>(), columns.ptr<T>() + s.ow, divisors);
    std::fill(divisors + s.ow, divisors + s.ow + LANES<T>, T(1));
    for (int64_t p = begin; p < end; ++p) f(s, divisors, p);
  });
}

}  // namespace

void avg_pool_forward(In x, In rows, In columns, Out y, int64_t kh, int64_t kw, int64_t sh, int64_t sw, int64_t ph, int64_t pw) {
  const Window w{kh, kw, sh, sw, ph, pw, 1, 1};
  expect_windows(x, y, w);
  if (!y.size) return;
  by_float(x, [&](auto t) {
    using T = decltype(t);
    constexpr int L = LANES<T>;
    each_plane<T>(x, y, rows, columns, w, [&](const Workspace<T>& s, const T* divisors, int64_t plane) {
      s.read(x.ptr<T>() + plane * s.H * s.W);
      T* out = y.ptr<T>() + plane * s.oh * s.ow;
      for (int64_t oy = 0; oy < s.oh; ++oy)
        for (int64_t ox = 0; ox < s.ow; ox += L) {
          const T* p = s.window_row(oy) + ox;
          vec<T> sum = load(p);
          for (int64_t k = 1; k < kh * kw; ++k) sum += load(p + s.taps[k]);
          const int n = int(std::min<int64_t>(L, (s.oh - oy) * s.ow - ox));  // an overhang is overwritten by the next row
          store_n(out + oy * s.ow + ox, sum / (load(divisors + ox) * rows.ptr<T>()[oy]), n);
        }
    });
  });
}

void avg_pool_backward(In gy, In rows, In columns, Out gx, int64_t kh, int64_t kw, int64_t sh, int64_t sw, int64_t ph,
                       int64_t pw) {
  const Window w{kh, kw, sh, sw, ph, pw, 1, 1};
  expect_windows(gx, gy, w);
  if (!gx.size) return;
  by_float(gx, [&](auto t) {
    using T = decltype(t);
    constexpr int L = LANES<T>;
    each_plane<T>(gx, gy, rows, columns, w, [&](const Workspace<T>& s, const T* divisors, int64_t plane) {
      std::fill(s.data, s.data + s.rows * sw * s.pitch, T(0));
      const T* g = gy.ptr<T>() + plane * s.oh * s.ow;
      for (int64_t oy = 0; oy < s.oh; ++oy)
        for (int64_t ox = 0; ox < s.ow; ox += L) {
          T* p = s.window_row(oy) + ox;
          const int n = int(std::min<int64_t>(L, s.ow - ox));
          const vec<T> v = load_n(g + oy * s.ow + ox, n) / (load(divisors + ox) * rows.ptr<T>()[oy]);
          for (int64_t k = 0; k < kh * kw; ++k) store(p + s.taps[k], load(p + s.taps[k]) + v);
        }
      s.write(gx.ptr<T>() + plane * s.H * s.W);
    });
  });
}

}  // namespace pydl
