#include "parallel.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <thread>
#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

// A pool of our own rather than OpenMP: it needs nothing but the C++17 library, survives fork(), gives way when two
// Python threads compute at once (the second runs alone), and never meets another OpenMP runtime in the process.
namespace pydl {
namespace {

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

constexpr int SPINS = 2000;  // about 30 us awake after a region: the next kernel of a network usually comes sooner

int cores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

int initial_threads() {
  for (const char* name : {"PYDL_NUM_THREADS", "OMP_NUM_THREADS"})
    if (const char* text = std::getenv(name))
      if (int n = std::atoi(text); n > 0) return n;
  return cores();
}

std::atomic<int> thread_limit{0};
thread_local bool inside = false;  // a loop inside a chunk runs on the thread that has the chunk

/// One region (parallel loop) at a time. `next` packs the region's number and the next free chunk, so that a worker
/// that wakes up late can only take a chunk of the region it has just read: taking a chunk is one compare-exchange.
class Pool {
 public:
  void run(int64_t chunks, int threads, detail::Task task, void* context) {
    while (workers_ < threads - 1) spawn();
    uint32_t region = ++region_;
    next_.store(pack(region, CLOSED));  // no late worker may mix the fields of two regions
    task_ = task, context_ = context, chunks_ = chunks, helpers_ = threads - 1, done_ = 0, failed_ = chunks;
    error_ = nullptr;
    next_.store(pack(region, 0));
    if (sleepers_.load() > 0) {
      std::lock_guard<std::mutex> lock(sleep_);
      wake_.notify_all();
    }
    inside = true;
    work(region);
    inside = false;
    for (int i = 0; done_.load(std::memory_order_acquire) < chunks; ++i) i < SPINS ? relax() : std::this_thread::yield();
    if (error_) std::rethrow_exception(error_);
  }

  std::mutex busy;

 private:
  static constexpr uint32_t CLOSED = 0xffffffff;
  static uint64_t pack(uint32_t region, uint32_t chunk) { return uint64_t(region) << 32 | chunk; }

  void work(uint32_t region) {
    for (;;) {
      uint64_t seen = next_.load();
      uint32_t chunk = uint32_t(seen);
      if (uint32_t(seen >> 32) != region || chunk >= chunks_.load()) return;
      detail::Task task = task_.load();
      void* context = context_.load();
      if (!next_.compare_exchange_weak(seen, seen + 1)) continue;
      try {
        task(context, chunk);
      } catch (...) {
        std::lock_guard<std::mutex> lock(sleep_);
        if (chunk < failed_) failed_ = chunk, error_ = std::current_exception();
      }
      done_.fetch_add(1, std::memory_order_release);
    }
  }

  void spawn() {
    int id = workers_++;
    std::thread([this, id] {
      inside = true;
      for (uint32_t last = 0;;) {
        auto fresh = [&] { return uint32_t(next_.load() >> 32) != last; };
        for (int i = 0; i < SPINS && !fresh(); ++i) relax();
        if (!fresh()) {
          std::unique_lock<std::mutex> lock(sleep_);
          ++sleepers_;
          wake_.wait(lock, fresh);
          --sleepers_;
        }
        last = uint32_t(next_.load() >> 32);
        if (id < helpers_.load()) work(last);
      }
    }).detach();
  }

  std::atomic<uint64_t> next_{0};
  std::atomic<detail::Task> task_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<int64_t> chunks_{0}, done_{0};
  std::atomic<int> helpers_{0}, sleepers_{0};
  int64_t failed_ = 0;
  std::exception_ptr error_;
  std::mutex sleep_;
  std::condition_variable wake_;
  uint32_t region_ = 0;
  int workers_ = 0;
};

std::atomic<Pool*> pool{nullptr};  // never destroyed: its threads sleep until the process ends

Pool& the_pool() {
  Pool* p = pool.load();
  if (!p) {
    auto* fresh = new Pool;
    if (pool.compare_exchange_strong(p, fresh)) p = fresh;
    else delete fresh;
#if defined(__unix__) || defined(__APPLE__)
    static std::once_flag once;  // a child of fork() has no worker threads: it starts a pool of its own
    std::call_once(once, [] {
      pthread_atfork(nullptr, nullptr, [] {
        pool.store(nullptr);
        inside = false;
      });
    });
#endif
  }
  return *p;
}

struct Buffer {
  void* data = nullptr;
  size_t size = 0;
  ~Buffer() { ::operator delete(data, std::align_val_t(64)); }
};

}  // namespace

int num_threads() {
  int n = thread_limit.load(std::memory_order_relaxed);
  if (n == 0) thread_limit = n = initial_threads();
  return n;
}

void set_num_threads(int n) { thread_limit = std::max(1, n); }

void detail::run_chunks(int64_t chunks, Task task, void* context) {
  // More chunks than a 32-bit counter holds never share a region; the pieces are independent anyway.
  constexpr int64_t most = int64_t(1) << 31;
  for (int64_t first = 0; first < chunks; first += most) {
    struct Shifted {
      Task task;
      void* context;
      int64_t first;
    } shifted{task, context, first};
    int64_t n = std::min(most, chunks - first);
    Task piece = [](void* c, int64_t i) {
      auto& s = *static_cast<Shifted*>(c);
      s.task(s.context, s.first + i);
    };
    Pool& p = the_pool();
    if (inside || !p.busy.try_lock()) {
      for (int64_t i = 0; i < n; ++i) piece(&shifted, i);
      continue;
    }
    std::lock_guard<std::mutex> lock(p.busy, std::adopt_lock);
    p.run(n, int(std::min<int64_t>(num_threads(), n)), piece, &shifted);
  }
}

void* scratch_bytes(int slot, size_t bytes) {
  static thread_local Buffer buffers[8];
  Buffer& b = buffers[slot];
  if (bytes > b.size) {
    ::operator delete(b.data, std::align_val_t(64));
    b.data = nullptr, b.size = 0;
    b.data = ::operator new(bytes + bytes / 4, std::align_val_t(64));
    b.size = bytes + bytes / 4;
  }
  return b.data;
}

}  // namespace pydl
