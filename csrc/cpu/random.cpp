#include <algorithm>

#include "kernels.h"
#include "parallel.h"
#include "philox.h"
#include "random_bits.h"

namespace pydl {
namespace {

typedef uint64_t Lanes __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
constexpr int N = VECTOR_BYTES / 8;

/// The 64-bit product of the low halves of each lane: one instruction, which GCC does not find by itself.
PYDL_INLINE Lanes multiply_low(Lanes a, Lanes b) {
#if defined(__x86_64__) && !defined(__clang__)
#if defined(__AVX512F__)
  typedef int Half __attribute__((vector_size(64)));
  typedef long long Whole64 __attribute__((vector_size(64)));
  return (Lanes)__builtin_ia32_pmuludq512_mask((Half)a, (Half)b, Whole64{}, -1);
#elif defined(__AVX2__)
  typedef int Half __attribute__((vector_size(32)));
  return (Lanes)__builtin_ia32_pmuludq256((Half)a, (Half)b);
#else
  typedef int Half __attribute__((vector_size(16)));
  return (Lanes)__builtin_ia32_pmuludq128((Half)a, (Half)b);
#endif
#else
  return (a & 0xffffffff) * (b & 0xffffffff);
#endif
}

/// philox() for counters first, first + 1, ... in the lanes; the high halves of c0 to c3 hold rubbish that nothing reads.
PYDL_INLINE void philox_lanes(uint64_t seed, uint64_t first, uint64_t* pairs) {
  Lanes counter = Lanes{} + first;
  for (int i = 0; i < N; ++i) counter[i] += uint64_t(i);
  Lanes c0 = counter, c1 = counter >> 32, c2{}, c3{};
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
  PYDL_UNROLL for (int round = 0; round < 10; ++round) {
    Lanes p = multiply_low(c0, Lanes{} + 0xD2511F53u), q = multiply_low(c2, Lanes{} + 0xCD9E8D57u);
    c0 = (q >> 32) ^ c1 ^ k0, c1 = q;
    c2 = (p >> 32) ^ c3 ^ k1, c3 = p;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  Lanes low = (c0 & 0xffffffff) | c1 << 32, high = (c2 & 0xffffffff) | c3 << 32;
  for (int i = 0; i < N; ++i) pairs[2 * i] = low[i], pairs[2 * i + 1] = high[i];
}

/// fill(words, first element, number of elements) for blocks of y, each of which starts at a whole counter.
template <class F> void by_block(const Out& y, int per_counter, uint64_t seed, uint64_t offset, F fill) {
  int64_t block = COUNTER_BLOCK * per_counter, blocks = (y.size + block - 1) / block;
  parallel_for(blocks, 8, [&](int64_t begin, int64_t end) {
    alignas(64) uint32_t words[4 * COUNTER_BLOCK];
    for (int64_t t = begin; t < end; ++t) {
      int64_t first = t * block, n = std::min(block, y.size - first);
      random_words(seed, offset + uint64_t(t * COUNTER_BLOCK), (n + per_counter - 1) / per_counter, words);
      fill(words, first, n);
    }
  });
}

/// Two independent standard normal numbers from two uniform ones in (0, 1] and [0, 1) (Box and Muller 1958).
template <class V> PYDL_INLINE void box_muller(V u, V turn, V& a, V& b) {
  using T = lane<V>;
  V radius = vsqrt(T(-2) * vlog(u));
  Whole<V> quarter(turn * T(4));
  V angle = (turn * T(4) - quarter.value) * T(1.57079632679489661923);
  a = radius * sin_reduced<T>(angle, quarter.integer + 1);
  b = radius * sin_reduced<T>(angle, quarter.integer);
}
/// n numbers (at most 1024, padded to whole vectors) from u[i] = i-th radius, turn[i] = i-th angle, to y[2 i], y[2 i + 1].
template <class T> void normal_pairs(const T* u, const T* turn, T* y, int64_t n, T mean, T std) {
  constexpr int L = LANES<T>;
  for (int64_t i = 0; i < n; i += 2 * L) {
    vec<T> a, b;
    T pair[2][L];
    box_muller(load(u + i / 2), load(turn + i / 2), a, b);
    store(pair[0], vec<T>(mean + std * a));
    store(pair[1], vec<T>(mean + std * b));
    int64_t count = std::min<int64_t>(2 * L, n - i);
    for (int64_t k = 0; k < count; ++k) y[i + k] = pair[k % 2][k / 2];
  }
}

}  // namespace

void random_words(uint64_t seed, uint64_t first, int64_t counters, uint32_t* words) {
  int64_t j = 0;
  uint64_t pairs[2 * N];
  for (; j + N <= counters; j += N) {
    philox_lanes(seed, first + uint64_t(j), pairs);
    memcpy(words + 4 * j, pairs, sizeof pairs);
  }
  if (j == counters) return;
  philox_lanes(seed, first + uint64_t(j), pairs);
  memcpy(words + 4 * j, pairs, size_t(counters - j) * 16);
}

void random_uniform(Out y, uint64_t seed, uint64_t offset, double low, double high) {
  by_float(y, [&](auto t) {
    using T = decltype(t);
    T from = T(low), width = T(high - low), to = T(high);
    by_block(y, sizeof(T) == 4 ? 4 : 2, seed, offset, [=, data = y.ptr<T>()](const uint32_t* w, int64_t first, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        T u;
        if constexpr (sizeof(T) == 4) u = unit_float(w[i]);
        else u = unit_double(w[2 * i], w[2 * i + 1]);
        u = from + width * u;
        data[first + i] = u < to ? u : from;  // rounding may reach the open end
      }
    });
  });
}

void random_normal(Out y, uint64_t seed, uint64_t offset, double mean, double std) {
  by_float(y, [&](auto t) {
    using T = decltype(t);
    by_block(y, sizeof(T) == 4 ? 4 : 2, seed, offset, [=, data = y.ptr<T>()](const uint32_t* w, int64_t first, int64_t n) {
      alignas(64) T u[2 * COUNTER_BLOCK + 16], turn[2 * COUNTER_BLOCK + 16];
      int64_t pairs = (n + 1) / 2;
      for (int64_t i = 0; i < pairs; ++i) {
        if constexpr (sizeof(T) == 4) {  // 32 bits for the radius: the tail reaches 6.6 standard deviations
          u[i] = (float(w[2 * i]) + 0.5f) * 0x1p-32f, turn[i] = unit_float(w[2 * i + 1]);
        } else {
          u[i] = unit_double(w[4 * i], w[4 * i + 1]) + 0x1p-54, turn[i] = unit_double(w[4 * i + 2], w[4 * i + 3]);
        }
      }
      for (int64_t i = pairs; i % LANES<T>; ++i) u[i] = 1, turn[i] = 0;
      normal_pairs(u, turn, data + first, n, T(mean), T(std));
    });
  });
}

void random_int(Out y, uint64_t seed, uint64_t offset, int64_t low, int64_t high) {
  expect(y.dtype == Dtype::i64 && low < high, "random integers are int64 in [low, high)");
  uint64_t range = uint64_t(high) - uint64_t(low);
  by_block(y, 2, seed, offset, [=, data = y.ptr<int64_t>()](const uint32_t* w, int64_t first, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {  // the high 64 bits of random times range: off from uniform by less than range / 2^64
      uint64_t random = uint64_t(w[2 * i + 1]) << 32 | w[2 * i];
      uint64_t a = random >> 32, b = random & 0xffffffff, c = range >> 32, d = range & 0xffffffff;
      uint64_t middle = a * d + (b * d >> 32), top = a * c + (middle >> 32) + ((b * c + (middle & 0xffffffff)) >> 32);
      data[first + i] = int64_t(uint64_t(low) + top);
    }
  });
}

}  // namespace pydl
