// One direction of an Elman or GRU layer over whole sequences. The input's share of the sums comes ready made, from one
// product for all steps.
#include "rnn.h"

#include "../functors.h"
#include "../kernels.h"

namespace pydl {
namespace {

/// h = f(x + W h'), f tanh or relu; y keeps every h.
template <class T, class Rule>
void elman_forward(const Array& x, const Array& h0, const Array& weight, const Array& y, const Array& h, const Sequence& time) {
  const int64_t B = h0.dim(0), H = h0.dim(1);
  const PackedMatrix<T> recurrent(View<T>{weight.ptr<T>(), H, 1}.transposed(), H, H);
  const int64_t width = recurrent.padded();
  parallel_for(B, SEQUENCES, [&](int64_t begin, int64_t end) {
    const int64_t count = end - begin;
    T *state = scratch<T>(2, count * H), *sums = scratch<T>(3, count * width);
    copy_rows(h0.ptr<T>() + begin * H, H, state, H, count, H);
    time.each(begin, end, false, [&](int64_t t, int64_t rows) {
      const int64_t row = time.start[t] + begin;
      copy_rows(x.ptr<T>() + row * H, H, sums, width, rows, H);
      recurrent.add_product(rows, state, H, sums, width);
      for (int64_t r = 0; r < rows; ++r)
        features<T>(H, [&](int64_t c, int n) {
          store_n(state + r * H + c, Rule::value(load_n(sums + r * width + c, n), T(0), T(0)), n);
        });
      copy_rows(state, H, y.ptr<T>() + row * H, H, rows, H);
    });
    copy_rows(state, H, h.ptr<T>() + begin * H, H, count, H);
  });
}

template <class T, class Rule>
void elman_backward(const Array& h0, const Array& weight, const Array& y, const Array& gy, const Array& gh, const Array& gx,
                    const Array& gh0, const Array& gweight, const Sequence& time) {
  static_assert(Rule::from_y, "the slope is computed from the output, which is what is kept");
  const int64_t B = h0.dim(0), H = h0.dim(1), N = y.dim(0);
  const PackedMatrix<T> recurrent({weight.ptr<T>(), H, 1}, H, H);
  const int64_t width = recurrent.padded();
  parallel_for(B, SEQUENCES, [&](int64_t begin, int64_t end) {
    const int64_t count = end - begin;
    T* gstate = scratch<T>(2, count * width);
    copy_rows(gh.ptr<T>() + begin * H, H, gstate, width, count, H);
    time.each(begin, end, true, [&](int64_t t, int64_t rows) {
      const int64_t row = time.start[t] + begin;
      for (int64_t r = 0; r < rows; ++r)
        features<T>(H, [&](int64_t c, int n) {
          const int64_t at = (row + r) * H + c;
          vec<T> g = load_n(gstate + r * width + c, n) + load_n(gy.ptr<T>() + at, n);
          store_n(gx.ptr<T>() + at, g * Rule::slope(load_n(y.ptr<T>() + at, n), T(0), T(0)), n);
        });
      std::fill(gstate, gstate + rows * width, T(0));
      recurrent.add_product(rows, gx.ptr<T>() + row * H, H, gstate, width);
    });
    copy_rows(gstate, width, gh0.ptr<T>() + begin * H, H, count, H);
  });
  std::vector<T> previous(N * H);
  gather_previous(time, y.ptr<T>(), h0.ptr<T>(), previous.data(), H);
  weight_gradient(gx.ptr<T>(), H, previous.data(), H, N, gweight.ptr<T>());
}

}  // namespace

void rnn_forward(In x, In h0, In weight, Out y, Out h, bool relu, std::vector<int64_t> sizes, bool reverse) {
  by_float(x, [&](auto t) {
    using T = decltype(t);
    const Sequence time(sizes, reverse, h0.dim(0), x.dim(0));
    const int64_t H = h0.dim(1);
    expect(x.dim(1) == H && weight.size == H * H && y.size == x.size && h.size == h0.size, "rnn: shapes");
    relu ? elman_forward<T, rules::relu>(x, h0, weight, y, h, time) : elman_forward<T, rules::tanh>(x, h0, weight, y, h, time);
  });
}

void rnn_backward(In h0, In weight, In y, In gy, In gh, Out gx, Out gh0, Out gweight, bool relu, std::vector<int64_t> sizes,
                  bool reverse) {
  by_float(y, [&](auto t) {
    using T = decltype(t);
    const Sequence time(sizes, reverse, h0.dim(0), y.dim(0));
    expect(gy.size == y.size && gh.size == h0.size && gx.size == y.size && gh0.size == h0.size && gweight.size == weight.size,
           "rnn: shapes of the gradients");
    relu ? elman_backward<T, rules::relu>(h0, weight, y, gy, gh, gx, gh0, gweight, time)
         : elman_backward<T, rules::tanh>(h0, weight, y, gy, gh, gx, gh0, gweight, time);
  });
}

/// Gates r, z and candidate n (Cho et al. 2014, with the reset gate after the product as in cuDNN and PyTorch):
/// n = tanh(x_n + r (W_n h' + bias)), h = (1 - z) n + z h'. `gates` keeps r, z, n; `inner` keeps W_n h' + bias.
void gru_forward(In x, In h0, In weight, In bias, Out y, Out h, Out gates, Out inner, std::vector<int64_t> sizes, bool reverse) {
  by_float(x, [&](auto t) {
    using T = decltype(t);
    const int64_t B = h0.dim(0), H = h0.dim(1), N = x.dim(0);
    const Sequence time(sizes, reverse, B, N);
    expect(x.dim(1) == 3 * H && weight.size == 3 * H * H && (!bias || bias.size == H), "gru: shapes of gates and weight");
    expect(y.size == N * H && h.size == B * H && gates.size == x.size && inner.size == N * H, "gru: shapes of the results");
    const PackedMatrix<T> recurrent(View<T>{weight.ptr<T>(), H, 1}.transposed(), H, 3 * H);
    const int64_t width = recurrent.padded();
    parallel_for(B, SEQUENCES, [&](int64_t begin, int64_t end) {
      const int64_t count = end - begin;
      T *state = scratch<T>(2, count * H), *sums = scratch<T>(3, count * width);
      copy_rows(h0.ptr<T>() + begin * H, H, state, H, count, H);
      time.each(begin, end, false, [&](int64_t t, int64_t rows) {
        const int64_t row = time.start[t] + begin;
        std::fill(sums, sums + rows * width, T(0));
        recurrent.add_product(rows, state, H, sums, width);
        for (int64_t r = 0; r < rows; ++r) {
          const T *s = sums + r * width, *in = x.ptr<T>() + (row + r) * 3 * H;
          T *kept = gates.ptr<T>() + (row + r) * 3 * H, *hn = inner.ptr<T>() + (row + r) * H;
          features<T>(H, [&](int64_t c, int n) {
            vec<T> reset = vsigmoid(load_n(in + c, n) + load_n(s + c, n));
            vec<T> update = vsigmoid(load_n(in + H + c, n) + load_n(s + H + c, n));
            vec<T> product = load_n(s + 2 * H + c, n);
            if (bias) product += load_n(bias.ptr<T>() + c, n);
            vec<T> candidate = vtanh(load_n(in + 2 * H + c, n) + reset * product), old = load_n(state + r * H + c, n);
            store_n(state + r * H + c, candidate + update * (old - candidate), n);
            store_n(kept + c, reset, n), store_n(kept + H + c, update, n), store_n(kept + 2 * H + c, candidate, n);
            store_n(hn + c, product, n);
          });
        }
        copy_rows(state, H, y.ptr<T>() + row * H, H, rows, H);
      });
      copy_rows(state, H, h.ptr<T>() + begin * H, H, count, H);
    });
  });
}

void gru_backward(In h0, In weight, In y, In gates, In inner, In gy, In gh, Out gx, Out gh0, Out gweight, Out gbias,
                  std::vector<int64_t> sizes, bool reverse) {
  by_float(y, [&](auto t) {
    using T = decltype(t);
    const int64_t B = h0.dim(0), H = h0.dim(1), N = y.dim(0);
    const Sequence time(sizes, reverse, B, N);
    expect(gates.size == N * 3 * H && inner.size == N * H && gy.size == y.size && gh.size == h0.size, "gru: saved shapes");
    expect(gx.size == gates.size && gh0.size == h0.size && gweight.size == weight.size && (!gbias || gbias.size == H),
           "gru: shapes of the results");
    const PackedMatrix<T> recurrent({weight.ptr<T>(), H, 1}, 3 * H, H);
    const int64_t width = recurrent.padded();
    std::vector<T> previous(N * H), products(N * 3 * H);  // products: gradients of W h', which r scales for the candidate
    gather_previous(time, y.ptr<T>(), h0.ptr<T>(), previous.data(), H);
    parallel_for(B, SEQUENCES, [&](int64_t begin, int64_t end) {
      const int64_t count = end - begin;
      T *gstate = scratch<T>(2, count * width), *direct = scratch<T>(3, count * H);
      copy_rows(gh.ptr<T>() + begin * H, H, gstate, width, count, H);
      time.each(begin, end, true, [&](int64_t t, int64_t rows) {
        const int64_t row = time.start[t] + begin;
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t at = row + r;
          const T *kept = gates.ptr<T>() + at * 3 * H, *hn = inner.ptr<T>() + at * H, *old = previous.data() + at * H;
          T *out = gx.ptr<T>() + at * 3 * H, *gp = products.data() + at * 3 * H;
          features<T>(H, [&](int64_t c, int n) {
            vec<T> reset = load_n(kept + c, n), update = load_n(kept + H + c, n), candidate = load_n(kept + 2 * H + c, n);
            vec<T> g = load_n(gstate + r * width + c, n) + load_n(gy.ptr<T>() + at * H + c, n);
            vec<T> gn = g * (T(1) - update) * (T(1) - candidate * candidate);
            vec<T> gz = g * (load_n(old + c, n) - candidate) * update * (T(1) - update);
            vec<T> gr = gn * load_n(hn + c, n) * reset * (T(1) - reset);
            store_n(direct + r * H + c, g * update, n);
            store_n(out + c, gr, n), store_n(out + H + c, gz, n), store_n(out + 2 * H + c, gn, n);
            store_n(gp + c, gr, n), store_n(gp + H + c, gz, n), store_n(gp + 2 * H + c, gn * reset, n);
          });
        }
        std::fill(gstate, gstate + rows * width, T(0));
        copy_rows(direct, H, gstate, width, rows, H);
        recurrent.add_product(rows, products.data() + row * 3 * H, 3 * H, gstate, width);
      });
      copy_rows(gstate, width, gh0.ptr<T>() + begin * H, H, count, H);
    });
    weight_gradient(products.data(), 3 * H, previous.data(), H, N, gweight.ptr<T>());
    if (gbias)
      for (int64_t c = 0; c < H; ++c) {
        T sum = 0;
        for (int64_t row = 0; row < N; ++row) sum += products[row * 3 * H + 2 * H + c];
        gbias.ptr<T>()[c] = sum;
      }
  });
}

}  // namespace pydl
