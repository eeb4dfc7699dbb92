#pragma once
// Sums, maxima and sums of exponentials along lines of an array: a contiguous row, or LANES columns of a matrix side by side.
#include <algorithm>
#include <limits>

#include "../simd_math.h"

namespace pydl {

/// f(index, lanes) for the vectors of n elements; for the last vector lanes may be less than LANES.
template <class T, class F> PYDL_INLINE void each_vector(int64_t n, F&& f) {
  constexpr int L = LANES<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) f(i, L);
  if (i < n) f(i, int(n - i));
}

/// Sum over a row of f(vector at c, its lanes). Four sums run side by side, for one would wait for each addition; they are joined
/// every 64 vectors, so that the rounding errors of long rows stay small.
template <class T, class F> PYDL_INLINE T row_sum(int64_t n, F&& f) {
  constexpr int L = LANES<T>;
  vec<T> total{};
  for (int64_t c = 0; c < n;) {
    vec<T> sums[4] = {};
    const int64_t end = std::min(n, c + 64 * L);
    for (; c + 4 * L <= end; c += 4 * L) PYDL_UNROLL for (int k = 0; k < 4; ++k) sums[k] += f(c + k * L, L);
    for (; c + L <= end; c += L) sums[0] += f(c, L);
    if (c < end) sums[1] += f(c, int(end - c)), c = end;
    total += (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }
  return hsum<T>(total);
}
template <class T> PYDL_INLINE T row_sum(const T* x, int64_t n) {
  return row_sum<T>(n, [&](int64_t c, int lanes) { return load_n(x + c, lanes); });
}

/// Maximum of a row, -inf if it is empty; a NaN does not count here, it comes out of the sum.
template <class T> PYDL_INLINE T row_max(const T* x, int64_t n) {
  constexpr int L = LANES<T>;
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  vec<T> m[4];
  for (auto& v : m) v = splat(lowest);
  auto take = [&](int k, vec<T> v) __attribute__((always_inline)) { m[k] = v > m[k] ? v : m[k]; };
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L) PYDL_UNROLL for (int k = 0; k < 4; ++k) take(k, load(x + i + k * L));
  for (; i + L <= n; i += L) take(0, load(x + i));
  if (i < n) take(1, keep_n<T>(load_n(x + i, int(n - i)), int(n - i), lowest));
  PYDL_UNROLL for (int k = 1; k < 4; ++k) take(0, m[k]);
  return hmax<T>(m[0]);
}

/// sum of e(exp(x - max), i, lanes) along a row, where e returns its first argument and may store it
template <class T, class E> PYDL_INLINE T row_exp_sum(const T* x, int64_t n, T max, E&& e) {
  constexpr int L = LANES<T>;
  vec<T> sum[2] = {};
  int64_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L)
    PYDL_UNROLL for (int k = 0; k < 2; ++k) sum[k] += e(vexp(load(x + i + k * L) - max), i + k * L, L);
  for (; i < n; i += L) {
    int lanes = int(std::min<int64_t>(L, n - i));
    sum[0] += keep_n<T>(e(vexp(load_n(x + i, lanes) - max), i, lanes), lanes);
  }
  return hsum<T>(sum[0] + sum[1]);
}

/// The same down `lanes` columns of n elements, `stride` apart.
template <class T> PYDL_INLINE vec<T> column_max(const T* x, int64_t n, int64_t stride, int lanes) {
  vec<T> m = splat(-std::numeric_limits<T>::infinity());
  for (int64_t i = 0; i < n; ++i) {
    vec<T> v = load_n(x + i * stride, lanes);
    m = v > m ? v : m;
  }
  return m;
}
template <class T, class E>
PYDL_INLINE vec<T> column_exp_sum(const T* x, int64_t n, int64_t stride, int lanes, vec<T> max, E&& e) {
  vec<T> sum{};
  for (int64_t i = 0; i < n; ++i) sum += e(vexp(load_n(x + i * stride, lanes) - max), i);
  return sum;
}

}  // namespace pydl
