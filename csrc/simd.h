#pragma once
// One vector type over GCC/Clang vector extensions; the width follows the compile flags, so every ISA is the same source.
#include <cstdint>
#include <cstring>
#include <utility>
#if defined(__AVX512VL__)
#include <immintrin.h>
#endif

#ifndef __has_builtin
#define __has_builtin(x) 0
#endif
#define PYDL_INLINE inline __attribute__((always_inline))
#define PYDL_UNROLL _Pragma("GCC unroll 32")

namespace pydl {

#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64;
#elif defined(__AVX__)
constexpr int VECTOR_BYTES = 32;
#else  // SSE, NEON
constexpr int VECTOR_BYTES = 16;
#endif

template <class T> struct VecOf {
  typedef T type __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(T)), may_alias));
};
/// VECTOR_BYTES of T; loads and stores need no alignment.
template <class T> using vec = typename VecOf<T>::type;
template <class T> constexpr int LANES = VECTOR_BYTES / int(sizeof(T));
/// As many integers of T's size: what comparisons give.
template <class T> using ints = decltype(vec<T>{} < vec<T>{});

template <class T> PYDL_INLINE vec<T> load(const T* p) { return *(const vec<T>*)p; }
template <class T> PYDL_INLINE void store(T* p, vec<T> v) { *(vec<T>*)p = v; }
template <class T> PYDL_INLINE vec<T> splat(T x) { return vec<T>{} + x; }

/// The first n lanes (0 <= n <= LANES), the others zero; reads nothing beyond p[n-1].
template <class T> PYDL_INLINE vec<T> load_n(const T* p, int n) {
  constexpr int L = LANES<T>;
  if (n >= L) return load(p);
#if defined(__AVX512VL__)  // one masked instruction; the branches below cost as much as several vectors
  const unsigned mask = (1u << n) - 1;
  if constexpr (sizeof(T) == 4) return (vec<T>)_mm512_maskz_loadu_epi32(__mmask16(mask), p);
  else if constexpr (sizeof(T) == 8) return (vec<T>)_mm512_maskz_loadu_epi64(__mmask8(mask), p);
#endif
  vec<T> v{};
  T* t = (T*)&v;
  if constexpr (L > 8)
    if (n & 8) {
      memcpy(t, p, 8 * sizeof(T));
      t += 8;
      p += 8;
    }
  if constexpr (L > 4)
    if (n & 4) {
      memcpy(t, p, 4 * sizeof(T));
      t += 4;
      p += 4;
    }
  if constexpr (L > 2)
    if (n & 2) {
      memcpy(t, p, 2 * sizeof(T));
      t += 2;
      p += 2;
    }
  if (n & 1) *t = *p;
  return v;
}
template <class T> PYDL_INLINE void store_n(T* p, vec<T> v, int n) {
  constexpr int L = LANES<T>;
  if (n >= L) {
    store(p, v);
    return;
  }
#if defined(__AVX512VL__)
  const unsigned mask = (1u << n) - 1;
  if constexpr (sizeof(T) == 4) return _mm512_mask_storeu_epi32(p, __mmask16(mask), (__m512i)v);
  else if constexpr (sizeof(T) == 8) return _mm512_mask_storeu_epi64(p, __mmask8(mask), (__m512i)v);
#endif
  const T* t = (const T*)&v;
  if constexpr (L > 8)
    if (n & 8) {
      memcpy(p, t, 8 * sizeof(T));
      t += 8;
      p += 8;
    }
  if constexpr (L > 4)
    if (n & 4) {
      memcpy(p, t, 4 * sizeof(T));
      t += 4;
      p += 4;
    }
  if constexpr (L > 2)
    if (n & 2) {
      memcpy(p, t, 2 * sizeof(T));
      t += 2;
      p += 2;
    }
  if (n & 1) *p = *t;
}

/// Joins the upper half of the lanes with the lower until one is left.
template <class T, int N> struct Narrow {
  typedef T type __attribute__((vector_size(N * sizeof(T)), aligned(sizeof(T)), may_alias));
};
template <class T, int N, class F> PYDL_INLINE T fold(typename Narrow<T, N>::type v, F join) {
  if constexpr (N == 2) {
    return join(v[0], v[1]);
  } else {
    typename Narrow<T, N / 2>::type low, high;
    memcpy(&low, &v, sizeof low), memcpy(&high, (const char*)&v + sizeof low, sizeof high);
    return fold<T, N / 2>(join(low, high), join);
  }
}
/// Sum and maximum over the lanes, in a fixed order.
template <class T> PYDL_INLINE T hsum(vec<T> v) {
  return fold<T, LANES<T>>(v, [](auto a, auto b) { return a + b; });
}
template <class T> PYDL_INLINE T hmax(vec<T> v) {
  return fold<T, LANES<T>>(v, [](auto a, auto b) { return a > b ? a : b; });
}

/// 0, 1, 2, ...
template <class T> PYDL_INLINE ints<T> lane_numbers() {
  ints<T> v;
  for (int i = 0; i < LANES<T>; ++i) v[i] = i;
  return v;
}
/// v in the first n lanes, `other` in the rest.
template <class T> PYDL_INLINE vec<T> keep_n(vec<T> v, int n, T other = 0) {
  return lane_numbers<T>() < (ints<T>{} + n) ? v : splat(other);
}

/// The elements at even and at odd places of two vectors that follow each other, and the way back.
template <class T> struct Halves {
  vec<T> even, odd;
};
template <class T, size_t... i> PYDL_INLINE Halves<T> deinterleave(vec<T> a, vec<T> b, std::index_sequence<i...>) {
#if __has_builtin(__builtin_shufflevector)
  return {__builtin_shufflevector(a, b, int(2 * i)...), __builtin_shufflevector(a, b, int(2 * i + 1)...)};
#else
  const T *p = (const T*)&a, *q = (const T*)&b;
  constexpr int L = LANES<T>;
  return {vec<T>{(2 * i < L ? p[2 * i % L] : q[2 * i % L])...}, vec<T>{(2 * i < L ? p[2 * i % L + 1] : q[2 * i % L + 1])...}};
#endif
}
template <class T, size_t... i> PYDL_INLINE void interleave(Halves<T> h, T* p, std::index_sequence<i...>) {
#if __has_builtin(__builtin_shufflevector)
  constexpr int L = LANES<T>;
  store(p, vec<T>(__builtin_shufflevector(h.even, h.odd, int(i / 2 + i % 2 * L)...)));
  store(p + L, vec<T>(__builtin_shufflevector(h.even, h.odd, int(L / 2 + i / 2 + i % 2 * L)...)));
#else
  ((p[2 * i] = h.even[i], p[2 * i + 1] = h.odd[i]), ...);
#endif
}
template <class T> PYDL_INLINE Halves<T> deinterleave(vec<T> a, vec<T> b) {
  return deinterleave<T>(a, b, std::make_index_sequence<LANES<T>>{});
}
template <class T> PYDL_INLINE void interleave(Halves<T> h, T* p) { interleave<T>(h, p, std::make_index_sequence<LANES<T>>{}); }

}  // namespace pydl
