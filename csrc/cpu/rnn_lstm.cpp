// One direction of an LSTM layer over whole sequences (Hochreiter and Schmidhuber 1997; Sak, Senior, Beaufays 2014 for the
// projection). The input's share of the gates comes ready made, from one product for all steps.
#include "../kernels.h"
#include "rnn.h"

namespace pydl {
namespace {

/// Gates in the order i, f, g, o: c = f c' + i g, hidden = o tanh(c). `gates` holds the sums before the nonlinearity.
template <class T>
void lstm_row(const T* gates, T* cell, T* hidden, T* activated, T* cells, int64_t H) {
  features<T>(H, [&](int64_t c, int n) {
    vec<T> i = vsigmoid(load_n(gates + c, n)), f = vsigmoid(load_n(gates + H + c, n));
    vec<T> g = vtanh(load_n(gates + 2 * H + c, n)), o = vsigmoid(load_n(gates + 3 * H + c, n));
    vec<T> state = f * load_n(cell + c, n) + i * g;
    store_n(cell + c, state, n), store_n(cells + c, state, n);
    store_n(hidden + c, o * vtanh(state), n);
    store_n(activated + c, i, n), store_n(activated + H + c, f, n);
    store_n(activated + 2 * H + c, g, n), store_n(activated + 3 * H + c, o, n);
  });
}

/// From the gradient of the hidden state, and of the cell by later steps (in `gcell`), to those of the sums before the
/// gates; gcell becomes the gradient of the cell one step before.
template <class T>
void lstm_row_backward(const T* activated, const T* cell, const T* before, const T* ghidden, T* gcell, T* ggates, int64_t H) {
  features<T>(H, [&](int64_t c, int n) {
    vec<T> i = load_n(activated + c, n), f = load_n(activated + H + c, n);
    vec<T> g = load_n(activated + 2 * H + c, n), o = load_n(activated + 3 * H + c, n);
    vec<T> tanh_cell = vtanh(load_n(cell + c, n)), gh = load_n(ghidden + c, n);
    vec<T> gc = load_n(gcell + c, n) + gh * o * (T(1) - tanh_cell * tanh_cell);
    store_n(ggates + c, gc * g * i * (T(1) - i), n);
    store_n(ggates + H + c, gc * load_n(before + c, n) * f * (T(1) - f), n);
    store_n(ggates + 2 * H + c, gc * i * (T(1) - g * g), n);
    store_n(ggates + 3 * H + c, gh * tanh_cell * o * (T(1) - o), n);
    store_n(gcell + c, gc * f, n);
  });
}

}  // namespace

void lstm_forward(In x, In h0, In c0, In weight, In projection, Out y, Out h, Out c, Out gates, Out cells,
                  std::vector<int64_t> sizes, bool reverse) {
  by_float(x, [&](auto t) {
    using T = decltype(t);
    const int64_t B = h0.dim(0), P = h0.dim(1), H = c0.dim(1), N = x.dim(0);
    const Sequence time(sizes, reverse, B, N);
    expect(x.dim(1) == 4 * H && c0.dim(0) == B && weight.size == 4 * H * P, "lstm: shapes of gates, state and weight");
    expect(projection ? projection.size == P * H : P == H, "lstm: shape of the projection");
    expect(y.size == N * P && h.size == B * P && c.size == B * H && gates.size == x.size && cells.size == N * H,
           "lstm: shapes of the results");
    const PackedMatrix<T> recurrent(View<T>{weight.ptr<T>(), P, 1}.transposed(), P, 4 * H);
    const PackedMatrix<T> project(View<T>{projection.ptr<T>(), H, 1}.transposed(), H, projection ? P : 0);
    const int64_t width = recurrent.padded(), out_width = projection ? project.padded() : H;
    parallel_for(B, SEQUENCES, [&](int64_t begin, int64_t end) {
      const int64_t count = end - begin;
      T *state = scratch<T>(2, count * P), *cell = scratch<T>(3, count * H), *sums = scratch<T>(4, count * width);
      T *hidden = scratch<T>(5, count * H), *out = projection ? scratch<T>(6, count * out_width) : hidden;
      copy_rows(h0.ptr<T>() + begin * P, P, state, P, count, P);
      copy_rows(c0.ptr<T>() + begin * H, H, cell, H, count, H);
      time.each(begin, end, false, [&](int64_t t, int64_t rows) {
        const int64_t row = time.start[t] + begin;
        copy_rows(x.ptr<T>() + row * 4 * H, 4 * H, sums, width, rows, 4 * H);
        recurrent.add_product(rows, state, P, sums, width);
        for (int64_t r = 0; r < rows; ++r)
          lstm_row(sums + r * width, cell + r * H, hidden + r * H, gates.ptr<T>() + (row + r) * 4 * H,
                   cells.ptr<T>() + (row + r) * H, H);
        if (projection) {
          std::fill(out, out + rows * out_width, T(0));
          project.add_product(rows, hidden, H, out, out_width);
        }
        copy_rows(out, out_width, state, P, rows, P);
        copy_rows(out, out_width, y.ptr<T>() + row * P, P, rows, P);
      });
      copy_rows(state, P, h.ptr<T>() + begin * P, P, count, P);
      copy_rows(cell, H, c.ptr<T>() + begin * H, H, count, H);
    });
  });
}

void lstm_backward(In h0, In c0, In weight, In projection, In y, In gates, In cells, In gy, In gh, In gc, Out gx, Out gh0,
                   Out gc0, Out gweight, Out gprojection, std::vector<int64_t> sizes, bool reverse) {
  by_float(gates, [&](auto t) {
    using T = decltype(t);
    const int64_t B = h0.dim(0), P = h0.dim(1), H = c0.dim(1), N = gates.dim(0);
    const Sequence time(sizes, reverse, B, N);
    expect(gates.size == N * 4 * H && cells.size == N * H && y.size == N * P && gy.size == N * P, "lstm: saved shapes");
    expect(gh.size == B * P && gc.size == B * H && weight.size == 4 * H * P, "lstm: shapes of the gradients");
    expect(gx.size == gates.size && gh0.size == h0.size && gc0.size == c0.size && gweight.size == weight.size,
           "lstm: shapes of the results");
    const PackedMatrix<T> recurrent({weight.ptr<T>(), P, 1}, 4 * H, P);
    const PackedMatrix<T> project({projection.ptr<T>(), H, 1}, P, projection ? H : 0);
    const int64_t width = recurrent.padded(), hidden_width = projection ? project.padded() : H;
    std::vector<T> outputs(projection ? N * P : 0), hidden(projection ? N * H : 0), previous(N * P);
    parallel_for(B, SEQUENCES, [&](int64_t begin, int64_t end) {
      const int64_t count = end - begin;
      T *gstate = scratch<T>(2, count * width), *gcell = scratch<T>(3, count * H);
      T* ghidden = scratch<T>(4, count * std::max(hidden_width, P));
      copy_rows(gh.ptr<T>() + begin * P, P, gstate, width, count, P);
      copy_rows(gc.ptr<T>() + begin * H, H, gcell, H, count, H);
      time.each(begin, end, true, [&](int64_t t, int64_t rows) {
        const int64_t row = time.start[t] + begin;
        for (int64_t r = 0; r < rows; ++r) {
          const T* g = gy.ptr<T>() + (row + r) * P;
          for (int64_t p = 0; p < P; ++p) gstate[r * width + p] += g[p];
        }
        if (projection) {
          copy_rows(gstate, width, outputs.data() + row * P, P, rows, P);
          std::fill(ghidden, ghidden + rows * hidden_width, T(0));
          project.add_product(rows, gstate, width, ghidden, hidden_width);
        } else {
          copy_rows(gstate, width, ghidden, hidden_width, rows, P);
        }
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t at = row + r, before = time.before(t, begin + r);
          const T* cell_before = before < 0 ? c0.ptr<T>() + (begin + r) * H : cells.ptr<T>() + before * H;
          const T *activated = gates.ptr<T>() + at * 4 * H, *cell = cells.ptr<T>() + at * H;
          lstm_row_backward(activated, cell, cell_before, ghidden + r * hidden_width, gcell + r * H, gx.ptr<T>() + at * 4 * H, H);
          if (projection)
            features<T>(H, [&](int64_t c, int n) {
              store_n(hidden.data() + at * H + c, load_n(activated + 3 * H + c, n) * vtanh(load_n(cell + c, n)), n);
            });
        }
        std::fill(gstate, gstate + rows * width, T(0));
        recurrent.add_product(rows, gx.ptr<T>() + row * 4 * H, 4 * H, gstate, width);
      });
      copy_rows(gstate, width, gh0.ptr<T>() + begin * P, P, count, P);
      copy_rows(gcell, H, gc0.ptr<T>() + begin * H, H, count, H);
    });
    gather_previous(time, y.ptr<T>(), h0.ptr<T>(), previous.data(), P);
    weight_gradient(gx.ptr<T>(), 4 * H, previous.data(), P, N, gweight.ptr<T>());
    if (projection) weight_gradient(outputs.data(), P, hidden.data(), H, N, gprojection.ptr<T>());
  });
}

}  // namespace pydl
