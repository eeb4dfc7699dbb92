#include <cmath>
#include <stdexcept>
#include <string>

#include "../kernels.h"
#include "lines.h"
#include "parallel.h"

// Cross entropy of logits x (N, C, S) and labels (N, S). With w the class weights, t the label and e the label smoothing:
//   loss = (1 - e) w[t] (log_sum - (x[t] - max)) + e / C sum_c w[c] (log_sum - (x[c] - max)),
// divided by the sum of the w[t] for the mean; labels equal to ignore_index count nothing. The maximum and the logarithm of the
// sum of exponentials are kept apart, for their sum would round off the loss of large logits.
namespace pydl {

void check_labels(In target, int64_t classes, int64_t ignore_index) {
  expect(target.dtype == Dtype::i64, "labels must be int64");
  const int64_t* t = target.ptr<int64_t>();
  auto outside = [&](int64_t i) { return (uint64_t(t[i]) >= uint64_t(classes)) & (t[i] != ignore_index); };
  bool any = false;  // without an early exit, so that the loop is one of vectors
  for (int64_t i = 0; i < target.size; ++i) any |= outside(i);
  if (!any) return;
  int64_t i = 0;
  while (!outside(i)) ++i;
  std::string place;
  int64_t rest = i;
  for (int a = target.ndim - 1; a >= 0; --a) {
    place = std::to_string(rest % target.dim(a)) + (place.empty() ? "" : ", ") + place;
    rest /= target.dim(a);
  }
  throw std::out_of_range("label " + std::to_string(t[i]) + " at position (" + place + ") is outside [0, " +
                          std::to_string(classes) + ") and not ignore_index " + std::to_string(ignore_index));
}

namespace {

enum Reduction { NONE, MEAN, SUM };

/// Work in lines: row n where S = 1, else LANES positions of a sample side by side.
template <class T> struct Lines {
  static constexpr int L = LANES<T>;
  int64_t N, C, S, strips;
  explicit Lines(const Array& x) { N = x.dim(0), C = x.dim(1), S = x.count(2, x.ndim), strips = S == 1 ? 1 : (S + L - 1) / L; }
  int64_t count() const { return N * strips; }
  int64_t grain() const { return GRAIN / 4 / (C * (S == 1 ? 1 : L) + 1) + 1; }
  int64_t sample(int64_t line) const { return line / strips; }
  int64_t position(int64_t line) const { return line % strips * L; }  // in S; 0 for rows
  int lanes(int64_t line) const { return S == 1 ? 1 : int(std::min<int64_t>(L, S - position(line))); }
  int64_t label(int64_t line) const { return sample(line) * S + position(line); }  // index of its first label
  int64_t offset(int64_t line) const { return sample(line) * C * S + position(line); }
};

void expect_loss(const Array& x, const Array& target, const Array& weight, const Array& max, const Array& log_sum,
                 const Array& total_weight, const Array& y, int64_t reduction) {
  expect(x.ndim >= 2 && target.size == x.dim(0) * x.count(2, x.ndim),
         "x needs the axes (N, C, ...), and each of (N, ...) a label");
  expect(!weight || (weight.size == x.dim(1) && weight.dtype == x.dtype), "weight needs one element a class, in x's dtype");
  expect(max.size == target.size && log_sum.size == target.size && max.dtype == x.dtype && log_sum.dtype == x.dtype,
         "max and log_sum need one element a label, in x's dtype");
  expect(total_weight.size == 1 && total_weight.dtype == x.dtype, "total_weight needs one element, in x's dtype");
  expect(y.dtype == x.dtype && y.size == (reduction == NONE ? target.size : 1), "loss needs one element a label or one in all");
}

/// sum_c w[c] (log_sum - (x[c] - max)) of a row
template <class T> T smooth_row(const T* x, const T* w, int64_t C, T max, T log_sum) {
  vec<T> sum{};
  each_vector<T>(C, [&](int64_t c, int n) {
    vec<T> v = log_sum - (load_n(x + c, n) - max);
    sum += keep_n<T>(w ? v * load_n(w + c, n) : v, n);
  });
  return hsum<T>(sum);
}

}  // namespace

void cross_entropy_forward(In x, In target, In weight, Out loss, Out max, Out log_sum, Out total_weight, int64_t ignore_index,
                           double label_smoothing, int64_t reduction) {
  expect_loss(x, target, weight, max, log_sum, total_weight, loss, reduction);
  check_labels(target, x.dim(1), ignore_index);
  by_float(x, [&](auto type) {
    using T = decltype(type);
    const Lines<T> shape(x);
    const T *w = weight.ptr<T>(), e = T(label_smoothing), share = T(label_smoothing / double(shape.C));
    const int64_t grain = shape.grain(), chunks = (shape.count() + grain - 1) / grain;
    double* sums = scratch<double>(0, size_t(2 * chunks + 1));  // loss and weight of each chunk
    parallel_for(shape.count(), grain, [&](int64_t begin, int64_t end) {
      double total = 0, total_w = 0;
      auto add = [&](int64_t i, int64_t t, T xt, T m, T log_s, T smooth) {  // label i
        max.ptr<T>()[i] = m, log_sum.ptr<T>()[i] = log_s;
        const T wt = t == ignore_index ? T(0) : w ? w[t] : T(1);
        const T l = t == ignore_index ? T(0)
                    : e == T(0)       ? wt * (log_s - (xt - m))
                                      : (T(1) - e) * wt * (log_s - (xt - m)) + share * smooth;
        total += l, total_w += wt;
        if (reduction == NONE) loss.ptr<T>()[i] = l;
      };
      for (int64_t line = begin; line < end; ++line) {
        const T* in = x.ptr<T>() + shape.offset(line);
        const int64_t first = shape.label(line), *t = target.ptr<int64_t>() + first;
        if (shape.S == 1) {
          if (*t == ignore_index) {
            add(first, *t, 0, 0, 0, 0);
            continue;
          }
          const T m = row_max(in, shape.C);
          const T log_s = std::log(row_exp_sum(in, shape.C, m, [](vec<T> p, int64_t, int) { return p; }));
          add(first, *t, in[*t], m, log_s, e == T(0) ? T(0) : smooth_row(in, w, shape.C, m, log_s));
          continue;
        }
        const int lanes = shape.lanes(line);
        const vec<T> m = column_max(in, shape.C, shape.S, lanes);
        const vec<T> log_s = vlog(column_exp_sum(in, shape.C, shape.S, lanes, m, [](vec<T> p, int64_t) { return p; }));
        vec<T> smooth{};
        if (e != T(0))
          for (int64_t c = 0; c < shape.C; ++c) {
            vec<T> v = log_s - (load_n(in + c * shape.S, lanes) - m);
            smooth += w ? v * w[c] : v;
          }
        for (int j = 0; j < lanes; ++j)
          add(first + j, t[j], t[j] == ignore_index ? T(0) : in[t[j] * shape.S + j], m[j], log_s[j], smooth[j]);
      }
      sums[begin / grain * 2] = total, sums[begin / grain * 2 + 1] = total_w;
    });
    double total = 0, total_w = 0;
    for (int64_t i = 0; i < chunks; ++i) total += sums[2 * i], total_w += sums[2 * i + 1];
    *total_weight.ptr<T>() = T(total_w);
    if (reduction != NONE) *loss.ptr<T>() = T(reduction == MEAN ? total / total_w : total);
  });
}

/// gx[c] = g (k softmax(x)[c] - e / C w[c] - (1 - e) w[t] [c = t]), k = (1 - e) w[t] + e / C sum(w), g the loss's gradient
void cross_entropy_backward(In x, In target, In weight, In max, In log_sum, In total_weight, In gy, Out gx, int64_t ignore_index,
                            double label_smoothing, int64_t reduction) {
  expect_loss(x, target, weight, max, log_sum, total_weight, gy, reduction);
  expect_same(x, gx, "gx must be like x");
  check_labels(target, x.dim(1), ignore_index);
  by_float(x, [&](auto type) {
    using T = decltype(type);
    const Lines<T> shape(x);
    constexpr int L = LANES<T>;
    const T *w = weight.ptr<T>(), e = T(label_smoothing), share = T(label_smoothing / double(shape.C));
    double sum_w = w ? 0 : double(shape.C);
    if (w)
      for (int64_t c = 0; c < shape.C; ++c) sum_w += w[c];
    const T all = T(label_smoothing / double(shape.C) * sum_w);
    const T common = reduction == MEAN ? *gy.ptr<T>() / *total_weight.ptr<T>() : reduction == SUM ? *gy.ptr<T>() : T(0);
    parallel_for(shape.count(), shape.grain(), [&](int64_t begin, int64_t end) {
      for (int64_t line = begin; line < end; ++line) {
        const T* in = x.ptr<T>() + shape.offset(line);
        T* out = gx.ptr<T>() + shape.offset(line);
        const int64_t first = shape.label(line), *t = target.ptr<int64_t>() + first;
        const T *m = max.ptr<T>() + first, *log_s = log_sum.ptr<T>() + first;
        const int lanes = shape.lanes(line);
        T g[L], hit[L];  // of each label: the loss's gradient, and what the label's own class loses
        for (int j = 0; j < L; ++j) {
          const bool used = j < lanes && t[j] != ignore_index;
          g[j] = used ? reduction == NONE ? gy.ptr<T>()[first + j] : common : T(0);
          hit[j] = used ? g[j] * ((T(1) - e) * (w ? w[t[j]] : T(1))) : T(0);
        }
        if (shape.S == 1) {
          if (*t == ignore_index) {
            std::fill(out, out + shape.C, T(0));
            continue;
          }
          const T k = hit[0] + g[0] * all, s = g[0] * share, mx = *m, ls = *log_s;
          each_vector<T>(shape.C, [&](int64_t c, int n) {
            vec<T> v = k * vexp((load_n(in + c, n) - mx) - ls);
            if (e != T(0)) v -= w ? s * load_n(w + c, n) : splat(s);
            store_n(out + c, v, n);
          });
          out[*t] -= hit[0];
          continue;
        }
        const vec<T> gs = load(g), k = load(hit) + gs * all, s = gs * share, mx = load_n(m, lanes), ls = load_n(log_s, lanes);
        for (int64_t c = 0; c < shape.C; ++c) {
          vec<T> v = k * vexp((load_n(in + c * shape.S, lanes) - mx) - ls);
          if (e != T(0)) v -= w ? s * w[c] : s;
          store_n(out + c * shape.S, k == T(0) ? vec<T>{} : v, lanes);  // an ignored position stays 0 beside infinite logits
        }
        for (int j = 0; j < lanes; ++j)
          if (t[j] != ignore_index) out[t[j] * shape.S + j] -= hit[j];
      }
    });
  });
}

}  // namespace pydl
