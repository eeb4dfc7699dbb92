#pragma once
// Elementary functions on vec<T>: exp, log and their relatives within 2 ulp, tanh and the error functions within 4, infinities,
// NaN, -0 and denormal results included (tests/test_simd.py). Polynomials are minimax fits (Remez exchange, 50 digits).
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "simd.h"

namespace pydl {

template <class V> struct LaneOf { typedef std::decay_t<decltype(std::declval<V>()[0])> type; };
template <> struct LaneOf<float> { typedef float type; };
template <> struct LaneOf<double> { typedef double type; };
/// The element type of a vector; a scalar is its own.
template <class V> using lane = typename LaneOf<V>::type;
/// The vector of signed integers of the same shape: what comparisons give, and how bits are seen.
template <class V> using Bits = decltype(std::declval<V>() < std::declval<V>());

template <class T> struct Format;
template <> struct Format<float> {
  using Int = int32_t;
  static constexpr int MANTISSA = 23, BIAS = 127;
  static constexpr float SMALLEST_NORMAL = 0x1p-126f;
};
template <> struct Format<double> {
  using Int = int64_t;
  static constexpr int MANTISSA = 52, BIAS = 1023;
  static constexpr double SMALLEST_NORMAL = 0x1p-1022;
};
template <class V> using Int = typename Format<lane<V>>::Int;
template <class T> constexpr T T_INF = std::numeric_limits<T>::infinity();
template <class T> constexpr T T_NAN = std::numeric_limits<T>::quiet_NaN();
template <class V> constexpr bool IS_FLOAT = sizeof(lane<V>) == 4;

/// condition ? a : b on scalars and on vectors; one of a, b may be a scalar beside a vector.
template <class M, class A, class B> PYDL_INLINE auto pick(M condition, A a, B b) { return condition ? a : b; }
template <class V> PYDL_INLINE V fill(lane<V> value) { return V{} + value; }

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
X(log10) X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh) X(cosh) X(asinh) X(acosh) X(atanh)
#undef X
#define X(f) template <class V> PYDL_INLINE V v##f(V x, V y) { return each(x, y, [](lane<V> s, lane<V> t) { return std::f(s, t); }); }
X(pow) X(atan2) X(fmod) X(hypot)
#undef X

// Bits

template <class V> constexpr Int<V> SIGN_BIT = Int<V>(1) << (sizeof(Int<V>) * 8 - 2) << 1;

template <class V> PYDL_INLINE V vfabs(V x) { return (V)((Bits<V>)x & ~SIGN_BIT<V>); }
template <class V> PYDL_INLINE V vcopysign(V x, V sign) {
  return (V)(((Bits<V>)x & ~SIGN_BIT<V>) | ((Bits<V>)sign & SIGN_BIT<V>));
}
/// 2^n for exponents of normal numbers.
template <class V> PYDL_INLINE V power_of_two(Bits<V> n) {
  using F = Format<lane<V>>;
  return (V)((n + F::BIAS) << F::MANTISSA);
}
/// c[0] + c[1] x + c[2] x^2 + ...
template <class V, int N> PYDL_INLINE V polynomial(V x, const lane<V> (&c)[N]) {
  V y = fill<V>(c[N - 1]);
  PYDL_UNROLL for (int i = N - 2; i >= 0; --i) y = y * x + c[i];
  return y;
}
template <class V> PYDL_INLINE V vsqrt(V x) {
  lane<V> t[sizeof(V) / sizeof(lane<V>)];  // a loop over an array becomes one instruction, a loop over lanes does not
  memcpy(t, &x, sizeof x);
  for (auto& e : t) e = std::sqrt(e);
  memcpy(&x, t, sizeof x);
  return x;
}

// Rounding: adding 2^MANTISSA pushes the fraction out of the significand. Larger numbers are whole already.

template <class V> PYDL_INLINE V round_positive(V a) {
  constexpr lane<V> big = lane<V>(Int<V>(1) << Format<lane<V>>::MANTISSA);
  return pick(a < big, (a + big) - big, a);
}
template <class V> PYDL_INLINE V vrint(V x) { return vcopysign(round_positive(vfabs(x)), x); }
template <class V> PYDL_INLINE V vfloor(V x) { V r = vrint(x); return pick(r > x, r - lane<V>(1), r); }
template <class V> PYDL_INLINE V vceil(V x) { V r = vrint(x); return pick(r < x, r + lane<V>(1), r); }
template <class V> PYDL_INLINE V vtrunc(V x) {
  V a = vfabs(x), r = round_positive(a);
  return vcopysign(pick(r > a, r - lane<V>(1), r), x);
}

