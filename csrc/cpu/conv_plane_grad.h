#pragma once
// The weight gradient of groups of one channel (depthwise, and first layers on grey images): with so few columns a
// matrix product would leave most of a vector empty, so here the lanes are positions: sums over vectors of gy times
// shifted x.
#include "conv.h"
#include "parallel.h"

namespace pydl::conv_detail {

// A block of filters x taps is summed in registers; one filter alone takes a whole 3 x 3 kernel.
constexpr int LONE_TAPS = 9, SUM_TAPS = 4, SUM_FILTERS = gemm_detail::TILE_ROWS * gemm_detail::TILE_VECTORS / SUM_TAPS;

static_assert(SUM_FILTERS >= 3, "a block of one filter comes only from groups of one filter");

/// sums[f][t] += gy[f] * x at tap t, by lanes, over `rows` rows of `columns` positions.
template <class T, int F, int K>
struct PlaneSums {
  int64_t rows, columns, gy_filter, x_row;
  const T* gy_end;  // of the whole array
  PYDL_INLINE void operator()(const T* gy, const T* x, const int64_t* tap, T* sums) const {
    constexpr int L = LANES<T>;
    vec<T> sum[F][K];
    PYDL_UNROLL for (int f = 0; f < F; ++f) PYDL_UNROLL for (int t = 0; t < K; ++t) sum[f][t] = load(sums + (f * K + t) * L);
    auto add = [&](const T* gy, const T* x, auto read_gy, auto read_x) __attribute__((always_inline)) {
      vec<T> xv[K];
      PYDL_UNROLL for (int t = 0; t < K; ++t) xv[t] = read_x(x + tap[t]);
      PYDL_UNROLL for (int f = 0; f < F; ++f) {
        vec<T> g = read_gy(gy + f * gy_filter);
        PYDL_UNROLL for (int t = 0; t < K; ++t) sum[f][t] += g * xv[t];
      }
    };
    using Mask = decltype(vec<T>{} < vec<T>{});
    const int64_t whole = columns / L * L;
    const int rest = int(columns - whole);
    Mask inside{};
    for (int l = 0; l < L; ++l) inside[l] = l < rest ? -1 : 0;
    for (int64_t r = 0; r < rows; ++r, gy += columns, x += x_row) {
      for (int64_t q = 0; q < whole; q += L)
        add(gy + q, x + q, [](const T* p) { return load(p); }, [](const T* p) { return load(p); });
      if (rest == 0) continue;
      // Lanes past the row's end are zero on both sides: zero times an infinity that lies there would be NaN.
      const auto masked = [&](const T* p) { return inside ? load(p) : vec<T>{}; };
      if (gy + whole + (F - 1) * gy_filter + L <= gy_end) add(gy + whole, x + whole, masked, masked);
      else add(gy + whole, x + whole, [rest](const T* p) { return load_n(p, rest); }, masked);
    }
    PYDL_UNROLL for (int f = 0; f < F; ++f) PYDL_UNROLL for (int t = 0; t < K; ++t) store(sums + (f * K + t) * L, sum[f][t]);
  }
};

template <class T, int F = SUM_FILTERS>
void plane_sums(int64_t filters, int64_t rows, int64_t columns, int64_t gy_filter, int64_t x_row, const T* gy, const T* gy_end,
                const T* x, const int64_t* tap, T* sums) {
  if (filters == F)
    return PlaneSums<T, F, F == 1 ? LONE_TAPS : SUM_TAPS>{rows, columns, gy_filter, x_row, gy_end}(gy, x, tap, sums);
  if constexpr (F > 1) plane_sums<T, F - 1>(filters, rows, columns, gy_filter, x_row, gy, gy_end, x, tap, sums);
}

/// gw[g, f, t] = sum over images and positions of gy[g, f] x[g] shifted by tap t; `c` describes the forward pass.
template <class T>
void plane_weight_grad(const Correlation<T>& c, const T* gy, T* gw) {
  constexpr int L = LANES<T>;
  enum Slot { PADDED = 2, SUMS };
  const int64_t taps = int64_t(c.taps.size()), block_taps = c.filters == 1 ? LONE_TAPS : SUM_TAPS;
  const int64_t blocks = (taps + block_taps - 1) / block_taps;
  const Split filters(c.filters, SUM_FILTERS);
  PaddedRows padded(c);
  // Images are taken in bands and bands in batches whose padded copies fit into the cache; the sums stay, in order, in
  // `sums`.
  const int64_t most = std::max<int64_t>(1, (1 << 14) / (padded.pitch * c.row_step));
  const Split bands(c.rows, std::min(c.rows, most));
  padded.reserve(bands.length(0));
  std::vector<int64_t> offset;
  for (int64_t t = 0; t < blocks * block_taps; ++t) offset.push_back(padded.offset(0, c.taps[std::min(t, taps - 1)]));
  const int64_t copy_size = padded.plane + 2 * L, total = c.images * bands.count;
  const int64_t batch = std::clamp<int64_t>((1 << 18) / (copy_size * c.groups), 1, total);
  T* copies = scratch<T>(PADDED, batch * c.groups * copy_size);
  const int64_t tasks = c.groups * filters.count * blocks,
                block_size = std::min<int64_t>(c.filters, SUM_FILTERS) * block_taps * L;
  T* sums = scratch<T>(SUMS, tasks * block_size);
  std::fill(sums, sums + tasks * block_size, T(0));
  const int64_t work = c.rows * c.columns * block_taps;

  for (int64_t first = 0; first < total; first += batch) {
    const int64_t count = std::min(batch, total - first);
    parallel_for(count * c.groups, std::max<int64_t>(1, GRAIN / copy_size), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t n = (first + i / c.groups) / bands.count, band = (first + i / c.groups) % bands.count;
        padded.copy(c.image(n, i % c.groups), 1, bands.start(band), bands.length(band), copies + i * copy_size);
      }
    });
    parallel_for(tasks, std::max<int64_t>(1, GRAIN / (work * count)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t block = i % blocks, part = i / blocks % filters.count, g = i / blocks / filters.count;
        for (int64_t b = 0; b < count; ++b) {
          const int64_t n = (first + b) / bands.count, band = (first + b) % bands.count;
          const T* g_rows =
              gy + (((n * c.groups + g) * c.filters + filters.start(part)) * c.rows + bands.start(band)) * c.columns;
          plane_sums<T>(filters.length(part), bands.length(band), c.columns, c.rows * c.columns, padded.position(1), g_rows,
                        gy + c.images * c.groups * c.filters * c.rows * c.columns, copies + (b * c.groups + g) * copy_size,
                        offset.data() + block * block_taps, sums + i * block_size);
        }
      }
    });
  }
  for (int64_t i = 0; i < tasks; ++i) {
    const int64_t block = i % blocks, part = i / blocks % filters.count, g = i / blocks / filters.count;
    for (int64_t f = 0; f < filters.length(part); ++f)
      for (int64_t t = block * block_taps; t < std::min(taps, (block + 1) * block_taps); ++t)
        gw[(g * c.filters + filters.start(part) + f) * taps + t] =
            hsum<T>(load(sums + i * block_size + (f * block_taps + t % block_taps) * L));
  }
}

}  // namespace pydl::conv_detail
