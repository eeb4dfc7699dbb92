#pragma once
// A caching pool for large results. A fresh large array costs more in page faults than the kernel that fills it, so
// blocks that Python gives back are kept, already touched, for the next result of that size.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace pydl::memory {

/// Smaller arrays stay with numpy's allocator, whose heap does not return them to the system.
constexpr size_t SMALLEST = size_t(1) << 16;

/// A 64-byte aligned block; throws std::bad_alloc.
void* allocate(size_t bytes);
void release(void* block) noexcept;

/// in_use, cached, peak (bytes); hits, misses (calls).
std::map<std::string, int64_t> stats();
void empty_cache();

}  // namespace pydl::memory