// Exponentials: x = n ln 2 + r with |r| <= ln 2 / 2, exp(x) = 2^n (1 + expm1(r)).

/// The nearest whole number to x (|x| < 2^21) as a vector of T and, in the low bits of a sum, as integers.
template <class V> struct Whole {
  V value;
  Bits<V> integer;
  PYDL_INLINE explicit Whole(V x) {
    constexpr lane<V> magic = lane<V>(Int<V>(3) << (Format<lane<V>>::MANTISSA - 1));
    V t = x + magic;
    value = t - magic;
    integer = (Bits<V>)t - (Bits<V>)fill<V>(magic);
  }
};
/// exp(r) - 1 for |r| <= ln 2 / 2
template <class V> PYDL_INLINE V expm1_reduced(V r) {
  if constexpr (IS_FLOAT<V>) {
    constexpr float c[] = {0.5000000059f, 0.1666654501f, 0.04166628917f, 0.008366407035f, 0.001394609946f};
    return r * r * polynomial(r, c) + r;
  } else {
    constexpr double c[] = {0.5, 0.166666666666666759, 0.0416666666666666987, 0.00833333333332210338,
                            0.00138888888888677963, 0.00019841269885089248, 0.0000248015873590563927,
                            2.75572451298695253e-6, 2.75572438180699463e-7, 2.51087510435674218e-8,
                            2.09241662823320439e-9};
    return r * r * polynomial(r, c) + r;
  }
}
/// x - n ln 2; the high part of ln 2 has so few bits that n times it is exact.
template <class V> PYDL_INLINE V minus_ln2(V x, V n) {
  constexpr lane<V> high = IS_FLOAT<V> ? lane<V>(0x1.62ep-1) : lane<V>(0x1.62e42feep-1);
  constexpr lane<V> low = IS_FLOAT<V> ? lane<V>(0x1.0bfbe8e7bcd5ep-15) : lane<V>(0x1.a39ef35793c76p-33);
  return (x - n * high) - n * low;
}
constexpr double LOG2_E = 1.44269504088896340736, LN_2 = 0.69314718055994530942;

/// 2^n times (1 + q), in two steps: the result may be denormal or infinite where 2^n alone is out of range.
template <class V> PYDL_INLINE V scale(V q, Bits<V> n) {
  Bits<V> half = n >> 1;
  return (lane<V>(1) + q) * power_of_two<V>(half) * power_of_two<V>(n - half);
}
template <class V> PYDL_INLINE V vexp(V x) {
  using T = lane<V>;
  constexpr T low = IS_FLOAT<V> ? T(-104) : T(-746), high = IS_FLOAT<V> ? T(89) : T(710);
  V t = pick(x < low, low, x);
  t = pick(t > high, high, t);
  Whole<V> n(t * T(LOG2_E));
  return scale(expm1_reduced(minus_ln2(t, n.value)), n.integer);
}
template <class V> PYDL_INLINE V vexp2(V x) {
  using T = lane<V>;
  constexpr T low = IS_FLOAT<V> ? T(-151) : T(-1076), high = IS_FLOAT<V> ? T(129) : T(1025);
  V t = pick(x < low, low, x);
  t = pick(t > high, high, t);
  Whole<V> n(t);
  return scale(expm1_reduced((t - n.value) * T(LN_2)), n.integer);
}
template <class V> PYDL_INLINE V vexpm1(V x) {
  using T = lane<V>;
  constexpr T low = IS_FLOAT<V> ? T(-30) : T(-60), high = IS_FLOAT<V> ? T(89) : T(710);
  constexpr int top = Format<T>::BIAS;
  V t = pick(x < low, low, x);
  t = pick(t > high, high, t);
  Whole<V> n(t * T(LOG2_E));
  V q = expm1_reduced(minus_ln2(t, n.value));
  V s = power_of_two<V>(pick(n.integer > top, n.integer - 1, n.integer));
  V y = pick(n.integer > top, (s * q + s) * T(2), s * q + (s - T(1)));
  return vcopysign(y, x);
}

// Logarithms: x = 2^e m with sqrt(1/2) <= m < sqrt(2); log m is a series in s = f / (2 + f), f = m - 1.

