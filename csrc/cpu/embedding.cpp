#include <cstring>

#include "../kernels.h"
#include "rows.h"

namespace pydl {
namespace {

/// Columns that one task adds up: a row of the gradient is summed in the order of the index, whatever the threads.
constexpr int64_t COLUMNS = 64;

int64_t expect_table(const In& index, const Array& rows, const Array& table) {
  expect(table.ndim == 2 && table.dtype == rows.dtype && rows.size == index.size * table.dim(1), "weight (n, c), rows (*, c)");
  expect(index.dtype == Dtype::i64, "the index must be int64");
  return table.dim(1);
}

}  // namespace

/// y[j] = weight[index[j]]; zeros where index[j] == skip (-1: nowhere)
void embedding(In weight, In index, Out y, int64_t skip) {
  const int64_t c = expect_table(index, y, weight), *at = index.ptr<int64_t>(), row = c * item_size(weight.dtype);
  check_range(index, 0, index.size, weight.dim(0));
  parallel_for(index.size, GRAIN / (c + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      char* to = y.ptr<char>() + j * row;
      if (at[j] == skip) std::memset(to, 0, size_t(row));
      else std::memcpy(to, weight.ptr<char>() + at[j] * row, size_t(row));
    }
  });
}

/// gweight[i] = sum of gy[j] over the j with index[j] == i; zeros for i == skip
void embedding_backward(In index, In gy, Out gweight, int64_t skip) {
  const int64_t c = expect_table(index, gy, gweight), n = gweight.dim(0), m = index.size, *at = index.ptr<int64_t>();
  check_range(index, 0, m, n);
  by_float(gy, [&](auto t) {
    using T = decltype(t);
    T* g = gweight.ptr<T>();
    parallel_for(n, GRAIN / (c + 1) + 1, [&](int64_t begin, int64_t end) {
      std::memset(static_cast<void*>(g + begin * c), 0, sizeof(T) * size_t((end - begin) * c));
    });
    const int64_t blocks = (c + COLUMNS - 1) / COLUMNS;
    parallel_for(blocks, GRAIN / (m * std::min(c, COLUMNS) + 1) + 1, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * COLUMNS, width = std::min(c, end * COLUMNS) - first;
      for (int64_t j = 0; j < m; ++j) {
        if (at[j] == skip) continue;
        T* to = g + at[j] * c + first;
        const T* from = gy.ptr<T>() + j * c + first;
        for (int64_t i = 0; i < width; ++i) to[i] += from[i];
      }
    });
  });
}

}  // namespace pydl
