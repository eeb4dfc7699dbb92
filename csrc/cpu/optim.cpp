// One call updates all parameters of a group: they are walked as if they lay one behind the other, in chunks whose
// borders depend on the sizes alone, each element read and written once.
#include "../kernels.h"
#include "../simd_math.h"
#include "parallel.h"

namespace pydl {
namespace {

template <class List>
void check(const List& list, const Outs& params, const char* what) {
  expect(list.size() == params.size(), what);
  for (size_t i = 0; i < params.size(); ++i) expect(list[i].size == params[i].size && list[i].dtype == params[0].dtype, what);
}

/// f(i, begin, end): elements [begin, end) of array i, for all arrays of the list; f never sees an empty piece.
template <class List, class F>
void for_pieces(const List& list, F f) {
  std::vector<int64_t> ends;
  ends.reserve(list.size());
  int64_t total = 0;
  for (auto& a : list) ends.push_back(total += a.size);
  parallel_for(total, GRAIN, [&](int64_t begin, int64_t end) {
    size_t i = size_t(std::upper_bound(ends.begin(), ends.end(), begin) - ends.begin());
    while (begin < end) {
      int64_t start = ends[i] - list[i].size, stop = std::min(end, ends[i]);
      if (begin < stop) f(i, begin - start, stop - start);
      begin = stop, ++i;
    }
  });
}

/// f(k, n) for n elements from k on, n = LANES but for the last: a partial vector goes through the same instructions.
template <class T, class F>
PYDL_INLINE void by_vectors(int64_t begin, int64_t end, F f) {
  constexpr int L = LANES<T>;
  int64_t k = begin;
  for (; k + L <= end; k += L) f(k, L);
  if (k < end) f(k, int(end - k));
}

/// The gradient as an optimizer takes it: with its sign turned to maximize, with the derivative of weight_decay/2
/// |p|^2.
template <class T>
PYDL_INLINE vec<T> gradient(const T* grad, int64_t k, int n, vec<T> p, bool maximize, T weight_decay) {
  vec<T> g = load_n(grad + k, n);
  if (maximize) g = -g;
  return g + weight_decay * p;
}

struct Sums {
  double at[LANES<float>] = {};
};

}  // namespace

void sgd(Outs params, Ins grads, Outs momentum_buffers, double lr_, double momentum_, double dampening, bool nesterov,
         double weight_decay, bool maximize, bool first) {
  if (params.empty()) return;
  check(grads, params, "sgd: gradients must be like the parameters");
  bool heavy = !momentum_buffers.empty();
  if (heavy) check(momentum_buffers, params, "sgd: momentum buffers must be like the parameters");
  by_float(params[0], [&](auto t) {
    using T = decltype(t);
    const T lr = T(lr_), momentum = T(momentum_), fresh = T(1 - dampening), decay = T(weight_decay);
    for_pieces(params, [&](size_t i, int64_t begin, int64_t end) {
      T *param = params[i].ptr<T>(), *buffer = heavy ? momentum_buffers[i].ptr<T>() : nullptr;
      const T* grad = grads[i].ptr<T>();
      by_vectors<T>(begin, end, [=](int64_t k, int n) {
        vec<T> p = load_n(param + k, n), g = gradient(grad, k, n, p, maximize, decay);
        if (heavy) {
          vec<T> v = first ? g : momentum * load_n(buffer + k, n) + fresh * g;
          store_n(buffer + k, v, n);
          g = nesterov ? g + momentum * v : v;
        }
        store_n(param + k, vec<T>(p - lr * g), n);
      });
    });
  });
}

void adam(Outs params, Ins grads, Outs first_moments, Outs second_moments, Outs largest_moments, std::vector<double> steps,
          double lr_, double beta1, double beta2, double eps_, double weight_decay, bool decoupled, bool maximize) {
  if (params.empty()) return;
  check(grads, params, "adam: gradients must be like the parameters");
  check(first_moments, params, "adam: first moments must be like the parameters");
  check(second_moments, params, "adam: second moments must be like the parameters");
  bool amsgrad = !largest_moments.empty();
  if (amsgrad) check(largest_moments, params, "adam: largest second moments must be like the parameters");
  expect(steps.size() == params.size(), "adam: one step count a parameter");
  by_float(params[0], [&](auto t) {
    using T = decltype(t);
    const T fresh1 = T(1 - beta1), old2 = T(beta2), fresh2 = T(1 - beta2), eps = T(eps_);
    const T decay = T(decoupled ? 0 : weight_decay), shrink = T(decoupled ? 1 - lr_ * weight_decay : 1);
    for_pieces(params, [&](size_t i, int64_t begin, int64_t end) {
      T *param = params[i].ptr<T>(), *m1 = first_moments[i].ptr<T>(), *m2 = second_moments[i].ptr<T>();
      T* largest = amsgrad ? largest_moments[i].ptr<T>() : nullptr;
      const T* grad = grads[i].ptr<T>();
      // the moments begin at 0; dividing by 1 - beta^step takes the bias towards it out
      const T size = T(lr_ / (1 - std::pow(beta1, steps[i])));
      const T root = T(1 / std::sqrt(1 - std::pow(beta2, steps[i])));
      by_vectors<T>(begin, end, [=](int64_t k, int n) {
        vec<T> p = load_n(param + k, n), g = gradient(grad, k, n, p, maximize, decay);
        vec<T> m = load_n(m1 + k, n), v = load_n(m2 + k, n);
        m = m + fresh1 * (g - m);
        v = old2 * v + fresh2 * g * g;
        store_n(m1 + k, m, n);
        store_n(m2 + k, v, n);
        if (amsgrad) {
          vec<T> old = load_n(largest + k, n);
          v = v > old || v != v ? v : old;
          store_n(largest + k, v, n);
        }
        store_n(param + k, vec<T>(shrink * p - size * m / (vsqrt(v) * root + eps)), n);
      });
    });
  });
}

void rmsprop(Outs params, Ins grads, Outs square_averages, Outs momentum_buffers, Outs grad_averages, double lr_, double alpha_,
             double eps_, double weight_decay, double momentum_, bool eps_inside_sqrt, bool maximize) {
  if (params.empty()) return;
  check(grads, params, "rmsprop: gradients must be like the parameters");
  check(square_averages, params, "rmsprop: averages of squares must be like the parameters");
  bool heavy = !momentum_buffers.empty(), centred = !grad_averages.empty();
  if (heavy) check(momentum_buffers, params, "rmsprop: momentum buffers must be like the parameters");
  if (centred) check(grad_averages, params, "rmsprop: averages of gradients must be like the parameters");
  by_float(params[0], [&](auto t) {
    using T = decltype(t);
    const T lr = T(lr_), alpha = T(alpha_), fresh = T(1 - alpha_), momentum = T(momentum_), decay = T(weight_decay);
    const T inside = T(eps_inside_sqrt ? eps_ : 0), outside = T(eps_inside_sqrt ? 0 : eps_);
    for_pieces(params, [&](size_t i, int64_t begin, int64_t end) {
      T *param = params[i].ptr<T>(), *squares = square_averages[i].ptr<T>();
      T* buffer = heavy ? momentum_buffers[i].ptr<T>() : nullptr;
      T* means = centred ? grad_averages[i].ptr<T>() : nullptr;
      const T* grad = grads[i].ptr<T>();
      by_vectors<T>(begin, end, [=](int64_t k, int n) {
        vec<T> p = load_n(param + k, n), g = gradient(grad, k, n, p, maximize, decay);
        vec<T> s = alpha * load_n(squares + k, n) + fresh * g * g;
        store_n(squares + k, s, n);
        if (centred) {
          vec<T> m = load_n(means + k, n);
          m = m + fresh * (g - m);
          store_n(means + k, m, n);
          s = s - m * m;
        }
        vec<T> step = g / (vsqrt(s + inside) + outside);
        if (heavy) {
          step = momentum * load_n(buffer + k, n) + step;
          store_n(buffer + k, step, n);
        }
        store_n(param + k, vec<T>(p - lr * step), n);
      });
    });
  });
}

void adagrad(Outs params, Ins grads, Outs sums, std::vector<double> steps, double lr, double lr_decay, double eps_,
             double weight_decay, double beta_, bool eps_inside_sqrt, bool maximize) {
  if (params.empty()) return;
  check(grads, params, "adagrad: gradients must be like the parameters");
  check(sums, params, "adagrad: sums must be like the parameters");
  expect(steps.size() == params.size(), "adagrad: one step count a parameter");
  by_float(params[0], [&](auto t) {
    using T = decltype(t);
    const T beta = T(beta_), decay = T(weight_decay);
    const T inside = T(eps_inside_sqrt ? eps_ : 0), outside = T(eps_inside_sqrt ? 0 : eps_);
    for_pieces(params, [&](size_t i, int64_t begin, int64_t end) {
      T *param = params[i].ptr<T>(), *sum = sums[i].ptr<T>();
      const T* grad = grads[i].ptr<T>();
      const T size = T(lr / (1 + (steps[i] - 1) * lr_decay));
      by_vectors<T>(begin, end, [=](int64_t k, int n) {
        vec<T> p = load_n(param + k, n), g = gradient(grad, k, n, p, maximize, decay);
        vec<T> s = load_n(sum + k, n) + beta * g * g;
        store_n(sum + k, s, n);
        store_n(param + k, vec<T>(p - size * g / (vsqrt(s + inside) + outside)), n);
      });
    });
  });
}

void moving_average(Outs averages, Ins values, double decay) {
  if (averages.empty()) return;
  check(values, averages, "moving_average: values must be like the averages");
  by_float(averages[0], [&](auto t) {
    using T = decltype(t);
    const T fresh = T(1 - decay);
    for_pieces(averages, [&](size_t i, int64_t begin, int64_t end) {
      T* average = averages[i].ptr<T>();
      const T* value = values[i].ptr<T>();
      by_vectors<T>(begin, end, [=](int64_t k, int n) {
        vec<T> a = load_n(average + k, n);
        store_n(average + k, vec<T>(a + fresh * (load_n(value + k, n) - a)), n);
      });
    });
  });
}

void scale_all(Outs arrays, double factor) {
  if (arrays.empty()) return;
  check(arrays, arrays, "scale_all: the arrays must have one dtype");
  by_float(arrays[0], [&](auto t) {
    using T = decltype(t);
    for_pieces(arrays, [&](size_t i, int64_t begin, int64_t end) {
      T* x = arrays[i].ptr<T>();
      by_vectors<T>(begin, end, [=](int64_t k, int n) { store_n(x + k, vec<T>(T(factor) * load_n(x + k, n)), n); });
    });
  });
}

/// In double, whatever the arrays hold: large gradients do not overflow, and the order of the sum is that of the
/// elements.
void sum_of_squares(Ins arrays, Out result) {
  expect(result.size == 1 && result.dtype == Dtype::f64, "sum_of_squares: the result is one float64");
  int64_t total = 0;
  for (auto& a : arrays) {
    expect(a.dtype == arrays[0].dtype, "sum_of_squares: the arrays must have one dtype");
    total += a.size;
  }
  double sum = 0;
  if (total)
    by_float(arrays[0], [&](auto t) {
      using T = decltype(t);
      // each piece lies in one chunk of GRAIN elements of the whole row of arrays
      std::vector<int64_t> starts;
      int64_t at = 0;
      for (auto& a : arrays) starts.push_back(at), at += a.size;
      std::vector<Sums> partial(size_t((total + GRAIN - 1) / GRAIN));
      for_pieces(arrays, [&](size_t i, int64_t begin, int64_t end) {
        Sums& mine = partial[size_t((starts[i] + begin) / GRAIN)];
        const T* x = arrays[i].ptr<T>();
        constexpr int L = LANES<float>;
        int64_t k = begin;
        for (; k + L <= end; k += L) PYDL_UNROLL for (int j = 0; j < L; ++j) mine.at[j] += double(x[k + j]) * double(x[k + j]);
        for (int j = 0; k < end; ++k, ++j) mine.at[j] += double(x[k]) * double(x[k]);
      });
      for (auto& p : partial)
        for (int width = LANES<float> / 2; width; width /= 2)
          for (int j = 0; j < width; ++j) p.at[j] += p.at[j + width];
      for (auto& p : partial) sum += p.at[0];
    });
  *result.ptr<double>() = sum;
}

}  // namespace pydl
