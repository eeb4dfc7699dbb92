#include "kernels.h"
#include "strided.h"

namespace pydl {
namespace {

template <class R, class T> void forward(const void* const* in, void* out, int64_t n, double a_, double b_) {
  T a = T(a_), b = T(b_);
  map<T, 1>(in, out, n, [=](auto x) { return R::value(x, a, b); });
}
template <class R, class T> void backward(const void* const* in, void* out, int64_t n, double a_, double b_) {
  T a = T(a_), b = T(b_);
  map<T, 2>(in, out, n, [=](auto v, auto gy) {
    auto slope = R::slope(v, a, b);
    if constexpr (R::masked) return pick(slope == T(0), slope, gy * slope);
    else return gy * slope;
  });
}
template <class R, class T, int CONSTANT = -1> void binary(const void* const* in, void* out, int64_t n, double, double) {
  map<T, 2, CONSTANT>(in, out, n, [](auto a, auto b) { return R::value(a, b); });
}
template <class R, class T> void compare(const void* const* in, void* out, int64_t n, double, double) {
  auto *a = static_cast<const T*>(in[0]), *b = static_cast<const T*>(in[1]);
  auto* y = static_cast<bool*>(out);
  for (int64_t i = 0; i < n; ++i) y[i] = R::value(a[i], b[i]);
}
template <class U> void choose(const void* const* in, void* out, int64_t n, double, double) {
  auto* condition = static_cast<const uint8_t*>(in[0]);
  auto *a = static_cast<const U*>(in[1]), *b = static_cast<const U*>(in[2]);
  auto* y = static_cast<U*>(out);
  for (int64_t i = 0; i < n; ++i) y[i] = condition[i] ? a[i] : b[i];
}

void apply(const Strided& x, const Out& y, Run f32, Run f64, double a = 0, double b = 0) {
  expect(x.dtype == y.dtype, "input and output differ in dtype");
  const Strided* in[] = {&x};
  by_float(y, [&](auto t) { walk(in, 1, y, sizeof t == 4 ? f32 : f64, a, b); });
}
void apply(const Strided& v, const Strided& w, const Out& y, Run f32, Run f64, double a = 0, double b = 0) {
  expect(v.dtype == y.dtype && w.dtype == y.dtype, "inputs and output differ in dtype");
  const Strided* in[] = {&v, &w};
  by_float(y, [&](auto t) { walk(in, 2, y, sizeof t == 4 ? f32 : f64, a, b); });
}
template <class R> void apply_binary(const Strided& a, const Strided& b, const Out& y) {
  expect(a.dtype == y.dtype && b.dtype == y.dtype, "inputs and output differ in dtype");
  const Strided* in[] = {&a, &b};
  by_float(y, [&](auto t) {
    using T = decltype(t);
    static constexpr Run constant[] = {binary<R, T, 0>, binary<R, T, 1>};
    walk(in, 2, y, binary<R, T>, 0, 0, constant);
  });
}
void apply_compare(const Strided& a, const Strided& b, const Out& y, Run f32, Run f64, Run i64) {
  expect(a.dtype == b.dtype, "inputs differ in dtype");
  expect(y.dtype == Dtype::b8, "a comparison writes bool");
  const Strided* in[] = {&a, &b};
  if (a.dtype == Dtype::i64) walk(in, 2, y, i64);
  else by_float(a, [&](auto t) { walk(in, 2, y, sizeof t == 4 ? f32 : f64); });
}

}  // namespace

#define X(name) \
  void name(Strided x, Out y, double a, double b) { \
    apply(x, y, forward<rules::name, float>, forward<rules::name, double>, a, b); \
  } \
  void name##_backward(Strided v, Strided gy, Out gx, double a, double b) { \
    apply(v, gy, gx, backward<rules::name, float>, backward<rules::name, double>, a, b); \
  }
UNARY(X)
#undef X

#define X(name) \
  void name(Strided a, Strided b, Out y) { apply_binary<rules::name>(a, b, y); }
BINARY(X)
#undef X

#define X(name) \
  void name(Strided a, Strided b, Out y) { \
    apply_compare(a, b, y, compare<rules::name, float>, compare<rules::name, double>, compare<rules::name, int64_t>); \
  }
COMPARE(X)
#undef X

void where(Strided condition, Strided a, Strided b, Out y) {
  expect(condition.dtype == Dtype::b8, "where: the condition is bool");
  expect(a.dtype == y.dtype && b.dtype == y.dtype, "where: inputs and output differ in dtype");
  const Strided* in[] = {&condition, &a, &b};
  int item = item_size(y.dtype);
  walk(in, 3, y, item == 1 ? choose<uint8_t> : item == 4 ? choose<uint32_t> : choose<uint64_t>);
}

void copy(Strided x, Out y) {
  expect(x.dtype == y.dtype, "copy: input and output differ in dtype");
  const Strided* in[] = {&x};
  walk(in, 1, y, nullptr);
}

}  // namespace pydl