template <class V> struct Logarithm {
  V exponent, of_mantissa;  // e, log m
  /// x positive, normal and finite (anything else gives rubbish, not a trap)
  PYDL_INLINE explicit Logarithm(V x) {
    using T = lane<V>;
    using F = Format<T>;
    constexpr Int<V> root_half = IS_FLOAT<V> ? 0x3f3504f3 : Int<V>(0x3fe6a09e667f3bcd);
    constexpr T magic = T(Int<V>(3) << (F::MANTISSA - 1));
    Bits<V> i = (Bits<V>)x - root_half, e = i >> F::MANTISSA;
    exponent = (V)(e + (Bits<V>)fill<V>(magic)) - magic;  // AVX2 has no 64-bit conversion
    V f = (V)((Bits<V>)x - (e << F::MANTISSA)) - T(1);
    V s = f / (f + T(2)), z = s * s, half_square = T(0.5) * f * f;
    V series;
    if constexpr (IS_FLOAT<V>) {
      constexpr float c[] = {0.6666666583f, 0.4000030302f, 0.2853899794f, 0.2355462816f};
      series = z * polynomial(z, c);
    } else {
      constexpr double c[] = {0.666666666666666645, 0.400000000000036986, 0.285714285697473633, 0.222222225630206135,
                              0.181817814458592504, 0.153868687698110508, 0.132545770881902242, 0.132148036771167822};
      series = z * polynomial(z, c);
    }
    of_mantissa = f - (half_square - s * (half_square + series));  // = 2 s + s series, without rounding 2 s
  }
};
/// What a logarithm is outside the positive normal numbers.
template <class V> PYDL_INLINE V log_limits(V x, V y) {
  using T = lane<V>;
  y = pick(x < T_INF<T>, y, x);  // inf, NaN
  y = pick(x == T(0), -T_INF<T>, y);
  return pick(x < T(0), T_NAN<T>, y);
}
/// Logarithm of positive x, denormals included, to the base whose ln 2 is high + low and whose unit is `unit`
template <class V> PYDL_INLINE V log_base(V x, lane<V> unit, lane<V> high, lane<V> low) {
  using T = lane<V>;
  using F = Format<T>;
  auto tiny = x < F::SMALLEST_NORMAL;
  Logarithm<V> l(pick(tiny, x * T(Int<V>(1) << F::MANTISSA), x));
  V e = l.exponent - pick(tiny, T(F::MANTISSA), fill<V>(0));
  return log_limits(x, e * high + (l.of_mantissa * unit + e * low));
}
template <class V> PYDL_INLINE V vlog(V x) {
  using T = lane<V>;
  if constexpr (IS_FLOAT<V>) return log_base(x, T(1), T(0x1.62ep-1), T(0x1.0bfbe8e7bcd5ep-15));
  else return log_base(x, T(1), T(0x1.62e42feep-1), T(0x1.a39ef35793c76p-33));
}
template <class V> PYDL_INLINE V vlog2(V x) { return log_base(x, lane<V>(LOG2_E), lane<V>(1), lane<V>(0)); }
/// log(1 + x) = log(u) + (x - (u - 1)) / u for u = 1 + x rounded
template <class V> PYDL_INLINE V vlog1p(V x) {
  using T = lane<V>;
  V u = T(1) + x;
  Logarithm<V> l(u);
  constexpr T high = IS_FLOAT<V> ? T(0x1.62ep-1) : T(0x1.62e42feep-1);
  constexpr T low = IS_FLOAT<V> ? T(0x1.0bfbe8e7bcd5ep-15) : T(0x1.a39ef35793c76p-33);
  V y = l.exponent * high + (l.of_mantissa + (l.exponent * low + (x - (u - T(1))) / u));
  return pick(x == T(0), x, log_limits(u, y));
}
template <class V> PYDL_INLINE V vtanh(V x) {
  using T = lane<V>;
  V t = vexpm1(T(-2) * vfabs(x));
  return vcopysign(-t / (T(2) + t), x);
}

// Error function: erfc(a) = exp(-a^2) erfcx(a) for a >= 0; (1 + 2 a) erfcx(a) is smooth in u = (a - 3) / (a + 3).

