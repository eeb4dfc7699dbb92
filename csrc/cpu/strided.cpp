#include "strided.h"

#include <cstring>

#include "parallel.h"

namespace pydl {
namespace {

constexpr int64_t BLOCK = 1024;                       // elements a gathered block holds
constexpr int64_t TILE_ROWS = 16, TILE_COLUMNS = 64;  // of a transposed block: a cache line of float32 in each direction

/// to[r * row + c] for the axes `shape`: the elements of `from` in row-major order.
template <class U> U* gather(U* to, const U* from, const int64_t* shape, const int64_t* strides, int axes) {
  int64_t n = shape[0], s = strides[0];
  if (axes == 1) {
    if (s == 1) memcpy(to, from, n * sizeof(U));
    else if (s == 0) {
      U u = *from;
      for (int64_t i = 0; i < n; ++i) to[i] = u;
    } else
      for (int64_t i = 0; i < n; ++i) to[i] = from[i * s];
    return to + n;
  }
  if (axes == 2 && shape[1] < n) {  // the longer loop inside
    int64_t m = shape[1];
    for (int64_t j = 0; j < m; ++j)
      for (int64_t i = 0; i < n; ++i) to[i * m + j] = from[i * s + j * strides[1]];
    return to + n * m;
  }
  for (int64_t i = 0; i < n; ++i) to = gather(to, from + i * s, shape + 1, strides + 1, axes - 1);
  return to;
}
template <class U>
void gather_tile(U* to, int64_t row, const U* from, int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride) {
  for (int64_t c = 0; c < columns; ++c)
    for (int64_t r = 0; r < rows; ++r) to[r * row + c] = from[r * row_stride + c * column_stride];
}
template <class F> void by_item(int item, F&& f) {
  if (item == 1) f(uint8_t{});
  else if (item == 4) f(uint32_t{});
  else f(uint64_t{});
}

struct Walk {
  int count, axes = 0;
  int64_t shape[MAX_DIMS], y_strides[MAX_DIMS], strides[MAX_INPUTS][MAX_DIMS];
  const char* data[MAX_INPUTS];
  int item[MAX_INPUTS], y_item;
  char* y;
  Run run;
  const Run* constant;
  double a, b;

  /// Drops axes of length 1 and joins neighbours that are one axis to every input.
  Walk(const Strided* const* inputs, int count_, const Out& out, Run run_, double a_, double b_, const Run* constant_)
      : count(count_), y_item(item_size(out.dtype)), y(out.ptr<char>()), run(run_), constant(constant_), a(a_), b(b_) {
    for (int i = 0; i < count; ++i) data[i] = inputs[i]->ptr<const char>(), item[i] = item_size(inputs[i]->dtype);
    for (int d = 0; d < out.ndim; ++d) {
      int64_t n = out.shape[d];
      if (n == 1) continue;
      bool joins = axes > 0;
      for (int i = 0; i < count && joins; ++i) joins = strides[i][axes - 1] == inputs[i]->strides[d] * n;
      if (joins) shape[axes - 1] *= n;
      else shape[axes++] = n;
      for (int i = 0; i < count; ++i) strides[i][axes - 1] = inputs[i]->strides[d];
    }
    if (axes == 0) {
      shape[0] = 1, axes = 1;
      for (int i = 0; i < count; ++i) strides[i][0] = 1;
    }
    int64_t s = 1;
    for (int d = axes; d-- > 0; s *= shape[d]) y_strides[d] = s;
  }

  /// Where the element with row-major number `index` over axes [0, last) lies in input i.
  int64_t offset(int i, int64_t index, int last) const {
    int64_t at = 0;
    for (int d = last; d-- > 0; index /= shape[d]) at += index % shape[d] * strides[i][d];
    return at;
  }

  void over_contiguous() const {
    parallel_for(shape[0], GRAIN, [&](int64_t begin, int64_t end) {
      const void* in[MAX_INPUTS];
      for (int i = 0; i < count; ++i) in[i] = data[i] + begin * item[i];
      if (run) run(in, y + begin * y_item, end - begin, a, b);
      else memcpy(y + begin * y_item, in[0], (end - begin) * y_item);
    });
  }

