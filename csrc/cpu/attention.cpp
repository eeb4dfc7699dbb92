// Masked attention in blocks (Dao et al. 2022): the scores of one block of queries against one block of keys are all that
// exists at a time, so memory grows with the length, not with its square.
#include <cmath>
#include <limits>

#include "../kernels.h"
#include "../philox.h"
#include "gemm.h"
#include "parallel.h"

namespace pydl {
namespace {

constexpr int64_t QUERIES = 64, KEYS = 256;  // a block of scores: 64 KB in float32, which stays in the second cache

/// The arguments that both passes read. Axes: q (B, H, L, E), k (B, G, S, E), v (B, G, S, D), mask (B, H, L, S) or absent.
template <class T> struct Attention {
  Strided q, k, v, mask;
  T scale;
  bool causal;
  double dropout;
  uint64_t seed, offset;

  int64_t heads() const { return q.dim(1); }
  int64_t queries() const { return q.dim(2); }
  int64_t keys() const { return k.dim(2); }
  int64_t group(int64_t h) const { return h / (heads() / k.dim(1)); }
  /// Keys that some query of [i, i + rows) sees.
  int64_t visible(int64_t i, int64_t rows) const { return causal ? std::min(keys(), i + rows) : keys(); }

  static View<T> matrix(const Strided& x, int64_t b, int64_t h) {
    auto stride = [&](int i) { return x.dim(i) == 1 ? 1 : x.strides[i]; };
    return {x.ptr<T>() + b * x.strides[0] + h * x.strides[1], stride(2), stride(3)};
  }

  /// s (rows, KEYS) = scale q kᵀ + mask for queries i.. and keys j..; -inf where a key is hidden.
  void scores(int64_t b, int64_t h, int64_t i, int64_t rows, int64_t j, int64_t columns, T* s) const {
    Gemm<T> g;
    g.m = rows, g.n = columns, g.k = q.dim(3);
    g.a = matrix(q, b, h).from(i, 0), g.b = matrix(k, b, group(h)).transposed().from(0, j);
    g.c = s, g.c_row = KEYS;
    gemm(g);
    constexpr T hidden = -std::numeric_limits<T>::infinity();
    for (int64_t r = 0; r < rows; ++r) {
      T* row = s + r * KEYS;
      for (int64_t c = 0; c < columns; ++c) row[c] *= scale;
      if (mask) {
        const int64_t step = mask.strides[3];
        const int64_t at = b * mask.strides[0] + h * mask.strides[1] + (i + r) * mask.strides[2] + j * step;
        if (mask.dtype == Dtype::b8) {
          const bool* m = mask.ptr<bool>() + at;
          for (int64_t c = 0; c < columns; ++c) row[c] = m[c * step] ? row[c] : hidden;
        } else {
          const T* m = mask.ptr<T>() + at;
          for (int64_t c = 0; c < columns; ++c) row[c] += m[c * step];
        }
      }
      if (causal)
        for (int64_t c = std::max<int64_t>(0, i + r + 1 - j); c < columns; ++c) row[c] = hidden;
    }
  }

  /// row[c] *= keep / (1 - dropout): element (b, h, i, j) has the same fate in both passes.
  void drop(int64_t b, int64_t h, int64_t i, int64_t j, int64_t columns, T* row) const {
    const uint64_t first = uint64_t((b * heads() + h) * queries() + i) * uint64_t(keys()) + uint64_t(j);
    const uint64_t threshold = dropout_threshold(dropout);
    const T kept = dropout < 1 ? T(1 / (1 - dropout)) : T(0);
    uint32_t word[4];
    for (int64_t c = 0; c < columns; ++c) {
      const uint64_t element = first + uint64_t(c);
      if (c == 0 || element % 4 == 0) philox(seed, offset + element / 4, word);
      row[c] = word[element % 4] >= threshold ? row[c] * kept : T(0);
    }
  }
};

/// row[c] = exp(row[c] - shift); returns the sum. exp(-inf) is 0: a hidden key.
template <class T> T exponentials(T* row, int64_t columns, T shift) {
  constexpr int L = LANES<T>;
  vec<T> sum{};
  for (int64_t c = 0; c < columns; c += L) {
    const int n = int(std::min<int64_t>(L, columns - c));
    store_n(row + c, vexp(load_n(row + c, n) - shift), n);
    sum += load_n(row + c, n);  // the lanes beyond the row count as 0
  }
  return hsum<T>(sum);
}

/// The larger of m and the row's values; NaN wins.
template <class T> T maximum_of(const T* row, int64_t columns, T m) {
  for (int64_t c = 0; c < columns; ++c) m = row[c] > m || row[c] != row[c] ? row[c] : m;
  return m;
}

template <class T> Attention<T> arguments(const Strided& q, const Strided& k, const Strided& v, const Strided& mask, double scale,
                                          bool causal, double dropout, uint64_t seed, uint64_t offset) {
  expect(q.ndim == 4 && k.ndim == 4 && v.ndim == 4 && (!mask || mask.ndim == 4), "attention: four axes");
  expect(q.dtype == k.dtype && q.dtype == v.dtype, "attention: one dtype");
  expect(!mask || mask.dtype == Dtype::b8 || mask.dtype == q.dtype, "attention: mask is bool or of q's dtype");
  expect(k.dim(0) == q.dim(0) && v.dim(0) == q.dim(0) && v.dim(1) == k.dim(1), "attention: batch and groups");
  expect(k.dim(1) > 0 && q.dim(1) % k.dim(1) == 0, "attention: heads are a multiple of the groups");
  expect(k.dim(3) == q.dim(3) && v.dim(2) == k.dim(2), "attention: lengths and features");
  expect(!mask || (mask.dim(0) == q.dim(0) && mask.dim(1) == q.dim(1) && mask.dim(2) == q.dim(2) && mask.dim(3) == k.dim(2)),
         "attention: mask is broadcast to (B, H, L, S)");
  return {q, k, v, mask, T(scale), causal, dropout, seed, offset};
}

}  // namespace

void attention_forward(Strided q, Strided k, Strided v, Strided mask, Out y, Out lse, double scale, bool causal, double dropout,
                       uint64_t seed, uint64_t offset) {
  by_float(y, [&](auto t) {
    using T = decltype(t);
    const auto at = arguments<T>(q, k, v, mask, scale, causal, dropout, seed, offset);
    const int64_t H = at.heads(), L = at.queries(), D = v.dim(3);
    expect(y.dtype == q.dtype && y.size == q.dim(0) * H * L * D && lse.size == q.dim(0) * H * L && lse.dtype == y.dtype,
           "attention: results");
    const int64_t blocks = (L + QUERIES - 1) / QUERIES;
    parallel_for(q.dim(0) * H * blocks, 1, [&](int64_t task, int64_t) {
      const int64_t b = task / (H * blocks), h = task / blocks % H, i = task % blocks * QUERIES;
      const int64_t rows = std::min(QUERIES, L - i), seen = at.visible(i, rows);
      T* s = scratch<T>(2, QUERIES * KEYS);
      T* out = y.ptr<T>() + ((b * H + h) * L + i) * D;
      T largest[QUERIES], total[QUERIES] = {};
      std::fill(largest, largest + rows, -std::numeric_limits<T>::infinity());
      std::fill(out, out + rows * D, T(0));
      for (int64_t j = 0; j < seen; j += KEYS) {
        const int64_t columns = std::min(KEYS, seen - j);
        at.scores(b, h, i, rows, j, columns, s);
        for (int64_t r = 0; r < rows; ++r) {
          T* row = s + r * KEYS;
          const T m = maximum_of(row, columns, largest[r]);
          const T shift = std::isinf(m) && m < 0 ? T(0) : m;  // nothing visible yet: every exponential is 0
          const T rescale = std::exp(largest[r] - shift);     // the sums so far were relative to the old maximum
          total[r] = total[r] * rescale + exponentials(row, columns, shift);
          if (rescale != T(1))
            for (int64_t d = 0; d < D; ++d) out[r * D + d] *= rescale;
          if (dropout > 0) at.drop(b, h, i + r, j, columns, row);
          largest[r] = m;
        }
        Gemm<T> g;
        g.m = rows, g.n = D, g.k = columns;
        g.a = {s, KEYS, 1}, g.b = at.matrix(v, b, at.group(h)).from(j, 0);
        g.c = out, g.c_row = D, g.accumulate = true;
        gemm(g);
      }
      for (int64_t r = 0; r < rows; ++r) {
        // A row without a visible key gives zeros, and with lse = +inf all its gradients are zeros too.
        const bool empty = total[r] == T(0);
        const T inverse = empty ? T(0) : T(1) / total[r];
        for (int64_t d = 0; d < D; ++d) out[r * D + d] *= inverse;
        lse.ptr<T>()[(b * H + h) * L + i + r] = empty ? std::numeric_limits<T>::infinity() : largest[r] + std::log(total[r]);
      }
    });
  });
}

/// With P = exp(S - lse), M the dropout mask and O = (P M) V:
/// gV = (P M)ᵀ gO, gP = (gO Vᵀ) M, gS = P (gP - rowsum(gO O)), gQ = scale gS K, gK = scale gSᵀ Q.
void attention_backward(Strided q, Strided k, Strided v, Strided mask, In y, In lse, In gy, Out gq, Out gk, Out gv, double scale,
                        bool causal, double dropout, uint64_t seed, uint64_t offset) {
  by_float(y, [&](auto t) {
    using T = decltype(t);
    const auto at = arguments<T>(q, k, v, mask, scale, causal, dropout, seed, offset);
    const int64_t H = at.heads(), G = k.dim(1), L = at.queries(), S = at.keys(), E = q.dim(3), D = v.dim(3);
    expect(y.size == q.dim(0) * H * L * D && gy.size == y.size && lse.size == q.dim(0) * H * L, "attention: results");
    expect(gq.size == q.size && gk.size == k.size && gv.size == v.size, "attention: gradients are like the inputs");
    // One task owns the keys and values of a group, so that their gradients are summed by one thread in one order.
    parallel_for(q.dim(0) * G, 1, [&](int64_t task, int64_t) {
      const int64_t b = task / G, group = task % G;
      T *p = scratch<T>(2, QUERIES * KEYS), *ds = scratch<T>(3, QUERIES * KEYS);
      T *key_gradient = gk.ptr<T>() + task * S * E, *value_gradient = gv.ptr<T>() + task * S * D;
      std::fill(key_gradient, key_gradient + S * E, T(0));
      std::fill(value_gradient, value_gradient + S * D, T(0));
      const View<T> keys = at.matrix(k, b, group), values = at.matrix(v, b, group);
      for (int64_t h = group * (H / G); h < (group + 1) * (H / G); ++h) {
        for (int64_t i = 0; i < L; i += QUERIES) {
          const int64_t rows = std::min(QUERIES, L - i), seen = at.visible(i, rows), first = (b * H + h) * L + i;
          const T *go = gy.ptr<T>() + first * D, *o = y.ptr<T>() + first * D, *logs = lse.ptr<T>() + first;
          T* query_gradient = gq.ptr<T>() + first * E;
          std::fill(query_gradient, query_gradient + rows * E, T(0));
          T mean[QUERIES];
          for (int64_t r = 0; r < rows; ++r) {
            mean[r] = 0;
            for (int64_t d = 0; d < D; ++d) mean[r] += go[r * D + d] * o[r * D + d];
          }
          for (int64_t j = 0; j < seen; j += KEYS) {
            const int64_t columns = std::min(KEYS, seen - j);
            auto product = [](int64_t m, int64_t n, int64_t inner, View<T> a, View<T> b, T* c, int64_t c_row, bool add) {
              Gemm<T> g;
              g.m = m, g.n = n, g.k = inner, g.a = a, g.b = b, g.c = c, g.c_row = c_row, g.accumulate = add;
              gemm(g);
            };
            at.scores(b, h, i, rows, j, columns, p);
            product(rows, columns, D, {go, D, 1}, values.from(j, 0).transposed(), ds, KEYS, false);
            for (int64_t r = 0; r < rows; ++r) {
              T *pr = p + r * KEYS, *dr = ds + r * KEYS;
              exponentials(pr, columns, logs[r]);
              if (dropout > 0) at.drop(b, h, i + r, j, columns, dr);
              for (int64_t c = 0; c < columns; ++c) dr[c] = pr[c] * (dr[c] - mean[r]) * at.scale;
              if (dropout > 0) at.drop(b, h, i + r, j, columns, pr);
            }
            const View<T> weights{p, KEYS, 1}, slopes{ds, KEYS, 1};
            product(columns, D, rows, weights.transposed(), {go, D, 1}, value_gradient + j * D, D, true);
            product(rows, E, columns, slopes, keys.from(j, 0), query_gradient, E, true);
            product(columns, E, rows, slopes.transposed(), at.matrix(q, b, h).from(i, 0), key_gradient + j * E, E, true);
          }
        }
      }
    });
  });
}

}  // namespace pydl
