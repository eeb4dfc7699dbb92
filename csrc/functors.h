#pragma once
// clang-format off: tables of rules and coefficients read better by hand
// Every scalar rule and its derivative, written once for scalars (CUDA, tests) and for the vectors of simd.h (CPU).
//   RULE(name, variable, masked, value, slope)   value: y in terms of x and the parameters a, b;
//     slope: dy/dx in terms of `variable`, x or y: what the forward pass has to keep;
//     masked: the gradient is 0 where the slope is 0, whatever comes from above (PyTorch's `where`, not its product).
// Conventions at kinks are PyTorch's: relu'(0) = 0, abs'(0) = 0, clamp' = 1 on its bounds, hardtanh' = 0 on them.
#ifdef __CUDACC__
#include <cmath>
#define PYDL_HD __host__ __device__ __forceinline__
namespace pydl {
template <class V> using lane = V;
template <class V> PYDL_HD V pick(bool condition, V a, V b) { return condition ? a : b; }
template <class V> PYDL_HD V fill(V value) { return value; }
}
#else
#include "simd_trig.h"
#define PYDL_HD PYDL_INLINE
#endif

#define UNARY(X) \
  X(neg) X(abs) X(sign) X(square) X(reciprocal) X(sqrt) X(rsqrt) X(pow_scalar) X(clamp) \
  X(exp) X(exp2) X(expm1) X(log) X(log2) X(log10) X(log1p) \
  X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh) X(cosh) X(asinh) X(acosh) X(atanh) \
  X(floor) X(ceil) X(round) X(trunc) X(erf) X(erfc) \
  X(relu) X(relu6) X(leaky_relu) X(hardtanh) X(hardsigmoid) X(hardswish) X(softsign) \
  X(sigmoid) X(tanh) X(log_sigmoid) X(softplus) X(elu) X(selu) X(celu) X(silu) X(mish) X(gelu) X(gelu_tanh)
#define BINARY(X) \
  X(add) X(sub) X(mul) X(div) X(pow) X(maximum) X(minimum) X(atan2) X(fmod) X(remainder) X(hypot)
#define COMPARE(X) X(eq) X(ne) X(lt) X(le) X(gt) X(ge)

namespace pydl {

// The scalar forms of what simd_math.h has for vectors.
#define X(f) \
  PYDL_HD float v##f(float x) { return std::f(x); } \
  PYDL_HD double v##f(double x) { return std::f(x); }
X(exp) X(exp2) X(expm1) X(log) X(log2) X(log10) X(log1p) X(sqrt) X(tanh) X(erf) X(erfc)
X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh) X(cosh) X(asinh) X(acosh) X(atanh)
X(floor) X(ceil) X(trunc) X(rint) X(fabs)
#undef X
#define X(f) \
  PYDL_HD float v##f(float x, float y) { return std::f(x, y); } \
  PYDL_HD double v##f(double x, double y) { return std::f(x, y); }
X(pow) X(atan2) X(fmod) X(hypot) X(copysign)
#undef X
/// exp(x) for x <= 0, exp(x) - 1 for x <= 0, log(1 + x) for 0 <= x <= 1, exp(-c x^2)
#define X(T) \
  PYDL_HD T vexp_negative(T x) { return std::exp(x); } \
  PYDL_HD T vexpm1_negative(T x) { return std::expm1(x); } \
  PYDL_HD T log1p_unit(T x) { return std::log1p(x); } \
  PYDL_HD T vgauss(T x, T c) { return std::exp(-c * x * x); }
X(float) X(double)
#undef X
#ifdef __CUDACC__
template <class T> struct Normal {
  T a, tail, density;
  PYDL_HD explicit Normal(T x)
      : a(std::fabs(x)), tail(T(0.5) * std::erfc(a * T(0.70710678118654752440))),
        density(T(0.39894228040143267794) * std::exp(T(-0.5) * a * a)) {
    if (a > T(40)) a = 40;  // infinity times zero
  }
};
#endif

