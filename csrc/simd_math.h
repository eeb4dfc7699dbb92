#pragma once
// Elementary functions on vec<T>.
#include <cmath>

#include "simd.h"

namespace pydl {

template <class V> struct LaneOf { typedef typename std::remove_cv<typename std::remove_reference<decltype(V{}[0])>::type>::type type; };
template <> struct LaneOf<float> { typedef float type; };
template <> struct LaneOf<double> { typedef double type; };
/// The element type of a vector; a scalar is its own.
template <class V> using lane = typename LaneOf<V>::type;

/// f on each lane, for functions that have no vector form here.
template <class V, class F> PYDL_INLINE V each(V x, F f) {
  _Pragma("GCC unroll 1") for (int i = 0; i < int(sizeof(V) / sizeof(lane<V>)); ++i) x[i] = f(x[i]);
  return x;
}
template <class V, class F> PYDL_INLINE V each(V x, V y, F f) {
  _Pragma("GCC unroll 1") for (int i = 0; i < int(sizeof(V) / sizeof(lane<V>)); ++i) x[i] = f(x[i], y[i]);
  return x;
}

#define X(f) template <class V> PYDL_INLINE V v##f(V x) { return each(x, [](lane<V> t) { return std::f(t); }); }
X(exp) X(exp2) X(expm1) X(log) X(log1p) X(log2) X(log10) X(sqrt) X(tanh) X(erf) X(erfc)
X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh) X(cosh) X(asinh) X(acosh) X(atanh)
X(floor) X(ceil) X(trunc) X(rint) X(fabs)
#undef X
#define X(f) template <class V> PYDL_INLINE V v##f(V x, V y) { return each(x, y, [](lane<V> s, lane<V> t) { return std::f(s, t); }); }
X(pow) X(atan2) X(fmod) X(hypot) X(copysign)
#undef X

}  // namespace pydl
