#include "conv.h"
#include "parallel.h"

// The implicit column matrix: row k = (channel, tap), a column an output position. It is never written out; the tile
// kernel reads it in one of two ways, whichever wastes less:
//   by rows: a tile is a piece of one output row, read in place in a padded copy of the image;
//   dense: the positions of all rows and images are one axis, and tiles of them are packed in runs (narrow images,
//   whose rows would leave much of a vector empty, and many filters, which share the packing).
// Either way an output is one chain of multiply-adds in the order of k, so results do not depend on how work is cut.
namespace pydl::conv_detail {

using namespace gemm_detail;

namespace {

enum Slot { WEIGHTS = 2, PADDED, PACKED, SUMS };  // scratch; 0 and 1 belong to gemm()

template <class T>
class Correlator {
  static constexpr int L = LANES<T>, WIDTH = TILE_COLUMNS<T>;
  static constexpr int64_t CACHE = (int64_t(640) << 10) / int64_t(sizeof(T));  // elements that may share an L2 cache

 public:
  explicit Correlator(const Correlation<T>& c) : c_(c), padded_(c), panels_(c.filters, TILE_ROWS), depth_(c.depth()) {}

  void run() {
    pack_weights();
    if (c_.channels == 1 && c_.filters == 1) depthwise();
    else if (by_rows_is_cheaper()) by_rows();
    else dense();
  }

 private:
  /// By rows wastes the lanes that a row leaves empty in its last vector; packing costs, measured, as much as 9
  /// filters.
  bool by_rows_is_cheaper() const {
    double waste = double((c_.columns + L - 1) / L * L) / double(c_.columns) - 1;
    return double(c_.filters) * waste <= 9;
  }

  // ---- weights, as panels[group][panel][k][filter]

  /// Panels are a vector apart, for pack() may spill one.
  T* panel(int64_t g, int64_t p) const { return weights_ + g * group_size_ + panels_.start(p) * depth_ + p * L; }

  void pack_weights() {
    group_size_ = c_.filters * depth_ + panels_.count * L;
    weights_ = scratch<T>(WEIGHTS, c_.groups * group_size_);
    const int64_t taps = int64_t(c_.taps.size());
    bool in_order = true;
    for (int64_t t = 0; t < taps; ++t) in_order = in_order && c_.taps[t].weight == t;
    const int64_t grain = std::max<int64_t>(1, GRAIN / (depth_ * TILE_ROWS + 1));
    parallel_for(c_.groups * panels_.count, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t g = i / panels_.count, p = i % panels_.count, h = panels_.length(p);
        const T* w = c_.weight + g * c_.weight_group + panels_.start(p) * c_.weight_filter;
        T* d = panel(g, p);
        if (in_order && c_.weight_channel == taps) {
          pack(View<T>{w, c_.weight_filter, 1}, int(h), depth_, d, h);
          continue;
        }
        for (int64_t channel = 0; channel < c_.channels; ++channel, w += c_.weight_channel, d += taps * h) {
          if (in_order) {
            pack(View<T>{w, c_.weight_filter, 1}, int(h), taps, d, h);
            continue;
          }
          for (int64_t t = 0; t < taps; ++t)
            for (int64_t o = 0; o < h; ++o) d[t * h + o] = w[o * c_.weight_filter + c_.taps[t].weight];
        }
      }
    });
  }

  std::vector<int64_t> offsets() const {
    std::vector<int64_t> result;
    for (int64_t channel = 0; channel < c_.channels; ++channel)
      for (const Tap& t : c_.taps) result.push_back(padded_.offset(channel, t));
    return result;
  }
  const T* bias(int64_t g, int64_t o) const { return c_.bias ? c_.bias + g * c_.filters + o : nullptr; }