// Pieces that several rules share.
template <class V> PYDL_HD V vsign(V x) {
  using T = lane<V>;
  return pick(x > T(0), fill<V>(1), pick(x < T(0), fill<V>(-1), fill<V>(0)));  // sign(NaN) = 0
}
/// max(low, min(x, high)); NaN stays.
template <class V> PYDL_HD V vclamp(V x, lane<V> low, lane<V> high) {
  x = pick(x < low, fill<V>(low), x);
  return pick(x > high, fill<V>(high), x);
}
/// 1 / (1 + exp(-x)), with exp of negative numbers only: no overflow, and small values keep their relative accuracy.
template <class V> PYDL_HD V vsigmoid(V x) {
  using T = lane<V>;
  V e = vexp_negative(-vfabs(x));
  return pick(x < T(0), e, fill<V>(1)) / (T(1) + e);
}
/// log(1 + exp(x))
template <class V> PYDL_HD V vsoftplus(V x) {
  using T = lane<V>;
  return pick(x < T(0), fill<V>(0), x) + log1p_unit(vexp_negative(-vfabs(x)));
}
/// x P(X < x) for a standard normal X, and its slope: for x < 0 without the cancellation of 1 - Q.
template <class V> PYDL_HD V vgelu(V x) {
  using T = lane<V>;
  Normal<V> n(x);
  return pick(x > T(0), x, fill<V>(0)) - n.a * n.tail;
}
template <class V> PYDL_HD V vgelu_slope(V x) {
  using T = lane<V>;
  Normal<V> n(x);
  V slope = n.tail - n.a * n.density;  // of gelu at -|x|
  return pick(x > T(0), T(1) - slope, slope);
}
/// x^a for the exponents of everyday use without a logarithm; the rest as pow().
template <class V> PYDL_HD V vpow_scalar(V x, lane<V> a) {
  using T = lane<V>;
  if (a == T(2)) return x * x;
  if (a == T(1)) return x;
  if (a == T(3)) return x * x * x;
  if (a == T(0.5)) return vsqrt(x);
  if (a == T(-0.5)) return T(1) / vsqrt(x);
  if (a == T(-1)) return T(1) / x;
  if (a == T(-2)) return T(1) / (x * x);
  if (a == T(0)) return fill<V>(1);
  return vpow(x, fill<V>(a));
}
/// tanh(softplus(x)) = w / (w + 2) with w = e (e + 2), e = exp(x): mish and its slope without a logarithm.
template <class V> PYDL_HD V vmish_gate(V x) {
  using T = lane<V>;
  V e = vexp(pick(x > T(20), fill<V>(20), x)), w = e * (e + T(2));
  return w / (w + T(2));
}
template <class V> PYDL_HD V vmish_slope(V x) {
  using T = lane<V>;
  V e = vexp(pick(x > T(20), fill<V>(20), x)), w = e * (e + T(2)), r = T(1) / (w + T(2));
  return pick(x > T(20), fill<V>(1), w * r + x * T(4) * e * (T(1) + e) * r * r);
}
/// The gate of the approximate gelu (Hendrycks and Gimpel 2016): (1 + tanh u) / 2 = sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3)
template <class V> PYDL_HD V vgelu_gate(V x) {
  using T = lane<V>;
  return vsigmoid(T(1.59576912160573071176) * (x + T(0.044715) * x * x * x));
}
template <class V> PYDL_HD V vgelu_tanh_slope(V x) {
  using T = lane<V>;
  V s = vgelu_gate(x);
  return s + x * s * (T(1) - s) * (T(1.59576912160573071176) * (T(1) + T(3 * 0.044715) * x * x));
}
template <class V> PYDL_HD V vsilu_slope(V x) {
  using T = lane<V>;
  V s = vsigmoid(x);
  return s * (T(1) + x * (T(1) - s));
}

