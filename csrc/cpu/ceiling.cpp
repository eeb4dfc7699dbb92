// What this machine can do at most, measured by loops that do nothing else: the ceilings of the benchmark.
#include <atomic>
#include <chrono>

#include "../kernels.h"
#include "../simd.h"
#include "parallel.h"

namespace pydl {
namespace {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Multiply-adds on twelve independent chains held in registers.
template <class T> void multiply_add(int64_t steps, T* sink) {
  vec<T> factor = splat(T(0.999)), term = splat(T(0.01)), chain[12];
  PYDL_UNROLL for (int i = 0; i < 12; ++i) {
    chain[i] = splat(T(i));
    asm volatile("" : "+v"(chain[i]));  // opaque: equal chains would be merged into one
  }
  for (; steps > 0; --steps) { PYDL_UNROLL for (int i = 0; i < 12; ++i) chain[i] = chain[i] * factor + term; }
  vec<T> sum{};
  PYDL_UNROLL for (int i = 0; i < 12; ++i) sum += chain[i];
  *sink = hsum<T>(sum);
}

}  // namespace

/// rate[0]: floating-point operations a second (a multiply-add counts two) on all threads, in the dtype of `rate`.
void fma_ceiling(Out rate) {
  expect(rate.size >= 1, "rate needs an element");
  by_float(rate, [&](auto t) {
    using T = decltype(t);
    int n = num_threads();
    std::vector<T> sinks(n * 64);
    constexpr int64_t steps = 2000000;
    double best = 1e300;
    for (int i = 0; i < 5; ++i) {
      std::atomic<int> waiting{n};
      double start = seconds();
      parallel_for(n, 1, [&](int64_t k, int64_t) {
        --waiting;
        while (waiting > 0 && seconds() - start < 0.01) {}  // all threads at once, not one after the other
        multiply_add<T>(steps, &sinks[k * 64]);
      });
      best = std::min(best, seconds() - start);
    }
    *rate.ptr<T>() = T(double(n) * steps * 12 * LANES<T> * 2 / best);
  });
}

/// y = 2 x over arrays far larger than the caches: bytes a second are (x.nbytes + y.nbytes) / the time it takes.
void stream(In x, Out y) {
  expect_same(x, y, "y must be like x");
  by_float(x, [&](auto t) {
    using T = decltype(t);
    const T* in = x.ptr<T>();
    T* out = y.ptr<T>();
    parallel_for(x.size, GRAIN * 8, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = in[i] * T(2);
    });
  });
}

}  // namespace pydl