template <class V> PYDL_INLINE V erfcx_positive(V a) {
  using T = lane<V>;
  V m = T(1) + T(2) * a, p = a + T(3), r = T(1) / (m * p), u = (a - T(3)) * m * r;
  V h;
  if constexpr (IS_FLOAT<V>) {
    constexpr float c[] = {1.253008059f, -0.1356211401f, -0.04756240969f, 0.1296464336f, -0.119270795f, 0.06829575116f,
                           -0.02379854037f, 0.002566556787f, 0.002003354121f, -0.0007751115592f, -0.0002671765476f};
    h = polynomial(u, c);
  } else {
    constexpr double c[] = {
        1.25300805826972965, -0.135621106124580545, -0.0475622943534491421, 0.129645158702690478, -0.119273663415394088,
        0.0683080273462891366, -0.0237705149167315073, 0.0025293917810001668, 0.00188869033516959035,
        -0.000779831977298836805, -0.000105159610598999752, 0.000125097844936578347, 4.94851090747077327e-6,
        -0.0000200956527434397829, -7.28200843051822392e-7, 3.46202153249113289e-6, 3.49441995562717804e-7,
        -6.02552569567289014e-7, -1.30956391373245524e-7, 9.01576416527077006e-8, 3.24313914513958665e-8,
        -7.99214082431523858e-9, -3.98102828945363249e-9};
    h = polynomial(u, c);
  }
  return h * p * r;
}
/// |x| or, where exp(-x^2 / 2) is 0 anyway, the bound that keeps infinity times zero out.
template <class V> PYDL_INLINE V bounded(V x) {
  constexpr lane<V> bound = IS_FLOAT<V> ? 15 : 40;
  V a = vfabs(x);
  return pick(a > bound, bound, a);
}
/// exp(-c x^2), c = 1 or 1/2, x bounded. x^2 = h^2 + small with h^2 exact: the rounding of x^2 would cost x^2 ulp.
template <class V> PYDL_INLINE V gauss(V x, lane<V> c) {
  using T = lane<V>;
  constexpr Int<V> upper = IS_FLOAT<V> ? -0x1000 : -0x8000000;
  V h = (V)((Bits<V>)x & upper), t = -c * ((x - h) * (x + h));
  V e = vexp(-c * (h * h));
  return e + e * t * (T(1) + t * (T(1) / 2 + t * (T(1) / 6 + t * (T(1) / 24))));
}
template <class V> PYDL_INLINE V vgauss(V x, lane<V> c) { return gauss(bounded(x), c); }
/// exp(-c x^2) erfcx(|x| sqrt(c)): twice the upper tail of the normal distribution of variance 1/2 or 1.
template <class V> PYDL_INLINE V tail(V x, lane<V> c, lane<V> root_c) {
  V a = bounded(x);
  return gauss(a, c) * erfcx_positive(a * root_c);
}
/// erf(x) for |x| <= 1
template <class V> PYDL_INLINE V erf_small(V x) {
  if constexpr (IS_FLOAT<V>) {
    constexpr float c[] = {0.1283791659f, -0.3761262714f, 0.1128360018f, -0.02685444467f, 0.005189535348f,
                           -0.0008020840496f, 7.889115011e-5f};
    return x + x * polynomial(x * x, c);
  } else {
    constexpr double c[] = {0.128379167095512567, -0.376126389031835466, 0.112837916709452519, -0.0268661706432760214,
                            0.00522397760742208776, -0.000854832598964295966, 0.000120552953192280349,
                            -0.0000149247446448201243, 1.64475175116700723e-6, -1.62091750511112214e-7,
                            1.37229740855778026e-8, -7.801187300572818e-10};
    return x + x * polynomial(x * x, c);
  }
}
template <class V> PYDL_INLINE V verf(V x) {
  using T = lane<V>;
  auto small = vfabs(x) < T(1);
  return pick(small, erf_small(pick(small, x, T(0))), vcopysign(T(1) - tail(x, T(1), T(1)), x));
}
template <class V> PYDL_INLINE V verfc(V x) {
  using T = lane<V>;
  auto small = vfabs(x) < T(0.5);
  V y = tail(x, T(1), T(1));
  return pick(small, T(1) - erf_small(pick(small, x, T(0))), pick(x < T(0), T(2) - y, y));
}
/// Distribution function of the standard normal distribution.
template <class V> PYDL_INLINE V vnormal_cdf(V x) {
  using T = lane<V>;
  V y = T(0.5) * tail(x, T(0.5), T(0.70710678118654752440));
  return pick(x > T(0), T(1) - y, y);
}

}  // namespace pydl
