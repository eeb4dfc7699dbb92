#include "conv.h"

#include "kernels.h"
#include "parallel.h"

namespace pydl {

using namespace conv_detail;

namespace {

/// A convolution of the image (rows x columns) with a 1 x 1 kernel at every position is a product of matrices.
bool pointwise(const Array& weight, Pair stride, Pair padding, const Array& x, const Array& y) {
  const int64_t area = x.dim(2) * x.dim(3);
  return weight.dim(2) == 1 && weight.dim(3) == 1 && stride == Pair{1, 1} && padding == Pair{0, 0} && x.dim(2) == y.dim(2) &&
         x.dim(3) == y.dim(3) && area >= 128;
}
/// y[n, g] = w[g] x[n, g] + bias[g] with w[g] (rows x depth) in any layout.
template <class T>
void pointwise_products(int64_t images, int64_t groups, View<T> w, int64_t rows, int64_t depth, int64_t weight_group, const T* x,
                        const T* bias, T* y, int64_t area, Activation activation) {
  auto product = [&](int64_t i) {
    const int64_t g = i % groups;
    Gemm<T> p;
    p.m = rows, p.n = area, p.k = depth;
    p.a = {w.p + g * weight_group, w.row, w.col};
    p.b = {x + i * depth * area, area, 1};
    p.c = y + i * rows * area, p.c_row = area;
    p.row_bias = bias ? bias + g * rows : nullptr;
    p.activation = activation;
    gemm(p);
  };
  const int64_t products = images * groups;
  if (products < num_threads())
    for (int64_t i = 0; i < products; ++i) product(i);
  else
    parallel_for(products, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) product(i);
    });
}

}  // namespace

void conv2d(In x, In weight, In bias, Out y, Pair stride, Pair padding, Pair dilation, int64_t groups, int64_t activation) {
  check_shapes(x, weight, y, stride, padding, dilation, groups);
  expect(!bias || (bias.size == y.dim(1) && bias.dtype == y.dtype), "bias has one element an output channel");
  expect(activation >= 0 && activation <= int64_t(Activation::sigmoid), "unknown activation");
  if (y.size == 0) return;
  by_float(y, [&](auto zero) {
    using T = decltype(zero);
    if (pointwise(weight, stride, padding, x, y)) {
      const int64_t channels = weight.dim(1), filters = weight.dim(0) / groups;
      pointwise_products<T>(x.dim(0), groups, {weight.ptr<T>(), channels, 1}, filters, channels, filters * channels, x.ptr<T>(),
                            bias.ptr<T>(), y.ptr<T>(), x.dim(2) * x.dim(3), Activation(activation));
      return;
    }
    Correlation<T> c = forward<T>(x, weight, y, stride, padding, dilation, groups);
    c.bias = bias.ptr<T>(), c.y = y.ptr<T>();
    c.activation = Activation(activation);
    correlate(c);
  });
}

// gx[c, i] sums over the pairs of output position and tap that read i: i + padding = position * stride + tap *
// dilation. The rows i of one remainder modulo stride share their taps, and with these they are a correlation of gy at
// step 1.
void conv2d_transpose(In gy, In weight, In bias, Out gx, Pair stride, Pair padding, Pair dilation, int64_t groups) {
  check_shapes(gx, weight, gy, stride, padding, dilation, groups);
  expect(!bias || (bias.size == gx.dim(1) && bias.dtype == gx.dtype), "bias has one element an output channel");
  if (gx.size == 0) return;
  by_float(gx, [&](auto zero) {
    using T = decltype(zero);
    const int64_t channels = weight.dim(0) / groups, filters = weight.dim(1), kh = weight.dim(2), kw = weight.dim(3);
    if (pointwise(weight, stride, padding, gy, gx)) {
      pointwise_products<T>(gy.dim(0), groups, {weight.ptr<T>(), 1, filters}, filters, channels, filters * channels, gy.ptr<T>(),
                            bias.ptr<T>(), gx.ptr<T>(), gx.dim(2) * gx.dim(3), Activation::none);
      return;
    }
    Correlation<T> c;
    c.images = gy.dim(0), c.groups = groups, c.channels = channels, c.filters = filters;
    c.height = gy.dim(2), c.width = gy.dim(3);
    c.x = gy.ptr<T>(), c.weight = weight.ptr<T>(), c.bias = bias.ptr<T>(), c.y = gx.ptr<T>();
    c.weight_filter = kh * kw, c.weight_channel = filters * kh * kw, c.weight_group = channels * c.weight_channel;
    c.y_height = gx.dim(2), c.y_width = gx.dim(3), c.y_row_step = stride[0], c.y_column_step = stride[1];
    for (int64_t first_row = 0; first_row < std::min(stride[0], c.y_height); ++first_row) {
      const int64_t row = first_row + padding[0];
      for (int64_t first_column = 0; first_column < std::min(stride[1], c.y_width); ++first_column) {
        const int64_t column = first_column + padding[1];
        c.first_row = first_row, c.first_column = first_column;
        c.rows = (c.y_height - 1 - first_row) / stride[0] + 1, c.columns = (c.y_width - 1 - first_column) / stride[1] + 1;
        c.taps.clear();
        for (int64_t i = 0; i < kh; ++i)
          for (int64_t j = 0; j < kw; ++j)
            if ((row - i * dilation[0]) % stride[0] == 0 && (column - j * dilation[1]) % stride[1] == 0)
              c.taps.push_back({(row - i * dilation[0]) / stride[0], (column - j * dilation[1]) / stride[1], i * kw + j});
        correlate(c);
      }
    }
  });
}

}  // namespace pydl
