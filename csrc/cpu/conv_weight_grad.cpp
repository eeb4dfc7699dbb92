#include "conv.h"
#include "conv_plane_grad.h"
#include "kernels.h"
#include "parallel.h"

// gw[o, c, i, j] = sum over images and positions of gy[o, r, q] x[c, r * stride + i * dilation - padding, ...]: a
// matrix product whose inner axis is the positions. x is copied zero-padded with its channels innermost; then what
// position (r, q) contributes to a row i of the kernel is one contiguous piece (j, c), a row of B, in place; and gy,
// read in place, is A.
namespace pydl::conv_detail {

using namespace gemm_detail;

namespace {

enum Slot { IMAGES = 2, GRADIENTS, SUMS };

template <class T>
class WeightGradient {
  static constexpr int L = LANES<T>, WIDTH = TILE_COLUMNS<T>;
  static constexpr int64_t CHUNK = 256;  // positions at a time: their part of x for one tile stays in the L1 cache

 public:
  WeightGradient(const Array& x, const Array& gy, Array& gw, Pair stride, Pair padding, Pair dilation, int64_t groups)
      : x_(x.ptr<T>()),
        gy_(gy.ptr<T>()),
        gw_(gw.ptr<T>()),
        stride_(stride),
        padding_(padding),
        dilation_(dilation),
        images_(x.dim(0)),
        groups_(groups),
        channels_(gw.dim(1)),
        filters_(gw.dim(0) / groups),
        height_(x.dim(2)),
        width_(x.dim(3)),
        rows_(gy.dim(2)),
        columns_(gy.dim(3)),
        kh_(gw.dim(2)),
        kw_(gw.dim(3)),
        panels_(filters_, TILE_ROWS) {
    padded_width_ = (columns_ - 1) * stride[1] + (kw_ - 1) * dilation[1] + 1;
    pitch_ = padded_width_ * channels_;
    pieces_ = dilation[1] == 1 ? 1 : kw_;  // of a row of the kernel: its columns lie side by side unless dilated
    piece_ = dilation[1] == 1 ? kw_ * channels_ : channels_;
    piece_ld_ = (piece_ + L - 1) / L * L;
  }

  void run() {
    const Split bands(rows_, std::clamp<int64_t>((1 << 16) / (stride_[0] * pitch_ * groups_), 1, rows_));
    const int64_t band_positions = bands.length(0) * columns_;
    image_size_ = ((bands.length(0) - 1) * stride_[0] + (kh_ - 1) * dilation_[0] + 1) * pitch_ + WIDTH;
    // gy's rows are read 14 at a time: at some distances they would evict each other from the L1 cache
    copy_gy_ = rows_ * columns_ * int64_t(sizeof(T)) % 2048 == 0;
    gy_row_ = copy_gy_ ? band_positions + L : rows_ * columns_;
    for (int64_t r = 0; r < bands.length(0); ++r)
      for (int64_t q = 0; q < columns_; ++q) offset_.push_back(r * stride_[0] * pitch_ + q * stride_[1] * channels_);

    const int64_t total = images_ * bands.count;
    const int64_t batch = std::clamp<int64_t>((1 << 20) / (image_size_ * groups_ + 1), std::min<int64_t>(4, total), total);
    x_copies_ = scratch<T>(IMAGES, batch * groups_ * image_size_);
    gy_copies_ = copy_gy_ ? scratch<T>(GRADIENTS, batch * groups_ * filters_ * gy_row_) : nullptr;
    sums_ = scratch<T>(SUMS, groups_ * filters_ * kh_ * pieces_ * piece_ld_);
    for (int64_t first = 0; first < total; first += batch) {
      const int64_t count = std::min(batch, total - first);
      parallel_for(count * groups_, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          copy((first + i / groups_) / bands.count, i % groups_, bands, (first + i / groups_) % bands.count, i);
      });
      multiply(bands, first, count);
    }
    reorder();
  }

 private:
  /// The rows of image n, group g that a band of positions reads, padded, channels innermost.
  void copy(int64_t n, int64_t g, const Split& bands, int64_t band, int64_t index) {
    const int64_t first = bands.start(band), count = bands.length(band);
    T* dst = x_copies_ + index * image_size_;
    const T* src = x_ + (n * groups_ + g) * channels_ * height_ * width_;
    const int64_t copied = (count - 1) * stride_[0] + (kh_ - 1) * dilation_[0] + 1;
    const int64_t low = std::min(padding_[1], padded_width_), high = std::max(low, std::min(padded_width_, padding_[1] + width_));
    for (int64_t h = 0; h < copied; ++h, dst += pitch_) {
      const int64_t row = first * stride_[0] - padding_[0] + h;
      if (row < 0 || row >= height_) {
        clear_run(dst, pitch_);
        continue;
      }
      clear_run(dst, low * channels_);
      // may spill a vector to the right, which is written next
      pack(View<T>{src + row * width_, height_ * width_, 1}, int(channels_), high - low, dst + low * channels_, channels_);
      clear_run(dst + high * channels_, pitch_ - high * channels_);
    }
    if (!copy_gy_) return;
    const T* gy = gy_ + ((n * groups_ + g) * filters_ * rows_ + first) * columns_;
    for (int64_t o = 0; o < filters_; ++o)
      copy_run(gy + o * rows_ * columns_, count * columns_, gy_copies_ + (index * filters_ + o) * gy_row_);
  }

