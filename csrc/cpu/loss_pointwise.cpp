#include "../kernels.h"
#include "lines.h"
#include "parallel.h"

// Losses of one element and its target, reduced on the way: nothing of the size of x is written for a mean.
namespace pydl {
namespace {

/// a: the threshold of the rules that have one
struct Squared {
  template <class V> static PYDL_INLINE V value(V x, V t, lane<V>) { return (x - t) * (x - t); }
  template <class V> static PYDL_INLINE V slope(V x, V t, lane<V>) { return lane<V>(2) * (x - t); }
};
struct Absolute {
  template <class V> static PYDL_INLINE V value(V x, V t, lane<V>) { return vfabs(x - t); }
  template <class V> static PYDL_INLINE V slope(V x, V t, lane<V>) { return vsign(x - t); }
};
struct SmoothAbsolute {
  template <class V> static PYDL_INLINE V value(V x, V t, lane<V> a) {
    V d = vfabs(x - t);
    return pick(d < a, d * d * (lane<V>(0.5) / a), d - lane<V>(0.5) * a);
  }
  template <class V> static PYDL_INLINE V slope(V x, V t, lane<V> a) {
    V d = x - t;
    return pick(vfabs(d) < a, d / a, vsign(d));
  }
};
struct Huber {
  template <class V> static PYDL_INLINE V value(V x, V t, lane<V> a) {
    V d = vfabs(x - t);
    return pick(d <= a, lane<V>(0.5) * d * d, a * (d - lane<V>(0.5) * a));
  }
  template <class V> static PYDL_INLINE V slope(V x, V t, lane<V> a) {
    V d = x - t;
    return pick(vfabs(d) <= a, d, a * vsign(d));
  }
};
struct LogisticCrossEntropy {  // -t ln s(x) - (1 - t) ln s(-x), neither of which loses a small result beside a large x
  template <class V> static PYDL_INLINE V value(V x, V t, lane<V>) {
    using T = lane<V>;
    return vlog1p(vexp(-vfabs(x))) + pick(x < T(0), -t * x, (T(1) - t) * x);
  }
  template <class V> static PYDL_INLINE V slope(V x, V t, lane<V>) { return vsigmoid(x) - t; }
};

template <class F> void by_rule(int64_t rule, F&& f) {
  switch (rule) {
    case 0:
      return f(Squared{});
    case 1:
      return f(Absolute{});
    case 2:
      return f(SmoothAbsolute{});
    case 3:
      return f(Huber{});
    case 4:
      return f(LogisticCrossEntropy{});
    default:
      expect(false, "no such rule");
  }
}

void expect_pointwise(const Array& x, const Array& target, const Array& loss, int64_t reduction) {
  expect_same(x, target, "x and target must have one shape and dtype");
  expect(loss.dtype == x.dtype && loss.size == (reduction == 0 ? x.size : 1),
         "the loss has x's shape, or one element where it reduces");
}

}  // namespace

void pointwise_loss_forward(In x, In target, Out loss, int64_t rule, double a, int64_t reduction) {
  expect_pointwise(x, target, loss, reduction);
  by_float(x, [&](auto type) {
    using T = decltype(type);
    constexpr int L = LANES<T>;
    by_rule(rule, [&](auto r) {
      using R = decltype(r);
      const T *p = x.ptr<T>(), *t = target.ptr<T>();
      const int64_t chunks = (x.size + GRAIN - 1) / GRAIN;
      double* sums = scratch<double>(0, size_t(chunks + 1));
      parallel_for(x.size, GRAIN, [&](int64_t begin, int64_t end) {
        if (reduction == 0) {
          T* out = loss.ptr<T>() + begin;
          each_vector<T>(end - begin, [&](int64_t i, int n) {
            store_n(out + i, R::value(load_n(p + begin + i, n), load_n(t + begin + i, n), T(a)), n);
          });
          return;
        }
        sums[begin / GRAIN] = row_sum<T>(end - begin, [&](int64_t i, int n) __attribute__((always_inline)) {
          const vec<T> v = R::value(load_n(p + begin + i, n), load_n(t + begin + i, n), T(a));
          return n < L ? keep_n<T>(v, n) : v;
        });
      });
      if (reduction == 0) return;
      double total = 0;
      for (int64_t i = 0; i < chunks; ++i) total += sums[i];
      *loss.ptr<T>() = T(reduction == 1 ? total / double(x.size) : total);
    });
  });
}

void pointwise_loss_backward(In x, In target, In gy, Out gx, int64_t rule, double a, int64_t reduction) {
  expect_pointwise(x, target, gy, reduction);
  expect_same(x, gx, "gx must be like x");
  by_float(x, [&](auto type) {
    using T = decltype(type);
    by_rule(rule, [&](auto r) {
      using R = decltype(r);
      const T *p = x.ptr<T>(), *t = target.ptr<T>(), *g = gy.ptr<T>();
      T* out = gx.ptr<T>();
      const T common = reduction == 1 ? *g / T(x.size) : reduction == 2 ? *g : T(0);
      parallel_for(x.size, GRAIN, [&](int64_t begin, int64_t end) {
        each_vector<T>(end - begin, [&](int64_t i, int n) {
          i += begin;
          const vec<T> slope = R::slope(load_n(p + i, n), load_n(t + i, n), T(a));
          store_n(out + i, slope * (reduction == 0 ? load_n(g + i, n) : splat(common)), n);
        });
      });
    });
  });
}

}  // namespace pydl
