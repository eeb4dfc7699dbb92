#pragma once
#include <cstdint>

namespace pydl {

/// The words of philox.h for `counters` successive counters, four each, in order.
void random_words(uint64_t seed, uint64_t first, int64_t counters, uint32_t* words);

/// Counters that kernels make at a time: their words stay in the L1 cache.
constexpr int64_t COUNTER_BLOCK = 256;

}  // namespace pydl
