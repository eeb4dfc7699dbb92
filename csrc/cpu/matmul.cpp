#include "gemm.h"
#include "kernels.h"
#include "parallel.h"

namespace pydl {
namespace {

/// The last two axes of x as a matrix. An axis of length 1 has no stride that matters: 1 suits every kernel.
template <class T>
View<T> matrix(const Strided& x, int64_t row_stride, int64_t rows) {
  int64_t row = rows == 1 ? 1 : row_stride, col = x.dim(-1) == 1 ? 1 : x.strides[x.ndim - 1];
  return {x.ptr<T>(), row, col};
}

}  // namespace

void matmul(Strided a, Strided b, In bias, Out y, int64_t activation) {
  const int nd = y.ndim;
  expect(nd >= 2 && a.ndim == nd && b.ndim == nd, "a, b and y have the same number of axes, at least two");
  expect(a.dtype == b.dtype && a.dtype == y.dtype && (!bias || bias.dtype == y.dtype), "one dtype");
  for (int i = 0; i < nd - 2; ++i) expect(a.dim(i) == y.dim(i) && b.dim(i) == y.dim(i), "batch shapes");
  expect(a.dim(-2) == y.dim(-2) && b.dim(-1) == y.dim(-1) && a.dim(-1) == b.dim(-2), "shapes of the matrices");
  expect(!bias || bias.size == y.dim(-1), "bias has one element a column");
  expect(activation >= 0 && activation <= int64_t(Activation::sigmoid), "unknown activation");
  if (y.size == 0) return;

  // A weight shared by a batch: the batch axes next to the rows are rows too, where A's layout lets them be.
  int batch_axes = nd - 2;
  int64_t m = y.dim(-2), row_stride = a.strides[nd - 2];
  for (; batch_axes > 0; --batch_axes) {
    const int axis = batch_axes - 1;
    const int64_t length = y.shape[axis];
    if (length == 1) continue;
    if (b.strides[axis] != 0) break;
    if (m == 1) row_stride = a.strides[axis];
    else if (a.strides[axis] != row_stride * m) break;
    m *= length;
  }
  const int64_t batches = y.count(0, batch_axes);

  by_float(y, [&](auto t) {
    using T = decltype(t);
    Gemm<T> g;
    g.m = m, g.n = y.dim(-1), g.k = a.dim(-1);
    g.a = matrix<T>(a, row_stride, m);
    g.b = matrix<T>(b, b.strides[nd - 2], b.dim(-2));
    g.c = y.ptr<T>(), g.c_row = g.n;
    g.col_bias = bias.ptr<T>();
    g.activation = Activation(activation);
    auto product = [&](int64_t index) {
      Gemm<T> one = g;
      one.c += index * m * g.n;
      for (int axis = batch_axes - 1; axis >= 0; --axis) {
        const int64_t at = index % y.shape[axis];
        index /= y.shape[axis];
        one.a.p += at * a.strides[axis], one.b.p += at * b.strides[axis];
      }
      gemm(one);
    };
    const double work = double(m) * double(g.n) * double(g.k + 8);
    if (batches < num_threads() && work > 2e5) {  // few large products: the threads share each of them
      for (int64_t i = 0; i < batches; ++i) product(i);
    } else {
      parallel_for(batches, int64_t(1e5 / work) + 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) product(i);
      });
    }
  });
}

}  // namespace pydl