  /// Bands of output rows whose padded copies fit into a part of the cache, and tasks for all threads.
  Split bands(int64_t per_band) const {
    int64_t most = per_band / std::max<int64_t>(1, c_.channels * padded_.pitch * c_.row_step);
    Split split(c_.rows, std::clamp<int64_t>(most, 1, c_.rows));
    int64_t wanted = 2 * num_threads() / std::max<int64_t>(1, c_.images * c_.groups);
    return split.count >= wanted ? split : Split(c_.rows, std::max<int64_t>(1, c_.rows / wanted));
  }
  /// Runs f(image, group, first row, rows) over all bands.
  template <class F>
  void for_bands(const Split& bands, F&& f) {
    const int64_t each = bands.length(0) * c_.columns * c_.filters * (depth_ + 8);
    parallel_for(c_.images * c_.groups * bands.count, std::max<int64_t>(1, 200000 / std::max<int64_t>(each, 1)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     const int64_t band = i % bands.count, plane = i / bands.count;
                     f(plane / c_.groups, plane % c_.groups, bands.start(band), bands.length(band));
                   }
                 });
  }

  /// Stores n outputs at their places.
  void write(const T* src, int64_t n, T* dst) const {
    if (c_.y_column_step == 1) copy_run(src, n, dst);
    else
      for (int64_t q = 0; q < n; ++q) dst[q * c_.y_column_step] = src[q];
  }

  // ---- one channel to one filter

  void depthwise() {
    const Split split = bands(CACHE / 2);
    padded_.reserve(split.length(0));
    const std::vector<int64_t> at = offsets();
    for_bands(split, [&](int64_t n, int64_t g, int64_t first, int64_t rows) {
      T* copy = scratch<T>(PADDED, padded_.plane + 4 * L);
      padded_.copy(c_.image(n, g), 1, first, rows, copy);
      int64_t r = 0;
      if (c_.columns <= 2 * L)  // two short rows at a time: their sums do not wait for each other
        for (; r + 2 <= rows; r += 2) {
          const T* x = copy + padded_.position(r);
          if (c_.columns > L) depthwise_piece<2, 2>(n, g, x, at.data(), first + r, 0, r + 2 < rows);
          else depthwise_piece<2, 1>(n, g, x, at.data(), first + r, 0, r + 2 < rows);
        }
      for (; r < rows; ++r) {
        const T* x = copy + padded_.position(r);
        const bool more = r + 1 < rows;
        int64_t q = 0;
        for (; q + 2 * L < c_.columns; q += 4 * L) depthwise_piece<1, 4>(n, g, x + q, at.data(), first + r, q, more);
        if (q + L < c_.columns) depthwise_piece<1, 2>(n, g, x + q, at.data(), first + r, q, more);
        else if (q < c_.columns) depthwise_piece<1, 1>(n, g, x + q, at.data(), first + r, q, more);
      }
    });
  }

  /// W vectors of R rows from column q on.
  template <int R, int W>
  void depthwise_piece(int64_t n, int64_t g, const T* x, const int64_t* at, int64_t row, int64_t q, bool more) const {
    const T* w = panel(g, 0);
    const int64_t next = padded_.position(1), count = std::min<int64_t>(W * L, c_.columns - q);
    vec<T> sum[R][W];
    PYDL_UNROLL for (int r = 0; r < R; ++r) PYDL_UNROLL for (int j = 0; j < W; ++j) sum[r][j] =
        splat(c_.bias ? c_.bias[g] : T(0));
    for (int64_t t = 0; t < depth_; ++t) {
      const T* tap = x + at[t];
      PYDL_UNROLL for (int r = 0; r < R; ++r) PYDL_UNROLL for (int j = 0; j < W; ++j) sum[r][j] +=
          w[t] * load(tap + r * next + j * L);
    }
    T* y = c_.place(n, g, 0, row) + q * c_.y_column_step;
    if (c_.activation == Activation::none && in_place(W * L - count, more)) {
      PYDL_UNROLL for (int r = 0; r < R; ++r) PYDL_UNROLL for (int j = 0; j < W; ++j)
          store(y + r * c_.y_width + j * L, sum[r][j]);
      return;
    }
    alignas(64) T buffer[W * L];
    for (int r = 0; r < R; ++r) {
      PYDL_UNROLL for (int j = 0; j < W; ++j) store(buffer + j * L, sum[r][j]);
      activate(c_.activation, buffer, W * L, 1, W * L);
      write(buffer, count, y + r * c_.y_row_step * c_.y_width);
    }
  }

  /// May whole vectors be stored to y? Surplus lanes may fall on the next row, where that is written later.
  bool in_place(int64_t surplus, bool more_rows) const {
    const bool dense = c_.y_column_step == 1 && c_.y_row_step == 1;
    return dense && (surplus == 0 || (more_rows && c_.columns == c_.y_width && surplus <= c_.columns));
  }

  // ---- by rows

  void by_rows() {
    const Split split = bands(CACHE / 2);
    padded_.reserve(split.length(0));
    const std::vector<int64_t> at = offsets();
    const int64_t pair = c_.columns <= L ? 2 : 1;  // rows of a tile
    for_bands(split, [&](int64_t n, int64_t g, int64_t first, int64_t rows) {
      T* copy = scratch<T>(PADDED, c_.channels * padded_.plane + WIDTH);
      padded_.copy(c_.image(n, g), c_.channels, first, rows, copy);
      for (int64_t p = 0; p < panels_.count; ++p)
        for (int64_t r = 0; r < rows; r += pair) {
          const int64_t used = std::min(pair, rows - r);
          for (int64_t q = 0; q < c_.columns; q += WIDTH)
            row_tile(n, g, p, copy + padded_.position(r) + q, at.data(), first + r, q, used == 2, r + used < rows);
        }
    });
  }

  /// A piece of an output row, or a vector each of two rows.
  void row_tile(int64_t n, int64_t g, int64_t p, const T* x, const int64_t* at, int64_t row, int64_t q, bool two_rows,
                bool more_rows) {
    const int h = int(panels_.length(p)), w = int(std::min<int64_t>(WIDTH, c_.columns - q));
    const int vectors = two_rows ? 2 : (w + L - 1) / L;
    Tile<T> t;
    t.k = depth_;
    t.a = panel(g, p), t.a_row = 1, t.a_step = h;
    t.b = x, t.b_offset = at;
    t.row_bias = bias(g, panels_.start(p));
    t.relu = c_.activation == Activation::relu;
    const Activation activation = t.relu ? Activation::none : c_.activation;
    T* y = c_.place(n, g, panels_.start(p), row) + q * c_.y_column_step;
    const int64_t plane = c_.y_height * c_.y_width, next = c_.y_row_step * c_.y_width;
    if (two_rows) t.b_vector = padded_.position(1);
    if (activation == Activation::none && in_place((w + L - 1) / L * L - w, more_rows)) {
      t.c = y, t.c_row = plane;
      if (two_rows) t.c_vector = next;
      run_tile(h, vectors, t);
      return;
    }
    alignas(64) T buffer[TILE_ROWS * WIDTH];
    t.c = buffer, t.c_row = WIDTH;
    run_tile(h, vectors, t);
    activate(activation, buffer, WIDTH, h, vectors * L);
    for (int i = 0; i < h; ++i) {
      write(buffer + i * WIDTH, w, y + i * plane);
      if (two_rows) write(buffer + i * WIDTH + L, w, y + i * plane + next);
    }
  }

  // ---- dense

  /// A run of neighbouring positions in a vector: its lanes from `lane` on are found at `source` + lane in the padded
  /// copies.
  struct Part {
    int64_t source;
    int lane;
  };
  /// The parts of each vector of positions: those of vector v are [of_vector[v], of_vector[v + 1]).
  struct Positions {
    std::vector<Part> parts;
    std::vector<int64_t> of_vector;
  };

  void dense() {
    const int64_t total = c_.images * c_.rows * c_.columns, block = std::max<int64_t>(1, Split(depth_, PACKED_DEPTH).length(0));
    const int64_t each = c_.filters + block + 2 * c_.channels * c_.row_step * c_.column_step;
    Split units((total + L - 1) / L, std::clamp<int64_t>(CACHE / each / L, 4, 64));
    int64_t parts = 1;  // of the filters, where there are too few units for the threads
    if (const int64_t threads = num_threads(); double(total) * double(c_.filters) * double(depth_) > 2e5) {
      if (units.count % threads)
        units = Split((total + L - 1) / L,
                      std::max<int64_t>(4, (total + L - 1) / L / ((units.count + threads - 1) / threads * threads)));
      parts = std::clamp<int64_t>(threads / (units.count * c_.groups), 1, panels_.count);
    }
    const int64_t most = units.length(0) * L;
    padded_.reserve(std::min(c_.rows, (most + c_.columns - 2) / c_.columns + 1));
    const std::vector<int64_t> at = offsets();
    const Split part(panels_.count, (panels_.count + parts - 1) / parts);
    parallel_for(c_.groups * units.count * part.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t unit = i / part.count % units.count, from = units.start(unit) * L;
        const int64_t p = part.start(i % part.count);
        dense_unit(i / part.count / units.count, from, std::min(total, from + units.length(unit) * L), block, at.data(), p,
                   p + part.length(i % part.count));
      }
    });
  }

  void dense_unit(int64_t g, int64_t begin, int64_t end, int64_t block, const int64_t* at, int64_t p0, int64_t p1) {
    const int64_t n = end - begin, ld = (n + WIDTH - 1) / WIDTH * WIDTH, area = c_.rows * c_.columns;
    const int64_t images = (end - 1) / area - begin / area + 1;
    T* copy = scratch<T>(PADDED, images * c_.channels * padded_.plane + 2 * WIDTH) + WIDTH;
    T* packed = scratch<T>(PACKED, block * ld);
    T* sums = scratch<T>(SUMS, (panels_.start(p1 - 1) + panels_.length(p1 - 1) - panels_.start(p0)) * ld);
    static thread_local Positions positions;
    locate(g, begin, end, copy, positions);
    for (int64_t k = 0; k < depth_ || k == 0; k += block) {
      Tile<T> t;
      t.k = std::min(block, depth_ - k);
      t.b_offset = PACKED_ROWS<T>.offset;
      t.accumulate = k > 0;
      t.relu = k + block >= depth_ && c_.activation == Activation::relu;
      for (int64_t v = 0; v * L < n; ++v)
        pack_vector(positions, v, copy, at + k, t.k, packed + v / TILE_VECTORS * WIDTH * t.k + v % TILE_VECTORS * L);
      for (int64_t p = p0; p < p1; ++p) {
        const int h = int(panels_.length(p));
        t.a = panel(g, p) + k * h, t.a_row = 1, t.a_step = h;
        t.row_bias = bias(g, panels_.start(p));
        t.c_row = ld;
        for (int64_t j = 0; j < n; j += WIDTH) {
          t.b = packed + j * t.k;
          t.c = sums + (panels_.start(p) - panels_.start(p0)) * ld + j;
          run_tile(h, int((std::min<int64_t>(WIDTH, n - j) + L - 1) / L), t);
        }
      }
    }
    const int64_t filters = panels_.start(p1 - 1) + panels_.length(p1 - 1) - panels_.start(p0);
    if (c_.activation != Activation::relu) activate(c_.activation, sums, ld, filters, n);
    scatter(g, begin, end, sums, ld, panels_.start(p0), filters);
  }

  /// Copies the rows that hold positions [begin, end) and lists where the lanes of each vector are found there.
  void locate(int64_t g, int64_t begin, int64_t end, T* copy, Positions& positions) {
    const int64_t area = c_.rows * c_.columns;
    const T* origin = copy;
    positions.parts.clear(), positions.of_vector.clear();
    int64_t lane = 0;
    for (int64_t j = begin; j < end;) {
      const int64_t image = j / area, stop = std::min(end, (image + 1) * area), first = j % area / c_.columns;
      padded_.copy(c_.image(image, g), c_.channels, first, (stop - 1 - image * area) / c_.columns - first + 1, copy);
      T* base = copy;
      copy += c_.channels * padded_.plane;
      while (j < stop) {
        const int64_t row = j % area / c_.columns, column = j % c_.columns;
        const int64_t length = std::min({c_.columns - column, stop - j, L - lane});
        if (lane == 0) positions.of_vector.push_back(int64_t(positions.parts.size()));
        positions.parts.push_back({base - origin + padded_.position(row - first) + column - lane, int(lane)});
        lane = (lane + length) % L, j += length;
      }
    }
    positions.of_vector.push_back(int64_t(positions.parts.size()));
  }

  void pack_vector(const Positions& positions, int64_t v, const T* copy, const int64_t* at, int64_t depth, T* dst) const {
    const Part* parts = positions.parts.data() + positions.of_vector[v];
    switch (positions.of_vector[v + 1] - positions.of_vector[v]) {
      case 1:
        return pack_parts<1>(parts, 1, copy, at, depth, dst);
      case 2:
        return pack_parts<2>(parts, 2, copy, at, depth, dst);
      case 3:
        return pack_parts<3>(parts, 3, copy, at, depth, dst);
      case 4:
        return pack_parts<4>(parts, 4, copy, at, depth, dst);
      default:
        return pack_parts<L>(parts, positions.of_vector[v + 1] - positions.of_vector[v], copy, at, depth, dst);
    }
  }
  /// A vector of the column matrix, all rows: each part is loaded where its lanes fall into place, and the parts are
  /// blended in registers (unaligned stores one over the other cost twice as much).
  template <int P>
  static void pack_parts(const Part* parts, int64_t count, const T* copy, const int64_t* at, int64_t depth, T* dst) {
    if constexpr (P <= 4) count = P;
    const T* x[P];
    using Mask = decltype(vec<T>{} < vec<T>{});
    Mask from_here[P], lanes{};
    for (int l = 0; l < L; ++l) lanes[l] = l;
    for (int64_t i = 0; i < count; ++i) x[i] = copy + parts[i].source, from_here[i] = lanes >= parts[i].lane;
    for (int64_t k = 0; k < depth; ++k) {
      vec<T> value = load(x[0] + at[k]);
      for (int64_t i = 1; i < count; ++i) value = from_here[i] ? load(x[i] + at[k]) : value;
      store(dst + k * WIDTH, value);
    }
  }

  void scatter(int64_t g, int64_t begin, int64_t end, const T* sums, int64_t ld, int64_t first_filter, int64_t filters) const {
    const int64_t area = c_.rows * c_.columns;
    const bool whole = c_.y_column_step == 1 && c_.y_row_step == 1 && c_.columns == c_.y_width;  // rows lie end to end
    for (int64_t j = begin; j < end;) {
      const int64_t image = j / area, row = j % area / c_.columns, column = j % c_.columns;
      const int64_t n = std::min(end, whole ? (image + 1) * area : j - column + c_.columns) - j;
      T* y = c_.place(image, g, first_filter, row) + column * c_.y_column_step;
      for (int64_t o = 0; o < filters; ++o) write(sums + o * ld + (j - begin), n, y + o * c_.y_height * c_.y_width);
      j += n;
    }
  }

  const Correlation<T>& c_;
  PaddedRows padded_;
  Split panels_;
  int64_t depth_, group_size_ = 0;
  T* weights_ = nullptr;
};

}  // namespace

template <class T>
void correlate(const Correlation<T>& c) {
  if (c.images && c.rows > 0 && c.columns > 0 && c.filters) Correlator<T>(c).run();
}
template void correlate(const Correlation<float>&);
template void correlate(const Correlation<double>&);

}  // namespace pydl::conv_detail