  /// Adds the products of `count` bands from band `first` on; threads share the tiles of gw.
  void multiply(const Split& bands, int64_t first, int64_t count) {
    const int64_t across = (piece_ + WIDTH - 1) / WIDTH, tiles = groups_ * kh_ * pieces_ * across;
    const int64_t parts = tiles >= 4 * num_threads() ? 1 : panels_.count;
    const Split part(panels_.count, (panels_.count + parts - 1) / parts);
    parallel_for(tiles * part.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t p0 = part.start(i % part.count), p1 = p0 + part.length(i % part.count), tile = i / part.count;
        const int64_t j = tile % across * WIDTH, piece = tile / across % pieces_, row = tile / across / pieces_ % kh_,
                      g = tile / across / pieces_ / kh_;
        const int vectors = int((std::min<int64_t>(WIDTH, piece_ - j) + L - 1) / L);
        const int64_t start = row * dilation_[0] * pitch_ + piece * dilation_[1] * channels_ + j;
        T* sums = sums_ + ((g * filters_ * kh_ + row) * pieces_ + piece) * piece_ld_ + j;
        for (int64_t b = 0; b < count; ++b) {
          const int64_t n = (first + b) / bands.count, band = (first + b) % bands.count,
                        positions = bands.length(band) * columns_;
          const T* gy = copy_gy_ ? gy_copies_ + (b * groups_ + g) * filters_ * gy_row_
                                 : gy_ + ((n * groups_ + g) * filters_ * rows_ + bands.start(band)) * columns_;
          for (int64_t k = 0; k < positions; k += CHUNK)
            for (int64_t p = p0; p < p1; ++p) {
              Tile<T> t;
              t.k = std::min(CHUNK, positions - k);
              t.a = gy + panels_.start(p) * gy_row_ + k, t.a_row = gy_row_, t.a_step = 1;
              t.b = x_copies_ + (b * groups_ + g) * image_size_ + start, t.b_offset = offset_.data() + k;
              t.c_row = kh_ * pieces_ * piece_ld_;
              t.c = sums + panels_.start(p) * t.c_row;
              t.accumulate = first + b > 0 || k > 0;
              run_tile(int(panels_.length(p)), vectors, t);
            }
        }
      }
    });
  }

  /// sums[o][i][j, c] to gw[o][c][i][j]
  void reorder() {
    const int64_t taps = kh_ * kw_;
    parallel_for(groups_ * filters_, std::max<int64_t>(1, GRAIN / (channels_ * taps)), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o)
        for (int64_t tap = 0; tap < taps; ++tap) {
          const int64_t i = tap / kw_, j = tap % kw_;
          const T* s = sums_ + (o * kh_ + i) * pieces_ * piece_ld_ + (pieces_ == 1 ? j * channels_ : j * piece_ld_);
          T* d = gw_ + o * channels_ * taps + tap;
          for (int64_t c = 0; c < channels_; ++c) d[c * taps] = s[c];
        }
    });
  }

  const T *x_, *gy_;
  T* gw_;
  Pair stride_, padding_, dilation_;
  int64_t images_, groups_, channels_, filters_, height_, width_, rows_, columns_, kh_, kw_;
  Split panels_;
  int64_t padded_width_, pitch_, pieces_, piece_, piece_ld_, image_size_ = 0, gy_row_ = 0;
  bool copy_gy_ = false;
  std::vector<int64_t> offset_;  // of a position in a padded copy
  T *x_copies_ = nullptr, *gy_copies_ = nullptr, *sums_ = nullptr;
};

}  // namespace
}  // namespace pydl::conv_detail

namespace pydl {

void conv2d_weight_grad(In x, In gy, Out gweight, Pair stride, Pair padding, Pair dilation, int64_t groups) {
  conv_detail::check_shapes(x, gweight, gy, stride, padding, dilation, groups);
  if (gweight.size == 0) return;
  by_float(gweight, [&](auto zero) {
    using T = decltype(zero);
    if (gy.size == 0 || x.size == 0) {
      std::fill(gweight.ptr<T>(), gweight.ptr<T>() + gweight.size, T(0));
    } else if (gweight.dim(1) == 1) {
      conv_detail::plane_weight_grad(conv_detail::forward<T>(x, gweight, gy, stride, padding, dilation, groups), gy.ptr<T>(),
                                     gweight.ptr<T>());
    } else {
      conv_detail::WeightGradient<T>(x, gy, gweight, stride, padding, dilation, groups).run();
    }
  });
}

}  // namespace pydl
