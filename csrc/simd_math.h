#pragma once
// clang-format off: tables of rules and coefficients read better by hand
// Elementary functions on vec<T>: exp, log, erf and their relatives within 2 ulp, tanh within 3, erfc within 8, infinities,
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
/// The same bits as unsigned integers, whose arithmetic wraps.
template <class V> struct WordsOf {
  typedef std::make_unsigned_t<Int<V>> type __attribute__((vector_size(sizeof(V)), may_alias));
};
template <class V> using Words = typename WordsOf<V>::type;
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
X(log10) X(tan) X(asin) X(acos) X(atan) X(sinh) X(cosh) X(asinh) X(acosh) X(atanh)
#undef X
#define X(f) template <class V> PYDL_INLINE V v##f(V x, V y) { return each(x, y, [](lane<V> s, lane<V> t) { return std::f(s, t); }); }
X(atan2) X(fmod) X(hypot)
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
// A loop over an array becomes one instruction, a loop over the lanes of a vector does not.
#define X(f) \
  template <class V> PYDL_INLINE V v##f(V x) { \
    lane<V> t[sizeof(V) / sizeof(lane<V>)]; \
    memcpy(t, &x, sizeof x); \
    for (auto& e : t) e = std::f(e); \
    memcpy(&x, t, sizeof x); \
    return x; \
  }
X(sqrt) X(floor) X(ceil) X(trunc) X(rint)
#undef X

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

