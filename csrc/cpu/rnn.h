#pragma once
// What the recurrent kernels share: time, in the packed layout of sequences sorted by length, and vectors over features.
#include <vector>

#include "../array.h"
#include "../simd_math.h"
#include "gemm_packed.h"
#include "parallel.h"

namespace pydl {

/// Rows of all steps one after the other: step t has sizes[t] rows, one for each sequence that is long enough; sequences
/// are sorted by falling length. `reverse`: time runs from the last step to the first.
struct Sequence {
  std::vector<int64_t> start;  // first row of each step, and the end
  bool reverse;

  Sequence(const std::vector<int64_t>& sizes, bool reverse, int64_t batch, int64_t rows) : start(1, 0), reverse(reverse) {
    for (size_t t = 0; t < sizes.size(); ++t) {
      expect(sizes[t] >= 0 && sizes[t] <= (t ? sizes[t - 1] : batch), "rnn: batch sizes must not grow, nor pass the batch");
      start.push_back(start.back() + sizes[t]);
    }
    expect(start.back() == rows, "rnn: batch sizes add up to the rows of x");
  }
  int64_t steps() const { return int64_t(start.size()) - 1; }
  int64_t size(int64_t t) const { return start[t + 1] - start[t]; }

  /// step(t, rows): for each step, in the order of time or against it, the sequences [begin, begin + rows) that it has.
  template <class F> void each(int64_t begin, int64_t end, bool against_time, F step) const {
    for (int64_t i = 0; i < steps(); ++i) {
      const int64_t t = reverse != against_time ? steps() - 1 - i : i;
      if (const int64_t rows = std::min(end, size(t)) - begin; rows > 0) step(t, rows);
    }
  }
  /// Row of sequence b one step before t in time, or -1 where t is its first.
  int64_t before(int64_t t, int64_t b) const {
    const int64_t s = reverse ? t + 1 : t - 1;
    return s < 0 || s >= steps() || b >= size(s) ? -1 : start[s] + b;
  }
};

/// A thread takes this many sequences through all of time by itself: no thread waits for another within a step.
constexpr int64_t SEQUENCES = 16;

/// f(c, n) for features c, c + 1, ..., c + n - 1 in whole vectors and a rest.
template <class T, class F> PYDL_INLINE void features(int64_t count, F f) {
  for (int64_t c = 0; c < count; c += LANES<T>) f(c, int(std::min<int64_t>(LANES<T>, count - c)));
}

template <class T> void copy_rows(const T* from, int64_t from_row, T* to, int64_t to_row, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r) std::copy(from + r * from_row, from + r * from_row + columns, to + r * to_row);
}

/// previous[row] = the state before each row: that of the step before, or the initial one.
template <class T> void gather_previous(const Sequence& s, const T* states, const T* initial, T* previous, int64_t columns) {
  for (int64_t t = 0; t < s.steps(); ++t)
    for (int64_t b = 0; b < s.size(t); ++b) {
      const int64_t row = s.before(t, b);
      const T* from = row < 0 ? initial + b * columns : states + row * columns;
      std::copy(from, from + columns, previous + (s.start[t] + b) * columns);
    }
}

/// C (m, n) = Aᵀ B over all rows of A (rows, m) and B (rows, n): the gradient of weights that every step used.
template <class T> void weight_gradient(const T* a, int64_t m, const T* b, int64_t n, int64_t rows, T* c) {
  Gemm<T> g;
  g.m = m, g.n = n, g.k = rows;
  g.a = View<T>{a, m, 1}.transposed(), g.b = {b, n, 1}, g.c = c, g.c_row = n;
  gemm(g);
}

}  // namespace pydl