  /// Blocks of up to `slices` entries of one axis, with all axes inside it.
  void over_blocks() const {
    int axis = axes - 1;
    int64_t slice = 1;
    while (axis > 0 && slice * shape[axis] <= BLOCK) slice *= shape[axis--];
    int64_t slices = std::min(shape[axis], BLOCK / slice), pieces = (shape[axis] + slices - 1) / slices;
    bool direct[MAX_INPUTS], repeats[MAX_INPUTS];
    Run call = run;
    for (int i = 0; i < count; ++i) {
      direct[i] = repeats[i] = true;
      bool same = constant != nullptr && call == run;
      for (int d = axes - 1; d >= axis; --d) {
        direct[i] &= strides[i][d] == y_strides[d] || (d == axis && slices == 1);
        same &= strides[i][d] == 0 || (d == axis && slices == 1);
      }
      for (int d = 0; d <= axis; ++d) repeats[i] &= strides[i][d] == 0;
      if (same && !direct[i]) call = constant[i], direct[i] = true;
    }
    int64_t outer = 1;
    for (int d = 0; d < axis; ++d) outer *= shape[d];
    parallel_for(outer * pieces, GRAIN / (slices * slice), [&](int64_t begin, int64_t end) {
      alignas(64) char block[MAX_INPUTS][BLOCK * 8];
      int64_t filled[MAX_INPUTS] = {};
      for (int64_t t = begin; t < end; ++t) {
        int64_t first = t % pieces * slices, n = std::min(slices, shape[axis] - first);
        char* out = y + (t / pieces * shape[axis] + first) * slice * y_item;
        const void* in[MAX_INPUTS];
        for (int i = 0; i < count; ++i) {
          in[i] = block[i];
          if (filled[i] >= n && repeats[i] && run) continue;
          const char* from = data[i] + (offset(i, t / pieces, axis) + first * strides[i][axis]) * item[i];
          if (direct[i]) {
            in[i] = from;
            continue;
          }
          int64_t extent[MAX_DIMS] = {n};
          for (int d = axis + 1; d < axes; ++d) extent[d - axis] = shape[d];
          by_item(item[i], [&](auto u) {
            using U = decltype(u);
            gather((U*)(run ? block[i] : out), (const U*)from, extent, strides[i] + axis, axes - axis);
          });
          filled[i] = n;
        }
        if (run) call(in, out, n * slice, a, b);
        else if (direct[0]) memcpy(out, in[0], n * slice * y_item);
      }
    });
  }

  /// An input runs along axis q in memory: tiles of q x last axis, so that each cache line is read once.
  void over_tiles(int q) const {
    int last = axes - 1;
    int64_t bands = (shape[q] + TILE_ROWS - 1) / TILE_ROWS, outer = 1;
    for (int d = 0; d < last; ++d)
      if (d != q) outer *= shape[d];
    parallel_for(outer * bands, GRAIN / (TILE_ROWS * shape[last]), [&](int64_t begin, int64_t end) {
      alignas(64) char tile[MAX_INPUTS][BLOCK * 8];
      for (int64_t t = begin; t < end; ++t) {
        int64_t r0 = t % bands * TILE_ROWS, rows = std::min(TILE_ROWS, shape[q] - r0);
        int64_t y_at = r0 * y_strides[q], at[MAX_INPUTS], index = t / bands;
        for (int i = 0; i < count; ++i) at[i] = r0 * strides[i][q];
        for (int d = last; d-- > 0;) {
          if (d == q) continue;
          int64_t k = index % shape[d];
          index /= shape[d];
          y_at += k * y_strides[d];
          for (int i = 0; i < count; ++i) at[i] += k * strides[i][d];
        }
        for (int64_t c0 = 0; c0 < shape[last]; c0 += TILE_COLUMNS) {
          int64_t columns = std::min(TILE_COLUMNS, shape[last] - c0);
          char* out = y + (y_at + c0) * y_item;
          for (int i = 0; i < count; ++i) {
            int64_t s = strides[i][last];
            if (s == 1 && run) continue;
            by_item(item[i], [&](auto u) {
              using U = decltype(u);
              gather_tile((U*)(run ? tile[i] : out), run ? TILE_COLUMNS : y_strides[q], (const U*)data[i] + at[i] + c0 * s, rows,
                          columns, strides[i][q], s);
            });
          }
          if (!run) continue;
          for (int64_t r = 0; r < rows; ++r) {
            const void* in[MAX_INPUTS];
            for (int i = 0; i < count; ++i)
              in[i] = strides[i][last] == 1 ? data[i] + (at[i] + r * strides[i][q] + c0) * item[i]
                                            : tile[i] + r * TILE_COLUMNS * item[i];
            run(in, out + r * y_strides[q] * y_item, columns, a, b);
          }
        }
      }
    });
  }

  void go() const {
    bool contiguous = axes == 1;
    for (int i = 0; i < count; ++i) contiguous &= strides[i][0] == 1;
    if (contiguous) return over_contiguous();
    int last = axes - 1;
    for (int i = 0; i < count; ++i) {
      if (strides[i][last] == 0 || strides[i][last] == 1 || shape[last] < TILE_ROWS) continue;
      for (int q = 0; q < last; ++q)
        if (strides[i][q] == 1 && shape[q] >= 8) return over_tiles(q);
    }
    over_blocks();
  }
};

}  // namespace

void walk(const Strided* const* inputs, int count, const Out& y, Run run, double a, double b, const Run* constant) {
  if (y.size == 0) return;
  for (int i = 0; i < count; ++i) {
    expect(inputs[i]->ndim == y.ndim, "inputs must be broadcast to the output's shape");
    for (int d = 0; d < y.ndim; ++d) expect(inputs[i]->shape[d] == y.shape[d], "inputs must be broadcast to the output's shape");
  }
  Walk(inputs, count, y, run, a, b, constant).go();
}

}  // namespace pydl
