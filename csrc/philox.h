#pragma once
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011): random bits as a function of (seed, counter), so that any thread on any
// device can make the numbers of any element, in any order, again and again.
#include <cstdint>

#include "functors.h"

namespace pydl {

/// The four 32-bit words of one counter.
PYDL_HD void philox(uint64_t seed, uint64_t counter, uint32_t word[4]) {
  uint32_t c0 = uint32_t(counter), c1 = uint32_t(counter >> 32), c2 = 0, c3 = 0;
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
#if defined(__CUDACC__)
#pragma unroll
#else
  PYDL_UNROLL
#endif
  for (int round = 0; round < 10; ++round) {
    uint64_t p = uint64_t(0xD2511F53u) * c0, q = uint64_t(0xCD9E8D57u) * c2;
    c0 = uint32_t(q >> 32) ^ c1 ^ k0;
    c1 = uint32_t(q);
    c2 = uint32_t(p >> 32) ^ c3 ^ k1;
    c3 = uint32_t(p);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  word[0] = c0, word[1] = c1, word[2] = c2, word[3] = c3;
}

/// A dropout element is kept where its word reaches this threshold; 2^32 drops all.
PYDL_HD uint64_t dropout_threshold(double p) { return uint64_t(p * 4294967296.0); }

/// [0, 1): 24 bits of a word, 53 bits of two.
PYDL_HD float unit_float(uint32_t word) { return float(word >> 8) * 0x1p-24f; }
PYDL_HD double unit_double(uint32_t low, uint32_t high) { return double((uint64_t(high) << 32 | low) >> 11) * 0x1p-53; }

}  // namespace pydl
