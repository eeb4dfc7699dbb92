#include <cstring>

#include "../kernels.h"
#include "parallel.h"

namespace pydl {

/// The xs side by side along an axis, before which the axes multiply to `outer`; all of y's dtype.
void cat(Ins xs, Out y, int64_t outer) {
  int64_t total = 0;
  for (const In& x : xs) {
    expect(x.dtype == y.dtype, "all arrays must have y's dtype");
    total += x.size;
  }
  expect(outer >= 1 && total == y.size && total % outer == 0, "y must hold exactly the elements of xs");
  const int64_t item = item_size(y.dtype), row = y.size / outer * item;
  int64_t first = 0;
  for (const In& x : xs) {
    const int64_t width = x.size / outer * item;
    if (!width) continue;
    char* to = y.ptr<char>() + first;
    const char* from = x.ptr<char>();
    if (outer == 1) {
      parallel_for(width, GRAIN * 4, [&](int64_t b, int64_t e) { std::memcpy(to + b, from + b, size_t(e - b)); });
    } else {
      parallel_for(outer, GRAIN * 4 / width + 1, [&](int64_t b, int64_t e) {
        for (int64_t o = b; o < e; ++o) std::memcpy(to + o * row, from + o * width, size_t(width));
      });
    }
    first += width;
  }
}

}  // namespace pydl
