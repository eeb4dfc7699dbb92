#pragma once
// Threads for the CPU kernels. Work is cut into chunks whose borders depend on its size alone, so that a result
// does not depend on the number of threads; which thread takes which chunk does not matter.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <type_traits>

namespace pydl {

/// Number of threads that parallel loops may use.
int num_threads();
void set_num_threads(int n);

namespace detail {
using Task = void (*)(void* context, int64_t chunk);
void run_chunks(int64_t chunks, Task task, void* context);  // parallel.cpp; rethrows the first exception of a chunk
}  // namespace detail

/// f(begin, end) for [0, n) in chunks of `grain` (the last may be shorter).
template <class F> void parallel_for(int64_t n, int64_t grain, F&& f) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  int64_t chunks = (n + grain - 1) / grain;
  struct Context {
    F& f;
    int64_t n, grain;
  } context{f, n, grain};
  auto task = [](void* c, int64_t i) {
    auto& x = *static_cast<Context*>(c);
    x.f(i * x.grain, std::min(x.n, (i + 1) * x.grain));
  };
  if (chunks == 1 || num_threads() == 1)
    for (int64_t i = 0; i < chunks; ++i) task(&context, i);
  else detail::run_chunks(chunks, task, &context);
}

/// Elements a chunk of a memory-bound loop should hold: large enough to hide the hand-over, small enough to balance.
constexpr int64_t GRAIN = 1 << 14;

/// Scratch memory of the calling thread: at least n elements, kept and already touched from call to call.
/// `slot` keeps the buffers that one kernel uses at the same time apart (0 to 7).
void* scratch_bytes(int slot, size_t bytes);
template <class T> T* scratch(int slot, size_t n) { return static_cast<T*>(scratch_bytes(slot, n * sizeof(T))); }

}  // namespace pydl
