#pragma once
// Walks inputs of any layout so that elementwise kernels only see contiguous runs: pieces that lie in a row in memory are
// handed over as they are, others (broadcast, transposed, sliced) are gathered into a block of L1 size first. A kernel
// is then one small loop per rule and type, and what an element becomes cannot depend on the layout.
#include <type_traits>

#include "array.h"
#include "simd.h"

namespace pydl {

/// out[0:n] = f(in[0][0:n], in[1][0:n], ...; a, b)
using Run = void (*)(const void* const* in, void* out, int64_t n, double a, double b);

constexpr int MAX_INPUTS = 3;

/// Runs over all of y. Every input has y's shape (stride 0 on broadcast axes). Without a `run` it copies inputs[0].
/// `constant`, of two inputs: constant[i] reads in[i][0] only; without it a constant is gathered like anything else.
void walk(const Strided* const* inputs, int count, const Out& y, Run run, double a = 0, double b = 0,
          const Run* constant = nullptr);

/// A Run: out = f(in...) on whole vectors. The last, partial vector is padded and goes through the same instructions: the value
/// of an element does not depend on where it lies. Input CONSTANT is one number.
template <class T, int N, int CONSTANT = -1, class F> PYDL_INLINE void map(const void* const* in, void* out, int64_t n, F f) {
  constexpr int L = LANES<T>;
  const T* x[N];
  for (int i = 0; i < N; ++i) x[i] = static_cast<const T*>(in[i]);
  T* y = static_cast<T*>(out);
  T padded[N + 1][L];
  int rest = int(n % L);
  int64_t whole = n - rest;
  for (bool last = rest == 0;; last = true) {
    for (int64_t k = 0; k < whole; k += L) {
      auto at = [&](auto i) { return i == CONSTANT ? splat(*x[i]) : load(x[i] + k); };
      constexpr std::integral_constant<int, 0> first;
      constexpr std::integral_constant<int, N == 1 ? 0 : 1> second;
      constexpr std::integral_constant<int, N - 1> third;
      if constexpr (N == 1) store(y + k, vec<T>(f(at(first))));
      else if constexpr (N == 2) store(y + k, vec<T>(f(at(first), at(second))));
      else store(y + k, vec<T>(f(at(first), at(second), at(third))));
    }
    if (last) break;
    for (int i = 0; i < N; ++i) {
      if (i == CONSTANT) continue;
      store(padded[i], load_n(x[i] + whole, rest));
      x[i] = padded[i];
    }
    y = padded[N], whole = L;
  }
  if (rest) store_n(static_cast<T*>(out) + (n - rest), load(padded[N]), rest);
}

}  // namespace pydl
