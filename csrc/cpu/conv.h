#pragma once
// Convolution as correlation: y[o, r, q] = sum over channels c and taps t of w(o, c, t) x[c, r * step + t.row, q * step
// + t.column]. Forward and input gradient are both of this form; only taps, steps and the places of y differ.
#include <vector>

#include "../array.h"
#include "gemm.h"

namespace pydl::conv_detail {

/// One position of the kernel: where it reads relative to the output position, and its place in the weight.
struct Tap {
  int64_t row, column, weight;
};

template <class T>
struct Correlation {
  int64_t images = 0, groups = 1;
  int64_t channels = 0, filters = 0;  // of a group: of x, of y
  int64_t height = 0, width = 0;      // of x
  int64_t rows = 0, columns = 0;      // output positions to compute
  int64_t row_step = 1, column_step = 1;
  std::vector<Tap> taps;
  const T *x = nullptr, *weight = nullptr, *bias = nullptr;
  int64_t weight_group = 0, weight_filter = 0, weight_channel = 0;  // strides; a tap is at tap.weight
  // Position (r, q) is stored at y's row first_row + r * y_row_step, column first_column + q * y_column_step.
  T* y = nullptr;
  int64_t y_height = 0, y_width = 0, first_row = 0, first_column = 0, y_row_step = 1, y_column_step = 1;
  Activation activation = Activation::none;

  int64_t depth() const { return channels * int64_t(taps.size()); }
  const T* image(int64_t n, int64_t g) const { return x + (n * groups + g) * channels * height * width; }
  T* place(int64_t n, int64_t g, int64_t o, int64_t r) const {
    return y + (((n * groups + g) * filters + o) * y_height + first_row + r * y_row_step) * y_width + first_column;
  }
};

template <class T>
void correlate(const Correlation<T>& c);

/// The geometry of y = x * weight, without bias and y's data.
template <class T>
Correlation<T> forward(const Array& x, const Array& weight, const Array& y, Pair stride, Pair padding, Pair dilation,
                       int64_t groups) {
  const int64_t kh = weight.dim(2), kw = weight.dim(3);
  Correlation<T> c;
  c.images = x.dim(0), c.groups = groups, c.channels = weight.dim(1), c.filters = weight.dim(0) / groups;
  c.height = x.dim(2), c.width = x.dim(3), c.rows = y.dim(2), c.columns = y.dim(3);
  c.row_step = stride[0], c.column_step = stride[1];
  for (int64_t i = 0; i < kh; ++i)
    for (int64_t j = 0; j < kw; ++j) c.taps.push_back({i * dilation[0] - padding[0], j * dilation[1] - padding[1], i * kw + j});
  c.x = x.ptr<T>(), c.weight = weight.ptr<T>();
  c.weight_channel = kh * kw, c.weight_filter = c.channels * kh * kw, c.weight_group = c.filters * c.weight_filter;
  c.y_height = c.rows, c.y_width = c.columns;
  return c;
}

/// x (N, C, H, W), weight (O, C / groups, KH, KW), y (N, O, rows, columns) of any size: x counts as zero outside.
inline void check_shapes(const Array& x, const Array& weight, const Array& y, Pair stride, Pair padding, Pair dilation,
                         int64_t groups) {
  expect(x.ndim == 4 && weight.ndim == 4 && y.ndim == 4, "input, weight and output have four axes");
  expect(x.dtype == weight.dtype && x.dtype == y.dtype, "one dtype");
  expect(groups >= 1 && x.dim(1) == weight.dim(1) * groups && weight.dim(0) % groups == 0, "channels and groups");
  expect(x.dim(0) == y.dim(0) && y.dim(1) == weight.dim(0), "batch and output channels");
  constexpr int64_t most = int64_t(1) << 31;
  for (int i = 0; i < 2; ++i)
    expect(stride[i] >= 1 && dilation[i] >= 1 && padding[i] >= 0 && std::max({stride[i], dilation[i], padding[i]}) < most,
           "stride and dilation from 1, padding from 0, all below 2^31");
}

/// dst[i] = src[i], i < n, for the short rows of images.
template <class T>
PYDL_INLINE void copy_run(const T* src, int64_t n, T* dst) {
  constexpr int L = LANES<T>;
  if (n >= L) {
    for (int64_t i = 0; i < n - L; i += L) store(dst + i, load(src + i));
    store(dst + n - L, load(src + n - L));  // overlaps the one before: cheaper than a partial vector
    return;
  }
  auto piece = [&](auto count) {
    if (n & count.value) memcpy(dst, src, count.value * sizeof(T)), dst += count.value, src += count.value;
  };
  if constexpr (L > 8) piece(std::integral_constant<int, 8>{});
  if constexpr (L > 4) piece(std::integral_constant<int, 4>{});
  piece(std::integral_constant<int, 2>{});
  piece(std::integral_constant<int, 1>{});
}
/// Zeros from dst to at least dst + n, in whole vectors.
template <class T>
PYDL_INLINE void clear_run(T* dst, int64_t n) {
  if (n > 0) store(dst, vec<T>{});  // mostly all; the loop alone would become a call of memset
  for (int64_t i = LANES<T>; i < n; i += LANES<T>) store(dst + i, vec<T>{});
}

/// A copy of some rows of an image with everything in it that a kernel reads outside the image as zeros. Each row is
/// split by phase (column modulo step), so that neighbouring output columns read neighbouring elements at any step:
/// output position (r, q) of tap t and channel c lies at position(r) + q + offset(c, t), a vector of outputs is one
/// load.
struct PaddedRows {
  int64_t first_row = 0, first_column = 0;  // of x, for output position (0, 0): the least of the taps
  int64_t height = 0, width = 0, row_step = 1, column_step = 1;
  int64_t segment = 0, pitch = 0, tap_rows = 1;
  int64_t plane = 0;           // elements of a channel's copy; set by reserve()
  std::vector<char> row_used;  // by phase: a step beyond the kernel's size leaves some rows unread
  struct Phase {
    int64_t origin, low, high;  // element i is column origin + i * step of x; those in [low, high) lie inside x
    bool used;
  };
  std::vector<Phase> phases;

