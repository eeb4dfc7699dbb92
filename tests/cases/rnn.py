import numpy as np

import pydl
from pydl.ops import rnn
from pydl.testing import Case


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def layer(step, states):
    """The numpy form of one direction: step(rows of x, states, *weights) gives the new states, the first is the output."""

    def run(x, *arguments, sizes, reverse):
        held = [np.array(s) for s in arguments[:states]]
        weights = arguments[states:]
        y = np.empty((x.shape[0], held[0].shape[1]), x.dtype)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        for t in range(len(sizes))[:: -1 if reverse else 1]:
            n = sizes[t]
            for s, new in zip(held, step(x[starts[t] : starts[t + 1]], *(s[:n] for s in held), *weights), strict=True):
                s[:n] = new
            y[starts[t] : starts[t + 1]] = held[0][:n]
        return (y, *held)

    return run


def lstm_step(x, h, c, weight, projection=None):
    i, f, g, o = np.split(x + h @ weight.T, 4, 1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (h if projection is None else h @ projection.T), c


def gru_step(x, h, weight, bias=None):
    (xr, xz, xn), (hr, hz, hn) = np.split(x, 3, 1), np.split(h @ weight.T, 3, 1)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    n = np.tanh(xn + r * (hn if bias is None else hn + bias))
    return ((1 - z) * n + z * h,)


def rnn_step(f):
    return lambda x, h, weight: (f(x + h @ weight.T),)


def _lstm(x, h, c, weight, projection=None, **attrs):
    return rnn._lstm(x, h, c, weight, projection, **attrs)


def _gru(x, h, weight, bias=None, **attrs):
    return rnn._gru(x, h, weight, bias, **attrs)


def _tanh(*tensors, **attrs):
    return rnn._rnn(*tensors, relu=False, **attrs)


def _relu(*tensors, **attrs):
    return rnn._rnn(*tensors, relu=True, **attrs)


def weight(*shape):
    """Weights under which the state neither vanishes nor explodes."""
    return lambda rng: rng.standard_normal(shape) / np.sqrt(shape[-1])


CASES = [
    Case(name, function, ((sum(sizes), gates * h), (sizes[0], p or h), *more(h, p, sizes[0])), oracle,
         attrs={"sizes": sizes, "reverse": reverse}, peer=False)
    for sizes, h, p in [
        ((3, 3), 5, 0), ((2, 2, 2), 33, 0), ((19, 17, 4, 1), 6, 0), ((4, 3, 3), 7, 3), ((1,), 1, 0), ((0, 0), 3, 0)
    ]
    for reverse in (False, True)
    for name, function, gates, oracle, more in [
        ("lstm", _lstm, 4, layer(lstm_step, 2),
         lambda h, p, b: ((b, h), weight(4 * h, p or h), *((weight(p, h),) if p else ()))),
        *((
            ("gru", _gru, 3, layer(gru_step, 1), lambda h, p, b: (weight(3 * h, h), (h,))),
            ("gru", _gru, 3, layer(gru_step, 1), lambda h, p, b: (weight(3 * h, h),)),
            ("rnn", _tanh, 1, layer(rnn_step(np.tanh), 1), lambda h, p, b: (weight(h, h),)),
            ("rnn", _relu, 1, layer(rnn_step(lambda x: np.maximum(x, 0)), 1), lambda h, p, b: (weight(h, h),)),
        ) if not p else ()),
    ]
]  # fmt: skip

CASES += [
    Case("lstm_cell", lambda x, h, c, *w: pydl.lstm_cell(x, (h, c), *w),
         ((3, 4), (3, 5), (3, 5), (20, 4), (20, 5), (20,), (20,)),
         lambda x, h, c, wi, wh, bi, bh: lstm_step(x @ wi.T + bi + bh, h, c, wh)),
    Case("lstm_cell", lambda x, h, c, *w: pydl.lstm_cell(x, (h, c), *w), ((3, 4), (3, 5), (3, 5), (20, 4), (20, 5)),
         lambda x, h, c, wi, wh: lstm_step(x @ wi.T, h, c, wh)),
    Case("gru_cell", lambda *t: pydl.gru_cell(*t), ((3, 4), (3, 5), (15, 4), (15, 5), (15,), (15,)),
         lambda x, h, wi, wh, bi, bh: gru_step(x @ wi.T + bi + np.pad(bh[:10], (0, 5)), h, wh, bh[10:])[0]),
    Case("rnn_tanh_cell", lambda *t: pydl.rnn_tanh_cell(*t), ((3, 4), (3, 5), (5, 4), (5, 5), (5,), (5,)),
         lambda x, h, wi, wh, bi, bh: np.tanh(x @ wi.T + bi + h @ wh.T + bh)),
    Case("rnn_relu_cell", lambda *t: pydl.rnn_relu_cell(*t), ((3, 4), (3, 5), (5, 4), (5, 5), (5,), (5,)),
         lambda x, h, wi, wh, bi, bh: np.maximum(x @ wi.T + bi + h @ wh.T + bh, 0)),
]  # fmt: skip