namespace rules {

#define PARAMETERS [[maybe_unused]] lane<V> a, [[maybe_unused]] lane<V> b
#define RULE(name, variable, is_masked, value_, slope_) \
  struct name { \
    static constexpr bool from_y = #variable[0] == 'y', masked = is_masked; \
    template <class V> static PYDL_HD V value([[maybe_unused]] V x, PARAMETERS) { \
      using T [[maybe_unused]] = lane<V>; \
      return value_; \
    } \
    template <class V> static PYDL_HD V slope([[maybe_unused]] V variable, PARAMETERS) { \
      using T [[maybe_unused]] = lane<V>; \
      return slope_; \
    } \
  };

constexpr double LN2 = 0.69314718055994530942, LN10 = 2.30258509299404568402, TWO_OVER_SQRT_PI = 1.12837916709551257390;
constexpr double SELU_SCALE = 1.0507009873554804934193349852946, SELU_ALPHA = 1.6732632423543772848170429916717;

// powers and signs
RULE(neg, x, false, -x, fill<V>(-1))
RULE(abs, x, false, vfabs(x), vsign(x))
RULE(sign, x, true, vsign(x), fill<V>(0))
RULE(square, x, false, x * x, T(2) * x)
RULE(reciprocal, y, false, T(1) / x, -y * y)
RULE(sqrt, y, false, vsqrt(x), T(0.5) / y)
RULE(rsqrt, y, false, T(1) / vsqrt(x), T(-0.5) * y * y * y)
RULE(pow_scalar, x, false, vpow_scalar(x, a), a == T(0) ? fill<V>(0) : a * vpow_scalar(x, a - T(1)))
RULE(clamp, x, true, vclamp(x, a, b), pick(x >= a, pick(x <= b, fill<V>(1), fill<V>(0)), fill<V>(0)))
// exponentials and logarithms
RULE(exp, y, false, vexp(x), y)
RULE(exp2, y, false, vexp2(x), y * T(LN2))
RULE(expm1, x, false, vexpm1(x), vexp(x))
RULE(log, x, false, vlog(x), T(1) / x)
RULE(log2, x, false, vlog2(x), T(1) / (x * T(LN2)))
RULE(log10, x, false, vlog10(x), T(1) / (x * T(LN10)))
RULE(log1p, x, false, vlog1p(x), T(1) / (T(1) + x))
// trigonometry
RULE(sin, x, false, vsin(x), vcos(x))
RULE(cos, x, false, vcos(x), -vsin(x))
RULE(tan, y, false, vtan(x), T(1) + y * y)
RULE(asin, x, false, vasin(x), T(1) / vsqrt((T(1) - x) * (T(1) + x)))
RULE(acos, x, false, vacos(x), T(-1) / vsqrt((T(1) - x) * (T(1) + x)))
RULE(atan, x, false, vatan(x), T(1) / (T(1) + x * x))
RULE(sinh, x, false, vsinh(x), vcosh(x))
RULE(cosh, x, false, vcosh(x), vsinh(x))
RULE(asinh, x, false, vasinh(x), T(1) / vsqrt(x * x + T(1)))
RULE(acosh, x, false, vacosh(x), T(1) / (vsqrt(x - T(1)) * vsqrt(x + T(1))))
RULE(atanh, x, false, vatanh(x), T(1) / ((T(1) - x) * (T(1) + x)))
// steps
RULE(floor, x, true, vfloor(x), fill<V>(0))
RULE(ceil, x, true, vceil(x), fill<V>(0))
RULE(round, x, true, vrint(x), fill<V>(0))  // half to even
RULE(trunc, x, true, vtrunc(x), fill<V>(0))
// error function
RULE(erf, x, false, verf(x), T(TWO_OVER_SQRT_PI) * vgauss(x, T(1)))
RULE(erfc, x, false, verfc(x), T(-TWO_OVER_SQRT_PI) * vgauss(x, T(1)))
// activations, piecewise linear
RULE(relu, y, true, pick(x <= T(0), fill<V>(0), x), pick(y <= T(0), fill<V>(0), fill<V>(1)))
RULE(relu6, x, true, vclamp(x, T(0), T(6)), pick(x > T(0), pick(x < T(6), fill<V>(1), fill<V>(0)), fill<V>(0)))
RULE(leaky_relu, x, false, pick(x > T(0), x, a * x), pick(x > T(0), fill<V>(1), fill<V>(a)))
RULE(hardtanh, x, true, vclamp(x, a, b), pick(x > a, pick(x < b, fill<V>(1), fill<V>(0)), fill<V>(0)))
RULE(hardsigmoid, x, true, vclamp(x + T(3), T(0), T(6)) / T(6), pick(vfabs(x) < T(3), fill<V>(T(1) / T(6)), fill<V>(0)))
RULE(hardswish, x, true, x * vclamp(x + T(3), T(0), T(6)) / T(6),
     pick(x <= T(-3), fill<V>(0), pick(x >= T(3), fill<V>(1), x / T(3) + T(0.5))))
// activations, smooth
RULE(softsign, x, false, x / (T(1) + vfabs(x)), T(1) / ((T(1) + vfabs(x)) * (T(1) + vfabs(x))))
RULE(sigmoid, y, false, vsigmoid(x), y * (T(1) - y))
RULE(tanh, y, false, vtanh(x), T(1) - y * y)
RULE(log_sigmoid, x, false, -vsoftplus(-x), vsigmoid(-x))
RULE(softplus, x, false, pick(x * a > b, x, vsoftplus(x * a) * (T(1) / a)), pick(x * a > b, fill<V>(1), vsigmoid(x * a)))
RULE(elu, x, false, pick(x > T(0), x, a * vexpm1_negative(x)), pick(x > T(0), fill<V>(1), a * vexp_negative(x)))
RULE(selu, x, false, T(SELU_SCALE) * pick(x > T(0), x, T(SELU_ALPHA) * vexpm1(x)),
     pick(x > T(0), fill<V>(SELU_SCALE), T(SELU_SCALE * SELU_ALPHA) * vexp(x)))
RULE(celu, x, false, pick(x > T(0), x, a * vexpm1(x / a)), pick(x > T(0), fill<V>(1), vexp(x / a)))
RULE(silu, x, false, x * vsigmoid(x), vsilu_slope(x))
RULE(mish, x, false, pick(x > T(20), x, x * vmish_gate(x)), vmish_slope(x))
RULE(gelu, x, false, vgelu(x), vgelu_slope(x))
RULE(gelu_tanh, x, false, x * vgelu_gate(x), vgelu_tanh_slope(x))
#undef RULE
#undef PARAMETERS

#define RULE(name, value_) \
  struct name { \
    template <class V> static PYDL_HD V value(V a, V b) { return value_; } \
  };
RULE(add, a + b)
RULE(sub, a - b)
RULE(mul, a * b)
RULE(div, a / b)
RULE(pow, vpow(a, b))
RULE(maximum, pick(a != a, a, pick(a > b, a, b)))  // NaN wins
RULE(minimum, pick(a != a, a, pick(a < b, a, b)))
RULE(atan2, vatan2(a, b))
RULE(fmod, vfmod(a, b))
RULE(hypot, vhypot(a, b))
#undef RULE
/// a - b floor(a / b): the sign of b, as Python's %.
struct remainder {
  template <class V> static PYDL_HD V value(V a, V b) {
    using T = lane<V>;
    V r = vfmod(a, b), zero = fill<V>(0);
    V moved = pick(b < T(0), pick(r > T(0), b, zero), pick(r < T(0), b, zero));
    return pick(moved == T(0), r, r + moved);
  }
};

#define RULE(name, op) \
  struct name { \
    template <class T> static PYDL_HD bool value(T a, T b) { return a op b; } \
  };
RULE(eq, ==) RULE(ne, !=) RULE(lt, <) RULE(le, <=) RULE(gt, >) RULE(ge, >=)
#undef RULE

}  // namespace rules
}  // namespace pydl