  template <class T>
  explicit PaddedRows(const Correlation<T>& c)
      : height(c.height), width(c.width), row_step(c.row_step), column_step(c.column_step) {
    int64_t last_row = 0, last_column = 0;
    if (!c.taps.empty()) {
      first_row = last_row = c.taps[0].row, first_column = last_column = c.taps[0].column;
      for (const Tap& t : c.taps) {
        first_row = std::min(first_row, t.row), last_row = std::max(last_row, t.row);
        first_column = std::min(first_column, t.column), last_column = std::max(last_column, t.column);
      }
    }
    tap_rows = last_row - first_row + 1;
    const int64_t tap_columns = last_column - first_column + 1;
    segment = ((c.columns - 1) * column_step + tap_columns - 1) / column_step + 1;
    row_used.resize(std::min(row_step, tap_rows));
    for (int64_t p = 0; p < std::min(column_step, tap_columns); ++p) {
      const int64_t origin = first_column + p;
      const int64_t low = std::clamp<int64_t>(ceil_div(-origin, column_step), 0, segment);
      phases.push_back({origin, low, std::clamp<int64_t>(ceil_div(width - origin, column_step), low, segment), false});
    }
    for (const Tap& t : c.taps) {
      row_used[(t.row - first_row) % row_step] = 1;
      phases[(t.column - first_column) % column_step].used = true;
    }
    pitch = segment * int64_t(phases.size());
  }
  /// Room for up to `rows` output rows.
  void reserve(int64_t rows) { plane = ((rows - 1) * row_step + tap_rows) * pitch; }
  int64_t position(int64_t row) const { return row * row_step * pitch; }
  int64_t offset(int64_t channel, const Tap& t) const {
    int64_t column = t.column - first_column;
    return channel * plane + (t.row - first_row) * pitch + column % column_step * segment + column / column_step;
  }

  /// Copies what output rows [row, row + count) of `channels` channels of the image x read. Zeros may run a vector over
  /// into what is copied next: dst has LANES elements to spare at its end.
  template <class T>
  void copy(const T* x, int64_t channels, int64_t row, int64_t count, T* dst) const {
    const int64_t copied = (count - 1) * row_step + tap_rows, source = row * row_step + first_row;
    for (int64_t c = 0; c < channels; ++c, x += height * width, dst += plane)
      for (int64_t h = 0, phase = 0; h < copied; ++h, phase = phase + 1 == row_step ? 0 : phase + 1) {
        if (phase >= int64_t(row_used.size()) || !row_used[phase]) continue;
        if (source + h < 0 || source + h >= height) clear_run(dst + h * pitch, pitch);
        else copy_row(x + (source + h) * width, dst + h * pitch);
      }
  }

 private:
  static int64_t ceil_div(int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

  template <class T>
  void copy_row(const T* src, T* dst) const {
    for (const Phase& p : phases) {
      if (p.used) {
        clear_run(dst, p.low);
        if (column_step == 1) copy_run(src + p.origin + p.low, p.high - p.low, dst + p.low);
        else if (column_step == 2)  // a constant step is vectorized
          for (int64_t i = p.low; i < p.high; ++i) dst[i] = src[p.origin + i * 2];
        else
          for (int64_t i = p.low; i < p.high; ++i) dst[i] = src[p.origin + i * column_step];
        clear_run(dst + p.high, segment - p.high);
      }
      dst += segment;
    }
  }
};

}  // namespace pydl::conv_detail