/// 2^n times (1 + q), n = `n.value`; the result may be denormal or infinite where 2^n alone is out of range.
template <class V> PYDL_INLINE V scale(V q, const Whole<V>& n) {
  V y = lane<V>(1) + q;
#if defined(__AVX512F__)  // one instruction for eight: a third of exp
  constexpr int ROUND_AS_USUAL = 4;
  if constexpr (IS_FLOAT<V>) return __builtin_ia32_scalefps512_mask(y, n.value, y, -1, ROUND_AS_USUAL);
  else return __builtin_ia32_scalefpd512_mask(y, n.value, y, -1, ROUND_AS_USUAL);
#else
  Bits<V> half = n.integer >> 1;
  return y * power_of_two<V>(half) * power_of_two<V>(n.integer - half);
#endif
}
template <class V> PYDL_INLINE V exp_in_range(V x) {
  Whole<V> n(x * lane<V>(LOG2_E));
  return scale(expm1_reduced(minus_ln2(x, n.value)), n);
}
/// exp(x) for x <= 0
template <class V> PYDL_INLINE V vexp_negative(V x) {
  constexpr lane<V> low = IS_FLOAT<V> ? -104 : -746;
  return exp_in_range(pick(x < low, low, x));
}
template <class V> PYDL_INLINE V vexp(V x) {
  constexpr lane<V> high = IS_FLOAT<V> ? 89 : 710;
  return vexp_negative(pick(x > high, high, x));
}
template <class V> PYDL_INLINE V vexp2(V x) {
  using T = lane<V>;
  constexpr T low = IS_FLOAT<V> ? T(-151) : T(-1076), high = IS_FLOAT<V> ? T(129) : T(1025);
  V t = pick(x < low, low, x);
  t = pick(t > high, high, t);
  Whole<V> n(t);
  return scale(expm1_reduced((t - n.value) * T(LN_2)), n);
}
/// exp(x) - 1 for x <= 0 (-0 gives +0)
template <class V> PYDL_INLINE V vexpm1_negative(V x) {
  using T = lane<V>;
  constexpr T low = IS_FLOAT<V> ? T(-30) : T(-60);
  V t = pick(x < low, low, x);
  Whole<V> n(t * T(LOG2_E));
  V s = power_of_two<V>(n.integer);
  return s * expm1_reduced(minus_ln2(t, n.value)) + (s - T(1));
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

/// `Precision` is the type that the result will be rounded to.
template <class V, class Precision = lane<V>> struct Logarithm {
  V exponent, of_mantissa;  // e, log m
  /// x positive, normal and finite (anything else gives rubbish, not a trap)
  PYDL_INLINE explicit Logarithm(V x) {
    using T = lane<V>;
    using F = Format<T>;
    constexpr Int<V> root_half = IS_FLOAT<V> ? 0x3f3504f3 : Int<V>(0x3fe6a09e667f3bcd);
    constexpr T magic = T(Int<V>(3) << (F::MANTISSA - 1));
    Words<V> above = (Words<V>)x - (Words<V>)fill<Bits<V>>(root_half);  // wraps where x is rubbish
    Bits<V> e = (Bits<V>)above >> F::MANTISSA;
    exponent = (V)(e + (Bits<V>)fill<V>(magic)) - magic;  // AVX2 has no 64-bit conversion
    V f = (V)((Words<V>)x - ((Words<V>)e << F::MANTISSA)) - T(1);
    V s = f / (f + T(2)), z = s * s, half_square = T(0.5) * f * f;
    V series;
    if constexpr (sizeof(Precision) == 4) {
      constexpr T c[] = {T(0.6666666583), T(0.4000030302), T(0.2853899794), T(0.2355462816)};
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
/// log(1 + x) for 0 <= x <= 1: log(u) + (x - (u - 1)) / u for u = 1 + x rounded. The second term is of the size of a rounding
/// error, or u is nearly 1: 1 / u = 2 - u or a little more is near enough.
template <class V> PYDL_INLINE V log1p_unit(V x) {
  using T = lane<V>;
  constexpr T high = IS_FLOAT<V> ? T(0x1.62ep-1) : T(0x1.62e42feep-1);
  constexpr T low = IS_FLOAT<V> ? T(0x1.0bfbe8e7bcd5ep-15) : T(0x1.a39ef35793c76p-33);
  V u = T(1) + x, rest = (x - (u - T(1))) * (T(1.5) - T(0.5) * u);
  Logarithm<V> l(u);
  return l.exponent * high + (l.of_mantissa + (l.exponent * low + rest));
}
template <class V> PYDL_INLINE V vlog1p(V x) {
  using T = lane<V>;
  constexpr T high = IS_FLOAT<V> ? T(0x1.62ep-1) : T(0x1.62e42feep-1);
  constexpr T low = IS_FLOAT<V> ? T(0x1.0bfbe8e7bcd5ep-15) : T(0x1.a39ef35793c76p-33);
  V u = T(1) + x;
  Logarithm<V> l(u);
  V y = l.exponent * high + (l.of_mantissa + (l.exponent * low + (x - (u - T(1))) / u));
  return pick(x == T(0), x, log_limits(u, y));
}
/// With e = exp(-2 |x|): (1 - e) / (1 + e), where that cancels little 1 - 2 e / (1 + e); 1 - e by expm1.
template <class V> PYDL_INLINE V vtanh(V x) {
  using T = lane<V>;
  constexpr T low = IS_FLOAT<V> ? T(-30) : T(-60);
  V a = vfabs(x), t = T(-2) * a;
  t = pick(t < low, low, t);
  Whole<V> n(t * T(LOG2_E));
  V s = power_of_two<V>(n.integer), q = s * expm1_reduced(minus_ln2(t, n.value)), e = s + q;
  auto large = a > T(0.55);
  V r = pick(large, e + e, (T(1) - s) - q) / (T(1) + e);
  return vcopysign(pick(large, T(1) - r, r), x);
}

// Normal distribution and error function: the upper tail is exp(-a^2 / 2) R(a) for a >= 0, and R is a ratio of polynomials with
// positive coefficients; erfc(x) is twice the tail at a = sqrt(2) x.

template <class V> PYDL_INLINE V tail_ratio(V a) {
  if constexpr (IS_FLOAT<V>) {
    constexpr float p[] = {0.5000000031f, 0.4392787986f, 0.183965399f, 0.04087977604f, 0.00415300124f};
    constexpr float q[] = {1.0f, 1.676442602f, 1.205533419f, 0.4713987406f, 0.1024765194f, 0.01040991866f};
    return polynomial(a, p) / polynomial(a, q);
  } else {
    constexpr double p[] = {0.499999999999999973, 0.775484692336709518, 0.5949320372828499, 0.289965873071416163,
                            0.0979838222540060769, 0.0237094159094136914, 0.00410780830209392388,
                            0.000493094861561754075, 0.0000374976467234082826, 1.39656211925289025e-6};
    constexpr double q[] = {1.0, 2.34885394547627377, 2.5639783732424531, 1.71722505191069527, 0.783830580483327513,
                            0.255717771154982399, 0.0606596968976751273, 0.0103907410877143722, 0.00123950618434799879,
                            0.0000939926615070437748, 3.5006620954073039e-6};
    return polynomial(a, p) / polynomial(a, q);
  }
}
/// |x| or, where exp(-x^2 / 2) is 0 anyway, the bound that keeps infinity times zero out.
template <class V> PYDL_INLINE V bounded(V x) {
  constexpr lane<V> bound = IS_FLOAT<V> ? 15 : 40;
  V a = vfabs(x);
  return pick(a > bound, bound, a);
}
/// exp(-c x^2)
template <class V> PYDL_INLINE V vgauss(V x, lane<V> c) { return vexp_negative(-c * (x * x)); }
/// Upper tail (Q(a) for a = |x|) and density of the standard normal distribution; they share the exponential.
template <class V> struct Normal {
  V a, tail, density;
  PYDL_INLINE explicit Normal(V x) : a(bounded(x)) {
    using T = lane<V>;
    V e;
    if constexpr (IS_FLOAT<V>) {  // 2^t: t is as inexact as a^2 / 2 would be, and no reduction by ln 2 is needed
      constexpr float c[] = {0.6931472137f, 0.2402223881f, 0.05550309509f, 0.009671712532f, 0.001340700972f};
      V t = float(-0.5 * LOG2_E) * (a * a);
      Whole<V> n(t);
      V f = t - n.value;
      e = scale(f * polynomial(f, c), n);
    } else {
      e = exp_in_range(T(-0.5) * (a * a));
    }
    tail = e * tail_ratio(a);
    density = T(0.39894228040143267794) * e;
  }
};
constexpr double ROOT_2 = 1.41421356237309504880;

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
  V a = bounded(x), upper = T(1) - T(2) * vgauss(a, T(1)) * tail_ratio(a * T(ROOT_2));
  auto small = a < T(1);
  return pick(small, erf_small(pick(small, x, T(0))), vcopysign(upper, x));
}
template <class V> PYDL_INLINE V verfc(V x) {
  using T = lane<V>;
  constexpr Int<V> upper = IS_FLOAT<V> ? -0x1000 : -0x8000000;
  // x^2 = h^2 + small with h^2 exact: the rounding of x^2 would cost x^2 ulp of the tail
  V a = bounded(x), h = (V)((Bits<V>)a & upper), e = vexp_negative(-h * h) * vexp_negative(-(a - h) * (a + h));
  V y = T(2) * e * tail_ratio(a * T(ROOT_2));
  auto small = a < T(0.5);
  return pick(small, T(1) - erf_small(pick(small, x, T(0))), pick(x < T(0), T(2) - y, y));
}

}  // namespace pydl
