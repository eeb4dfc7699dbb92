#include "kernels.h"
#include "parallel.h"

// The column matrix written out, as the textbooks draw a convolution, and its adjoint: columns (N, C KH KW, rows
// columns).
namespace pydl {
namespace {

struct Windows {
  int64_t images, channels, height, width, rows, columns;
  Pair kernel, stride, padding, dilation;

  Windows(const Array& x, const Array& columns_matrix, Pair kernel, Pair stride, Pair padding, Pair dilation)
      : kernel(kernel), stride(stride), padding(padding), dilation(dilation) {
    expect(x.ndim == 4 && columns_matrix.ndim == 3 && x.dtype == columns_matrix.dtype, "im2col: x has four axes, columns three");
    images = x.dim(0), channels = x.dim(1), height = x.dim(2), width = x.dim(3);
    auto positions = [&](int i, int64_t length) {
      expect(kernel[i] >= 1 && stride[i] >= 1 && dilation[i] >= 1 && padding[i] >= 0,
             "im2col: kernel, stride and dilation from 1");
      const int64_t room = length + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1;
      return room < 0 ? 0 : room / stride[i] + 1;
    };
    rows = positions(0, height), columns = positions(1, width);
    expect(columns_matrix.dim(0) == images && columns_matrix.dim(1) == channels * kernel[0] * kernel[1] &&
               columns_matrix.dim(2) == rows * columns,
           "im2col: shape of columns");
  }

  /// f(element of x, element of the row of columns) for the pairs of channel c, tap (i, j) that lie inside x.
  template <class F>
  void pairs(int64_t i, int64_t j, F&& f) const {
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t h = r * stride[0] + i * dilation[0] - padding[0];
      if (h < 0 || h >= height) continue;
      const int64_t origin = j * dilation[1] - padding[1];
      const int64_t first = origin >= 0 ? 0 : (-origin + stride[1] - 1) / stride[1];
      for (int64_t q = first, w = origin + first * stride[1]; q < columns && w < width; ++q, w += stride[1])
        f(h * width + w, r * columns + q);
    }
  }
  template <class F>
  void for_channels(F&& f) const {
    const int64_t work = kernel[0] * kernel[1] * rows * columns;
    parallel_for(images * channels, std::max<int64_t>(1, GRAIN / std::max<int64_t>(work, 1)), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) f(c);
    });
  }
};

}  // namespace

void im2col(In x, Out columns, Pair kernel, Pair stride, Pair padding, Pair dilation) {
  const Windows w(x, columns, kernel, stride, padding, dilation);
  by_float(x, [&](auto zero) {
    using T = decltype(zero);
    const int64_t area = w.height * w.width, length = w.rows * w.columns, taps = kernel[0] * kernel[1];
    w.for_channels([&](int64_t c) {
      const T* source = x.ptr<T>() + c * area;
      T* row = columns.ptr<T>() + c * taps * length;
      for (int64_t t = 0; t < taps; ++t, row += length) {
        std::fill(row, row + length, T(0));
        w.pairs(t / kernel[1], t % kernel[1], [&](int64_t from, int64_t to) { row[to] = source[from]; });
      }
    });
  });
}

void col2im(In columns, Out x, Pair kernel, Pair stride, Pair padding, Pair dilation) {
  const Windows w(x, columns, kernel, stride, padding, dilation);
  by_float(x, [&](auto zero) {
    using T = decltype(zero);
    const int64_t area = w.height * w.width, length = w.rows * w.columns, taps = kernel[0] * kernel[1];
    w.for_channels([&](int64_t c) {
      const T* row = columns.ptr<T>() + c * taps * length;
      T* sum = x.ptr<T>() + c * area;
      std::fill(sum, sum + area, T(0));
      for (int64_t t = 0; t < taps; ++t, row += length)
        w.pairs(t / kernel[1], t % kernel[1], [&](int64_t to, int64_t from) { sum[to] += row[from]; });
    });
  });
}

}  // namespace pydl
