#pragma once
// clang-format off: tables of rules and coefficients read better by hand
// sin, cos and pow on vec<T>. Those of float32 are computed in float64, where neither the reduction of the angle nor the
// logarithm needs extended precision: within 1 ulp. sin and cos of float64 are within 3 ulp; pow is the C library's.
#include "simd_math.h"

namespace pydl {

template <class M> PYDL_INLINE bool any(M mask) {
  int64_t t[sizeof(M) / 8], found = 0;
  memcpy(t, &mask, sizeof mask);
  for (int64_t e : t) found |= e;
  return found != 0;
}

typedef float HalfVector __attribute__((vector_size(VECTOR_BYTES / 2)));
typedef double WideVector __attribute__((vector_size(VECTOR_BYTES)));
/// f(x, y) on the two halves of float32 vectors as float64, rounded to float32.
template <class V, class F> PYDL_INLINE V in_double(V x, V y, F f) {
  HalfVector a[2], b[2];
  memcpy(a, &x, sizeof x);
  memcpy(b, &y, sizeof y);
  for (int i = 0; i < 2; ++i)
    a[i] = __builtin_convertvector(f(__builtin_convertvector(a[i], WideVector), __builtin_convertvector(b[i], WideVector)),
                                   HalfVector);
  memcpy(&x, a, sizeof x);
  return x;
}

/// sin(r + q pi / 2) for whole q and |r| <= pi / 4; `Precision` is the type that the result will be rounded to.
template <class Precision, class V> PYDL_INLINE V sin_reduced(V r, Bits<V> q) {
  V z = r * r, s, c;
  if constexpr (sizeof(Precision) == 4) {
    constexpr lane<V> s_[] = {-0.166666666417, 0.00833332938182, -0.000198393320691, 2.71827604225e-6};
    constexpr lane<V> c_[] = {0.0416666666239, -0.00138888838227, 2.47995340309e-5, -2.72111398309e-7};
    s = polynomial(z, s_), c = polynomial(z, c_);
  } else {
    constexpr lane<V> s_[] = {-0.166666666666666324,    0.0083333333333224557,     -0.000198412698298166037,
                              2.75573136890411074e-6, -2.50507569688812988e-8, 1.58966971576364574e-10};
    constexpr lane<V> c_[] = {0.0416666666666666125,    -0.00138888888888759995, 0.000024801587290486625,
                              -2.75573146069504398e-7, 2.0875754147084965e-9,   -1.1361091472740914e-11};
    s = polynomial(z, s_), c = polynomial(z, c_);
  }
  s = r + r * z * s;
  c = lane<V>(1) - (lane<V>(0.5) * z - z * z * c);
  V y = pick((q & 1) != 0, c, s);
  return (V)((Bits<V>)y ^ ((q & 2) << (sizeof(lane<V>) * 8 - 2)));
}
constexpr double TWO_OVER_PI = 0.63661977236758134308;
/// sin(x + q pi / 2), |x| < 2^20, in float64: x minus whole multiples of pi / 2, whose first two parts have 33 bits.
template <class Precision, class V> PYDL_INLINE V sin_moderate(V x, int64_t q) {
  Whole<V> n(x * TWO_OVER_PI);
  V r = (x - n.value * 0x1.921fb544p+0) - n.value * 0x1.0b4611a6p-34;
  return sin_reduced<Precision>(r - n.value * 0x1.3198a2e037073p-69, n.integer + q);
}
/// sin or cos; angles so large that the reduction would lose bits go to the C library.
template <class V, class Exact> PYDL_INLINE V sin_shifted(V x, int q, Exact exact) {
  constexpr lane<V> limit = 1 << 20;
  V y;
  if constexpr (IS_FLOAT<V>) y = in_double(x, x, [q](auto a, auto) { return sin_moderate<float>(a, q); });
  else y = sin_moderate<double>(x, q);
  auto large = vfabs(x) >= limit;
  if (__builtin_expect(any(large), false))
    for (int i = 0; i < int(sizeof x / sizeof x[0]); ++i) if (large[i]) y[i] = exact(x[i]);
  return y;
}
template <class V> PYDL_INLINE V vsin(V x) {
  V y = sin_shifted(x, 0, [](lane<V> t) { return std::sin(t); });
  return pick(x == lane<V>(0), x, y);  // -0 stays
}
template <class V> PYDL_INLINE V vcos(V x) {
  return sin_shifted(x, 1, [](lane<V> t) { return std::cos(t); });
}

/// x^y = 2^(y log2 |x|) with the sign and the exceptions of the C standard
template <class V> PYDL_INLINE V vpow(V x, V y) {
  using T = lane<V>;
  if constexpr (!IS_FLOAT<V>) {
    return each(x, y, [](double a, double b) { return std::pow(a, b); });
  } else {
    constexpr T inf = T_INF<T>;
    V base = vfabs(x);
    V z = in_double(base, y, [](auto a, auto b) {
      using W = decltype(a);
      constexpr double c[] = {0.6931472047, 0.2402265133, 0.05550329702, 0.00961800508, 0.001339974769, 0.0001547604438};
      Logarithm<W, float> l(a);
      W power = b * (l.exponent + l.of_mantissa * LOG2_E);
      power = pick(power < -200.0, -200.0, power);
      power = pick(power > 200.0, 200.0, power);
      Whole<W> n(power);
      W f = power - n.value;
      return scale(f * polynomial(f, c), n);
    });
    V edge = pick((base == T(0)) != (y < T(0)), fill<V>(0), fill<V>(inf));
    z = pick((base == T(0)) | (base == inf), edge, z);
    auto whole = vrint(y) == y, odd = whole & (vrint(T(0.5) * y) != T(0.5) * y);
    z = pick(odd, vcopysign(z, x), z);
    z = pick((x < T(0)) & (x > -inf) & ~whole, T_NAN<T>, z);
    z = pick(((x != x) | (y != y)), x + y, z);
    return pick((y == T(0)) | (x == T(1)) | ((base == T(1)) & (vfabs(y) == inf)), T(1), z);
  }
}

}  // namespace pydl
