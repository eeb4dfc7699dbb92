#include "kernels.h"
#include "parallel.h"
#include "philox.h"
#include "random_bits.h"

namespace pydl {

void dropout(In x, Out y, double p, uint64_t seed, uint64_t offset) {
  expect_same(x, y, "dropout: input and output differ");
  expect(p >= 0 && p <= 1, "dropout: the probability lies in [0, 1]");
  by_float(x, [&](auto t) {
    using T = decltype(t);
    constexpr int64_t BLOCK = 4 * COUNTER_BLOCK;
    T scale = p < 1 ? T(1 / (1 - p)) : T(0);
    uint64_t threshold = dropout_threshold(p);
    uint32_t from = uint32_t(threshold);
    parallel_for((x.size + BLOCK - 1) / BLOCK, 8, [=](int64_t begin, int64_t end) {
      alignas(64) uint32_t words[BLOCK];
      for (int64_t b = begin; b < end; ++b) {
        int64_t n = std::min(BLOCK, x.size - b * BLOCK);
        const T* in = x.ptr<const T>() + b * BLOCK;
        T* out = y.ptr<T>() + b * BLOCK;
        if (threshold >> 32) {
          std::fill(out, out + n, T(0));
          continue;
        }
        random_words(seed, offset + uint64_t(b * COUNTER_BLOCK), (n + 3) / 4, words);
        for (int64_t i = 0; i < n; ++i) {
          T kept = in[i] * scale;  // outside the condition: a branch would cost ten times the loop
          out[i] = words[i] >= from ? kept : T(0);
        }
      }
    });
  });
}

}  // namespace pydl
